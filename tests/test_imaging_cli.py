"""The task `imaging` on the command line: good and bad images, what is told of them, and what is left behind."""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from medplug.cli import cli
from medplug.plugins.imaging.sample import draw, draw_mask, sample

SHARED = Path(os.environ.get("MEDPLUG_SHARED") or Path(__file__).parents[2] / "shared")
PATIENT = "Roe^Jane"
ROWS = 45
QUICK = ("backbone.width=32", "train.epochs=1", "report.resamples=100")

pytestmark = pytest.mark.usefixtures("one_thread")
Medplug = Callable[..., Result]


@pytest.fixture
def medplug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Medplug:
    """Run the command in an empty folder, as a user would."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return lambda *words: CliRunner().invoke(cli, list(words))


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A folder ``scans`` with pictures, masks and a table of them."""
    folder = tmp_path / "scans"
    (folder / "masks").mkdir(parents=True)
    rows = sample().head(ROWS)
    for number in range(ROWS):
        Image.fromarray(draw(number)[0]).save(folder / f"{number}.png")
        Image.fromarray(draw_mask(number) * 255).save(folder / "masks" / f"{number}.png")
    names = [f"{number}.png" for number in range(ROWS)]
    rows.with_columns(image=pl.Series(names), mask="masks/" + pl.Series(names)).write_csv(folder / "good.csv")
    return folder


def with_row(scans: Path, *bad: str, column: str = "image") -> Path:
    """The table with the cells of the rows from 8 on replaced."""
    table = pl.read_csv(scans / "good.csv")
    cells = table[column].to_list()
    cells[7 : 7 + len(bad)] = bad
    table.with_columns(pl.Series(column, cells)).write_csv(scans / "table.csv")
    return scans / "table.csv"


# ---- the bad files of a hospital


def cut_jpeg(file: Path) -> None:
    whole = io.BytesIO()
    Image.fromarray(draw(1)[0]).save(whole, "JPEG")
    file.write_bytes(whole.getvalue()[:900])


def huge_png(file: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0))
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(999))) + chunk(b"IEND", b""))


def dicom_without_pixels(file: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    told = pydicom.dataset.FileMetaDataset()
    told.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    told.MediaStorageSOPClassUID, told.MediaStorageSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3"
    scan = pydicom.dataset.Dataset()
    scan.file_meta, scan.PatientName = told, PATIENT
    scan.SOPClassUID, scan.SOPInstanceUID = told.MediaStorageSOPClassUID, told.MediaStorageSOPInstanceUID
    scan.save_as(file, enforce_file_format=True)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut.jpg": (cut_jpeg, "the JPEG is cut off"),
    "zero.png": (lambda file: file.write_bytes(b""), "the file is empty (0 bytes)"),
    "huge.png": (huge_png, "it is too large"),
    "plan.dcm": (dicom_without_pixels, "the DICOM file holds no pixels"),
    "note.png": (lambda file: file.write_text(PATIENT), "it is not an image: it holds text"),
    "absent.png": (lambda file: None, "there is no such file"),
    "../outside.png": (lambda file: Image.fromarray(draw(0)[0]).save(file), "it lies outside"),
}


def assert_told(result: Result, *words: str) -> None:
    """One screen that names the thing and the next step, exit code 2, no traceback, no patient."""
    assert result.exit_code == 2, result.output
    for word in words:
        assert word in result.output
    assert len(result.output.splitlines()) <= 24
    assert "Traceback" not in result.output and "Roe" not in result.output


@pytest.mark.parametrize("name", BAD)
def test_a_bad_image_is_told_by_row_with_the_next_step(
    medplug: Medplug, scans: Path, tmp_path: Path, name: str
) -> None:
    make, reason = BAD[name]
    make(scans / name)
    table = with_row(scans, name)
    kept = {path.name for path in tmp_path.iterdir()}
    result = medplug("run", "task=imaging", f"data.train={table}", *QUICK)
    assert_told(result, "1 bad row(s)", f"row 8, column image: {reason}", "data.on_error=skip")
    assert {path.name for path in tmp_path.iterdir()} == kept


