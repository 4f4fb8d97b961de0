"""Two texts, mostly questions: whether the first entails, or asks the same as, the second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from medplug.core.answers.questions import Pair
from medplug.core.data import cells
from medplug.core.data.classes import target_of
from medplug.core.data.content import content_key
from medplug.core.data.targets import Target
from medplug.plugins.medical_qa.forms.form import NEVER_LABELLED, Columns, Form
from medplug.plugins.medical_qa.reading import asked
from medplug.plugins.medical_qa.samples.matches import matches

if TYPE_CHECKING:
    import polars as pl

    from medplug.core.backbone import Backbone
    from medplug.core.data.problems import Problems
    from medplug.core.data.tables import Tabular
    from medplug.plugins.medical_qa.options import MedicalQaData, MedicalQaOptions


class Entailment(Form):
    """Whether one text follows from, or matches, another."""

    shares: ClassVar[str] = "question"

    def __init__(self, options: MedicalQaOptions, data: MedicalQaData) -> None:
        super().__init__(options, data)
        self._made: dict[str, Tabular] = {}

    def columns(self, *, labelled: bool) -> Columns:
        """Both texts, and the class."""
        needed = {"data.question": self.data.question, "data.other": self.data.other}
        return needed | ({"data.label": self.data.label} if labelled else {})

    @property
    def second(self) -> str | None:
        """The column of the second text."""
        return self.data.other

    def tabulate(self, source: Any, key: str) -> Tabular:
        """With ``data.negatives`` right pairs and wrong ones that are made of them, once a table."""
        if not self.data.negatives or key in NEVER_LABELLED:
            return super().tabulate(source, key)
        from medplug.plugins.medical_qa.mining import with_negatives

        if key not in self._made:
            self._made[key] = with_negatives(super().tabulate(source, key), key, self.data)
        return self._made[key]

    def values(self, table: pl.DataFrame, problems: Problems) -> list[Any]:
        """Pairs of both texts."""
        questions = asked(table, self.data.question, "data.question", "question", problems)
        others = asked(table, self.data.other, "data.other", "second text", problems)
        return [Pair(*texts) for texts in zip(questions, others, strict=True)]

    def labels(self, table: pl.DataFrame, values: Sequence[Any], problems: Problems) -> list[Any]:
        """Names of classes."""
        return list(cells.label_column(table[self.data.label], problems))

    def target(self, labels: Sequence[Any]) -> Target:
        """Two classes in order, or several."""
        return target_of(labels, "auto", self.options.positive)

    def reader(self, backbone: Backbone, target: Target) -> Backbone:
        """Apart unless asked otherwise: texts of one kind are compared, and each distinct one is read once."""
        from medplug.core.readers.pair import PairReader

        return PairReader(backbone, "together" if self.options.reading == "together" else "apart")

    def shared(self, value: Any) -> tuple[bytes, ...]:
        """The first text; the second is often one of a short list, which would tie all rows together."""
        return (content_key(value.question),)

    def sample(self) -> pl.DataFrame:
        """Pairs of questions in many wordings."""
        return matches().rename({"label": self.data.label, "other": self.data.other, "question": self.data.question})
