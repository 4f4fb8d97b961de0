from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from medplug.core.data.dataset import load_dataset
from medplug.core.data.reading import fingerprints
from medplug.core.data.targets import Target
from medplug.core.errors import ConfigError, DataError, RowsError
from medplug.core.images import table as table_reading
from medplug.core.images.store import ImageStore
from medplug.core.task import Examples
from medplug.plugins.imaging.options import ImagingData, ImagingOptions
from medplug.plugins.imaging.task import Imaging

Read = Callable[..., tuple[Examples, list[tuple[int, str, str]]]]
Save = Callable[..., str]
Table = Callable[..., Path]


def task(data: dict[str, Any] | None = None, **options: Any) -> Imaging:
    return Imaging(ImagingOptions(**options), ImagingData(**(data or {})))


def picture(number: int = 0, height: int = 8, width: int = 8) -> np.ndarray[Any, Any]:
    """A grey picture, another one for each number."""
    return np.random.default_rng(number).integers(0, 256, (height, width), dtype=np.uint8)


def pixels(found: Examples) -> list[np.ndarray[Any, Any]]:
    return [image.pixels() for image in found.inputs["image"]]


def png_header(width: int, height: int) -> bytes:
    """A PNG that says how large it is and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


# ---- tables of paths


def test_paths_start_from_the_tables_folder_and_name_the_rows(read: Read, save: Save, table: Table) -> None:
    names = [save("scans/a.png", picture(0)), save("scans/b.png", picture(1))]
    found, problems = read(table(image=names, label=["x", "y"]))
    assert (found.names, found.labels, problems) == (names, ["x", "y"], [])
    for got, number in zip(pixels(found), (0, 1), strict=True):
        np.testing.assert_array_equal(got, picture(number)[None])


def test_paths_start_from_data_root_where_it_is_set(read: Read, save: Save, tmp_path: Path) -> None:
    save("elsewhere/a.png", picture())
    found, problems = read({"image": ["a.png"], "label": ["x"]}, {"root": tmp_path / "elsewhere"})
    assert (found.names, problems) == (["a.png"], [])


def test_paths_of_a_table_in_memory_start_from_the_current_folder(
    read: Read, save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("a.png", picture())
    monkeypatch.chdir(tmp_path)
    assert read({"image": ["a.png"], "label": ["x"]})[1] == []


def test_backslashes_of_another_system_divide_folders_too(read: Read, save: Save, table: Table) -> None:
    save("scans/a.png", picture())
    assert read(table(image=["scans\\a.png"], label=["x"]))[1] == []


def test_a_path_outside_the_folder_is_refused_with_the_way_out(read: Read, save: Save, tmp_path: Path) -> None:
    save("other/secret.png", picture())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "link.png").symlink_to(tmp_path / "other" / "secret.png")
    given = ["../other/secret.png", str(tmp_path / "other" / "secret.png"), "link.png"]
    pl.DataFrame({"image": given, "label": ["x"] * 3}).write_csv(tmp_path / "mine" / "table.csv")
    found, problems = read(tmp_path / "mine" / "table.csv")
    assert len(found) == 0
    assert [(row, column) for row, column, _ in problems] == [(1, "image"), (2, "image"), (3, "image")]
    for _, _, reason in problems:
        assert reason.startswith("it lies outside") and "secret" not in reason
        assert "set data.root (of a finished run: --root) to a folder above it" in reason
    assert read(tmp_path / "mine" / "table.csv", {"root": tmp_path / "mine" / ".."})[1][0][2].startswith(
        "it lies outside"
    )
    above = {"image": ["other/secret.png", "mine/link.png"], "label": ["x", "x"]}
    assert read(above, {"root": tmp_path})[1] == []


def test_a_cell_that_is_no_path_is_not_quoted(read: Read, table: Table) -> None:
    note = "Jane Roe has had a cough"
    ((row, column, reason),) = read(table(image=[note], label=["x"]))[1]
    assert (row, column) == (1, "image")
    assert "Roe" not in reason and "is this the column of the images' paths?" in reason


def test_bad_images_are_told_by_row_and_the_others_kept(read: Read, save: Save, table: Table, tmp_path: Path) -> None:
    Image.fromarray(picture(2, 64, 64)).save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:400])
    (tmp_path / "none.png").write_bytes(b"")
    (tmp_path / "huge.png").write_bytes(png_header(50_000, 50_000))
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "report.dcm").write_bytes(dicom_without_pixels())
    save("good.png", picture())
    names = ["cut.jpg", "none.png", "huge.png", "text.png", "report.dcm", "lost.png", None, "good.png"]
    found, problems = read(table(image=names, label=["x"] * 8))
    assert found.names == ["good.png"]
    assert [(row, column) for row, column, _ in sorted(problems)] == [(row, "image") for row in range(1, 8)]
    reasons = dict((row, reason) for row, _, reason in problems)
    for row, told in {
        1: "the JPEG is cut off",
        2: "the file is empty (0 bytes)",
        3: "it is too large",
        4: "it is not an image",
        5: "the DICOM file holds no pixels",
        6: "there is no such file",
        7: "the image is empty",
    }.items():
        assert reasons[row].startswith(told)


def dicom_without_pixels() -> bytes:
    import io

    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID = "1.2.3", ExplicitVRLittleEndian
    report = Dataset()
    report.file_meta, report.SOPClassUID, report.SOPInstanceUID = meta, meta.MediaStorageSOPClassUID, "1.2.3"
    buffer = io.BytesIO()
    report.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def test_bad_rows_stop_a_run_or_are_set_aside_as_data_on_error_says(save: Save, table: Table) -> None:
    names = [save(f"{i}.png", picture(i)) for i in range(12)]
    train = table(image=[*names, "lost.png"], label=[*"xy" * 6, "x"])
    with pytest.raises(RowsError, match=r"row 13, column image: there is no such file"):
        load(train=train)
    facts = load(train=train, on_error="skip")
    assert [(split, problem.row) for split, problem in facts.rejected] == [("train", 13)]
    assert facts.tables["train"]["rejected"] == 1
    assert len(facts.tables["train"]["images_sha256"]) == 64


def load(**keys: Any) -> Any:
    asked = task(keys)
    sha256 = fingerprints(asked, asked.data, ())
    return load_dataset(asked, asked.data, by=(), seed=0, sample=False, sha256=sha256).facts


def test_nothing_is_decoded_twice(
    read: Read, save: Save, table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[Path] = []

    def counted(path: Path, how: Any) -> Any:
        decoded.append(path)
        return picture()[None]

    monkeypatch.setattr(table_reading, "read_image", counted)
    save("a/x.png", picture(0)), save("b.png", picture(1))
    found, _ = read(table(image=["a/x.png", "b.png", "a/../a/x.png", "b.png"], label=[*"xyxy"]))
    assert sorted(decoded) == sorted([tmp_path.resolve() / "a" / "x.png", tmp_path.resolve() / "b.png"])
    assert found.names == ["a/x.png", "b.png", "a/../a/x.png", "b.png"]


def test_the_reading_is_reported_and_its_file_lies_in_the_scratch_folder(save: Save, tmp_path: Path) -> None:
    from medplug.core.data.problems import Problems

    asked, told = task({"root": tmp_path}), []
    asked.report = lambda done, total: told.append((done, total))  # type: ignore[method-assign]
    asked.scratch = tmp_path
    frame = pl.DataFrame({"image": [save("a.png", picture(0)), save("b.png", picture(1))]})
    found = asked.examples(frame, Problems("t"), labelled=False)
    assert told == [(1, 2), (2, 2)]
    assert found.inputs["image"][0].store.folder == tmp_path


def test_images_are_read_as_the_options_say(read: Read, save: Save, table: Table, tmp_path: Path) -> None:
    import nibabel

    save("large.png", picture(0, 40, 60))
    volume = np.arange(6 * 7 * 9, dtype=np.int16).reshape(6, 7, 9)
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / "scan.nii.gz")
    nibabel.save(nibabel.Nifti1Image(volume[:, :, :1], np.eye(4)), tmp_path / "slice.nii")
    given = table(image=["large.png", "scan.nii.gz", "slice.nii"], label=[*"xyx"])
    found, problems = read(given, {"resolution": 20, "frames": 4})
    assert problems == []
    assert [image.shape for image in found.inputs["image"]] == [(1, 20, 30), (4, 7, 6), (1, 7, 6)]
    windowed, _ = read(given, {"window": [10_000, 2]})
    assert pixels(windowed)[1].max() == 0


# ---- arrays and pictures in memory


def test_arrays_and_pillow_images_are_read_from_memory(read: Read) -> None:
    images = [picture(0), picture(1)]
    found, problems = read({"image": images}, labelled=False, key="INPUT")
    assert (found.names, problems) == (None, [])
    np.testing.assert_array_equal(pixels(found)[1], images[1][None])
    grey, colour = Image.fromarray(images[0]), Image.fromarray(np.dstack([images[0], images[1], images[0]]))
    found, problems = read({"image": [grey, colour, grey.convert("P"), None]}, labelled=False, key="INPUT")
    assert [image.shape for image in found.inputs["image"]] == [(1, 8, 8), (1, 8, 8, 3), (1, 8, 8)]
    assert problems == [(4, "image", "the image is empty")]


def test_what_is_no_image_in_memory_is_a_problem_of_its_row(read: Read) -> None:
    _, problems = read({"image": [picture(), np.zeros(3), {1}]}, labelled=False, key="INPUT")
    (row, _, shape), (other, _, kind) = problems
    assert (row, other) == (2, 3)
    assert "shape [3]" in shape and "holds a set" in kind


def test_paths_may_be_path_objects(read: Read, save: Save, tmp_path: Path) -> None:
    name = save("a.png", picture())
    found, problems = read({"image": [Path(name)]}, {"root": tmp_path}, labelled=False)
    assert (found.names, problems) == (["a.png"], [])


# ---- labels, targets, metrics


def test_the_needed_columns_are_told_by_their_key() -> None:
    assert task().columns(labelled=False) == {"data.image": "image"}
    assert task({"image": "file"}).columns(labelled=True) == {"data.image": "file", "data.label": "label"}
    several = task({"label": ["mass", "edema"]}).columns(labelled=True)
    assert several == {"data.image": "image", "data.label[0]": "mass", "data.label[1]": "edema"}
    assert task(target="mask").columns(labelled=True) == {"data.image": "image", "data.mask": "mask"}


def test_labels_are_read_as_every_task_with_classes_reads_them(read: Read, save: Save, table: Table) -> None:
    names = [save(f"{i}.png", picture(i)) for i in range(3)]
    found, problems = read(table(image=names, label=["a;b", "b", None]), target="multilabel")
    assert (found.labels, problems) == ([("a", "b"), ("b",)], [(3, "label", "the label is empty")])
    flags = table(image=names, mass=[1, 0, 0], edema=[1, 1, 0])
    assert read(flags, {"label": ["mass", "edema"]})[0].labels == [("mass", "edema"), ("edema",), ()]


def test_a_wrong_kind_of_label_is_told_before_any_image_is_decoded(
    read: Read, save: Save, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_reading, "read_image", lambda *_: pytest.fail("an image was decoded"))
    with pytest.raises(ConfigError, match="task.target=multilabel"):
        read(table(image=[save("a.png", picture())], a=[1], b=[0]), {"label": ["a", "b"]}, target="binary")


def test_a_number_is_predicted_from_its_column(read: Read, save: Save, table: Table) -> None:
    names = [save(f"{i}.png", picture()) for i in range(3)]
    found, problems = read(table(image=names, label=["41.5", "x", "38"]), target="regression")
    assert found.labels == [41.5, 38.0]
    assert [(row, column) for row, column, _ in problems] == [(2, "label")]
    asked = Imaging(ImagingOptions(target="regression"), ImagingData())
    target = asked.target(found.labels)
    assert (target.kind, target.classes, target.centre) == ("regression", ("label",), 39.75)
    assert asked.metrics(target)[0] == "mae"


def test_the_first_metric_suits_the_target() -> None:
    first = {kind: task().metrics(task().target(y)) for kind, y in {
        "binary": ["0", "1"], "multiclass": ["a", "b", "c"], "multilabel": [("a",), ("b",)],
    }.items()}  # fmt: skip
    assert {kind: names[0] for kind, names in first.items()} == dict.fromkeys(first, "auroc")
    assert all(len(set(names)) == len(names) and "accuracy" in names for names in first.values())
    assert task(target="mask").metrics(Target("mask", ("lesion",))) == ("dice", "iou", "hausdorff95")


def test_the_target_of_columns_has_them_as_classes_in_order() -> None:
    assert task({"label": ["b", "a"]}).target([("a",), ("b",)]).classes == ("b", "a")
    assert task(positive="a").target(["a", "b"]).classes == ("b", "a")


@pytest.mark.parametrize(
    ("labels", "classes"),
    [([("lesion",), ()], ("lesion",)), ([("2",), ("1", "4")], ("1", "2", "3", "4")), ([("10",), ("9",)], None)],
)
def test_the_classes_of_masks_are_the_numbers_up_to_the_highest(labels: Any, classes: Any) -> None:
    expected = classes or tuple(str(number) for number in range(1, 11))
    assert task(target="mask").target(labels) == Target("mask", expected)


def test_named_classes_of_masks_stay_as_they_are_named() -> None:
    assert task(target="mask", classes=["nerve", "vessel"]).target([()]).classes == ("nerve", "vessel")


def test_masks_that_mark_nothing_cannot_be_learned_from() -> None:
    with pytest.raises(DataError, match="no training mask marks a pixel"):
        task(target="mask").target([(), ()])
    with pytest.raises(DataError, match="name the classes of both"):
        task(target="mask").target([("lesion",), ("2",)])


# ---- tidying


def test_repeated_training_rows_are_dropped_and_the_first_kept() -> None:
    store = ImageStore()
    images = [store.add(picture(number)[None]) for number in (0, 1, 0, 0)]
    train = Examples(np.arange(1, 5), {"image": images}, ["x", "x", "x", "y"])
    kept, counts = task().tidy(train)
    assert kept.rows.tolist() == [1, 2, 4]
    assert counts == {"duplicate rows dropped": 1, "rows whose image carries several labels": 2}
    everything, counts = task(deduplicate=False).tidy(train)
    assert (len(everything), counts) == (4, {"rows whose image carries several labels": 3})


def test_an_image_with_two_masks_is_no_repeat() -> None:
    store = ImageStore()
    image, masks = store.add(picture()[None]), [store.add(np.full((1, 8, 8), k, np.uint8)) for k in (0, 1, 1)]
    train = Examples(np.arange(1, 4), {"image": [image] * 3}, [(), ("lesion",), ("lesion",)], masks=masks)
    assert task(target="mask").tidy(train)[0].rows.tolist() == [1, 2]


# ---- the sample


@pytest.mark.parametrize("target", ["auto", "mask"])
def test_the_sample_is_read_with_the_columns_that_the_task_names(read: Read, target: str) -> None:
    ours = task(dict(Imaging.sample_columns), target=target)
    found, problems = read(ours.sample().head(30), dict(Imaging.sample_columns), target=target)
    assert problems == []
    assert set(found.sites or []) <= {"lakeside", "central", "harbour"}
    assert (found.names or [])[:2] == ["sample:0000", "sample:0001"]
    if target == "auto":
        assert ours.target(found.labels or []).kind == "multiclass"
    else:
        assert ours.target(found.labels or []) == Target("mask", ("lesion",))
        assert found.masks is not None
        assert {mask.shape for mask in found.masks} == {(1, 64, 64)}


def test_the_sample_comes_under_the_users_own_column_names() -> None:
    assert {"scan", "finding"} <= set(task({"image": "scan", "label": "finding"}).sample().columns)
    with pytest.raises(ConfigError, match="data.label names several columns"):
        task({"label": ["a", "b"]}).sample()


def test_a_sample_picture_that_does_not_exist_is_a_problem(read: Read) -> None:
    assert read({"image": ["sample:0360"]}, labelled=False)[1][0][2].startswith("the sample has")