def test_bad_images_are_set_aside_counted_and_listed_in_order_and_prediction_tells_of_them_too(
    medplug: Medplug, scans: Path, tmp_path: Path
) -> None:
    for name, (make, _) in BAD.items():
        make(scans / name)
    table, skip = with_row(scans, *BAD), "data.on_error=skip"
    result = medplug("run", "task=imaging", f"data.train={table}", "output=run", *QUICK, skip)
    assert result.exit_code == 0, result.output
    rejected = pl.read_parquet(tmp_path / "run" / "rejected.parquet")
    assert rejected["row"].to_list() == list(range(8, 8 + len(BAD)))
    for (name, (_, reason)), told in zip(BAD.items(), rejected["reason"], strict=True):
        assert told.startswith(reason) and name not in told
    report = (tmp_path / "run" / "report.html").read_text()
    assert f"{len(BAD)} rows were set aside" in report and "Roe" not in report

    kept = {path.name for path in tmp_path.iterdir()}
    stopped = medplug("predict", "run", str(table))
    assert_told(stopped, f"{len(BAD)} bad row(s)", "row 8, column image: the JPEG is cut off", "--on-error skip")
    assert_told(medplug("evaluate", "run", str(table)), f"{len(BAD)} bad row(s)", "mend them, or take them out")
    assert {path.name for path in tmp_path.iterdir()} == kept
    went_on = medplug("predict", "run", str(table), "--on-error", "skip", "-o", "found.jsonl")
    assert went_on.exit_code == 0 and f"{len(BAD)} row(s) set aside" in went_on.output
    told = [line for line in went_on.output.splitlines() if line.startswith("  row ")]
    assert [int(line.split()[1].strip(",")) for line in told] == list(range(8, 8 + len(BAD)))
    assert len((tmp_path / "found.jsonl").read_text().splitlines()) == ROWS - len(BAD)


def test_a_mask_of_another_size_is_told_with_both_sizes(medplug: Medplug, scans: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(scans / "small.png")
    table = with_row(scans, "small.png", column="mask")
    result = medplug("run", "task=imaging", "task.target=mask", f"data.train={table}", *QUICK)
    assert_told(result, "row 8, column mask: the mask is 30 x 20 pixels and its image 64 x 64")
    assert not (tmp_path / "runs").exists()


def test_a_class_folder_without_an_image_is_told(medplug: Medplug, tmp_path: Path) -> None:
    for name in ("benign", "malignant", "normal"):
        (tmp_path / "classes" / name).mkdir(parents=True)
        if name != "normal":
            Image.fromarray(draw(0)[0]).save(tmp_path / "classes" / name / "1.png")
    result = medplug("run", "task=imaging", "data.train=classes", *QUICK)
    assert_told(result, "data.train", "the class folder normal has no image", "put images into it, or remove it")
    assert {path.name for path in tmp_path.iterdir()} == {"classes"}


# ---- what is read


def test_a_nifti_of_one_slice_is_a_plain_picture_among_others(medplug: Medplug, scans: Path, tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    volume = draw(3)[0][:, :, None].astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), scans / "one.nii.gz")
    result = medplug("run", "task=imaging", f"data.train={with_row(scans, 'one.nii.gz')}", "output=run", *QUICK)
    assert result.exit_code == 0, result.output
    alone = medplug("predict", "run", str(scans / "one.nii.gz"), "-o", "found.csv")
    assert alone.exit_code == 0, alone.output
    assert pl.read_csv("found.csv")["name"].to_list() == ["one.nii.gz"]


def test_a_file_a_folder_a_table_an_archive_and_class_folders_are_predicted_alike(
    medplug: Medplug, scans: Path, tmp_path: Path
) -> None:
    assert medplug("run", "task=imaging", f"data.train={scans / 'good.csv'}", "output=run", *QUICK).exit_code == 0
    (tmp_path / "classes" / "a").mkdir(parents=True)
    Image.fromarray(draw(0)[0]).save(tmp_path / "classes" / "a" / "0.png")
    (tmp_path / "classes" / "notes.txt").write_text("no image")
    np.savez(tmp_path / "one.npz", images=draw(0))
    pl.DataFrame({"image": ["scans/0.png"]}).write_csv(tmp_path / "one.csv")
    found = {}
    for number, given in enumerate(("scans/0.png", "scans", "one.csv", "one.npz", "classes")):
        result = medplug("predict", "run", given, "-o", f"{number}.parquet")
        assert result.exit_code == 0, result.output
        found[given] = pl.read_parquet(f"{number}.parquet").row(0, named=True)
    first = found["scans/0.png"]
    assert [each["name"] for each in found.values()] == ["0.png", "0.png", "scans/0.png", "images[0]", "a/0.png"]
    for each in found.values():
        assert each["p_benign"] == pytest.approx(first["p_benign"], abs=1e-5)


