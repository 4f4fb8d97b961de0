"""The passages that an answer is written from: where they are found, and how they are kept with a run.

They come from the corpus that the user gave and from nowhere else: no row's answer stands in a
prompt unless it stands in that corpus, or in the row's own context.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from medplug.core.errors import RunError
from medplug.core.retrieval.bm25 import BM25
from medplug.core.retrieval.index import ID, PASSAGE, PASSAGES

if TYPE_CHECKING:
    import polars as pl

    from medplug.core.retrieval.corpus import Corpus

FOLDER = "passages"
"""Where a run keeps its corpus."""
OWN = "context"
"""The id of a row's own context, which is no passage of a corpus."""


class Found(NamedTuple):
    """A passage and how well it fits a question (None: it was not ranked)."""

    id: str
    text: str
    score: float | None = None


class Finder(Protocol):
    """What finds passages for questions."""

    told: str
    """How they are found, as the report says it."""

    def find(self, questions: Sequence[str], count: int) -> list[list[Found]]:
        """The `count` best passages of each question, best first; fewer where no more fit at all."""

    def keep(self, folder: Path) -> None:
        """Write into a run's folder what is needed to find them again."""


class CorpusFinder:
    """Passages by BM25, of a table with the columns ``id`` and ``passage``."""

    def __init__(self, passages: pl.DataFrame, bm25: BM25) -> None:
        self._passages, self._bm25 = passages, bm25
        self.told = f"BM25 among {len(passages):,} passages"

    @classmethod
    def of(cls, corpus: Corpus) -> CorpusFinder:
        """That of a corpus; `DataError` where it has no passages."""
        return cls(corpus.table(), BM25.fit(corpus.texts))

    def find(self, questions: Sequence[str], count: int) -> list[list[Found]]:
        """The best passages of each question; equal questions are looked up once."""
        distinct = list(dict.fromkeys(questions))
        ranked = self._bm25.top(distinct, count)
        ids, texts = self._passages[ID], self._passages[PASSAGE]
        found = {
            question: [
                Found(str(ids[row]), texts[row], score) for row, score in zip(rows, scores, strict=True) if row >= 0
            ]
            for question, rows, scores in zip(distinct, ranked.rows.tolist(), ranked.scores.tolist(), strict=True)
        }
        return [found[question] for question in questions]

    def keep(self, folder: Path) -> None:
        """Write the corpus and its weights to ``passages/`` in the folder; it is as private as its texts are."""
        own = folder / FOLDER
        own.mkdir(exist_ok=True)
        self._passages.write_parquet(own / PASSAGES)
        self._bm25.save(own)

    @classmethod
    def kept(cls, folder: Path) -> CorpusFinder | None:
        """What `keep` wrote; None where a run has no passages, and RunError where they cannot be read."""
        import polars as pl

        own = folder / FOLDER
        if not own.is_dir():
            return None
        try:
            passages = pl.read_parquet(own / PASSAGES)
        except (OSError, pl.exceptions.PolarsError):
            raise RunError(f"{own / PASSAGES}: damaged or not there; the run folder is not whole") from None
        found = cls(passages, BM25.load(own))
        if len(found._bm25) != len(passages):
            raise RunError(f"{own}: {PASSAGES} and the weights beside it do not belong together")
        return found
