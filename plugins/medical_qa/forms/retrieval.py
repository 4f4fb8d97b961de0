"""A question, and the passage of a corpus that answers it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from medplug.core.answers.questions import Pair
from medplug.core.data import cells
from medplug.core.data.content import content_key
from medplug.core.data.targets import Target
from medplug.core.errors import DataError
from medplug.core.retrieval.corpus import content_id
from medplug.plugins.medical_qa.forms.form import Columns, Form
from medplug.plugins.medical_qa.reading import asked, read
from medplug.plugins.medical_qa.samples.encyclopaedia import questions_and_passages

if TYPE_CHECKING:
    import polars as pl

    from medplug.core.backbone import Backbone
    from medplug.core.data.problems import Problems


class Retrieval(Form):
    """Which passages answer a question, the best first.

    Tables to predict on hold questions alone; unlabelled ones to learn from hold
    titles and bodies, as questions and passages.
    """

    shares: ClassVar[str] = "question or passage"
    needs_second: ClassVar[bool] = False
    from_corpus: ClassVar[bool] = True

    def columns(self, *, labelled: bool) -> Columns:
        """Question and passage, and the passage's name where its column is given."""
        needed = {"data.question": self.data.question, "data.passage": self.data.passage}
        named = self.data.passage_id if labelled else None
        return needed | ({"data.passage_id": named} if named else {})

    def spared(self) -> list[tuple[str, ...]]:
        """A table to predict on may lack passages."""
        return [("data.question", "data.passage"), ("data.passage",)]

    def spared_unlabelled(self) -> list[tuple[str, ...]]:
        """One may lack titles: a passage's first sentence then stands for its question."""
        return [("data.question", "data.passage"), ("data.question",)]

    @property
    def second(self) -> str | None:
        """None: passages are found."""
        return None

    def values(self, table: pl.DataFrame, problems: Problems) -> list[Any]:
        """Pairs of the question and the passage that answers it; what the table has no column of is empty."""
        questions, passages = [""] * table.height, [""] * table.height
        if self.data.question in table.columns:
            questions = asked(table, self.data.question, "data.question", "question", problems)
        if self.data.passage in table.columns:
            passages = read(table, self.data.passage, "data.passage", "passage", problems)
        return [Pair(question, passage.strip()) for question, passage in zip(questions, passages, strict=True)]

    def labels(self, table: pl.DataFrame, values: Sequence[Any], problems: Problems) -> list[Any]:
        """What passages are called: their ids or, without a column of these, what their content gives."""
        if self.data.passage not in table.columns:
            raise DataError(
                f"{problems.table}: there is no column {self.data.passage!r} (data.passage); rows that a ranking is "
                "scored by need the passage that answers them"
            )
        if self.data.passage_id is None:
            return [content_id(value.context) for value in values]
        return _named(table, self.data.passage_id, values, problems)

    def target(self, labels: Sequence[Any]) -> Target:
        """A ranking of passages."""
        return Target("ranking", ("passage",))

    def reader(self, backbone: Backbone, target: Target) -> Backbone:
        """Question and passage side by side, each distinct text read once: passages are encoded before any question."""
        from medplug.core.readers.pair import PairReader

        return PairReader(backbone, "side_by_side")

    def drawn_by(self, labels: Sequence[Any]) -> list[Any]:
        """By nothing: hardly two rows have one passage."""
        return [""] * len(labels)

    def shared(self, value: Any) -> tuple[bytes, ...]:
        """Both texts: either tells the other."""
        return tuple(
            content_key(f"{side}{text}") for side, text in (("q", value.question), ("p", value.context)) if text
        )

    def sample(self) -> pl.DataFrame:
        """Questions about invented conditions, and the passages that answer them."""
        names = {"question": self.data.question, "passage": self.data.passage, "id": self.data.passage_id or "id"}
        return questions_and_passages().rename(names)


def _named(table: pl.DataFrame, column: str, values: Sequence[Any], problems: Problems) -> list[str | None]:
    """The ids of the rows' passages; one id names one passage."""
    ids = cells.texts(table[column], "data.passage_id")
    cells.refuse(problems, ids.is_null(), column, "the id of the passage is empty")
    first: dict[str, tuple[int, str]] = {}
    for row, (name, value) in enumerate(zip(ids, values, strict=True), start=1):
        if name is not None and first.setdefault(name, (row, value.context))[1] != value.context:
            problems.add([row], column, f"in row {first[name][0]} this id names another passage; give each its own")
    return ids.to_list()
