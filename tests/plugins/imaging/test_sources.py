from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from medplug.core.data.dataset import load_dataset
from medplug.core.data.reading import fingerprints
from medplug.core.data.tables import fingerprint
from medplug.core.errors import ConfigError, DataError
from medplug.core.task import Examples
from medplug.plugins.imaging.options import ImagingData, ImagingOptions
from medplug.plugins.imaging.task import Imaging

Read = Callable[..., tuple[Examples, list[tuple[int, str, str]]]]
Save = Callable[..., str]
SPLIT = {"split_column": "split"}

ORDER = "(rows are the files in the order of their paths) "


def picture(number: int = 0, height: int = 8, width: int = 8) -> np.ndarray[Any, Any]:
    """A grey picture, another one for each number."""
    return np.random.default_rng(number).integers(0, 256, (height, width), dtype=np.uint8)


def stack(n: int) -> np.ndarray[Any, Any]:
    return np.stack([picture(number) for number in range(n)])


def task(data: dict[str, Any] | None = None, **options: Any) -> Imaging:
    return Imaging(ImagingOptions(**options), ImagingData(**(data or {})))


# ---- folders


@pytest.fixture
def chest(save: Save, tmp_path: Path) -> Path:
    """Three images in two class folders, beside what is no image."""
    (
        save("chest/sick/b.png", picture(1)),
        save("chest/sick/a.png", picture(0)),
        save("chest/well/deep/c.png", picture(2)),
    )
    for name in ("notes.txt", ".DS_Store", "sick/Thumbs.db", "well/.hidden.png", "__MACOSX/sick/a.png", ".git/x.png"):
        (tmp_path / "chest" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "chest" / name).write_text("no image")
    return tmp_path / "chest"


def test_a_folder_with_a_sub_folder_a_class_is_a_table(read: Read, chest: Path) -> None:
    found, problems = read(str(chest), {"image": "scan", "label": "finding"})
    assert found.names == ["sick/a.png", "sick/b.png", "well/deep/c.png"]
    assert (found.labels, problems) == (["sick", "sick", "well"], [])
    np.testing.assert_array_equal(found.inputs["image"][2].pixels(), picture(2)[None])


def test_a_file_of_any_other_name_is_taken_for_an_image_and_told_of(read: Read, chest: Path) -> None:
    (chest / "sick" / "IM0001").write_bytes(b"\x00" * 200)
    found, problems = read(chest)
    assert len(found) == 3
    assert [(row, reason.startswith(ORDER)) for row, _, reason in problems] == [(1, True)]


def test_links_that_lead_out_of_a_folder_are_refused(read: Read, chest: Path, save: Save) -> None:
    save("outside.png", picture(5))
    (chest / "sick" / "link.png").symlink_to(chest.parent / "outside.png")
    _, problems = read(chest)
    assert [(row, reason.removeprefix(ORDER).partition(" (")[0]) for row, _, reason in problems] == [
        (3, "it lies outside the folder that its table starts from")
    ]
    assert read(chest, {"root": chest.parent})[1] == []


def test_the_fingerprint_of_a_folder_does_not_depend_on_where_it_lies(chest: Path) -> None:
    before = fingerprint(task().tabulate(chest, "data.train"), key="data.train")
    moved = chest.rename(chest.parent / "moved")
    assert fingerprint(task().tabulate(moved, "data.train"), key="data.train") == before
    (moved / "sick" / "b.png").unlink()
    assert fingerprint(task().tabulate(moved, "data.train"), key="data.train") != before


def test_a_class_folder_without_an_image_is_named(read: Read, chest: Path) -> None:
    (chest / "unsure").mkdir()
    (chest / "unsure" / "readme.md").write_text("empty")
    with pytest.raises(DataError, match=r"data.train \(.*chest\): the class folder unsure has no image"):
        read(chest)
    assert len(read(chest, labelled=False, key="INPUT")[0]) == 3


def test_an_image_beside_the_class_folders_is_named(read: Read, chest: Path, save: Save) -> None:
    save("chest/loose.png", picture(3))
    with pytest.raises(DataError, match=r"1 image\(s\) lie in no sub-folder"):
        read(chest)
    assert (read(chest, labelled=False, key="INPUT")[0].names or [])[0] == "loose.png"


def test_sub_folders_that_are_splits_are_no_classes(read: Read, save: Save, tmp_path: Path) -> None:
    save("chest/train/sick/a.png", picture(0)), save("chest/test/sick/b.png", picture(1))
    with pytest.raises(DataError, match=r"its sub-folders are splits \(test, train\)\n.*data.train=.*chest"):
        read(tmp_path / "chest")


