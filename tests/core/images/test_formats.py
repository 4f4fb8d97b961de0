"""Pictures and arrays: each conversion with known values, each bad file with its reason."""

from __future__ import annotations

import io
import logging
import os
import re
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medplug.core.images.formats import ImageError, Reading, read_image, to_pixels
from medplug.core.images.quiet import quiet

READING = Reading(frames=32, shortest=224, window=None)
SHARED = Path(os.environ.get("MEDPLUG_SHARED") or Path(__file__).parents[4] / "shared") / "data/cxr_file_samples"
needs_samples = pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data: set MEDPLUG_SHARED")


def grey(height: int = 6, width: int = 9) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)


def colour(height: int = 6, width: int = 9) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


def read(path: Path, image: Image.Image, format: str = "PNG", **options: object) -> np.ndarray:
    """What is read of a picture after it was saved without an ending: the name must not matter."""
    image.save(path / "picture", format=format, **options)
    return read_image(path / "picture", READING)


def reason(path: Path, reading: Reading = READING) -> str:
    with pytest.raises(ImageError) as refused:
        read_image(path, reading)
    assert path.name not in str(refused.value)
    return str(refused.value)


def stretched(values: np.ndarray) -> np.ndarray:
    low, high = np.percentile(values.astype(np.float64), (0.1, 99.9))
    return np.clip((values.astype(np.float64) - low) / (high - low), 0, 1) * 255


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "PPM", "GIF"])
def test_grey_pictures_of_8_bits_are_read_as_they_are(tmp_path: Path, format: str) -> None:
    pixels = read(tmp_path, Image.fromarray(grey()), format)
    assert pixels.dtype == np.uint8 and pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels, grey()[None])


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "PPM", "WEBP", "JPEG2000"])
def test_colours_are_read_as_they_are(tmp_path: Path, format: str) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    np.testing.assert_array_equal(read(tmp_path, Image.fromarray(colour()), format, **options), colour()[None])


def test_a_jpeg_is_read_to_within_its_loss(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(64), np.arange(80)).astype(np.uint8)
    pixels = read(tmp_path, Image.fromarray(smooth), "JPEG", quality=95)
    assert pixels.shape == (1, 64, 80)
    assert np.abs(pixels[0].astype(int) - smooth).max() <= 3


def test_a_colour_picture_of_equal_channels_becomes_grey(tmp_path: Path) -> None:
    pixels = read(tmp_path, Image.fromarray(np.repeat(grey()[..., None], 3, axis=2)))
    np.testing.assert_array_equal(pixels, grey()[None])


def test_a_picture_of_1_bit_is_black_and_white(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read(tmp_path, Image.fromarray(grey() > 99)), np.where(grey() > 99, 255, 0)[None])


def test_a_palette_gives_its_colours(tmp_path: Path) -> None:
    image = Image.fromarray(grey() % 3).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    expected = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90]])[grey() % 3]
    np.testing.assert_array_equal(read(tmp_path, image), expected[None])


def test_transparency_is_laid_over_black(tmp_path: Path) -> None:
    alpha = grey()[..., None]
    pixels = read(tmp_path, Image.fromarray(np.concatenate([colour(), alpha], axis=2)))
    np.testing.assert_allclose(pixels[0], colour() * (alpha / 255.0), atol=0.501)


def test_a_transparent_palette_colour_is_black(tmp_path: Path) -> None:
    image = Image.fromarray(grey() % 2).convert("P")
    image.putpalette([200, 100, 50, 40, 50, 60])
    expected = np.array([[0, 0, 0], [40, 50, 60]])[grey() % 2]
    np.testing.assert_array_equal(read(tmp_path, image, transparency=0), expected[None])


