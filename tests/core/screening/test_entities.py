"""Chunks of a library are what reading it whole gives, in one process or in several."""

from __future__ import annotations

import polars as pl
import pytest

from medplug.core.data.problems import Problems
from medplug.core.molecules.reading import read_molecules
from medplug.core.screening.entities import read_chunks
from medplug.core.screening.sides import Side

pytest.importorskip("rdkit", reason="rdkit is an extra: pip install 'medplug[chem]'")

SIDE = Side("drug", "data.smiles", "smiles", read_molecules)


def table(rows: int) -> pl.DataFrame:
    smiles = ["C" * (i % 17 + 1) + "O.Cl" for i in range(rows)]
    smiles[rows // 2], smiles[-1] = "C(C", ""
    return pl.DataFrame({"id": [f"M{i}" for i in range(rows)], "smiles": smiles})


@pytest.mark.parametrize("workers", [0, 2])
def test_chunks_are_the_library_in_order(workers: int) -> None:
    library, problems = table(90), Problems("library")
    chunks = list(read_chunks(SIDE, library.iter_slices(10), "library", workers))
    whole = read_molecules(library, "smiles", problems)
    rows = [row for chunk in chunks for row in chunk.rows]
    assert len(chunks) == 9 and rows == [i for i, value in enumerate(whole, 1) if value is not None]
    assert [value for chunk in chunks for value in chunk.values] == [value for value in whole if value is not None]
    assert [name for chunk in chunks for name in chunk.names or []] == [f"M{row - 1}" for row in rows]
    assert [each for chunk in chunks for each in chunk.problems.in_order()] == problems.in_order()


def test_whoever_stops_asking_stops_the_other_processes() -> None:
    chunks = read_chunks(SIDE, table(400).iter_slices(10), "library", 2)
    for _ in range(6):
        next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    assert next(chunks, None) is None
