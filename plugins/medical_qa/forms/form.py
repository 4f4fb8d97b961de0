"""What every form of question says of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from medplug.core.data.targets import Target
from medplug.core.errors import ConfigError, UsageError
from medplug.core.evaluation.reported import reported
from medplug.core.plain.features import PlainFeatures
from medplug.core.plain.pair import PlainPair
from medplug.plugins.medical_qa.corpus import is_sample, read
from medplug.plugins.medical_qa.options import MedicalQaData, MedicalQaOptions
from medplug.plugins.medical_qa.reading import tabulated

if TYPE_CHECKING:
    import polars as pl

    from medplug.core.backbone import Backbone
    from medplug.core.data.problems import Problems
    from medplug.core.data.tables import Tabular
    from medplug.core.retrieval.corpus import Corpus

Columns = dict[str, str]
"""Configuration key -> column."""
NEVER_LABELLED = ("INPUT", "data.unlabelled")
"""The keys of tables that hold no answers."""


class Form(ABC):
    """A form of question: how rows are read, what is predicted, what rows share, and a sample of them."""

    shares: ClassVar[str] = "context"
    """What is kept in one split, in words."""

    from_corpus: ClassVar[bool] = False
    """Whether questions are answered from the passages of ``data.corpus``."""

    needs_second: ClassVar[bool] = True
    """Whether a question is always asked of a text."""

    def __init__(self, options: MedicalQaOptions, data: MedicalQaData) -> None:
        self.options = options
        self.data = data

    @abstractmethod
    def columns(self, *, labelled: bool) -> Columns:
        """The columns it needs."""

    def spared(self) -> list[tuple[str, ...]]:
        """Groups of keys of which a table to predict on may lack some, as `Task.columns_of_slots` gives them."""
        return []

    def spared_unlabelled(self) -> list[tuple[str, ...]]:
        """The same for ``data.unlabelled``."""
        return []

    @cached_property
    def corpus(self) -> Corpus | None:
        """The passages of ``data.corpus``, read once; None where there are none.

        `ConfigError` where questions of this form are not answered from a corpus.
        """
        if self.data.corpus is None:
            return None
        if not self.from_corpus:
            if is_sample(self.data):  # the built-in sample names one for all forms
                return None
            raise ConfigError(
                f"data.corpus holds passages to answer from, and task.form={self.options.form} reads none; leave it "
                "out, or use task.form=retrieval or generative"
            )
        return read(self.data)

    def tabulate(self, source: Any, key: str) -> Tabular:
        """What `source` is as a table with the columns that ``data.*`` names."""
        # wrong pairs, and their labels, are made of right ones that have none
        needed = {} if key in NEVER_LABELLED else self.columns(labelled=not self.data.negatives)
        return tabulated(source, key, self.data, form=self.options.form, needed=needed.values())

    @abstractmethod
    def values(self, table: pl.DataFrame, problems: Problems) -> list[Any]:
        """The raw values of the rows; what cannot be read goes to `problems`."""

    @abstractmethod
    def labels(self, table: pl.DataFrame, values: Sequence[Any], problems: Problems) -> list[Any]:
        """The labels of the rows, whose values are known."""

    @abstractmethod
    def target(self, labels: Sequence[Any]) -> Target:
        """What is predicted."""

    def metrics(self, target: Target) -> tuple[str, ...]:
        """What is reported, and chosen by first."""
        return reported(target.kind)

    def drawn_by(self, labels: Sequence[Any]) -> list[Any]:
        """What each split has its share of."""
        return list(labels)

    def reader(self, backbone: Backbone, target: Target) -> Backbone:
        """What reads these values through a text backbone."""
        return backbone

    def plain_features(self) -> PlainFeatures:
        """What the linear baseline reads."""
        return PlainPair()

    @abstractmethod
    def shared(self, value: Any) -> tuple[bytes, ...]:
        """The contents by which a row is tied to others, so that none of them is tested on what it was learned from."""

    @abstractmethod
    def sample(self) -> pl.DataFrame:
        """Generated rows, under the names of ``data.*``."""

    @property
    def second(self) -> str | None:
        """The column of the text that stands beside the question; None where there is none."""
        return self.context

    def question_row(self, question: str, context: str | None, options: tuple[str, ...]) -> dict[str, Any]:
        """One question as a row to predict on; `UsageError` where its text is missing or is not read."""
        if options:
            raise UsageError(f"--option is for task.form=multiple_choice, and this run is of {self.options.form}")
        if self.second is None and context is not None:
            raise UsageError(
                f"this run ({self.options.form}) reads questions without a text of their own; leave --context out"
            )
        if self.needs_second and context is None:
            raise UsageError(f"this run ({self.options.form}) reads a text beside the question; add --context FILE")
        return {self.data.question: question, **({} if self.second is None else {self.second: context})}

    @property
    def context(self) -> str:
        """The column of a context that every row has."""
        return self.data.context or "context"