def test_masks_are_written_where_they_are_predicted_and_no_folder_is_left_where_not(
    medplug: Medplug, scans: Path, tmp_path: Path
) -> None:
    table = f"data.train={scans / 'good.csv'}"
    assert medplug("run", "task=imaging", table, "output=plain", *QUICK).exit_code == 0
    result = medplug("predict", "plain", "scans/0.png", "--masks", "found")
    assert_told(result, "no masks", "leave out --masks")
    assert not (tmp_path / "found").exists()
    assert medplug("run", "task=imaging", "task.target=mask", table, "output=run", *QUICK).exit_code == 0
    result = medplug("predict", "run", "scans/0.png", "--masks", "found")
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "found" / "1.png") as mask:
        assert mask.size == (64, 64)


# ---- wrong keys


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("task=text_diagnosis", "augment.flip=horizontal"), ("augment.flip is not a key",)),
        (("task=imaging", "augment.flp=both"), ("augment.flp", "did you mean augment.flip?")),
        (("task=imaging", "augment.rotate=999"), ("augment.rotate=999", "180")),
        (("task=imaging", "backbone=minilm"), ("backbone=minilm encodes text", "needs image")),
        (("task=imaging", "backbone=resnet99"), ("'resnet99'", "resnet50", "medplug list backbones")),
        (("task=imaging", "backbone=mobilenetv2", "backbone.mean=128"), ("backbone.mean=128", "divide", "255")),
        (("task=imaging", "backbone=mobilenetv2", "backbone.std=[58,57,57]"), ("backbone.std", "divide", "255")),
        *((("task=imaging", f"adapter={name}"), (f"adapter={name}", "random weights", "adapter=finetune"))
          for name in ("prefix", "ia3", "lora", "bottleneck", "svm", "prototypes")),
        (("task=imaging", "task.target=mask", "augment.mixup=0.2"), ("augment.mixup", "task.target=mask")),
        (("task=imaging", "task.target=mask", "selection.metric=auroc"), ("selection.metric=auroc", "dice")),
        (("task=imaging", "selection.metric=dice"), ("selection.metric=dice", "auroc")),
    ],
)  # fmt: skip
def test_a_wrong_key_is_told_with_what_would_be_right(
    medplug: Medplug, tmp_path: Path, words: tuple[str, ...], told: tuple[str, ...]
) -> None:
    assert_told(medplug("run", *words), *told)
    assert not any(tmp_path.iterdir())


def test_masks_are_asked_for_where_a_table_has_labels_alone(medplug: Medplug, scans: Path) -> None:
    pl.read_csv(scans / "good.csv").drop("mask").write_csv(scans / "labels.csv")
    result = medplug("run", "task=imaging", "task.target=mask", f"data.train={scans / 'labels.csv'}")
    assert_told(result, "data.mask=mask: there is no column 'mask'", "data.mask=COLUMN")


def test_what_is_shown_of_the_task_has_the_keys_of_augmentation(medplug: Medplug) -> None:
    shown = medplug("show", "imaging").output
    assert "augment.flip (default none)" in shown and "data.image (default image)" in shown


def test_two_sites_are_aligned_and_equal_seeds_give_equal_metrics(
    medplug: Medplug, scans: Path, tmp_path: Path
) -> None:
    sites = ("data.site=site", 'data.source_sites=["lakeside"]', 'data.target_sites=["central","harbour"]')
    for name in ("one", "two"):
        result = medplug(
            *("run", "task=imaging", f"data.train={scans / 'good.csv'}", f"output={name}"),
            *(*sites, "adapter=finetune+coral", *QUICK),
        )
        assert result.exit_code == 0, result.output
    one, two = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("one", "two"))
    assert one["metrics"] == two["metrics"]


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data: set MEDPLUG_SHARED to the folder that holds data/")
def test_radiographs_of_every_kind_of_file_are_predicted(medplug: Medplug, scans: Path) -> None:
    assert medplug("run", "task=imaging", f"data.train={scans / 'good.csv'}", "output=run", *QUICK).exit_code == 0
    result = medplug("predict", "run", str(SHARED / "data" / "cxr_file_samples"), "-o", "found.csv")
    assert result.exit_code == 0, result.output
    found = pl.read_csv("found.csv")
    assert sorted(name.rpartition(".")[2] for name in found["name"]) == ["dcm", "dcm", "jpg", "png", "png", "png"]
