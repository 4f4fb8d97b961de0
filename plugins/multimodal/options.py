"""What can be set for the task: ``task.*`` and its columns in ``data.*``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from medplug.core.config import Section
from medplug.core.errors import ConfigError
from medplug.core.fields import AlsoColumns, Column, LabelColumns
from medplug.core.images.options import ImageDataConfig, ImagePaths
from medplug.plugins.multimodal import sample_columns

SLOTS = ("text", "image", "tabular", "signal", "genes")
"""The modalities of a patient, by the key ``data.*`` that names their columns."""


def _one_without_brackets(names: Any) -> Any:
    return (names,) if isinstance(names, str) else names


Columns = Annotated[tuple[Column, ...], BeforeValidator(_one_without_brackets)]
"""Columns by their names or by patterns; one may be written without brackets."""


class MultimodalOptions(Section):
    """The options ``task.*``: what is predicted."""

    target: Literal["auto", "binary", "multiclass", "multilabel", "regression", "survival", "treatment"] = Field(
        default="auto",
        description="what is predicted; auto: with data.time survival, with data.treatment treatment, several labels a "
        "row multilabel, two classes binary, more multiclass",
    )
    outcome: Literal["auto", "binary", "regression"] = Field(
        default="auto",
        description="with data.treatment: what data.label holds; auto: binary where it has two values, else a number",
    )
    better: Literal["higher", "lower"] | None = Field(
        default=None,
        description="with data.treatment: which outcomes are wanted, higher or lower ones (of two classes: more or "
        "fewer rows of the positive class)",
    )
    positive: str | None = Field(
        default=None,
        description="the positive class of a binary target or outcome; unset: 1, yes, true, positive, 阳性 ...",
    )
    separator: str = Field(
        default=";", min_length=1, description="what stands between the labels of one cell, with task.target=multilabel"
    )
    deduplicate: bool = Field(
        default=True, description="drop training rows that repeat every input and the label (of treatments none)"
    )


class MultimodalData(ImageDataConfig):
    """The options ``data.*``: the tables, the columns of each modality and of the label, and how files are read.

    A modality is in use where its key names columns. Where neither a table nor
    a modality is given these are the columns of the built-in sample.
    """

    text: Column | None = Field(default=None, description="the column of the note")
    image: ImagePaths | None = Field(
        default=None, description="the column of the image's path, or a pattern of columns, as images/{id}.png"
    )
    tabular: Columns = Field(
        default=(),
        description='the columns of the values, as ["age","sex"]; a name may be a pattern ("lab_*"), and "*" means '
        "every column that no other key names",
    )
    categorical: Columns = Field(
        default=(),
        description="columns of data.tabular whose numbers are codes of categories (columns with words are categories "
        "anyway)",
    )
    signal: Column | tuple[Column, ...] | None = Field(
        default=None,
        description="the column of the signal (a path, or the samples), or the columns of its samples in order, as "
        '["t_*"]',
    )
    genes: Columns = Field(default=(), description='the columns of gene values, as ["gene_*"]: many numbers, few rows')
    label: LabelColumns = Field(
        default="label",
        description='the column of the label, or for multilabel a list of 0/1 columns: data.label=["mass","edema"]',
    )
    also: AlsoColumns = Field(
        default={},
        description='further columns of labels to learn along, as ["sex"] or {"length_of_stay":"regression"} (auto, '
        "binary, multiclass, multilabel, regression); a cell may be empty",
    )
    time: Column | None = Field(
        default=None, description="with data.event: the column of the time until the event, or until last seen"
    )
    event: Column | None = Field(
        default=None, description="with data.time: the column that says whether the event came (1) or not (0)"
    )
    treatment: Column | None = Field(
        default=None, description="the column that says which treatment was given; data.label is then what came of it"
    )
    rate: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="samples a second of signals whose files do not say it",
    )

    @property
    def in_use(self) -> tuple[str, ...]:
        """The slots whose key names columns, in the order of `SLOTS`."""
        return tuple(slot for slot in SLOTS if getattr(self, slot))

    @property
    def labelled_by(self) -> tuple[str, ...]:
        """The columns of what is predicted."""
        if self.time is not None and self.event is not None:
            return self.time, self.event
        if self.treatment is not None and isinstance(self.label, str):
            return self.treatment, self.label
        return (self.label,) if isinstance(self.label, str) else self.label

    @model_validator(mode="before")
    @classmethod
    def _columns_of_the_sample(cls, keys: Any) -> Any:
        if not isinstance(keys, Mapping):
            return keys
        named = any(isinstance(keys.get(slot), str | list | tuple) and keys[slot] for slot in SLOTS)
        if named or any(keys.get(table) is not None for table in ("train", "source")):
            return keys
        return {**keys, "tabular": sample_columns.COLUMNS, "signal": sample_columns.SIGNAL}

    @model_validator(mode="after")
    def _modalities(self) -> MultimodalData:
        if not self.in_use:
            raise ValueError(
                f"name the columns of at least one modality: {', '.join(f'data.{slot}' for slot in SLOTS)}, as in "
                'data.text=note data.tabular=["age","sex"]'
            )
        if self.categorical and not self.tabular:
            raise ValueError(
                "data.categorical names columns that are among data.tabular, which is not given; give both"
            )
        if (self.time is None) is not (self.event is None):
            raise ValueError("data.time and data.event go together: a time, and whether the event came then; give both")
        if self.treatment is not None and not (isinstance(self.label, str) and self.time is None):
            raise ValueError("data.treatment goes with one column data.label, its outcome, and without data.time")
        if self.treatment == self.label:
            raise ValueError("data.treatment and data.label name the same column; a treatment and its outcome are two")
        self._check_label()
        return self

    def _check_label(self) -> None:
        """Refuse a label that is an input as well, and one that is to be learned twice."""
        twice = set(self.labelled_by).intersection(self.also)
        if twice:
            raise ValueError(f"data.also names {min(twice)!r}, which is what is predicted anyway; take it out of there")
        for slot in self.in_use:
            named = getattr(self, slot)
            both = {*self.labelled_by, *self.also}.intersection((named,) if isinstance(named, str) else named)
            if both:
                raise ValueError(f"data.{slot} names {min(both)!r}, which is what is predicted; take it out of there")


def check_treatment(options: MultimodalOptions, data: MultimodalData, kind: str) -> None:
    """Raise `ConfigError` where the keys of a treatment do not go together, or do not say which outcomes are wanted."""
    if (data.treatment is not None) is not (kind == "treatment"):
        raise ConfigError(
            "task.target=treatment needs data.treatment=COLUMN, and data.label=COLUMN for its outcome"
            if data.treatment is None
            else f"data.treatment is for task.target=treatment (or auto), not for task.target={options.target}"
        )
    if kind == "treatment" and options.better is None:
        raise ConfigError(
            f"task.better is not given: say which values of the outcome {data.label} are wanted, task.better=higher or "
            "task.better=lower (of two classes: more or fewer rows of the positive class, task.positive)"
        )
    for key, given in (("better", options.better is not None), ("outcome", options.outcome != "auto")):
        if given and kind != "treatment":
            raise ConfigError(
                f"task.{key} is about the outcome of a treatment; give data.treatment=COLUMN, or leave it"
            )