def test_a_folder_without_an_image_is_refused(read: Read, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match=r"INPUT \(.*none\): there is no image"):
        read(tmp_path / "none", labelled=False, key="INPUT")


def test_a_folder_gives_one_label_column(read: Read, chest: Path) -> None:
    with pytest.raises(ConfigError, match="data.label names several columns, and data.train is no table"):
        read(chest, {"label": ["a", "b"]})


def test_a_folder_of_images_without_labels_can_be_predicted_on(read: Read, save: Save, tmp_path: Path) -> None:
    save("ward/b.png", picture(1)), save("ward/a.jpg", picture(0))
    for key in ("INPUT", "data.unlabelled"):
        found, problems = read(tmp_path / "ward", labelled=False, key=key)
        assert (found.names, found.labels, problems) == (["a.jpg", "b.png"], None, [])


@pytest.mark.parametrize("name", ["a.png", "A.TIFF", "a.bmp"])
def test_one_image_is_a_table_of_one_row(read: Read, save: Save, tmp_path: Path, name: str) -> None:
    found, problems = read(str(tmp_path / save(name, picture())), labelled=False, key="INPUT")
    assert (found.names, problems) == ([name], [])


def test_a_dicom_file_is_known_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "IM0001").write_bytes(b"\x00" * 128 + b"DICM")
    assert task().tabulate(tmp_path / "IM0001", "INPUT").height == 1


def test_an_empty_image_file_is_a_bad_row(read: Read, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    assert read(tmp_path / "a.png", labelled=False)[1][0][2].startswith(f"{ORDER}the file is empty (0 bytes)")


def test_everything_else_is_given_back_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("image,label\n")
    frame = pl.DataFrame({"image": ["a"]})
    for source in (str(tmp_path / "table.csv"), tmp_path / "lost.png", frame, {"image": ["a"]}):
        assert task().tabulate(source, "data.train") is source


# ---- archives


def archive(path: Path, **arrays: Any) -> Path:
    np.savez_compressed(path / "images.npz", **arrays)
    return path / "images.npz"


def test_an_archive_of_images_and_labels_is_a_table(read: Read, tmp_path: Path) -> None:
    found, problems = read(archive(tmp_path, images=stack(3), labels=np.array([0, 1, 1], np.uint8)))
    assert (found.names, found.labels, problems) == (["images[0]", "images[1]", "images[2]"], ["0", "1", "1"], [])
    for image, expected in zip(found.inputs["image"], stack(3), strict=True):
        np.testing.assert_array_equal(image.pixels(), expected[None])


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (np.array([[1], [0]]), ["1", "0"]),
        (np.array(["sick", "well"]), ["sick", "well"]),
        (np.array([1.0, 2.0]), ["1", "2"]),
        (np.array([[1, 0, 1], [0, 0, 0]]), [("0", "2"), ()]),
    ],
)
def test_labels_of_archives_are_numbers_texts_or_one_0_1_column_each(
    read: Read, tmp_path: Path, labels: Any, expected: Any
) -> None:
    assert read(archive(tmp_path, images=stack(2), labels=labels))[0].labels == expected


def test_colours_volumes_and_wider_numbers_of_archives_are_read(read: Read, tmp_path: Path) -> None:
    shapes = {(2, 8, 9, 3): (1, 8, 9, 3), (2, 5, 8, 9): (5, 8, 9)}
    for given, kept in shapes.items():
        numbers = np.random.default_rng(0).integers(0, 255, given, dtype=np.uint8)
        found, _ = read(archive(tmp_path, images=numbers), labelled=False)
        assert found.inputs["image"][0].shape == kept
    found, _ = read(archive(tmp_path, images=np.linspace(-1, 1, 2 * 64).reshape(2, 8, 8)), labelled=False)
    assert (found.inputs["image"][0].pixels().min(), found.inputs["image"][0].pixels().max()) == (0, 255)


def medmnist(path: Path) -> Path:
    sizes = {"train": 8, "val": 2, "test": 4}
    arrays: dict[str, Any] = {}
    for split, n in sizes.items():
        arrays[f"{split}_images"] = np.stack([picture(len(arrays) * 100 + i) for i in range(n)])
        arrays[f"{split}_labels"] = np.arange(n)[:, None] % 2
    return archive(path, **arrays)


