"""NIfTI files written here: which way is up, which slices are read, and what is refused."""

from __future__ import annotations

import gzip
import itertools
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform

from medplug.core.errors import ConfigError
from medplug.core.images.formats import ImageError, Reading, read_image

READING = Reading(frames=99, shortest=224, window=None)
RAS = np.random.default_rng(0).integers(0, 256, (5, 6, 7), dtype=np.uint8)
"""``[right, anterior, superior]``: index 0 is the patient's left, back and lower end."""
SHOWN = np.stack([RAS[::-1, ::-1, level].T for level in range(7)])


def saved(path: Path, array: np.ndarray, affine: np.ndarray | None = None, name: str = "volume.nii") -> Path:
    nib.Nifti1Image(array, np.eye(4) if affine is None else affine).to_filename(path / name)
    return path / name


def turned(codes: str, array: np.ndarray = RAS) -> tuple[np.ndarray, np.ndarray]:
    """The same volume stored with other axes, and the affine that says so."""
    change = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
    return nib.orientations.apply_orientation(array, change), inv_ornt_aff(change, array.shape[:3])


def reason(file: Path) -> str:
    with pytest.raises(ImageError) as refused:
        read_image(file, READING)
    return str(refused.value)


def test_anterior_is_up_and_the_patients_right_is_on_the_left(tmp_path: Path) -> None:
    body = np.zeros((5, 6, 2), np.uint8)
    body[4, :, :] = 100  # the patient's right
    body[:, 5, 0] = 200  # the front, in the lower slice
    pixels = read_image(saved(tmp_path, body), READING)
    assert pixels.shape == (2, 6, 5)
    assert (pixels[0, 0] == 200).all() and not pixels[0, -1, 1:].any()
    assert (pixels[1, :, 0] == 100).all() and not pixels[1, :, 1:].any()


ORIENTATIONS = [
    "".join(code) for axes in itertools.permutations(("RL", "AP", "SI")) for code in itertools.product(*axes)
]


@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_every_orientation_gives_the_same_picture(tmp_path: Path, codes: str, ending: str) -> None:
    array, affine = turned(codes)
    assert "".join(nib.aff2axcodes(affine)) == codes
    file = saved(tmp_path, array, affine, f"volume.{ending}")
    np.testing.assert_array_equal(read_image(file, READING), SHOWN)
    np.testing.assert_array_equal(read_image(file, Reading(3, 224, None)), SHOWN[[1, 3, 5]])


def test_an_oblique_volume_follows_its_closest_axes(tmp_path: Path) -> None:
    angle = np.deg2rad(20)
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    np.testing.assert_array_equal(read_image(saved(tmp_path, RAS, affine), READING), SHOWN)


def test_the_content_tells_what_it_is_not_the_name(tmp_path: Path) -> None:
    for name, renamed in (("a.nii", "a"), ("b.nii.gz", "b.png")):
        saved(tmp_path, RAS, name=name).rename(tmp_path / renamed)
        np.testing.assert_array_equal(read_image(tmp_path / renamed, READING), SHOWN)
    nib.Nifti2Image(RAS, np.eye(4)).to_filename(tmp_path / "two.nii")
    np.testing.assert_array_equal(read_image(tmp_path / "two.nii", READING), SHOWN)


def test_a_volume_of_one_slice_and_a_flat_one_are_one_frame(tmp_path: Path) -> None:
    for flat in (RAS[:, :, :1], RAS[:, :, 0]):
        np.testing.assert_array_equal(read_image(saved(tmp_path, flat), READING), SHOWN[:1])


@pytest.mark.parametrize("codes", ["RAS", "LPS", "SRA", "ASL"])
def test_a_single_slice_is_shown_in_its_own_plane(tmp_path: Path, codes: str) -> None:
    coronal = read_image(saved(tmp_path, *turned(codes, RAS[:, 2:3])), READING)
    np.testing.assert_array_equal(coronal, RAS[::-1, 2, ::-1].T[None])
    sagittal = read_image(saved(tmp_path, *turned(codes, RAS[2:3])), READING)
    np.testing.assert_array_equal(sagittal, RAS[2, ::-1, ::-1].T[None])


