"""A question and its context, answered by a class: yes, no, maybe, or others (PubMedQA)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from medplug.core.answers.questions import Pair
from medplug.core.data import cells
from medplug.core.data.classes import target_of
from medplug.core.data.content import content_key
from medplug.core.data.targets import Target
from medplug.plugins.medical_qa.forms.form import Columns, Form
from medplug.plugins.medical_qa.reading import asked, read
from medplug.plugins.medical_qa.samples.trials import trials

if TYPE_CHECKING:
    import polars as pl

    from medplug.core.backbone import Backbone
    from medplug.core.data.problems import Problems


class YesNoMaybe(Form):
    """Whether a context says yes to a question."""

    def columns(self, *, labelled: bool) -> Columns:
        """Question and context, and the class."""
        needed = {"data.question": self.data.question, "data.context": self.context}
        return needed | ({"data.label": self.data.label} if labelled else {})

    def values(self, table: pl.DataFrame, problems: Problems) -> list[Any]:
        """Pairs of the question and its context."""
        questions = asked(table, self.data.question, "data.question", "question", problems)
        contexts = read(table, self.context, "data.context", "context", problems)
        return [Pair(*texts) for texts in zip(questions, contexts, strict=True)]

    def labels(self, table: pl.DataFrame, values: Sequence[Any], problems: Problems) -> list[Any]:
        """Names of classes."""
        return list(cells.label_column(table[self.data.label], problems))

    def target(self, labels: Sequence[Any]) -> Target:
        """Two classes in order, or several."""
        return target_of(labels, "auto", self.options.positive)

    def reader(self, backbone: Backbone, target: Target) -> Backbone:
        """Together unless asked otherwise: what of the context matters only the question tells.

        Whether the backbone will be frozen is not known here; where it is, ``task.reading=apart`` is quicker.
        """
        from medplug.core.readers.pair import PairReader

        return PairReader(backbone, "apart" if self.options.reading == "apart" else "together")

    def shared(self, value: Any) -> tuple[bytes, ...]:
        """The context; a question may be asked of many of them."""
        return (content_key(value.context),)

    def sample(self) -> pl.DataFrame:
        """Questions of invented trials."""
        return trials().rename({"label": self.data.label, "context": self.context, "question": self.data.question})
