"""Which rows are explained, and explanations as lines, tables and pages."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from medplug.core.data.output import check_output
from medplug.core.errors import UsageError
from medplug.core.explaining.attribution import Attribution, Content
from medplug.core.explaining.output import ENDINGS, frame, lines, page, write
from medplug.core.explaining.rows import parse_rows, places_of

WORDS = Attribution(
    4, "text", "text", "integrated_gradients", "ill", "token", np.array([0.5, -0.2, 0.1]),
    places=np.array([[0, 2], [3, 5], [5, 6]]), total=0.41, sanity=0.1, content=Content(("no", "Secretia", "!")),
)  # fmt: skip
MAP = Attribution(5, "image", "image", "grad_cam", "ill", "pixel", np.array([[[0.0, 1.0], [-2.0, 0.0]]] * 2))
NAMED = Attribution(6, "", "", "Shapley values", "ill", "modality", np.array([0.1, 0.2]), names=("text", "image"))


def test_rows_are_numbers_and_ranges() -> None:
    assert parse_rows("1,5") == (1, 5)
    assert parse_rows("2-4, 3,9") == (2, 3, 4, 9)


@pytest.mark.parametrize(
    ("method", "unit", "said"),
    [
        ("integrated_gradients", "token", "that of an input that says nothing"),
        ("shapley_values", "segment", "that of an input that says nothing"),
        ("shapley_values", "column", "the usual one in this table"),
    ],
)
def test_the_sum_of_values_is_said_to_be_what_they_are_counted_from(method: str, unit: str, said: str) -> None:
    told = lines([Attribution(1, "slot", "tabular", method, "ill", unit, np.array([0.2, 0.1]), total=0.3)])
    assert told[-1] == f"  +0.3000  all 2, of +0.3000: this row's prediction less {said}"


@pytest.mark.parametrize("told", ["", "0", "a", "1,,2", "5-2", "-1", "1-99999"])
def test_what_names_no_row_is_refused(told: str) -> None:
    with pytest.raises(UsageError, match="is no row"):
        parse_rows(told)


def test_without_rows_the_first_three_are_meant() -> None:
    assert places_of(None, np.array([1, 2, 4, 7])).tolist() == [0, 1, 2]
    assert places_of((7, 2), np.array([1, 2, 4, 7])).tolist() == [3, 1]


def test_lines_name_units_by_number_and_place_and_tell_of_the_check() -> None:
    told = lines([WORDS.without_content(), MAP, NAMED])
    assert "row 4, text: ill (integrated gradients)" in told
    assert "  +0.5000  token 1 (characters 1-2)" in told
    assert "  -2.0000  cell row 2, column 1 of slice 1" in told
    assert "  +0.2000  image" in told
    assert told[-1].startswith("check with random weights: mean rank correlation +0.10")
    assert "Secretia" not in "\n".join(told)


def test_a_table_has_one_row_a_unit() -> None:
    found = frame([WORDS.without_content(), MAP, NAMED])
    assert found.height == 3 + 8 + 2
    first = found.filter(pl.col("row") == 4)
    assert first["score"].to_list() == [0.5, -0.2, 0.1] and first["start"].to_list() == [0, 3, 5]
    assert first["name"].to_list() == [None] * 3
    assert found.filter(pl.col("row") == 6)["name"].to_list() == ["text", "image"]


@pytest.mark.parametrize("ending", [".html", ".json", ".parquet"])
def test_files_hold_words_only_where_attributions_do(ending: str, tmp_path: Path) -> None:
    for name, found in (("shown", [WORDS]), ("hidden", [WORDS.without_content()])):
        file = tmp_path / f"{name}{ending}"
        write(found, file, "a page", numeric=False)
        content = repr(pl.read_parquet(file).rows()) if ending == ".parquet" else file.read_text(encoding="utf-8")
        assert ("Secretia" in content) == (name == "shown")
    assert sorted(each.name for each in tmp_path.iterdir()) == [f"hidden{ending}", f"shown{ending}"]


def test_json_is_whole() -> None:
    told = json.loads(json.dumps(WORDS.as_json()))
    assert told["scores"] == [0.5, -0.2, 0.1] and told["words"] == ["no", "Secretia", "!"] and told["total"] == 0.41


def test_words_are_shaded_by_sign_and_size_and_escaped() -> None:
    nasty = Attribution(
        1, "text", "text", "integrated_gradients", "ill", "token", np.array([1.0, -0.5]),
        places=np.array([[0, 3], [4, 5]]), content=Content(("<b>", "x")),
    )  # fmt: skip
    told = page([nasty], "a page", numeric=False)
    assert "&lt;b&gt;</span> <span" in told and "<b></span>" not in told
    assert "rgba(59,130,196,0.55)" in told and "rgba(206,112,38,0.28)" in told


def test_a_picture_is_within_the_page_only_where_it_may_show() -> None:
    shown = Attribution(
        1, "image", "image", "grad_cam", "ill", "pixel", np.ones((2, 2, 2)),
        content=Content(picture=np.zeros((2, 16, 16), np.uint8)),
    )  # fmt: skip
    assert "data:image/png;base64," in page([shown], "a page", numeric=False)
    hidden = page([shown.without_content()], "a page", numeric=False)
    assert "data:image" not in hidden.split("</head>")[1] and "<rect" in hidden


def test_a_molecule_is_drawn_with_its_atoms_shaded() -> None:
    pytest.importorskip("rdkit")
    one = Attribution(
        1, "drug", "molecule", "integrated_gradients", "ki", "atom", np.array([1.0, -1.0, 0.2]),
        content=Content(("C", "C", "O"), molecule="CCO"),
    )  # fmt: skip
    told = page([one], "a page", numeric=True)
    assert "<svg" in told and "ellipse" in told and "currentColor" in told and "http://" not in told


def test_likeness_to_random_weights_is_a_warning() -> None:
    from dataclasses import replace

    assert "should not be leaned on" in page([replace(WORDS, sanity=0.9)], "a page", numeric=False)
    assert "depend on what was learned" in page([WORDS], "a page", numeric=False)


def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"write to one of \.html, \.json, \.parquet"):
        check_output(tmp_path / "a.csv", ENDINGS)
    with pytest.raises(UsageError, match="there is no folder"):
        check_output(tmp_path / "b" / "a.html", ENDINGS)
