"""The index: exact search, what is on disk, and what is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from medplug.core.errors import DataError, RunError, UsageError
from medplug.core.retrieval.bm25 import BM25
from medplug.core.retrieval.index import Index, write_index

PASSAGES, WIDTH, KEY = 50, 8, "ab12"


def vectors(rows: int = PASSAGES, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, WIDTH)).astype(np.float32) * 3


def table(rows: int = PASSAGES) -> pl.DataFrame:
    return pl.DataFrame({"id": [f"p{i}" for i in range(rows)], "passage": [f"text {i}" for i in range(rows)]})


def write(folder: Path, given: np.ndarray | None = None, **how: Any) -> Index:
    given = vectors() if given is None else given
    frame = how.pop("frame", table(len(given)))
    write_index(folder, frame, np.array_split(given, 7), encoder=KEY, width=WIDTH, **how)
    return Index.open(folder, encoder=KEY)


def cosines(queries: np.ndarray, passages: np.ndarray) -> np.ndarray:
    a, b = (each.astype(np.float64) for each in (queries, passages))
    return a @ b.T / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)


@pytest.mark.parametrize(("numbers", "digits"), [("float32", 1e-6), ("float16", 2e-3)])
def test_a_search_finds_the_highest_cosines(tmp_path: Path, numbers: Any, digits: float) -> None:
    queries, k = vectors(20, seed=1), 6
    found = write(tmp_path / "index", numbers=numbers).search(queries, k)
    wanted = cosines(queries, vectors())
    np.testing.assert_allclose(found.scores, -np.sort(-wanted, axis=1)[:, :k], atol=digits)
    np.testing.assert_allclose(np.take_along_axis(wanted, found.rows, axis=1), found.scores, atol=digits)


@pytest.mark.parametrize("cells", [1, 64, 333])
def test_blocks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: int) -> None:
    index, queries = write(tmp_path / "index"), vectors(20, seed=1)
    whole = index.search(queries, 6)
    monkeypatch.setattr("medplug.core.retrieval.nearest._CELLS", cells)
    monkeypatch.setattr("medplug.core.retrieval.nearest._QUERIES", 3)
    parts = index.search(queries, 6)
    np.testing.assert_array_equal(whole.rows, parts.rows)
    np.testing.assert_allclose(whole.scores, parts.scores, atol=1e-6)


@pytest.mark.parametrize("cells", [1, 3, 2**20])
def test_equal_scores_come_in_the_order_of_their_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: int
) -> None:
    monkeypatch.setattr("medplug.core.retrieval.nearest._CELLS", cells)
    axes = np.eye(WIDTH, dtype=np.float32)[[1, 0, 1, 0, 0, 2, 0, 1]]
    found = write(tmp_path / "index", axes).search(axes[1:2] + axes[2:3] / 2, 6)
    assert found.rows.tolist() == [[1, 3, 4, 6, 0, 2]]


def test_more_than_there_are_is_marked_as_not_found(tmp_path: Path) -> None:
    index = write(tmp_path / "index", vectors(7))
    found = index.search(vectors(2, seed=1), 9)
    assert (found.rows[:, 7:] == -1).all() and np.isneginf(found.scores[:, 7:]).all()
    assert sorted(found.rows[0, :7].tolist()) == list(range(7))
    assert index.search(vectors(0), 3).rows.shape == (0, 3)


def test_passages_come_back_in_the_order_asked_with_all_their_columns(tmp_path: Path) -> None:
    frame = table().with_columns(source=pl.lit("here"))
    index = write(tmp_path / "index", frame=frame)
    assert index.passages([3, 0, 3]).rows() == [("p3", "text 3", "here"), ("p0", "text 0", "here")] + [
        ("p3", "text 3", "here")
    ]
    assert len(index) == index.manifest.passages == PASSAGES and index.manifest.width == WIDTH


def test_vectors_are_written_at_unit_length_in_a_file_that_safetensors_reads(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    given = vectors()
    given[4] = 0
    write(tmp_path / "index", given)
    stored = load_file(tmp_path / "index" / "vectors.safetensors")["vectors"]
    lengths = np.linalg.norm(stored, axis=1)
    assert lengths[4] == 0
    np.testing.assert_allclose(np.delete(lengths, 4), 1, rtol=1e-6)


def test_vectors_stay_on_disk(tmp_path: Path) -> None:
    index = write(tmp_path / "index")
    held = index._nearest._vectors
    while isinstance(held, np.ndarray) and not isinstance(held, np.memmap):
        held = held.base
    assert isinstance(held, np.memmap) and not index._nearest._vectors.flags.writeable


def test_bm25_comes_along(tmp_path: Path) -> None:
    bm25 = write(tmp_path / "with", bm25=BM25.fit(table()["passage"])).bm25
    assert bm25 is not None and bm25.top(["text 7"], 1).rows.tolist() == [[7]]
    assert write(tmp_path / "without").bm25 is None
    with pytest.raises(DataError, match="BM25 holds 1 passages and the table 50"):
        write(tmp_path / "other", bm25=BM25.fit(["text"]))


def test_an_index_of_another_encoder_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "index")
    with pytest.raises(RunError, match=r"built with another encoder \(ab12\) than this run's \(cd34\)"):
        Index.open(tmp_path / "index", encoder="cd34")


def test_an_old_index_is_replaced_as_a_whole(tmp_path: Path) -> None:
    write(tmp_path / "index", bm25=BM25.fit(table()["passage"]))
    index = write(tmp_path / "index", vectors(9))
    assert len(index) == 9 and index.bm25 is None
    assert os.listdir(tmp_path) == ["index"]


def test_a_writing_that_fails_leaves_the_old_index_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "index")
    with pytest.raises(DataError, match="vectors for 50 passages"):
        write_index(tmp_path / "index", table(), [vectors(12)], encoder=KEY, width=WIDTH)
    assert os.listdir(tmp_path) == ["index"] and len(Index.open(tmp_path / "index", encoder=KEY)) == PASSAGES


def test_what_is_no_index_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("one")
    with pytest.raises(UsageError, match="exists and is no index"):
        write(tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "one"


@pytest.mark.parametrize(
    ("frame", "given", "said"),
    [
        (table().drop("id"), vectors(), "no column id .they have: passage"),
        (table(0), vectors(0), "no passages"),
        (table().with_columns(id=pl.lit("one")), vectors(), "50 of 50 passages share their id"),
        (table(), np.full((PASSAGES, WIDTH), np.nan, np.float32), "vectors are not finite"),
        (table(), vectors()[:, :3], r"shape \[8, 3\]; it must be \[n, 8\]"),
        (table(60), vectors(), "50 vectors for 60 passages"),
    ],
)
def test_what_cannot_be_indexed_is_refused(tmp_path: Path, frame: pl.DataFrame, given: np.ndarray, said: str) -> None:
    with pytest.raises(DataError, match=said):
        write(tmp_path / "index", given, frame=frame)
    assert not os.listdir(tmp_path)


def test_queries_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    index = write(tmp_path / "index")
    with pytest.raises(DataError, match=r"queries have shape \[3, 5\]; it must be \[queries, 8\]"):
        index.search(np.ones((3, 5), np.float32), 1)
    with pytest.raises(DataError, match="1 of 2 vectors are not finite"):
        index.search(np.array([[np.inf] * 8, [1.0] * 8]), 1)
    with pytest.raises(UsageError, match="k is 0"):
        index.search(vectors(1), 0)


def cut(folder: Path) -> None:
    file = folder / "vectors.safetensors"
    file.write_bytes(file.read_bytes()[:-1])


def emptied(folder: Path) -> None:
    (folder / "vectors.safetensors").write_bytes(b"")


def of_another(folder: Path) -> None:
    content = json.loads((folder / "index.json").read_text())
    (folder / "index.json").write_text(json.dumps({**content, "passages": 3}))


def of_the_future(folder: Path) -> None:
    content = json.loads((folder / "index.json").read_text())
    (folder / "index.json").write_text(json.dumps({**content, "format": 2, "shards": 3}))


def garbled(folder: Path) -> None:
    (folder / "index.json").write_text("[]")


def without_texts(folder: Path) -> None:
    (folder / "passages.parquet").write_bytes(b"no parquet")


def with_other_texts(folder: Path) -> None:
    table(3).write_parquet(folder / "passages.parquet")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut, "vectors.safetensors: not a whole safetensors file"),
        (emptied, "vectors.safetensors: not a whole safetensors file"),
        (of_another, "do not belong together"),
        (of_the_future, "is of format 2, and this version reads 1"),
        (garbled, "index.json: not the manifest"),
        (without_texts, "passages.parquet: cannot be read"),
        (with_other_texts, "do not belong together"),
    ],
)
def test_a_damaged_index_is_named(tmp_path: Path, damage: Callable[[Path], None], said: str) -> None:
    write(tmp_path / "index")
    damage(tmp_path / "index")
    with pytest.raises(RunError, match=said):
        Index.open(tmp_path / "index", encoder=KEY).passages([0])


def test_a_folder_without_an_index_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no index here"):
        Index.open(tmp_path / "nothing", encoder=KEY)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_faiss_finds_what_matrix_products_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faiss", reason="faiss-cpu (the extra faiss) is not installed")
    queries = vectors(9, seed=1)
    plain = write(tmp_path / "index").search(queries, 60)
    monkeypatch.setattr("medplug.core.retrieval.nearest.MANY", 10)
    index = Index.open(tmp_path / "index", encoder=KEY)
    by_faiss = index.search(queries, 60)
    assert "_faiss" in vars(index._nearest)
    np.testing.assert_array_equal(plain.rows, by_faiss.rows)
    np.testing.assert_allclose(plain.scores, by_faiss.scores, atol=1e-6)


def test_nothing_here_imports_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys, medplug.core.retrieval.negatives, medplug.core.retrieval.index;"
        " assert not {'torch', 'faiss', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
