"""A question with two to eight options, of which one is right (HEAD-QA)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from medplug.core.answers.options import FEWEST, LETTERS, MOST, read_answers, read_options
from medplug.core.answers.questions import Choice
from medplug.core.data.content import content_key
from medplug.core.data.targets import Target
from medplug.core.errors import UsageError
from medplug.core.plain.choice import PlainChoice
from medplug.plugins.medical_qa.forms.form import Columns, Form
from medplug.plugins.medical_qa.reading import asked, beside
from medplug.plugins.medical_qa.samples.exams import exams

if TYPE_CHECKING:
    import polars as pl

    from medplug.core.backbone import Backbone
    from medplug.core.data.problems import Problems


class MultipleChoice(Form):
    """Which option is right; how many there are may differ by row."""

    shares: ClassVar[str] = "question with its options, or context"
    needs_second: ClassVar[bool] = False

    def columns(self, *, labelled: bool) -> Columns:
        """The question, each column of options, the context where one is named, and the answer."""
        data = self.data
        options = {"data.options": data.options} if isinstance(data.options, str) else _numbered(data.options)
        needed = {"data.question": data.question, **options}
        needed |= {"data.context": data.context} if data.context else {}
        return needed | ({"data.answer": data.answer} if labelled else {})

    @property
    def second(self) -> str | None:
        """The column of the context, where one is named."""
        return self.data.context

    def values(self, table: pl.DataFrame, problems: Problems) -> list[Any]:
        """Questions with their options and, where it is named, their context."""
        questions = asked(table, self.data.question, "data.question", "question", problems)
        options = read_options(table, self.data.options, problems)
        contexts = beside(table, self.data.context, "data.context")
        return [
            None if choices is None else Choice(question, choices, context)
            for question, choices, context in zip(questions, options, contexts, strict=True)
        ]

    def labels(self, table: pl.DataFrame, values: Sequence[Any], problems: Problems) -> list[Any]:
        """The letter of the right option, A for the first, however the table tells it."""
        column, options = table[self.data.answer], [None if value is None else value.options for value in values]
        places = read_answers(column, options, problems, answer_is=self.data.answer_is, key="data.answer")
        return [None if place is None else LETTERS[place] for place in places]

    def target(self, labels: Sequence[Any]) -> Target:
        """One of eight letters, of which a row has as many as options."""
        return Target("choice", tuple(LETTERS))

    def metrics(self, target: Target) -> tuple[str, ...]:
        """How many are right first; then how far the probabilities can be trusted."""
        return "accuracy", "log_loss", "brier", "ece"

    def plain_features(self) -> PlainChoice:
        """Of every option its letter, its length and the words it shares with the question."""
        return PlainChoice()

    def reader(self, backbone: Backbone, target: Target) -> Backbone:
        """Each option beside the question, apart unless asked otherwise: then the question is read once for all."""
        from medplug.core.readers.choice import ChoiceReader
        from medplug.core.readers.pair import PairReader

        return ChoiceReader(PairReader(backbone, "together" if self.options.reading == "together" else "apart"))

    def shared(self, value: Any) -> tuple[bytes, ...]:
        """The context or, as questions like "Which is correct?" recur, the question with its options in any order."""
        if value.context is not None:
            return (content_key(value.context),)
        return (Choice(value.question, tuple(sorted(value.options))).digest,)

    def question_row(self, question: str, context: str | None, options: tuple[str, ...]) -> dict[str, Any]:
        """The question with its options, in as many columns as the run reads."""
        row, names = super().question_row(question, context, ()), self.data.options
        most = MOST if isinstance(names, str) else len(names)
        if not FEWEST <= len(options) <= most:
            raise UsageError(
                f"this run reads {FEWEST} to {most} options; give each by --option TEXT (got {len(options)})"
            )
        if isinstance(names, str):
            return {**row, names: list(options)}
        return {**row, **dict.fromkeys(names), **dict(zip(names, options, strict=False))}

    def sample(self) -> pl.DataFrame:
        """Questions of an exam."""
        data, table = self.data, exams()
        if not isinstance(data.options, str):
            table = _spread(table, data.options)
        names = {"question": data.question, "options": data.options, "answer": data.answer}
        return table.rename({name: str(names[name]) for name in table.columns if name in names})


def _numbered(names: Sequence[str]) -> Columns:
    return {f"data.options[{i}]": name for i, name in enumerate(names)}


def _spread(table: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The options in columns of their own, of rows that have no more than there are columns."""
    import polars as pl

    kept = table.filter(pl.col("options").list.len() <= len(names))
    columns = [pl.col("options").list.get(i, null_on_oob=True).alias(name) for i, name in enumerate(names)]
    return kept.with_columns(columns).drop("options")
