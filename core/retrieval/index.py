"""An index of passages on disk: their vectors, their texts and, where given, their BM25 weights.

A folder of ``index.json`` (the encoder's key, number, width, type, format and time), ``vectors.safetensors``
(``vectors`` ``[passages, width]``, unit length), ``passages.parquet`` (``id``, ``passage`` and whatever else the
corpus has, in the order of the vectors) and perhaps ``bm25.safetensors`` and ``bm25.json``. It holds the corpus's
texts, and so is as private as they are.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from medplug.core.errors import DataError, RunError, UsageError
from medplug.core.folder import UNFINISHED, write_json
from medplug.core.retrieval.arrays import mapped, write_blocks
from medplug.core.retrieval.best import Ranked
from medplug.core.retrieval.bm25 import ARRAYS, BM25
from medplug.core.retrieval.nearest import Nearest

if TYPE_CHECKING:
    import polars as pl

FORMAT = 1
ID, PASSAGE = "id", "passage"
"""The columns that the table of passages must have."""
MANIFEST, VECTORS, PASSAGES = "index.json", "vectors.safetensors", "passages.parquet"
Numbers = Literal["float32", "float16"]


@dataclass(frozen=True, slots=True)
class IndexManifest:
    """What an index holds: `encoder` is the key of what made its vectors (`backbone_key`), `made` the time (UTC)."""

    encoder: str
    passages: int
    width: int
    numbers: Numbers
    made: str
    format: int = FORMAT


def write_index(
    folder: Path,
    passages: pl.DataFrame,
    vectors: Iterable[NDArray[np.floating[Any]]],
    *,
    encoder: str,
    width: int,
    numbers: Numbers = "float32",
    bm25: BM25 | None = None,
) -> IndexManifest:
    """Write an index of `passages`, whose `vectors` come in blocks ``[n, width]`` in the same order.

    They are scaled to unit length. `numbers` of "float16" take half the place, keep three
    digits, and take some eight times as long to search for one query.

    Written beside `folder` and moved into place; an index that
    stands there is replaced. Raises DataError for missing columns, ids that repeat, no
    passages, or vectors that are not finite or not one a passage, and UsageError
    where `folder` holds something else.
    """
    _check_passages(passages)
    if bm25 is not None and len(bm25) != len(passages):
        raise DataError(f"BM25 holds {len(bm25)} passages and the table {len(passages)}; index the same ones")
    if folder.exists() and not (folder / MANIFEST).is_file():
        raise UsageError(f"{folder}: exists and is no index; choose another folder, or remove it")
    manifest = IndexManifest(encoder, len(passages), width, numbers, datetime.now(UTC).isoformat(timespec="seconds"))
    work = folder.with_name(f"{folder.name}.{os.getpid()}{UNFINISHED}")
    try:
        work.mkdir(parents=True)
        _write_vectors(work / VECTORS, manifest, vectors)
        passages.write_parquet(work / PASSAGES)
        if bm25 is not None:
            bm25.save(work)
        write_json(work / MANIFEST, asdict(manifest))
        _into_place(work, folder)
    except OSError as error:
        raise RunError(f"{folder}: the index cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return manifest


def _check_passages(passages: pl.DataFrame) -> None:
    for column in (ID, PASSAGE):
        if column not in passages.columns:
            raise DataError(f"the passages have no column {column} (they have: {', '.join(passages.columns)})")
    if not len(passages):
        raise DataError("there are no passages to index; give at least one")
    again = int(passages[ID].is_duplicated().sum())
    if again:
        raise DataError(f"{again} of {len(passages)} passages share their id with another; give each its own")


def _write_vectors(file: Path, manifest: IndexManifest, vectors: Iterable[NDArray[np.floating[Any]]]) -> None:
    shape = (manifest.passages, manifest.width)
    write_blocks(file, "vectors", shape, np.dtype(manifest.numbers), _units(vectors, shape))


def _units(vectors: Iterable[NDArray[np.floating[Any]]], shape: tuple[int, int]) -> Iterator[NDArray[np.float32]]:
    """The blocks at unit length, checked."""
    rows = 0
    for block in vectors:
        if block.ndim != 2 or block.shape[1] != shape[1]:
            raise DataError(f"a block of vectors has shape {list(block.shape)}; it must be [n, {shape[1]}]")
        rows += len(block)
        yield unit(block)
    if rows != shape[0]:
        raise DataError(f"{rows} vectors for {shape[0]} passages; give one a passage, in the same order")


def unit(vectors: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Vectors ``[n, width]`` at unit length, one of zeros as it is. Raises DataError where they are not finite."""
    vectors = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    bad = int((~np.isfinite(lengths)).sum())
    if bad:
        raise DataError(f"{bad} of {len(vectors)} vectors are not finite; did the training diverge?")
    return np.asarray(vectors / np.maximum(lengths, np.finfo(np.float32).tiny), dtype=np.float32)