def test_medmnists_splits_are_kept_where_the_split_column_is_named(tmp_path: Path) -> None:
    asked = task({"train": medmnist(tmp_path), **SPLIT})
    sha256 = fingerprints(asked, asked.data, ())
    found = load_dataset(asked, asked.data, by=(), seed=0, sample=False, sha256=sha256)
    assert {name: len(rows) for name, rows in found.splits.items()} == {"train": 8, "validation": 2, "test": 4}
    assert (found.splits["test"].names or [])[1] == "test_images[1]"
    assert found.target.classes == ("0", "1")


@pytest.mark.parametrize("key", ["data.train", "data.test"])
def test_medmnists_splits_are_never_mixed_unasked(read: Read, tmp_path: Path, key: str) -> None:
    with pytest.raises(
        DataError, match=r"holds the splits train, val, test\ngive it as data.train, and add data.split_"
    ):
        read(medmnist(tmp_path), SPLIT if key == "data.test" else None, key=key)
    assert len(read(medmnist(tmp_path), labelled=False, key="INPUT")[0]) == 14


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"x": np.zeros(3)}, "holds no images: its arrays are x"),
        ({"images": np.zeros((2, 3))}, r"images is \[2, 3\] of float64; images are \[n, height, width\]"),
        ({"images": np.array([["a"]] * 2)[..., None]}, r"images is \[2, 1, 1\] of <U1"),
        ({"images": np.zeros((2, 3, 4)).T}, "Fortran order"),
        ({"images": np.array([None, 1])}, "images is"),
        ({"images": np.zeros((2, 3, 4)), "labels": np.zeros(3)}, "images has 2 rows and labels 3"),
        ({"images": np.zeros((2, 3, 4)), "labels": np.array([None, 1])}, "not an .npz archive of plain arrays"),
        ({"images": np.zeros((2, 3, 4)), "labels": np.array([[1, 2], [0, 1]])}, "must hold 0 or 1"),
        ({"images": np.zeros((2, 3, 4)), "labels": np.zeros((2, 1, 1))}, "labels are numbers or texts"),
    ],
)
def test_an_archive_of_something_else_is_refused(read: Read, tmp_path: Path, arrays: Any, told: str) -> None:
    with pytest.raises(DataError, match=told):
        read(archive(tmp_path, **arrays))


def test_a_damaged_archive_is_refused_and_not_quoted(read: Read, tmp_path: Path) -> None:
    whole = archive(tmp_path, images=stack(40), labels=np.zeros(40)).read_bytes()
    middle = whole[:700] + bytes(byte ^ 255 for byte in whole[700:800]) + whole[800:]
    for damaged in (whole[:-30], b"PK", b"", middle):
        (tmp_path / "damaged.npz").write_bytes(damaged)
        with pytest.raises(DataError, match=r"damaged.npz: not an .npz archive of plain arrays, or a damaged one"):
            read(tmp_path / "damaged.npz")


def test_an_array_that_is_shorter_than_it_says_is_refused(read: Read, tmp_path: Path) -> None:
    import io
    import zipfile

    data = io.BytesIO()
    np.save(data, stack(2))
    with zipfile.ZipFile(tmp_path / "short.npz", "w") as file:
        file.writestr("images.npy", data.getvalue()[:-9])
    with pytest.raises(DataError, match="images is cut short"):
        read(tmp_path / "short.npz", labelled=False)


# ---- what a finished run is given


def test_a_model_of_several_label_columns_predicts_a_folder_and_an_archive(read: Read, chest: Path) -> None:
    found, problems = read(chest, {"label": ["mass", "edema"]}, key="INPUT", labelled=False)
    assert len(found) == 3 and not problems
    with pytest.raises(ConfigError, match="data.label names several columns"):
        read(chest, {"label": ["mass", "edema"]}, key="data.train")


def test_an_archive_of_several_splits_is_no_table_to_evaluate_on(read: Read, tmp_path: Path) -> None:
    arrays = {f"{split}_{what}": values for split in ("train", "test") for what, values in
              (("images", stack(2)), ("labels", np.array([[0], [1]])))}  # fmt: skip
    np.savez(tmp_path / "mnist.npz", **arrays)
    with pytest.raises(DataError, match="holds the splits train, test\ngive the arrays of one of them"):
        read(tmp_path / "mnist.npz", key="DATA")
    found, _ = read(tmp_path / "mnist.npz", key="INPUT", labelled=False)
    assert len(found) == 4