def test_grey_with_alpha_stays_grey(tmp_path: Path) -> None:
    image = Image.merge("LA", [Image.fromarray(grey()), Image.new("L", (9, 6), 255)])
    np.testing.assert_array_equal(read(tmp_path, image), grey()[None])


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    pixels = read(tmp_path, Image.new("CMYK", (4, 4), (0, 255, 255, 0)), "TIFF")
    np.testing.assert_array_equal(pixels, np.full((1, 4, 4, 3), (255, 0, 0)))


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM"])
def test_16_bits_are_stretched_between_their_percentiles(tmp_path: Path, format: str) -> None:
    values = np.random.default_rng(2).integers(500, 4000, (50, 60), dtype=np.uint16)
    np.testing.assert_allclose(read(tmp_path, Image.fromarray(values), format)[0], stretched(values), atol=0.6)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_32_bits_are_stretched_between_their_percentiles(tmp_path: Path, dtype: type) -> None:
    values = (np.random.default_rng(3).normal(0, 1000, (50, 60))).astype(dtype)
    np.testing.assert_allclose(read(tmp_path, Image.fromarray(values), "TIFF")[0], stretched(values), atol=0.6)


def test_wide_values_go_through_the_window_where_one_is_set(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 100, 200, 300, 400]], dtype=np.uint16)).save(tmp_path / "a.png")
    pixels = read_image(tmp_path / "a.png", Reading(32, 224, window=(200, 255)))
    assert pixels.tolist() == [[[0, 28, 128, 228, 255]]]


def test_8_bits_do_not_go_through_the_window(tmp_path: Path) -> None:
    Image.fromarray(grey()).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", Reading(32, 224, (10, 5))), grey()[None])


def test_a_tiff_in_which_white_is_zero_is_turned_over(tmp_path: Path) -> None:
    narrow = read(tmp_path, Image.fromarray(grey()), "TIFF", tiffinfo={262: 0})
    assert (255 - grey()).tobytes() in (tmp_path / "picture").read_bytes()
    np.testing.assert_array_equal(narrow, grey()[None])
    values = np.arange(256).reshape(16, 16).astype(np.uint16)
    wide = read(tmp_path, Image.fromarray(values), "TIFF", tiffinfo={262: 0})
    assert values.tobytes() in (tmp_path / "picture").read_bytes()
    np.testing.assert_allclose(wide[0], 255 - stretched(values), atol=0.6)


ORIENTED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.T,
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].T,
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", ORIENTED)
def test_pictures_are_turned_upright(tmp_path: Path, orientation: int, format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = read(tmp_path, Image.fromarray(grey()), format, exif=exif)
    np.testing.assert_array_equal(pixels[0], ORIENTED[orientation](grey()))


def test_damaged_notes_do_not_spoil_a_picture(tmp_path: Path) -> None:
    pixels = read(
        tmp_path, Image.fromarray(np.full((8, 8), 7, np.uint8)), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"
    )
    np.testing.assert_array_equal(pixels, np.full((1, 8, 8), 7))


def pages(path: Path, *images: np.ndarray) -> Path:
    first, *others = map(Image.fromarray, images)
    first.save(path / "pages.tif", save_all=True, append_images=others)
    return path / "pages.tif"


def test_the_pages_of_a_tiff_are_frames(tmp_path: Path) -> None:
    file = pages(tmp_path, *(np.full((4, 5), 10 * page, np.uint8) for page in range(6)))
    assert read_image(file, READING)[:, 0, 0].tolist() == [0, 10, 20, 30, 40, 50]
    assert read_image(file, Reading(3, 224, None))[:, 0, 0].tolist() == [10, 30, 50]
    assert read_image(file, Reading(1, 224, None))[:, 0, 0].tolist() == [30]


def test_pages_of_another_size_are_previews_and_left_out(tmp_path: Path) -> None:
    assert read_image(pages(tmp_path, grey(), grey(3, 4), grey()), READING).shape == (2, 6, 9)


def test_grey_pages_follow_coloured_ones_into_rgb(tmp_path: Path) -> None:
    pixels = read_image(pages(tmp_path, grey(), colour()), READING)
    np.testing.assert_array_equal(pixels, np.stack([np.repeat(grey()[..., None], 3, axis=2), colour()]))


def test_the_pages_of_a_16_bit_tiff_share_one_range(tmp_path: Path) -> None:
    volume = (
        np.random.default_rng(4).integers(0, 3000, (4, 20, 20), dtype=np.uint16)
        * np.arange(1, 5, dtype=np.uint16)[:, None, None]
    )
    np.testing.assert_allclose(read_image(pages(tmp_path, *volume), READING), stretched(volume), atol=0.6)


def test_of_an_animation_the_first_frame_is_read(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((4, 4), value, np.uint8)) for value in (9, 200)]
    assert read(tmp_path, frames[0], "GIF", save_all=True, append_images=frames[1:]).tolist() == [[[9] * 4] * 4]