def _into_place(work: Path, folder: Path) -> None:
    """Put the new index where the old one may stand, which goes when the new one is there."""
    old = work.with_name(f"{folder.name}.{os.getpid()}.old")
    if folder.exists():
        os.rename(folder, old)
    try:
        os.rename(work, folder)
    except OSError:
        if old.exists():
            os.rename(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


class Index:
    """An index that `write_index` wrote, its vectors memory-mapped and its texts read when first asked for."""

    def __init__(self, folder: Path, manifest: IndexManifest) -> None:
        self.folder, self.manifest = folder, manifest
        vectors = mapped(folder / VECTORS).get("vectors", np.empty(0))
        if vectors.shape != (manifest.passages, manifest.width):
            raise RunError(f"{folder}: {VECTORS} and {MANIFEST} do not belong together; build the index anew")
        self._nearest = Nearest(vectors)

    @classmethod
    def open(cls, folder: Path, *, encoder: str) -> Index:
        """Open the index for queries of this `encoder`.

        Raises RunError where there is none, it is damaged, of a format that this version
        does not read, or built with another encoder, whose vectors are not comparable.
        """
        manifest = _read_manifest(folder)
        if manifest.encoder != encoder:
            raise RunError(
                f"{folder}: was built with another encoder ({manifest.encoder}) than this run's ({encoder}), "
                "whose vectors cannot be compared; build it anew with this run: medplug index RUN CORPUS"
            )
        return cls(folder, manifest)

    def __len__(self) -> int:
        """How many passages it holds."""
        return self.manifest.passages

    def search(self, queries: NDArray[np.floating[Any]], k: int) -> Ranked:
        """The `k` passages of highest cosine for queries ``[queries, width]``, exact, equal scores by row.

        Raises DataError for queries of another width or that are not finite.
        """
        if queries.ndim != 2 or queries.shape[1] != self.manifest.width:
            raise DataError(f"queries have shape {list(queries.shape)}; it must be [queries, {self.manifest.width}]")
        return self._nearest.search(unit(queries), k)

    def passages(self, rows: Sequence[int] | NDArray[np.int64]) -> pl.DataFrame:
        """The passages at these rows, in this order, with all columns that were indexed."""
        return self._passages[np.asarray(rows, dtype=np.int64)]

    @cached_property
    def _passages(self) -> pl.DataFrame:
        import polars as pl

        try:
            frame = pl.read_parquet(self.folder / PASSAGES)
        except (OSError, pl.exceptions.PolarsError):
            raise RunError(f"{self.folder / PASSAGES}: cannot be read; build the index anew") from None
        if len(frame) != len(self):
            raise RunError(f"{self.folder}: {PASSAGES} and {MANIFEST} do not belong together; build the index anew")
        return frame

    @cached_property
    def bm25(self) -> BM25 | None:
        """BM25 over the same passages, None where the index was written without."""
        return BM25.load(self.folder) if (self.folder / ARRAYS).exists() else None


def _read_manifest(folder: Path) -> IndexManifest:
    file = folder / MANIFEST
    if not file.is_file():
        raise RunError(f"{folder}: there is no index here (no {MANIFEST}); build one first: medplug index RUN CORPUS")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise RunError(f"{file}: is of format {content['format']}, and this version reads {FORMAT}; build it anew")
        return IndexManifest(**content)
    except (OSError, ValueError, KeyError, TypeError):
        raise RunError(f"{file}: not the manifest of an index; build the index anew") from None
