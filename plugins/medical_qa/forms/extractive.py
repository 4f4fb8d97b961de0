"""A question and a context that its answer stands in, letter by letter, or does not (SQuAD)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from medplug.core.answers.questions import Pair
from medplug.core.answers.spans import read_spans
from medplug.core.data.content import content_key
from medplug.core.data.targets import Target
from medplug.plugins.medical_qa.forms.form import Columns, Form
from medplug.plugins.medical_qa.reading import asked, read
from medplug.plugins.medical_qa.samples.leaflets import leaflets

if TYPE_CHECKING:
    import polars as pl

    from medplug.core.backbone import Backbone
    from medplug.core.data.problems import Problems


class Extractive(Form):
    """Where in the context the answer stands."""

    def columns(self, *, labelled: bool) -> Columns:
        """Question and context, the answer and, unless it is said to have none, where this begins."""
        data = self.data
        needed = {"data.question": data.question, "data.context": self.context}
        if labelled:
            needed["data.answer"] = data.answer
        if labelled and data.answer_start:
            needed["data.answer_start"] = data.answer_start
        return needed

    def values(self, table: pl.DataFrame, problems: Problems) -> list[Any]:
        """Pairs of the question and its context, which is kept letter by letter."""
        questions = asked(table, self.data.question, "data.question", "question", problems)
        contexts = read(table, self.context, "data.context", "context", problems)
        return [Pair(*texts) for texts in zip(questions, contexts, strict=True)]

    def labels(self, table: pl.DataFrame, values: Sequence[Any], problems: Problems) -> list[Any]:
        """The right answers, each with the character that it begins at; none where the context has no answer."""
        contexts = [value.context or None for value in values]
        starts = table[self.data.answer_start] if self.data.answer_start else None
        return list(read_spans(contexts, table[self.data.answer], starts, problems))

    def target(self, labels: Sequence[Any]) -> Target:
        """A span."""
        return Target("span", ("answer",))

    def reader(self, backbone: Backbone, target: Target) -> Backbone:
        """Windows of the context, each behind the question."""
        from medplug.core.readers.span import SpanReader

        return SpanReader(backbone, overlap=self.options.overlap, longest=self.options.longest)

    def drawn_by(self, labels: Sequence[Any]) -> list[Any]:
        """By whether there is an answer."""
        return ["answer" if label else "no answer" for label in labels]

    def shared(self, value: Any) -> tuple[bytes, ...]:
        """The context."""
        return (content_key(value.context),)

    def sample(self) -> pl.DataFrame:
        """Questions about leaflets of invented medicines."""
        data = self.data
        table = leaflets() if data.answer_start else leaflets().drop("answer_start")
        names = {
            **{"question": data.question, "context": self.context},
            **{"answer": data.answer, "answer_start": data.answer_start or "answer_start"},
        }
        return table.rename({name: names[name] for name in table.columns if name in names})
