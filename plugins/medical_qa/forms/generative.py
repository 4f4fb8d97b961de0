"""A question, and an answer that is written, from passages that are found for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from medplug.core.answers.questions import Pair
from medplug.core.data.content import content_key
from medplug.core.data.targets import Target
from medplug.plugins.medical_qa.forms.form import Columns, Form
from medplug.plugins.medical_qa.reading import asked, beside, read
from medplug.plugins.medical_qa.samples.encyclopaedia import questions_and_answers

if TYPE_CHECKING:
    import polars as pl

    from medplug.core.backbone import Backbone
    from medplug.core.data.problems import Problems
    from medplug.core.generation.passages import Finder


class Generative(Form):
    """What to answer, in words."""

    shares: ClassVar[str] = "question or context"
    needs_second: ClassVar[bool] = False
    from_corpus: ClassVar[bool] = True

    def columns(self, *, labelled: bool) -> Columns:
        """The question, the context where one is named, and the answer."""
        data = self.data
        needed = {"data.question": data.question, **({"data.context": data.context} if data.context else {})}
        return needed | ({"data.answer": data.answer} if labelled else {})

    @property
    def second(self) -> str | None:
        """The column of the context, where one is named."""
        return self.data.context

    def values(self, table: pl.DataFrame, problems: Problems) -> list[Any]:
        """Pairs of the question and its context, which is empty where there is none."""
        questions = asked(table, self.data.question, "data.question", "question", problems)
        contexts = beside(table, self.data.context, "data.context")
        return [Pair(question, context or "") for question, context in zip(questions, contexts, strict=True)]

    def labels(self, table: pl.DataFrame, values: Sequence[Any], problems: Problems) -> list[Any]:
        """The answers to learn to write."""
        return [text.strip() for text in read(table, self.data.answer, "data.answer", "answer", problems)]

    def target(self, labels: Sequence[Any]) -> Target:
        """A text."""
        return Target("text", ("answer",))

    def drawn_by(self, labels: Sequence[Any]) -> list[Any]:
        """By nothing: answers are as different as their questions."""
        return [""] * len(labels)

    def reader(self, backbone: Backbone, target: Target) -> Backbone:
        """Prompts of a question with its context or, where it has none, with passages of ``data.corpus``."""
        from medplug.core.generation.reader import PromptReader

        count, tokens = self.options.passages, self.options.answer_tokens
        return PromptReader(backbone, count=count, answer_tokens=tokens, finder=self._finder() if count else None)

    def _finder(self) -> Finder | None:
        """What finds passages: BM25 in the corpus, or another run in its index; None without either."""
        from medplug.core.generation.passages import CorpusFinder
        from medplug.core.generation.run_finder import RunFinder

        if self.options.retriever != "bm25":
            return RunFinder.of(self.options.retriever)
        return None if self.corpus is None else CorpusFinder.of(self.corpus)

    def shared(self, value: Any) -> tuple[bytes, ...]:
        """The question and, where there is one, the context."""
        return tuple(
            content_key(f"{side}{text}") for side, text in (("q", value.question), ("c", value.context)) if text
        )

    def sample(self) -> pl.DataFrame:
        """Questions about invented conditions, and short answers."""
        table = questions_and_answers()
        if self.data.context:
            table = table.rename({"passage": self.data.context})
        return table.rename({"question": self.data.question, "answer": self.data.answer})
