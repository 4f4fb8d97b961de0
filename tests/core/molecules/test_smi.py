"""SMI files: a line a molecule, its name behind it."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from medplug.core.errors import DataError
from medplug.core.molecules.smi import stream_smi


@pytest.mark.parametrize("rows", [1, 2, 9])
def test_a_line_is_a_smiles_and_its_name(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "library.smi"
    path.write_text("SMILES Name\nCCO ethanol\n\nc1ccccc1\tbenzene, pure \nN\n")
    found = list(stream_smi(path, rows, "INPUT"))
    assert max(frame.height for frame in found) <= rows
    assert pl.concat(found).to_dict(as_series=False) == {
        "smiles": ["CCO", "c1ccccc1", "N"],
        "title": ["ethanol", "benzene, pure", None],
    }


def test_gzip_is_unpacked_and_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "library.smi.gz"
    whole = gzip.compress(b"".join(b"C%dCCO %d\n" % (i % 9, i) for i in range(2000)))
    path.write_bytes(whole)
    assert sum(frame.height for frame in stream_smi(path, 64, "INPUT")) == 2000
    path.write_bytes(whole[:-400])
    with pytest.raises(DataError, match="INPUT .*corrupt or cut short"):
        list(stream_smi(path, 64, "INPUT"))
