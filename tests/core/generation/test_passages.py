"""The passages that answers are written from."""

from __future__ import annotations

from pathlib import Path

import pytest

from medplug.core.errors import RunError
from medplug.core.generation.passages import CorpusFinder
from medplug.core.retrieval.corpus import Corpus

PASSAGES = {
    "asthma": "asthma narrows the airways",
    "gout": "gout swells the joints",
    "flu": "flu brings fever, and fever tires",
}
CORPUS = Corpus.of(PASSAGES.items())


def test_the_best_passages_come_first_with_their_ids_and_texts() -> None:
    first, second = CorpusFinder.of(CORPUS).find(["what brings fever", "the joints of gout"], 2)
    assert (first[0].id, first[0].text) == ("flu", "flu brings fever, and fever tires")
    assert second[0].id == "gout" and second[0].score is not None and second[0].score > 0


def test_what_shares_no_word_is_not_given() -> None:
    assert CorpusFinder.of(CORPUS).find(["zebra"], 3) == [[]]


def test_a_kept_corpus_finds_the_same(tmp_path: Path) -> None:
    finder = CorpusFinder.of(CORPUS)
    finder.keep(tmp_path)
    kept = CorpusFinder.kept(tmp_path)
    assert kept is not None and kept.told == finder.told
    questions = ["the joints", "the fever of flu"]
    assert kept.find(questions, 3) == finder.find(questions, 3)


def test_a_run_without_passages_has_none(tmp_path: Path) -> None:
    assert CorpusFinder.kept(tmp_path) is None


def test_a_damaged_corpus_is_named(tmp_path: Path) -> None:
    CorpusFinder.of(CORPUS).keep(tmp_path)
    (tmp_path / "passages" / "passages.parquet").write_bytes(b"no")
    with pytest.raises(RunError, match=r"passages\.parquet"):
        CorpusFinder.kept(tmp_path)