def test_a_larger_picture_is_averaged_down_to_its_shorter_side(tmp_path: Path) -> None:
    Image.fromarray(grey(40, 60)).save(tmp_path / "a.png")
    pixels = read_image(tmp_path / "a.png", Reading(1, 10, None))
    np.testing.assert_allclose(pixels[0], grey(40, 60).reshape(10, 4, 15, 4).mean((1, 3)), atol=1.01)  # rounded twice
    assert read_image(tmp_path / "a.png", Reading(1, 41, None)).shape == (1, 40, 60)


def test_a_large_jpeg_is_nearly_the_mean_of_its_areas(tmp_path: Path) -> None:
    ramp = (np.add.outer(np.arange(800), np.arange(1200)) / 8).astype(np.uint8)
    Image.fromarray(ramp).save(tmp_path / "a.jpg", quality=95)
    pixels = read_image(tmp_path / "a.jpg", Reading(1, 50, None))
    assert pixels.shape == (1, 50, 75)
    np.testing.assert_allclose(pixels[0], ramp.reshape(50, 16, 75, 16).mean((1, 3)), atol=2)


def test_a_large_jpeg_is_never_decoded_below_the_wanted_size(tmp_path: Path) -> None:
    for width in (399, 400, 401, 900, 1601):
        Image.new("RGB", (width, 2000), (200, 10, 10)).save(tmp_path / "a.jpg")
        assert read_image(tmp_path / "a.jpg", Reading(1, 100, None)).shape[2] == 100


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_header(path: Path, width: int, height: int) -> Path:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)))
    return path


@pytest.mark.parametrize(("width", "height"), [(50_000, 50_000), (12_000, 12_000), (10_001, 10_000), (2**31 - 1, 1)])
def test_too_large_a_picture_is_refused_from_its_header(tmp_path: Path, width: int, height: int) -> None:
    said = reason(png_header(tmp_path / "huge.png", width, height))
    assert "too large" in said and "at most 100 megapixels" in said and "scale it down" in said


def test_100_megapixels_are_still_tried(tmp_path: Path) -> None:
    assert "the PNG is cut off" in reason(png_header(tmp_path / "large.png", 10_000, 10_000))


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0)])
def test_a_picture_without_width_or_height_is_refused(tmp_path: Path, width: int, height: int) -> None:
    assert "width or height of 0" in reason(png_header(tmp_path / "none.png", width, height))


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM", "JPEG2000"])
@pytest.mark.parametrize("part", [0.02, 0.5, 0.9])
def test_a_truncated_picture_is_refused(tmp_path: Path, format: str, part: float) -> None:
    buffer = io.BytesIO()
    Image.fromarray(colour(60, 90)).save(buffer, format=format)
    content = buffer.getvalue()
    (tmp_path / "part7").write_bytes(content[: max(12, int(len(content) * part))])
    said = reason(tmp_path / "part7")
    assert "cut off" in said and "copy or export it again" in said


def test_noise_after_a_sound_start_is_refused_in_our_own_words(tmp_path: Path) -> None:
    for start in (
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"II*\x00",
        b"BM",
        b"GIF89a",
        b"\x1f\x8b",
        b"P5\n",
        b"P2 John Doe 1950 ",
    ):
        for seed in range(5):
            (tmp_path / "noise").write_bytes(start + np.random.default_rng(seed).bytes(2000))
            assert re.search("again|unpack it|too large", reason(tmp_path / "noise"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty (0 bytes); copy it again"),
        (b"name,age\nDoe,71\n", "it holds text; read are PNG, JPEG"),
        ("Größe: 3 cm".encode(), "it holds text"),
        (bytes(range(256)) * 4, "of no known kind"),
        (b"%PDF-1.7 ...", "it is a PDF: export its pages as PNG"),
        (b"PK\x03\x04....", "a ZIP archive: unpack it"),
        (b"\x89", "of no known kind"),
    ],
)
def test_what_is_no_image_is_refused_with_what_it_is(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "file.png").write_bytes(content)
    assert said in reason(tmp_path / "file.png")


