"""Preparing pictures: once, at the network's size, with nothing cut off unless asked for."""

from __future__ import annotations

import copy
import gc
import weakref
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from medplug.core.images.store import ImageStore, StoredImage
from medplug.plugins.backbones.pictures import Pictures, View


def view(**changes: Any) -> View:
    told: dict[str, Any] = {"size": 8, "channels": 3, "mean": (0.5,) * 3, "std": (0.5,) * 3, "fit": "squash"}
    return View(**{**told, "interpolation": "bilinear", "crop_pct": 0.5, "slices": 4, **changes})


def noise(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def stored(*pictures: NDArray[np.uint8]) -> list[StoredImage]:
    store = ImageStore()
    return [store.add(each) for each in pictures]


def prepared(pictures: Pictures, *values: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    return [each.image.pixels() for each in pictures.prepare(stored(*values))]


def test_grey_and_coloured_pictures_get_the_networks_size_and_keep_their_channels() -> None:
    grey, colour, volume = prepared(Pictures(view()), noise(1, 20, 12), noise(1, 9, 30, 3), noise(3, 20, 20))
    assert (grey.shape, colour.shape, volume.shape) == ((1, 8, 8), (1, 8, 8, 3), (3, 8, 8))


def test_squashing_is_pillows_antialiased_resize() -> None:
    pixels = noise(1, 37, 21)
    (found,) = prepared(Pictures(view(interpolation="bicubic")), pixels)
    expected = Image.fromarray(pixels[0]).resize((8, 8), Image.Resampling.BICUBIC)
    assert np.array_equal(found[0], np.asarray(expected))
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)[None]  # without antialiasing: black or white
    assert abs(prepared(Pictures(view()), board)[0].astype(int) - 127).max() <= 2


@pytest.mark.parametrize("fit", ["squash", "pad"])
def test_what_lies_at_the_margin_is_kept_unless_cropping_is_asked_for(fit: Any) -> None:
    pixels = np.zeros((1, 32, 64), dtype=np.uint8)
    pixels[:, 8:24, :8] = pixels[:, 8:24, -8:] = 255
    (found,) = prepared(Pictures(view(fit=fit, mean=(0.0,) * 3)), pixels)
    assert found[0, :, 0].max() > 150 and found[0, :, -1].max() > 150
    (cropped,) = prepared(Pictures(view(fit="crop", mean=(0.0,) * 3)), pixels)
    assert cropped.max() == 0


def test_padding_keeps_the_proportions_on_the_mean_colour() -> None:
    mean = (0.2, 0.4, 0.6)
    grey, colour = prepared(
        Pictures(view(fit="pad", mean=mean)), np.full((1, 16, 8), 255, np.uint8), np.full((1, 4, 16, 3), 255, np.uint8)
    )
    assert (grey[0, :, 2:6] == 255).all() and (grey[0, :, :2] == 102).all() and (grey[0, :, 6:] == 102).all()
    assert (colour[0, 3:5] == 255).all() and (colour[0, :3] == [51, 102, 153]).all()


@pytest.mark.parametrize("shape", [(1, 50, 31), (1, 31, 50, 3), (1, 8, 8), (1, 8, 9, 3)])
def test_cropping_is_timms_own(shape: tuple[int, ...]) -> None:
    from timm.data import create_transform

    pixels = noise(*shape)
    transform: Any = create_transform((3, 8, 8), crop_pct=0.5, interpolation="bicubic", normalize=False)
    (found,) = prepared(Pictures(view(fit="crop", interpolation="bicubic")), pixels)
    expected = np.asarray(transform(Image.fromarray(pixels[0])))
    assert np.array_equal(found[0], np.moveaxis(expected, 0, -1).reshape(found[0].shape))


def test_a_picture_of_the_right_size_stays_where_it_is() -> None:
    (value,) = stored(noise(1, 8, 8))
    (item,) = Pictures(view()).prepare([value])
    assert item.image is value
    assert Pictures(view(fit="crop")).prepare([value])[0].image is not value  # its margins are cut off


def test_equal_pictures_are_resized_once_and_none_is_resized_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    resize = View.of
    monkeypatch.setattr(View, "of", lambda self, image: made.append(image) or resize(self, image))
    values = stored(*[noise(1, 20, 20, seed=i % 3) for i in range(12)])
    pictures = Pictures(view())
    items = pictures.prepare(values)
    assert len(made) == 3 and len({id(item.image) for item in items}) == 3
    assert [each.image for each in pictures.prepare(values[5:])] == [each.image for each in items[5:]]
    assert len(made) == 3
    assert np.array_equal(items[4].image.pixels(), items[1].image.pixels())


def test_what_was_made_of_a_store_goes_with_it() -> None:
    pictures = Pictures(view())
    values = stored(noise(1, 20, 20), noise(1, 8, 8))
    items = pictures.prepare(values)
    gone = [weakref.ref(values[0].store), weakref.ref(items[0].image.store)]
    assert gone[0] is not gone[1]
    del values, items
    gc.collect()
    assert [each() for each in gone] == [None, None]


@pytest.mark.parametrize(("frames", "kept"), [(3, [0, 1, 2]), (4, [0, 1, 2, 3]), (8, [1, 3, 5, 7]), (9, [1, 3, 5, 7])])
def test_a_volume_keeps_evenly_spaced_slices(frames: int, kept: list[int]) -> None:
    volume = np.repeat(np.arange(frames, dtype=np.uint8), 64).reshape(frames, 8, 8)
    (item,) = Pictures(view()).prepare(stored(volume))
    assert item.image.pixels()[:, 0, 0].tolist() == kept and item.thinned == (frames > 4)


def test_a_flat_picture_is_noticed_whatever_its_colour() -> None:
    red = np.zeros((1, 9, 9, 3), np.uint8)
    red[..., 0] = 200
    shown = [np.full((2, 9, 9), 7, np.uint8), red, noise(1, 9, 9), np.full((1, 8, 8), 7, np.uint8)]
    assert [item.flat for item in Pictures(view()).prepare(stored(*shown))] == [True, True, False, True]


def test_the_range_is_that_of_the_pixels_as_the_network_sees_them() -> None:
    mean, std = np.array([0.1, 0.2, 0.3]), np.array([0.5, 0.4, 0.3])
    told = view(mean=tuple(mean), std=tuple(std))
    pictures = Pictures(told)
    seen = prepared(pictures, noise(1, 20, 20, 3) // 2, noise(2, 20, 20) // 3)
    wide = [each if each.ndim == 4 else np.repeat(each[..., None], 3, axis=3) for each in seen]
    values = (np.concatenate(wide) / 255 - mean) / std
    assert pictures.levels.range(told) == pytest.approx((values.min(), values.max(), values.mean()))
    assert pictures.levels.grey and pictures.levels.colour


def test_a_copy_prepares_for_itself() -> None:
    pictures = Pictures(view())
    values = stored(noise(1, 20, 20))
    pictures.prepare(values)
    again = copy.deepcopy(pictures)
    assert np.array_equal(again.prepare(values)[0].image.pixels(), pictures.prepare(values)[0].image.pixels())


def test_a_view_survives_json() -> None:
    assert View.from_json(view().to_json()) == view()
    assert type(View.from_json(view().to_json()).mean) is tuple
