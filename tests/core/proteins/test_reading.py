"""Sequences: one way to write one, and bad ones told by row, column and position, never quoted."""

from __future__ import annotations

import os
import time
from pathlib import Path

import polars as pl
import pytest

from medplug.core.data.problems import Problems
from medplug.core.proteins.reading import AMINO_ACIDS, MAX_RESIDUES, SequenceError, read_sequences, standardise

SHARED = Path(os.environ.get("MEDPLUG_SHARED") or Path(__file__).parents[4] / "shared") / "data"
DAVIS = SHARED / "dti_davis" / "davis.csv.gz"


@pytest.mark.parametrize("written", ["MKTAYIAK", "mktayiak", " MKT AYI\nAK\r\n", "MKTAYIAK*", "mkt\tayiak *"])
def test_case_blanks_and_the_mark_of_the_end_change_nothing(written: str) -> None:
    assert standardise(written) == "MKTAYIAK"


def test_the_five_letters_beside_the_twenty_are_read() -> None:
    assert standardise(AMINO_ACIDS + "XUBZO") == AMINO_ACIDS + "XUBZO"


BAD = {
    "": "empty",
    " \n": "empty",
    "*": "empty",
    "MKT1AY2": "2 of its 7 characters .* position 4",
    "MK JT": "1 of its 4 characters .* position 3",
    "MK*TA": "1 of its 5 characters .* position 3",
    "MK--TA.": "3 gap.* position 3",
    "MKß": "1 of its 3 characters .* position 3",
    "ATGGCCATTGTAATGGGCCGCTGAAAGGGTGCCCGATAG": "DNA and RNA",
    "AUGGCCAUUGUAAUGGGCCGCUGAAAGGGUGCCCGAUAG": "DNA and RNA",
    "M" * (MAX_RESIDUES + 1): "at most 40000",
}


@pytest.mark.parametrize("sequence", BAD, ids=lambda sequence: repr(sequence[:8]))
def test_a_bad_sequence_is_refused_with_a_reason_that_does_not_quote_it(sequence: str) -> None:
    with pytest.raises(SequenceError, match=BAD[sequence]) as caught:
        standardise(sequence)
    assert len(sequence.strip()) < 2 or sequence not in str(caught.value)


def test_the_longest_protein_of_man_is_read_and_so_is_a_short_peptide_of_four_letters() -> None:
    assert len(standardise("M" * 35_000)) == 35_000 and len(standardise("M" * MAX_RESIDUES)) == MAX_RESIDUES
    assert standardise("ACGTACGT") == "ACGTACGT" and standardise("GAGAGS" * 20) == "GAGAGS" * 20


def test_a_column_is_read_and_its_bad_rows_are_told() -> None:
    table = pl.DataFrame({"target": ["mkt", "MKT", "SECRET1", None, "MKT*"]})
    problems = Problems("t.csv")
    assert read_sequences(table, "target", problems) == ["MKT", "MKT", None, None, "MKT"]
    with pytest.raises(
        Exception, match="row 3, column target: 1 of its 7 .*\n.*row 4, column target: .*empty"
    ) as caught:
        problems.stop()
    assert "SECRET" not in str(caught.value)
    allowed = Problems("t.csv")
    assert read_sequences(table[3:], "target", allowed, empty_ok=True) == [None, "MKT"] and not allowed.found


@pytest.mark.shared
@pytest.mark.skipif(not DAVIS.is_file(), reason="no shared data: set MEDPLUG_SHARED")
def test_davis_has_379_sequences_and_each_is_read_once() -> None:
    table, problems = pl.read_csv(DAVIS, columns=["sequence"]), Problems("davis")
    began = time.perf_counter()
    found = read_sequences(table, "sequence", problems)
    assert time.perf_counter() - began < 2
    assert not problems.found and len(found) == 30_056 and len(set(found)) == 379
