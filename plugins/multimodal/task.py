"""The task: any of a patient's modalities in, a diagnosis, a number or a risk out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from medplug.core.data.also import also_key, also_target, read_also
from medplug.core.data.cells import number_column
from medplug.core.data.classes import Asked, target_of
from medplug.core.data.labels import label_columns, number_label, read_labels
from medplug.core.data.patterns import Pattern
from medplug.core.data.repeats import without_repeats
from medplug.core.data.survival import survival_column
from medplug.core.data.targets import Target
from medplug.core.data.treatment import Outcome, outcome_of, treatment_column, treatment_target
from medplug.core.errors import ConfigError
from medplug.core.evaluation.reported import reported
from medplug.core.images.references import needed_columns
from medplug.core.plain.features import PlainFeatures, TreeFeatures
from medplug.core.plain.image import PlainImage
from medplug.core.plain.joint import PlainJoint, TreeJoint
from medplug.core.plain.signal import PlainSignal
from medplug.core.plain.table import PlainTable, TreeTable
from medplug.core.plain.text import PlainText
from medplug.core.signals.table import tabulate
from medplug.core.task import Examples, Task
from medplug.plugins.multimodal.options import SLOTS, check_treatment
from medplug.plugins.multimodal.reading import PatientReader
from medplug.plugins.multimodal.sample import sample
from medplug.plugins.multimodal.schema import TABLES, Schema, named

if TYPE_CHECKING:
    from medplug.core.data.problems import Problems
    from medplug.core.data.tables import Tabular
    from medplug.core.specs import Cell, Modality
    from medplug.plugins.multimodal.options import MultimodalData, MultimodalOptions

MODALITIES: Mapping[str, Modality] = {slot: "tabular" if slot in TABLES else slot for slot in SLOTS}  # type: ignore[misc]
_PLAIN: Mapping[str, type[PlainFeatures]] = {
    **{"text": PlainText, "image": PlainImage, "signal": PlainSignal},
    **{slot: PlainTable for slot in TABLES},
}


class MultimodalDiagnosis(Task):
    """Diagnosis from what there is of a patient: a note, an image, a row of values, a signal, genes.

    With several modalities a row may lack any of them, but not all. With one it
    is a task of plain notes, images, health records or signals.
    """

    sample_is: ClassVar[str] = "real values of 569 patients beside a generated signal"
    options: MultimodalOptions
    data: MultimodalData

    def __init__(self, options: MultimodalOptions, data: MultimodalData) -> None:
        super().__init__(options, data)
        self._schema: Schema | None = None
        self._outcome: Outcome | None = None if options.outcome == "auto" else options.outcome
        if (data.time is not None) is not (self._kind == "survival"):
            asked = f"task.target={options.target}"
            raise ConfigError(
                f"{asked} needs data.time=COLUMN and data.event=COLUMN"
                if data.time is None
                else f"data.time and data.event are for task.target=survival (or auto), not for {asked}"
            )
        check_treatment(options, data, self._kind)

    @property
    def slots(self) -> Mapping[str, Modality]:  # type: ignore[override]
        """The modalities in use: those whose key names columns."""
        return {slot: MODALITIES[slot] for slot in self.data.in_use}

    def columns(self, *, labelled: bool) -> dict[str, str]:
        """The columns of each modality in use and, where rows are labelled, of what is predicted and learned along.

        A pattern stands among them until a table was read.
        """
        needed: dict[str, str] = {}
        for slot in self.slots:
            needed |= self._needed(slot)
        if not labelled:
            return needed
        needed |= {also_key(name): name for name in self.data.also}
        if self.data.time is not None and self.data.event is not None:
            return needed | {"data.time": self.data.time, "data.event": self.data.event}
        if self.data.treatment is not None:
            needed |= {"data.treatment": self.data.treatment}
        return needed | label_columns(self.data.label)

    def _needed(self, slot: str) -> dict[str, str]:
        key, given = f"data.{slot}", getattr(self.data, slot)
        if slot == "image":
            return needed_columns(key, given)
        if isinstance(given, str):
            return {key: given}
        settled = self._schema.names(slot) if self._schema else [Pattern(name) for name in named(self.data, slot)]
        return {f"{key}[{i}]": name for i, name in enumerate(settled)}

    def cells(self) -> dict[str, Cell]:
        """Of files, texts and values; once a table was read it is settled which of these are numbers."""
        numbers = {name for slot in TABLES if slot in self.slots for name in self._numeric(slot)}
        numbers |= set(self._schema.samples) if self._schema else set()
        names = self.columns(labelled=False)
        return {key: "number" if names[key] in numbers else cell for key, cell in super().cells().items()}

    def _numeric(self, slot: str) -> tuple[str, ...]:
        return self._schema.tables[slot].numeric if self._schema else ()

    def tabulate(self, source: Any, key: str) -> Tabular:
        """An ``.npz`` archive of signals or an ARFF file as a table; everything else as it is."""
        column = self.data.signal if isinstance(self.data.signal, str) else "signal"
        table: Tabular = tabulate(source, column, key)
        return table

    def examples(
        self, table: pl.DataFrame, problems: Problems, *, labelled: bool, folder: Path | None = None
    ) -> Examples:
        """The modalities in use, None where a row lacks one, with labels where `labelled`; bad rows go to `problems`.

        The first table settles what patterns mean and which columns of values are
        numbers; in later tables a cell there that is no number is a problem.
        """
        self._schema = self._schema or Schema.of(self.data, table)
        reader = PatientReader(self.data, self._schema, folder, self.scratch, problems, self.report)
        return Examples(
            rows=np.arange(1, table.height + 1, dtype=np.int64),
            inputs=reader.read(table),
            labels=self._labels(table, problems) if labelled else None,
            names=reader.names,
            also=read_also(table, self.data.also, self.options.separator, problems) if labelled else {},
        )

    def learned(self) -> dict[str, Any]:
        """The columns that the first table settled, numbers and categories apart, and what its outcomes are."""
        return {**self._schema.to_json(), "outcome": self._outcome} if self._schema else {}

    def recall(self, learned: Mapping[str, Any]) -> None:
        """Read tables by the columns that another table settled."""
        self._schema = Schema.from_json(learned) if learned else None
        self._outcome = learned.get("outcome")

    def target(self, labels: Sequence[Any]) -> Target:
        """Classes in order, a number, the time to an event, or treatments and their outcome.

        Raises `DataError` where the labels cannot be learned from and
        `ConfigError` where ``task.target`` or ``task.positive`` do not fit them.
        """
        if self.data.event is not None:
            return Target.survival(self.data.event, labels)
        if self._kind == "regression":
            return Target.numeric(number_label(self.data.label), labels)
        if self._kind == "treatment":
            higher = self.options.better == "higher"
            return treatment_target(
                labels, self.data.labelled_by[1], positive=self.options.positive, higher_is_better=higher
            )
        columns = None if isinstance(self.data.label, str) else self.data.label
        return target_of(labels, self._asked, self.options.positive, columns)

    def also_targets(self, train: Examples) -> dict[str, Target]:
        """The targets of ``data.also``; `DataError` where one cannot be learned."""
        return {name: also_target(name, kind, train.also[name]) for name, kind in self.data.also.items()}

    def metrics(self, target: Target) -> tuple[str, ...]:
        """AUROC first of two classes, F1 of more (its mean over rare classes is steadier than AUROC's).

        Of numbers the mean error, of times to an event the concordance index, of treatments the factual loss.
        """
        if target.kind == "treatment":
            other = "factual_mae" if target.binary_outcome else "factual_auroc"
            return tuple(name for name in reported(target.kind) if name != other)
        return reported(target.kind, first={"binary": "auroc", "multilabel": "auroc"}.get(target.kind))

    def plain_features(self) -> PlainFeatures:
        """The simple features of each modality in use, side by side."""
        parts = {slot: _PLAIN[slot]() for slot in self.slots}
        return PlainJoint(parts) if len(parts) > 1 else parts[self.data.in_use[0]]

    def tree_features(self) -> TreeFeatures | None:
        """The rows of values alone: boosted trees are the usual choice for these."""
        parts = {slot: TreeTable() for slot in self.slots if slot in TABLES}
        return (TreeJoint(parts) if len(self.slots) > 1 else TreeTable()) if parts else None

    def tidy(self, train: Examples) -> tuple[Examples, dict[str, int]]:
        """Drop training rows that repeat every input and the label, and count inputs with more than one label.

        Not where treatments are compared: how often rows alike were given an arm is what propensities are learned from.
        """
        contents = [tuple(map(_content, values)) for values in zip(*train.inputs.values(), strict=True)]
        what = self.data.in_use[0] if len(train.inputs) == 1 else "set of inputs"
        drop = self.options.deduplicate and self._kind != "treatment"
        return without_repeats(train, contents, what, drop=drop)

    def sample(self) -> pl.DataFrame:
        """569 rows of real values beside a generated signal, under this task's label column."""
        if len(self.data.labelled_by) > 1:
            raise ConfigError(
                "the built-in sample has one column of labels, and the keys name several; give data.train"
            )
        return sample().rename({"label": self.data.labelled_by[0]})

    @property
    def _kind(self) -> str:
        """``task.target``, where a column of times or of treatments says more than ``auto``."""
        if self.options.target != "auto":
            return self.options.target
        return "survival" if self.data.time is not None else "treatment" if self.data.treatment is not None else "auto"

    @property
    def _asked(self) -> Asked:
        asked = self.options.target
        assert asked != "regression" and asked != "survival" and asked != "treatment", "these have no classes"
        return asked

    def _labels(self, table: pl.DataFrame, problems: Problems) -> list[Any]:
        if self.data.time is not None and self.data.event is not None:
            return list(survival_column(table, self.data.time, self.data.event, problems))
        if self._kind == "regression":
            return list(number_column(table[number_label(self.data.label)], problems))
        if self.data.treatment is not None:
            treatment, label = self.data.labelled_by
            self._outcome = self._outcome or outcome_of(table[label])
            return list(treatment_column(table, treatment, label, self._outcome, problems))
        return read_labels(table, self.data.label, self._asked, self.options.separator, problems)


def _content(value: Any) -> Any:
    """What is equal where two values are; texts by themselves."""
    return value if value is None or isinstance(value, str) else value.digest