def test_of_a_series_the_first_volume_is_read(tmp_path: Path) -> None:
    for codes in ("RAS", "SAL"):
        first, affine = turned(codes)
        series = np.stack([first, first // 2, first // 3], axis=3)
        np.testing.assert_array_equal(read_image(saved(tmp_path, series, affine), READING), SHOWN)


def test_colours_are_read_as_they_are(tmp_path: Path) -> None:
    colours = np.random.default_rng(1).integers(0, 256, (5, 6, 7, 3), dtype=np.uint8)
    stored = colours.view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    pixels = read_image(saved(tmp_path, stored), READING)
    np.testing.assert_array_equal(pixels, colours[::-1, ::-1].transpose(2, 1, 0, 3))


def hounsfield() -> np.ndarray:
    return np.random.default_rng(2).integers(-1024, 2000, (20, 20, 9)).astype(np.int16)


def test_wide_values_are_stretched_between_the_percentiles_of_the_kept_slices(tmp_path: Path) -> None:
    volume = hounsfield()
    volume[:, :, 0] = 30_000  # is not among the kept
    kept = volume[::-1, ::-1][:, :, [1, 4, 7]].transpose(2, 1, 0).astype(np.float64)
    low, high = np.percentile(kept, (0.1, 99.9))
    pixels = read_image(saved(tmp_path, volume), Reading(3, 224, None))
    np.testing.assert_allclose(pixels, np.clip((kept - low) / (high - low), 0, 1) * 255, atol=0.6)


def test_the_window_is_in_scaled_units(tmp_path: Path) -> None:
    image = nib.Nifti1Image(hounsfield(), np.eye(4))
    image.header.set_slope_inter(2, -50)
    image.to_filename(tmp_path / "a.nii")
    units = np.asarray(nib.load(tmp_path / "a.nii").dataobj)
    expected = np.clip((units + 160) / 400, 0, 1)[::-1, ::-1].transpose(2, 1, 0) * 255
    assert units.min() < -160 and expected.std() > 50
    np.testing.assert_allclose(read_image(tmp_path / "a.nii", Reading(99, 224, (40, 400))), expected, atol=0.51)


def test_what_is_not_finite_counts_as_the_smallest(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 4 * 4 * 2).reshape(4, 4, 2)
    values[0, 0, 0], values[1, 1, 1] = np.nan, np.inf
    pixels = read_image(saved(tmp_path, values), READING)
    assert pixels[0, -1, -1] == 0 and pixels[1, 2, 2] == 0 and pixels.max() == 255


@pytest.mark.parametrize("codes", ["RAS", "SAR"])
def test_only_what_is_needed_is_read_and_in_one_go(tmp_path: Path, codes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    array, affine = turned(codes)
    file = saved(tmp_path, array, affine, "volume.nii.gz")
    asked = []
    proxy = nib.arrayproxy.ArrayProxy
    sliced = proxy.__getitem__
    monkeypatch.setattr(proxy, "__getitem__", lambda self, index: asked.append(index[2]) or sliced(self, index))
    monkeypatch.setattr(proxy, "__array__", lambda *_, **__: pytest.fail("the whole volume is read"))
    read_image(file, Reading(2, 224, None))
    assert asked == ([1, 5] if codes == "RAS" else [0, 1, 2, 3, 4])


def with_header(path: Path, **fields: object) -> Path:
    """A volume whose header says something else."""
    content = bytearray(saved(path, RAS).read_bytes())
    header = nib.Nifti1Header(bytes(content[:348]))
    for name, value in fields.items():
        header[name] = value
    content[:348] = header.binaryblock
    (path / "volume.nii").write_bytes(content)
    return path / "volume.nii"


def test_too_large_a_slice_is_refused_from_the_header(tmp_path: Path) -> None:
    said = reason(with_header(tmp_path, dim=[3, 30_000, 30_000, 1, 1, 1, 1, 1]))
    assert "30,000 x 30,000 pixels; at most 100 megapixels" in said


def test_no_slices_are_refused(tmp_path: Path) -> None:
    assert "no pixels" in reason(with_header(tmp_path, dim=[3, 5, 6, 0, 1, 1, 1, 1]))


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    assert "save the magnitude" in reason(saved(tmp_path, RAS.astype(np.complex64)))


def test_a_header_without_orientation_is_refused(tmp_path: Path) -> None:
    file = with_header(tmp_path, sform_code=1, srow_x=[0] * 4, srow_y=[0] * 4, srow_z=[0] * 4)
    assert "tells no orientation" in reason(file)


@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
@pytest.mark.parametrize("part", [0.4, 0.6, 0.95])
def test_a_truncated_file_is_refused(tmp_path: Path, ending: str, part: float) -> None:
    file = saved(tmp_path, hounsfield(), name=f"a.{ending}")
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * part)])
    assert "is cut off" in reason(file)


def test_a_header_alone_and_an_unknown_type_are_refused(tmp_path: Path) -> None:
    file = saved(tmp_path, RAS)
    file.write_bytes(file.read_bytes()[:352])
    assert "the NIfTI is cut off" in reason(file)
    assert "the NIfTI is cut off, damaged or of a kind that is not read" in reason(with_header(tmp_path, datatype=7))


def test_half_of_a_pair_is_refused(tmp_path: Path) -> None:
    nib.Nifti1Pair(RAS, np.eye(4)).to_filename(tmp_path / "a.hdr")
    assert "NIfTI pair" in reason(tmp_path / "a.hdr")


def test_other_packed_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(b"name,age\nDoe,71\n"))
    assert reason(tmp_path / "a.nii.gz") == "it is packed with gzip and holds no NIfTI: unpack it"


def test_odd_headers_are_read_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    file = with_header(tmp_path, pixdim=[5, -1, 0, 1, 1, 1, 1, 1], qform_code=77, descrip=b"Doe^Jane")
    assert read_image(file, READING).shape == (7, 6, 5)
    assert not caplog.messages and capfd.readouterr() == ("", "")


def test_without_nibabel_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = saved(tmp_path, RAS)
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(ConfigError, match=r"pip install 'medplug\[imaging-formats\]'"):
        read_image(file, READING)