def test_a_folder_a_missing_file_and_a_pipe_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    assert "this is a folder, not a file" in reason(tmp_path)
    for missing in (tmp_path / "none", tmp_path / "file" / "below", Path("a\0b")):
        assert "there is no such file; check the path" in reason(missing)
    assert "not a regular file" in reason(tmp_path / "pipe")


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.png").write_bytes(b"x")
    monkeypatch.setattr(Path, "open", denied)
    assert "permission denied" in reason(tmp_path / "a.png")


def test_nothing_global_of_pillow_or_of_the_warnings_changes(tmp_path: Path) -> None:
    from PIL import ImageFile

    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    Image.fromarray(grey()).save(tmp_path / "a.png")
    read_image(tmp_path / "a.png", READING)
    assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    with pytest.raises(UserWarning, match="after"):
        warnings.warn("after", stacklevel=1)


def test_only_the_reading_thread_is_silenced(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("pydicom")

    def heard() -> bool:
        log.warning("from another thread")
        try:
            warnings.warn("from another thread", stacklevel=1)
        except UserWarning:
            return True
        return False

    with ThreadPoolExecutor(1) as other, quiet():
        log.warning("a patient")
        warnings.warn("a patient", stacklevel=1)
        with warnings.catch_warnings():  # someone sets a filter in front of ours
            warnings.simplefilter("error")
            assert other.submit(heard).result()
    assert heard()
    assert caplog.messages == ["from another thread"] * 2


def test_threads_read_at_once(tmp_path: Path) -> None:
    for number in range(8):
        Image.fromarray(np.full((300, 300), number, np.uint8)).save(tmp_path / f"{number}.png")
    with ThreadPoolExecutor(4) as threads:
        read_all = list(threads.map(lambda n: read_image(tmp_path / f"{n % 8}.png", READING), range(64)))
    assert [int(pixels.max()) for pixels in read_all] == [number % 8 for number in range(64)]


# arrays in memory


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 7), (1, 5, 7)),
        ((5, 7, 1), (1, 5, 7)),
        ((5, 7, 3), (1, 5, 7, 3)),
        ((2, 5, 7), (2, 5, 7)),
        ((3, 5, 7), (3, 5, 7)),
        ((2, 5, 7, 1), (2, 5, 7)),
        ((2, 5, 7, 3), (2, 5, 7, 3)),
    ],
)
def test_the_shape_of_an_array_says_what_it_is(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_array_equal(to_pixels(array, READING), array.reshape(expected))


def test_alpha_in_an_array_is_laid_over_black() -> None:
    array = np.full((2, 2, 4), (100, 50, 0, 51), dtype=np.uint8)
    np.testing.assert_array_equal(to_pixels(array, READING), np.full((1, 2, 2, 3), (20, 10, 0)))
    with pytest.raises(ImageError, match="with alpha must be uint8; got float32"):
        to_pixels(array.astype(np.float32), READING)


@pytest.mark.parametrize("shape", [(5,), (), (2, 5, 7, 2), (1, 2, 5, 7, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match=r"it has the shape .* allowed: \[height, width\]"):
        to_pixels(np.zeros(shape), READING)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 5, 7)])
def test_arrays_without_pixels_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match="no pixels"):
        to_pixels(np.zeros(shape), READING)


@pytest.mark.parametrize("array", [np.array([["a"]]), np.zeros((2, 2), complex), np.array([[None]])])
def test_arrays_of_anything_but_numbers_are_refused(array: np.ndarray) -> None:
    with pytest.raises(ImageError, match="allowed: booleans, integers and floating point numbers"):
        to_pixels(array, READING)


@pytest.mark.parametrize(
    "dtype", [np.int8, np.uint16, np.int16, ">i2", np.int32, np.int64, np.float16, np.float32, np.float64]
)
def test_every_number_type_is_stretched(dtype: str) -> None:
    values = np.random.default_rng(5).integers(-120, 121, (40, 40)) + (0 if np.dtype(dtype).kind != "u" else 200)
    np.testing.assert_allclose(to_pixels(values.astype(dtype), READING)[0], stretched(values), atol=0.6)


