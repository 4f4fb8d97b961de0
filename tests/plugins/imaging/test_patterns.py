"""Images named by a pattern of columns, as images/{id}.png."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from medplug.core.errors import DataError, MedplugError
from medplug.core.images.references import cells_of, columns_named
from medplug.core.task import Examples
from medplug.plugins.imaging.options import ImagingData, ImagingOptions
from medplug.plugins.imaging.task import Imaging

Read = Callable[..., tuple[Examples, list[tuple[int, str, str]]]]
Save = Callable[..., str]
Table = Callable[..., Path]
PATTERN = {"image": "images/{id}.png"}


def picture(number: int = 0) -> np.ndarray[Any, Any]:
    """A grey picture, another one for each number."""
    return np.random.default_rng(number).integers(0, 256, (8, 8), dtype=np.uint8)


def task(data: dict[str, Any], **options: Any) -> Imaging:
    return Imaging(ImagingOptions(**options), ImagingData(**data))


# ---- columns


@pytest.mark.parametrize(
    ("named", "columns"),
    [
        ("image", ("image",)),
        ("a path.png", ("a path.png",)),
        ("images/{id}.png", ("id",)),
        ("{folder}/{id}", ("folder", "id")),
        ("{patient}/{patient}_{view}.png", ("patient", "view")),
        ("{the scan}", ("the scan",)),
    ],
)
def test_a_pattern_names_each_column_in_its_braces_once(named: str, columns: tuple[str, ...]) -> None:
    assert columns_named(named) == columns


def test_the_columns_that_are_needed_are_told_with_the_key_and_the_place_in_it() -> None:
    both = {"image": "{site}/{id}.png", "mask": "masks/{id}.png"}
    images = {"data.image{site}": "site", "data.image{id}": "id"}
    assert task(both).columns(labelled=False) == images
    assert task(both).columns(labelled=True) == {**images, "data.label": "label"}
    assert task(both, target="mask").columns(labelled=True) == {**images, "data.mask{id}": "id"}


def test_a_column_that_the_table_lacks_is_told_by_its_place(read: Read, table: Table) -> None:
    with pytest.raises(DataError, match=r"data\.image\{id\}") as told:
        read(table(idd=["a"], label=["x"]), PATTERN)
    assert "idd" in str(told.value)


# ---- cells


def test_cells_are_made_of_the_texts_of_their_columns() -> None:
    table = pl.DataFrame(
        {"n": [7, 12, 3], "text": ["007", " b ", "c"], "share": [1.0, 2.0, 2.5], "yes": [True, False, True]}
    )
    found = cells_of(table, "x/{n}-{text}_{share}_{yes}_{n}.png", "data.image")
    assert found == ["x/7-007_1_true_7.png", "x/12-b_2_false_12.png", "x/3-c_2.5_true_3.png"]


def test_a_cell_lacks_a_part_where_one_of_its_columns_is_empty() -> None:
    table = pl.DataFrame({"a": ["x", None, "z", "  "], "b": ["1", "2", None, "4"]})
    assert cells_of(table, "{a}/{b}", "data.image") == ["x/1", None, None, None]


def test_what_stands_in_a_cell_is_no_pattern() -> None:
    table = pl.DataFrame({"id": ["{label}", "{0}", "{{x}}"], "label": ["secret"] * 3})
    assert cells_of(table, "{id}.png", "data.image") == ["{label}.png", "{0}.png", "{{x}}.png"]


def test_a_column_of_lists_is_refused() -> None:
    with pytest.raises(DataError, match="data.image: column 'id' holds List"):
        cells_of(pl.DataFrame({"id": [["a"], ["b"]]}), "{id}.png", "data.image")


# ---- tables


def test_images_are_found_by_a_pattern_and_called_by_what_it_makes(read: Read, save: Save, table: Table) -> None:
    names = [save(f"images/{number}.png", picture(number)) for number in (3, 14)]
    found, problems = read(table(id=[3, 14], label=["x", "y"]), PATTERN)
    assert (found.names, found.labels, problems) == (names, ["x", "y"], [])
    for image, number in zip(found.inputs["image"], (3, 14), strict=True):
        np.testing.assert_array_equal(image.pixels(), picture(number)[None])


def test_rows_that_lack_a_part_or_whose_file_is_missing_are_told_by_the_pattern(
    read: Read, save: Save, table: Table
) -> None:
    save("images/a.png", picture())
    found, problems = read(table(id=["a", None, "lost"], label=["x"] * 3), PATTERN)
    assert found.names == ["images/a.png"]
    (second, column, empty), (third, _, lost) = sorted(problems)
    assert (second, third, column) == (2, 3, "images/{id}.png")
    assert empty == "the image is empty" and lost.startswith("there is no such file")


def test_a_pattern_leads_nowhere_outside_the_tables_folder(read: Read, save: Save, tmp_path: Path) -> None:
    save("secret.png", picture())
    save("mine/images/a.png", picture())
    pl.DataFrame({"id": ["../../secret", "a"], "label": ["x", "y"]}).write_csv(tmp_path / "mine" / "table.csv")
    found, ((row, _, reason),) = read(tmp_path / "mine" / "table.csv", PATTERN)
    assert found.names == ["images/a.png"] and row == 1 and "lies outside" in reason


def test_masks_are_found_by_a_pattern_beside_their_images(read: Read, save: Save, table: Table) -> None:
    mask = np.zeros((8, 8), np.uint8)
    mask[2:5, 3:6] = 255
    for number in (1, 2):
        save(f"{number}/scan.png", picture(number))
        save(f"{number}/mask.png", mask if number == 1 else np.zeros_like(mask))
    names = {"image": "{id}/scan.png", "mask": "{id}/mask.png"}
    found, problems = read(table(id=[1, 2]), names, target="mask")
    assert (problems, found.labels) == ([], [("lesion",), ()])
    np.testing.assert_array_equal((found.masks or [])[0].pixels()[0], mask // 255)


def test_a_part_of_a_pattern_may_be_the_label(read: Read, save: Save, table: Table) -> None:
    save("sick/1.png", picture(1)), save("well/1.png", picture(2))
    found, problems = read(table(label=["sick", "well"], id=[1, 1]), {"image": "{label}/{id}.png"})
    assert (found.names, found.labels, problems) == (["sick/1.png", "well/1.png"], ["sick", "well"], [])


# ---- what is given in place of a table


def test_a_folder_given_to_predict_needs_no_pattern(read: Read, save: Save, tmp_path: Path) -> None:
    save("new/b.png", picture(1)), save("new/deep/a.png", picture(0))
    for named in (PATTERN, {"image": "{site}/{id}.png"}):
        found, problems = read(tmp_path / "new", named, labelled=False, key="INPUT")
        assert (found.names, problems) == (["b.png", "deep/a.png"], [])
        np.testing.assert_array_equal(found.inputs["image"][0].pixels(), picture(1)[None])


def test_a_single_image_and_an_archive_need_none_either(read: Read, save: Save, tmp_path: Path) -> None:
    found, problems = read(tmp_path / save("new.png", picture(4)), PATTERN, labelled=False, key="INPUT")
    assert (found.names, problems) == (["new.png"], [])
    np.savez(tmp_path / "new.npz", images=np.stack([picture(0), picture(1)]))
    found, problems = read(tmp_path / "new.npz", PATTERN, labelled=False, key="INPUT")
    assert problems == [] and len(found) == 2
    np.testing.assert_array_equal(found.inputs["image"][1].pixels(), picture(1)[None])


def test_a_folder_of_classes_is_learned_from_whatever_the_pattern(read: Read, save: Save, tmp_path: Path) -> None:
    save("all/sick/a.png", picture(0)), save("all/well/b.png", picture(1))
    for named in ("images/{id}.png", "{label}/{id}.png"):
        found, problems = read(tmp_path / "all", {"image": named})
        assert (found.names, found.labels, problems) == (["sick/a.png", "well/b.png"], ["sick", "well"], [])


def test_images_in_memory_are_given_under_the_columns_name(read: Read) -> None:
    found, problems = read({"id": [picture(0), picture(1)]}, PATTERN, labelled=False, key="INPUT")
    assert problems == [] and found.names is None
    np.testing.assert_array_equal(found.inputs["image"][1].pixels(), picture(1)[None])


# ---- patterns that are none


@pytest.mark.parametrize("named", ["images/{id.png", "images/id}.png", "{id:04d}.png", "{id:03}.png", "{id.name}.png"])
def test_a_pattern_of_another_form_is_refused_and_not_guessed_at(named: str, read: Read, table: Table) -> None:
    with pytest.raises((MedplugError, ValidationError)):
        read(table(id=["7"], label=["x"]).with_name("table.csv"), {"image": named})
