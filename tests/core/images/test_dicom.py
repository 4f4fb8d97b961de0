"""DICOM files written here with known values, and the real samples: what is shown, and what is refused."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import Dataset, uid
from pydicom.encaps import encapsulate

from medplug.core.errors import ConfigError
from medplug.core.images.formats import ImageError, Reading, read_image

READING = Reading(frames=32, shortest=224, window=None)
SHARED = Path(os.environ.get("MEDPLUG_SHARED") or Path(__file__).parents[4] / "shared") / "data/cxr_file_samples"
PATIENT = "Doe^Jane"


def dataset(pixels: np.ndarray, meaning: str = "MONOCHROME2", bits: int = 0, **elements: object) -> Dataset:
    """A dataset of ``[h, w]``, ``[frames, h, w]`` or ``[h, w, 3]`` stored values."""
    made = Dataset()
    made.file_meta = pydicom.dataset.FileMetaDataset()
    made.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    made.PatientName = PATIENT
    made.SOPClassUID, made.SOPInstanceUID = uid.SecondaryCaptureImageStorage, "1.2.3"
    coloured = pixels.ndim == 3 and pixels.shape[2] == 3
    made.SamplesPerPixel = 3 if coloured else 1
    if coloured:
        made.PlanarConfiguration = 0
    elif pixels.ndim == 3:
        made.NumberOfFrames = len(pixels)
    made.PhotometricInterpretation = meaning
    made.Rows, made.Columns = pixels.shape[:2] if coloured else pixels.shape[-2:]
    made.BitsAllocated = 8 * pixels.dtype.itemsize
    made.BitsStored = bits or made.BitsAllocated
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(pixels.dtype.kind == "i")
    made.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    made["PixelData"].VR = "OB" if made.BitsAllocated == 8 else "OW"
    for name, value in elements.items():
        setattr(made, name, value)
    return made


def item(**elements: object) -> Dataset:
    made = Dataset()
    for name, value in elements.items():
        setattr(made, name, value)
    return made


def saved(path: Path, made: Dataset) -> Path:
    made.save_as(path / "picture", enforce_file_format=True)  # a name without an ending
    return path / "picture"


def read(path: Path, made: Dataset, reading: Reading = READING) -> np.ndarray:
    return read_image(saved(path, made), reading)


def rewritten(file: Path, before: bytes, after: bytes) -> Path:
    """The file with other bytes in a place, for pydicom refuses to write wrong ones."""
    content = file.read_bytes()
    assert content.count(before) == 1 and len(before) == len(after)
    file.write_bytes(content.replace(before, after))
    return file


def reason(file: Path) -> str:
    with pytest.raises(ImageError) as refused:
        read_image(file, READING)
    assert PATIENT not in str(refused.value) and "Doe" not in str(refused.value)
    return str(refused.value)


def bytes_of(height: int = 6, width: int = 9, *channels: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, *channels), dtype=np.uint8)


def between(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip((values.astype(np.float64) - low) / (high - low), 0, 1) * 255


def percentiles(values: np.ndarray) -> np.ndarray:
    return between(values, *np.percentile(values.astype(np.float64), (0.1, 99.9)))


HOUNSFIELD = np.random.default_rng(1).integers(-1024, 2000, (40, 50)).astype(np.int16)


def test_8_bits_without_a_window_are_read_as_they_are(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read(tmp_path, dataset(bytes_of())), bytes_of()[None])


def test_in_monochrome1_low_is_bright(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read(tmp_path, dataset(bytes_of(), "MONOCHROME1")), 255 - bytes_of()[None])


@pytest.mark.parametrize("elements", [{}, {"WindowCenter": 1500, "WindowWidth": 2000}, {"PixelPaddingValue": 0}])
@pytest.mark.parametrize("window", [None, (1500, 2000)])
def test_monochrome1_and_monochrome2_of_one_picture_give_the_same_pixels(
    tmp_path: Path, elements: dict[str, object], window: tuple[float, float] | None
) -> None:
    raw = np.random.default_rng(2).integers(1, 4095, (50, 60)).astype(np.uint16)
    mirrored = dict(elements)
    if "WindowCenter" in elements:
        mirrored["WindowCenter"] = 4096 - 1500  # the window runs from c - 0.5 - (w - 1) / 2, so c mirrors at 4095 + 1
    if "PixelPaddingValue" in elements:
        mirrored["PixelPaddingValue"] = 4095
    usual = read(tmp_path, dataset(raw, bits=12, **elements), Reading(1, 224, window))
    other_window = window and (4095 - window[0], window[1])
    inverse = read(tmp_path, dataset(4095 - raw, "MONOCHROME1", 12, **mirrored), Reading(1, 224, other_window))
    assert usual.std() > 20
    np.testing.assert_allclose(usual.astype(int), inverse, atol=1)  # a tie is rounded up in one, down in the other


def test_a_constant_is_black_in_both(tmp_path: Path) -> None:
    for meaning in ("MONOCHROME1", "MONOCHROME2"):
        assert not read(tmp_path, dataset(np.full((4, 4), 700, np.uint16), meaning)).any()


def test_wide_values_are_stretched_between_their_percentiles(tmp_path: Path) -> None:
    np.testing.assert_allclose(read(tmp_path, dataset(HOUNSFIELD))[0], percentiles(HOUNSFIELD), atol=0.6)


def test_fewer_than_8_stored_bits_are_stretched(tmp_path: Path) -> None:
    values = bytes_of() % 64
    np.testing.assert_allclose(read(tmp_path, dataset(values, bits=6))[0], percentiles(values), atol=0.6)


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    made = dataset(bytes_of(4, 4), bits=1)
    made.BitsAllocated, made.PixelData = 1, np.packbits(np.eye(4, dtype=bool).ravel(), bitorder="little").tobytes()
    np.testing.assert_array_equal(read(tmp_path, made)[0], np.eye(4) * 255)


def test_padding_does_not_count(tmp_path: Path) -> None:
    framed = np.pad(HOUNSFIELD, 30, constant_values=-30_000)
    framed[0, :] = -29_990
    pixels = read(tmp_path, dataset(framed, PixelPaddingValue=-30_000, PixelPaddingRangeLimit=-29_990))[0]
    np.testing.assert_allclose(pixels[30:-30, 30:-30], percentiles(HOUNSFIELD), atol=0.6)
    assert not pixels[:30].any()


def test_the_files_window_is_in_rescaled_units(tmp_path: Path) -> None:
    made = dataset(
        HOUNSFIELD + np.int16(1024), RescaleSlope=1, RescaleIntercept=-1024, WindowCenter=40, WindowWidth=400
    )
    low, high = 39.5 - 199.5, 39.5 + 199.5  # PS3.3 C.11.2.1.2.1
    np.testing.assert_allclose(read(tmp_path, made)[0], between(HOUNSFIELD, low, high), atol=0.51)


def test_the_first_of_several_windows_is_taken(tmp_path: Path) -> None:
    one = read(tmp_path, dataset(HOUNSFIELD, WindowCenter=40, WindowWidth=400))
    several = read(tmp_path, dataset(HOUNSFIELD, WindowCenter=[40, -600], WindowWidth=[400, 1500]))
    np.testing.assert_array_equal(one, several)


def test_the_readings_window_comes_before_the_files(tmp_path: Path) -> None:
    made = dataset(HOUNSFIELD, RescaleSlope=2, RescaleIntercept=10, WindowCenter=40, WindowWidth=400)
    pixels = read(tmp_path, made, Reading(1, 224, (-600, 1500)))
    np.testing.assert_allclose(pixels[0], between(HOUNSFIELD * 2.0 + 10, -1350, 150), atol=0.51)


def test_8_bits_go_through_a_window_that_the_file_or_the_reading_has(tmp_path: Path) -> None:
    pixels = read(tmp_path, dataset(bytes_of(), WindowCenter=100.5, WindowWidth=101))
    np.testing.assert_allclose(pixels[0], between(bytes_of(), 50, 150), atol=0.51)
    pixels = read(tmp_path, dataset(bytes_of()), Reading(1, 224, (100, 100)))
    np.testing.assert_allclose(pixels[0], between(bytes_of(), 50, 150), atol=0.51)


def test_a_window_of_width_1_is_a_threshold(tmp_path: Path) -> None:
    made = dataset(np.array([[38, 39, 41, 2000]], np.int16), WindowCenter=40.5, WindowWidth=1)
    assert read(tmp_path, made).tolist() == [[[0, 128, 255, 255]]] or read(tmp_path, made)[0, 0, ::2].tolist() == [
        0,
        255,
    ]


@pytest.mark.parametrize("width", [0, -5])
def test_a_window_without_width_is_passed_over(tmp_path: Path, width: int) -> None:
    pixels = read(tmp_path, dataset(HOUNSFIELD, WindowCenter=0, WindowWidth=width))
    np.testing.assert_allclose(pixels[0], percentiles(HOUNSFIELD), atol=0.6)


def test_exact_and_sigmoid_windows_follow_the_standard(tmp_path: Path) -> None:
    elements = {"WindowCenter": 40, "WindowWidth": 400}
    exact = read(tmp_path, dataset(HOUNSFIELD, VOILUTFunction="LINEAR_EXACT", **elements))
    np.testing.assert_allclose(exact[0], between(HOUNSFIELD, -160, 240), atol=0.51)
    sigmoid = read(tmp_path, dataset(HOUNSFIELD, VOILUTFunction="SIGMOID", **elements))
    np.testing.assert_allclose(sigmoid[0], 255 / (1 + np.exp(-4 * (HOUNSFIELD - 40.0) / 400)), atol=0.51)


@pytest.mark.parametrize("packed", [False, True])
def test_lookup_tables_are_followed_and_end_with_their_last_entry(tmp_path: Path, packed: bool) -> None:
    table = np.array([0, 1023, 100, 500], np.uint16)
    entry = item(LUTDescriptor=[4, 10, 10])
    entry.add_new("LUTData", "OW", table.tobytes()) if packed else entry.add_new("LUTData", "US", table.tolist())
    made = dataset(np.array([[0, 10, 11, 12, 13, 999]], np.uint16), VOILUTSequence=[entry])
    made.WindowCenter, made.WindowWidth = 1, 1  # a table comes before a window
    expected = between(np.array([0, 0, 1023, 100, 500, 500]), 0, 1023)
    np.testing.assert_allclose(read(tmp_path, made)[0, 0], expected, atol=0.51)


def test_a_modality_table_comes_before_the_window(tmp_path: Path) -> None:
    entry = item(LUTDescriptor=[3, 0, 16], ModalityLUTType="OD")
    entry.add_new("LUTData", "US", [300, 200, 100])
    made = dataset(np.array([[0, 1, 2]], np.uint16), ModalityLUTSequence=[entry], WindowCenter=200.5, WindowWidth=201)
    assert read(tmp_path, made)[0, 0, ::2].tolist() == [255, 0]
    assert read(tmp_path, made)[0, 0, 1] in (127, 128)


def test_frames_are_kept_evenly_and_share_one_range(tmp_path: Path) -> None:
    volume = np.stack([HOUNSFIELD + np.int16(100 * frame) for frame in range(7)])
    pixels = read(tmp_path, dataset(volume), Reading(3, 224, None))
    np.testing.assert_allclose(pixels, percentiles(volume[[1, 3, 5]]), atol=0.6)


def test_enhanced_files_keep_values_by_frame(tmp_path: Path) -> None:
    frames = [
        item(PixelValueTransformationSequence=[item(RescaleSlope=slope, RescaleIntercept=-100)]) for slope in (1, 2)
    ]
    shared = item(FrameVOILUTSequence=[item(WindowCenter=100.5, WindowWidth=201)])
    volume = np.stack([HOUNSFIELD, HOUNSFIELD]).astype(np.int16)
    made = dataset(volume, PerFrameFunctionalGroupsSequence=frames, SharedFunctionalGroupsSequence=[shared])
    expected = [between(HOUNSFIELD * slope - 100.0, 0, 200) for slope in (1, 2)]
    np.testing.assert_allclose(read(tmp_path, made), expected, atol=0.51)


@pytest.mark.parametrize("planar", [0, 1])
def test_rgb_is_read_as_it_is(tmp_path: Path, planar: int) -> None:
    made = dataset(bytes_of(6, 9, 3), "RGB")
    if planar:
        made.PlanarConfiguration, made.PixelData = 1, bytes_of(6, 9, 3).transpose(2, 0, 1).tobytes()
    np.testing.assert_array_equal(read(tmp_path, made), bytes_of(6, 9, 3)[None])


def test_ybr_becomes_rgb(tmp_path: Path) -> None:
    smooth = np.stack([np.add.outer(np.arange(40), np.arange(50)) + shift for shift in (0, 40, 90)], 2).astype(np.uint8)
    ybr = np.asarray(Image.fromarray(smooth).convert("YCbCr"))
    np.testing.assert_allclose(read(tmp_path, dataset(ybr, "YBR_FULL"))[0], smooth, atol=3)


def test_equal_channels_become_grey(tmp_path: Path) -> None:
    made = dataset(np.repeat(bytes_of()[..., None], 3, axis=2), "RGB")
    np.testing.assert_array_equal(read(tmp_path, made), bytes_of()[None])


@pytest.mark.parametrize("depth", [8, 16])
def test_a_palette_gives_its_colours(tmp_path: Path, depth: int) -> None:
    made = dataset(bytes_of() % 3, "PALETTE COLOR")
    colours = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 255]])
    for name, channel in zip(("Red", "Green", "Blue"), colours.T, strict=True):
        entries = (channel if depth == 8 else channel * 257).astype(f"u{depth // 8}")
        setattr(made, f"{name}PaletteColorLookupTableDescriptor", [4, 0, depth])
        setattr(made, f"{name}PaletteColorLookupTableData", np.append(entries, entries[:1]).tobytes())
    np.testing.assert_array_equal(read(tmp_path, made), colours[bytes_of() % 3][None])


def encapsulated(made: Dataset, syntax: uid.UID, *frames: bytes) -> Dataset:
    made.file_meta.TransferSyntaxUID = syntax
    made.PixelData = encapsulate(list(frames))
    made["PixelData"].VR, made["PixelData"].is_undefined_length = "OB", True
    return made


def packed(pixels: np.ndarray, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=format, **options)
    return buffer.getvalue()


def test_jpeg_in_grey_and_in_colour_is_decoded(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(64), np.arange(80)).astype(np.uint8)
    made = encapsulated(dataset(smooth, "MONOCHROME1"), uid.JPEGBaseline8Bit, packed(smooth, "JPEG", quality=98))
    np.testing.assert_allclose(read(tmp_path, made)[0], 255.0 - smooth, atol=4)
    colours = np.stack([smooth, smooth[::-1], 255 - smooth], axis=2)
    jpeg = packed(colours, "JPEG", quality=98, subsampling=0)
    made = encapsulated(dataset(colours, "YBR_FULL_422"), uid.JPEGBaseline8Bit, jpeg)
    np.testing.assert_allclose(read(tmp_path, made)[0], colours, atol=6)


def test_jpeg_2000_and_rle_lose_nothing(tmp_path: Path) -> None:
    values = HOUNSFIELD.astype(np.uint16) % 4096
    expected = read(tmp_path, dataset(values, bits=16))
    jpeg = packed(values, "JPEG2000", irreversible=False, no_jp2=True)
    np.testing.assert_array_equal(read(tmp_path, encapsulated(dataset(values), uid.JPEG2000Lossless, jpeg)), expected)
    run_length = dataset(values)
    run_length.compress(uid.RLELossless)
    np.testing.assert_array_equal(read(tmp_path, run_length), expected)


def test_of_compressed_frames_only_the_kept_are_decoded(tmp_path: Path) -> None:
    levels = [np.full((16, 16), 10 * frame, np.uint8) for frame in range(5)]
    frames = [packed(level, "JPEG2000", irreversible=False, no_jp2=True) for level in levels]
    frames[0] = frames[4] = b"\xff\x4f\xff\x51 damaged"
    made = encapsulated(dataset(np.stack(levels)), uid.JPEG2000Lossless, *frames)
    assert read(tmp_path, made, Reading(1, 224, None))[:, 0, 0].tolist() == [20]


def test_deflated_and_big_endian_files_are_read(tmp_path: Path) -> None:
    expected = read(tmp_path, dataset(HOUNSFIELD))
    deflated = dataset(HOUNSFIELD)
    deflated.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
    np.testing.assert_array_equal(read(tmp_path, deflated), expected)
    swapped = dataset(HOUNSFIELD)
    swapped.file_meta.TransferSyntaxUID, swapped.PixelData = uid.ExplicitVRBigEndian, HOUNSFIELD.astype(">i2").tobytes()
    np.testing.assert_array_equal(read(tmp_path, swapped), expected)


@pytest.mark.parametrize("implicit", [True, False])
def test_files_without_the_preamble_are_read(tmp_path: Path, implicit: bool) -> None:
    made = dataset(bytes_of())
    del made.file_meta
    made.save_as(tmp_path / "bare", implicit_vr=implicit, little_endian=True, enforce_file_format=False)
    np.testing.assert_array_equal(read_image(tmp_path / "bare", READING), bytes_of()[None])


@pytest.mark.parametrize("syntax", [uid.JPEGLSLossless, uid.JPEGLosslessSV1, uid.HTJ2KLossless])
def test_a_syntax_without_decoder_is_named_with_the_package_that_brings_one(tmp_path: Path, syntax: uid.UID) -> None:
    from pydicom.pixels.decoders.base import get_decoder

    if get_decoder(syntax).is_available:
        pytest.skip("a decoder is installed")
    said = reason(saved(tmp_path, encapsulated(dataset(bytes_of()), syntax, b"\xff\xd8\xff\xf7")))
    assert syntax.name in said
    assert "pip install pylibjpeg pylibjpeg-" + ("openjpeg" if "2000" in syntax.name else "libjpeg") in said


def test_videos_and_unknown_syntaxes_are_refused(tmp_path: Path) -> None:
    said = reason(saved(tmp_path, encapsulated(dataset(bytes_of()), uid.MPEG2MPML, b"0000")))
    assert "MPEG2 Main Profile / Main Level are not read" in said
    file = saved(tmp_path, encapsulated(dataset(bytes_of()), uid.JPEGBaseline8Bit, b"0000"))
    rewritten(file, b"1.2.840.10008.1.2.4.50", b"1.2.840.10008.9.9.9.99")
    assert "an unknown transfer syntax" in reason(file) and "9.9" not in reason(file)


def test_damaged_compressed_pixels_are_refused_with_their_syntax(tmp_path: Path) -> None:
    said = reason(saved(tmp_path, encapsulated(dataset(bytes_of()), uid.JPEGBaseline8Bit, b"\xff\xd8Doe^Jane")))
    assert "JPEG Baseline (Process 1)) cannot be decoded" in said and "copy it again" in said


def test_a_report_holds_no_pixels(tmp_path: Path) -> None:
    report = dataset(bytes_of())
    for name in ("PixelData", "Rows", "Columns", "BitsAllocated"):
        delattr(report, name)
    report.SOPClassUID = uid.BasicTextSRStorage
    assert reason(saved(tmp_path, report)) == "the DICOM file holds no pixels (a report or a plan)"


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.DeflatedExplicitVRLittleEndian])
def test_a_picture_without_its_pixels_is_refused(tmp_path: Path, syntax: uid.UID) -> None:
    made = dataset(bytes_of())
    made.file_meta.TransferSyntaxUID = syntax
    del made.PixelData
    assert reason(saved(tmp_path, made)).startswith("the DICOM file holds no pixels: it was cut off or stripped")


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_a_truncated_file_is_refused(tmp_path: Path, part: float) -> None:
    file = saved(tmp_path, dataset(HOUNSFIELD))
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * part)])
    assert "the DICOM is cut off" in reason(file)
    file.write_bytes(content[:400])
    assert "no pixels" in reason(file)


def test_too_large_a_frame_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    said = reason(saved(tmp_path, dataset(bytes_of(), Rows=60_000, Columns=60_000)))
    assert "60,000 x 60,000 pixels; at most 100 megapixels" in said
    said = reason(saved(tmp_path, dataset(bytes_of(), Rows=0)))
    assert "no pixels" in said
    with pytest.raises(ImageError, match="64 slices of 5,000 x 5,000 pixels"):
        read(tmp_path, dataset(bytes_of(), Rows=5000, Columns=5000, NumberOfFrames=64), Reading(64, 224, None))


@pytest.mark.parametrize("meaning", [b"HSV", b"Doe"])
def test_other_meanings_of_colour_are_refused(tmp_path: Path, meaning: bytes) -> None:
    file = rewritten(saved(tmp_path, dataset(bytes_of(6, 9, 3), "RGB")), b"RGB", meaning)
    assert "photometric interpretation is not read; allowed: MONOCHROME1" in reason(file)


def test_odd_headers_are_read_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    made = dataset(bytes_of(), PatientBirthDate="19700101", StudyDate="20200202", WindowCenter=12345678, WindowWidth=9)
    made.SpecificCharacterSet, made.PatientAge = "ISO_IR 100", "071Y"
    file = saved(tmp_path, made)
    for valid, odd in [
        (b"19700101", PATIENT.encode()),
        (b"20200202", b"no date "),
        (b"12345678", PATIENT.encode()),
        (b"ISO_IR 100", b"ISO_IR 999"),
        (b"071Y", b"old "),
    ]:
        rewritten(file, valid, odd)
    np.testing.assert_array_equal(read_image(file, READING), bytes_of()[None])
    assert not caplog.messages and capfd.readouterr() == ("", "")


def test_without_pydicom_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = saved(tmp_path, dataset(bytes_of()))
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ConfigError, match=r"pip install 'medplug\[imaging-formats\]'"):
        read_image(file, READING)


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data: set MEDPLUG_SHARED")
def test_the_real_monochrome1_file_is_the_other_with_its_meaning_turned(tmp_path: Path) -> None:
    fake = SHARED / "Fake_MONOHR1.dcm"
    (real,) = set(SHARED.glob("*.dcm")) - {fake}
    # its stored values are those of the other: only the header calls them MONOCHROME1
    first, second = pydicom.dcmread(fake), pydicom.dcmread(real)
    np.testing.assert_array_equal(first.pixel_array, second.pixel_array)
    full = Reading(1, 1024, None)
    np.testing.assert_array_equal(read_image(fake, full), 255 - read_image(real, full))
    # so that the same picture in MONOCHROME1 has the values turned too
    first.decompress()
    first.PixelData = (255 - first.pixel_array).tobytes()
    np.testing.assert_array_equal(read(tmp_path, first, full), read_image(real, full))