def test_booleans_become_black_and_white() -> None:
    assert to_pixels(np.array([[True, False]]), READING).tolist() == [[[255, 0]]]


@pytest.mark.parametrize("value", [0, -5.5, 1e30, np.nan, np.inf])
def test_a_constant_becomes_zeros(value: float) -> None:
    assert not to_pixels(np.full((4, 4), value), READING).any()


def test_what_is_not_finite_counts_as_the_smallest() -> None:
    values = np.array([[0.0, 1.0, 2.0], [np.nan, np.inf, -np.inf]])
    pixels = to_pixels(values, READING)
    assert pixels[0, 0].tolist()[::2] == [0, 255] and pixels[0, 0, 1] in (127, 128)
    assert pixels[0, 1].tolist() == [0, 0, 0]


def test_a_few_bright_dots_on_black_are_kept() -> None:
    values = np.zeros((100, 100), np.int16)
    values[3, 4] = 7
    pixels = to_pixels(values, READING)
    assert pixels[0, 3, 4] == 255 and np.count_nonzero(pixels) == 1


def test_extreme_numbers_do_not_overflow() -> None:
    big = np.finfo(np.float64).max / 4
    assert to_pixels(np.array([[-big, 0, big]]), READING)[0, 0, [0, 2]].tolist() == [0, 255]
    for most in (np.finfo(np.float64).max, np.finfo(np.float32).max, 1e-310, 1e-42):
        for dtype in (np.float64, np.float32):
            with np.errstate(over="ignore"):
                values = np.array([[-most, 0, most]]).astype(dtype)
            assert to_pixels(values, READING).shape == (1, 1, 3)


def test_all_slices_of_a_volume_share_one_range() -> None:
    volume = np.arange(4 * 30 * 30, dtype=np.float32).reshape(4, 30, 30)
    np.testing.assert_allclose(to_pixels(volume, READING), stretched(volume), atol=0.6)


def test_too_much_at_once_is_refused_without_being_converted() -> None:
    large = np.broadcast_to(np.uint8(0), (60, 3000, 3000))
    with pytest.raises(ImageError, match=r"60 slices of 3,000 x 3,000 pixels; at most 500 megapixels are kept"):
        to_pixels(large, Reading(60, 224, None))
    with pytest.raises(ImageError, match="10,001 x 10,000 pixels; at most 100 megapixels"):
        to_pixels(np.broadcast_to(np.uint8(0), (10_000, 10_001)), READING)


@pytest.mark.parametrize("count", [1, 2, 7, 32, 33, 64, 1000])
@pytest.mark.parametrize("frames", [1, 2, 3, 32])
def test_kept_slices_are_distinct_and_evenly_spaced(count: int, frames: int) -> None:
    kept = Reading(frames, 224, None).kept(count)
    assert len(kept) == len(set(kept)) == min(count, frames)
    assert kept == sorted(kept) and kept[0] >= 0 and kept[-1] < count
    gaps = np.diff(kept)
    assert len(kept) < 2 or gaps.max() - gaps.min() <= 1
    assert abs((kept[0] + kept[-1]) - (count - 1)) <= 1  # as much is left out below as above


@pytest.mark.parametrize(
    "wrong", [(0, 224, None), (1, 0, None), (1, 1, (40, 0)), (1, 1, (40, -3)), (1, 1, (0, np.nan))]
)
def test_a_reading_takes_positive_numbers(wrong: tuple[int, int, tuple[float, float] | None]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        Reading(*wrong)


# real files


@pytest.mark.shared
@needs_samples
def test_all_six_sample_files_are_read() -> None:
    files = sorted(file for file in SHARED.iterdir() if file.suffix in (".png", ".jpg", ".dcm"))
    read_all = [read_image(file, READING) for file in files]
    assert len(files) == 6
    for pixels in read_all:
        assert pixels.ndim == 3 and pixels.shape[0] == 1 and min(pixels.shape[1:]) == 224
        assert pixels.std() > 30
