"""The augmentation of a batch: who is changed, what moves along, and what is blended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from medplug.core.images.augment_options import AugmentOptions
from medplug.core.images.augmentation import ImageAugmentation

STILL: dict[str, Any] = {"rotate": 0, "shift": 0, "scale": 0, "contrast": 0, "brightness": 0}
MOVED: dict[str, Any] = {"flip": "both", "rotate": 180, "shift": 0.3, "scale": 0.3, "contrast": 0, "brightness": 0}
LIT: dict[str, Any] = {**STILL, "contrast": 0.5, "brightness": 0.3}
ROWS = 12
EVERYONE, NOBODY = torch.ones(ROWS, dtype=torch.bool), torch.zeros(ROWS, dtype=torch.bool)


@pytest.fixture(autouse=True)
def _drawn_anew() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        yield


def augmentation(**options: Any) -> ImageAugmentation:
    return ImageAugmentation(AugmentOptions(**options))


def batch(pixels: Tensor, owner: Tensor | None = None) -> dict[str, Tensor]:
    return {"pixels": pixels, "owner": torch.arange(len(pixels)) if owner is None else owner}


def noise(rows: int = ROWS, channels: int = 1, side: int = 24) -> Tensor:
    return torch.randint(0, 256, (rows, channels, side, side), dtype=torch.uint8)


def blobs() -> tuple[Tensor, Tensor]:
    """Pictures that are white where their masks ``[rows, 48, 48]`` are 1: a rectangle, in another place each."""
    masks = torch.zeros(ROWS, 48, 48, dtype=torch.int64)
    for row in range(ROWS):
        top, left = 12 + row % 4, 10 + row
        masks[row, top : top + 8 + row, left : left + 14] = 1
    return 255 * masks[:, None].to(torch.uint8), masks


def changed_rows(before: Tensor, after: Tensor) -> Tensor:
    return (before != after).flatten(1).any(1)


# ---- masks


def test_masks_move_with_their_images() -> None:
    pixels, masks = blobs()
    inputs, moved = augmentation(**MOVED).changed(batch(pixels), masks, EVERYONE, NOBODY)
    assert moved.dtype == torch.int64 and set(moved.unique().tolist()) == {0, 1}
    assert changed_rows(masks, moved).all()
    agreement = ((inputs["pixels"][:, 0] > 127) == (moved == 1)).float().mean((1, 2))
    assert agreement.min() > 0.98  # but for the rim, where one is bilinear and the other nearest
    strangers = ((inputs["pixels"][:, 0] > 127) == (moved.roll(1, 0) == 1)).float().mean()
    assert strangers < 0.95


def test_light_changes_the_image_alone() -> None:
    pixels, masks = blobs()
    pixels = pixels // 2 + 40
    inputs, after = augmentation(**LIT).changed(batch(pixels), masks, EVERYONE, NOBODY)
    assert changed_rows(pixels, inputs["pixels"]).all()
    torch.testing.assert_close(after, masks)


def test_rows_without_a_mask_are_moved_and_what_stands_for_their_mask_is_left() -> None:
    pixels, masks = blobs()
    labelled = torch.arange(ROWS) < 5
    inputs, after = augmentation(**MOVED).changed(batch(pixels), masks, labelled, NOBODY)
    assert changed_rows(pixels, inputs["pixels"]).all()
    assert changed_rows(masks, after).tolist() == labelled.tolist()


# ---- whose pictures are changed


@pytest.mark.parametrize("whose", ["both", "target"])
def test_the_pictures_of_the_domains_asked_for_are_changed(whose: str) -> None:
    sources, pixels = torch.arange(ROWS) < 4, noise()
    _, masks = blobs()
    inputs, after = augmentation(**MOVED, domains=whose).changed(batch(pixels), masks, EVERYONE, sources)
    changed = ~sources if whose == "target" else EVERYONE
    assert changed_rows(pixels, inputs["pixels"]).tolist() == changed.tolist()
    assert changed_rows(masks, after).tolist() == changed.tolist()


def test_the_slices_of_a_volume_are_moved_alike() -> None:
    slice_of = noise(3)
    owner = torch.tensor([0, 0, 1, 2, 2, 2])
    inputs, _ = augmentation(**MOVED).changed(batch(slice_of[owner], owner), torch.zeros(3), EVERYONE[:3], NOBODY[:3])
    after = inputs["pixels"]
    torch.testing.assert_close(after[0], after[1])
    torch.testing.assert_close(after[3], after[5])
    assert (after[0] != after[2]).any()


def test_nothing_is_changed_where_nothing_is_asked_for() -> None:
    pixels, masks = blobs()
    inputs, after = augmentation(**STILL).changed(batch(pixels), masks, EVERYONE, NOBODY)
    torch.testing.assert_close(inputs["pixels"], pixels)
    torch.testing.assert_close(after, masks)
    labels = torch.arange(ROWS)
    assert augmentation(**MOVED).changed(batch(pixels), labels, EVERYONE, NOBODY)[1].equal(labels)


def test_the_batch_that_was_given_stays_as_it_is_and_all_else_in_it_is_handed_on() -> None:
    pixels, masks = blobs()
    given, known = {**batch(pixels.clone()), "grid": torch.arange(ROWS)[:, None]}, masks.clone()
    before = dict(given)
    inputs, _ = augmentation(**MOVED).changed(given, masks, EVERYONE, NOBODY)
    assert given == before and given["pixels"].equal(pixels) and masks.equal(known)
    assert inputs["grid"] is given["grid"] and inputs["owner"] is given["owner"]


def test_each_batch_is_drawn_anew() -> None:
    pixels, masks = blobs()
    moves = augmentation(**MOVED)
    first, second = (moves.changed(batch(pixels), masks, EVERYONE, NOBODY) for _ in range(2))
    assert changed_rows(first[0]["pixels"], second[0]["pixels"]).all() and changed_rows(first[1], second[1]).all()


# ---- blending


@pytest.mark.parametrize(("mixup", "cutmix"), [(0, 0), (0.4, 0), (0, 1), (1, 1)])
def test_it_mixes_where_mixup_or_cutmix_is_asked_for(mixup: float, cutmix: float) -> None:
    assert augmentation(mixup=mixup, cutmix=cutmix).mixes is bool(mixup or cutmix)


@pytest.mark.parametrize("how", [{"mixup": 1.0}, {"cutmix": 1.0}, {"mixup": 1.0, "cutmix": 1.0}])
def test_shares_tell_how_much_of_each_class_a_blended_picture_shows(how: dict[str, float]) -> None:
    classes = torch.arange(ROWS) % 3
    levels = torch.tensor([0.0, 100.0, 250.0])
    pixels = levels[classes].to(torch.uint8)[:, None, None, None].expand(ROWS, 1, 24, 24).contiguous()
    whole = torch.nn.functional.one_hot(classes, 3).float()
    mixed = 0
    for _ in range(6):
        inputs, shares = augmentation(**STILL, **how).changed(batch(pixels), whole, EVERYONE, NOBODY)
        torch.testing.assert_close(shares.sum(1), torch.ones(ROWS))
        shown = inputs["pixels"].float().mean((1, 2, 3))
        torch.testing.assert_close(shown, shares @ levels, atol=0.51, rtol=0)  # pixels are rounded
        mixed += int((shares.max(1).values < 1).sum())
    assert mixed > ROWS


def test_rows_without_a_label_and_rows_of_the_other_domain_are_not_blended() -> None:
    pixels, sources, labelled = noise(), torch.arange(ROWS) < 3, torch.arange(ROWS) < 9
    whole = torch.nn.functional.one_hot(torch.arange(ROWS), ROWS).float()
    mixing = augmentation(**STILL, mixup=5.0, domains="target")
    inputs, shares = mixing.changed(batch(pixels), whole, labelled, sources)
    blended = labelled & ~sources
    assert changed_rows(pixels, inputs["pixels"]).tolist() == blended.tolist()
    assert changed_rows(whole, shares).tolist() == blended.tolist()
    assert (shares[blended][:, ~blended] == 0).all()
