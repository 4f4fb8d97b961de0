"""Augmentation of a batch, held to torchvision row by row and to sums written out."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import fields, replace

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from medplug.core.images.augment import Augmentation, Drawn
from medplug.core.images.augment_options import AugmentOptions

STRONG = AugmentOptions(flip="both", rotate=180, shift=0.3, scale=0.5, contrast=0.6, brightness=0.4)
STILL = AugmentOptions(rotate=0, shift=0, scale=0, contrast=0, brightness=0)
GEOMETRY = STRONG.model_copy(update={"contrast": 0.0, "brightness": 0.0})


def drawn(options: AugmentOptions, rows: int, seed: int = 0) -> Drawn:
    return Augmentation(options).draw(rows, "cpu", torch.Generator().manual_seed(seed))


def pictures(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def classes(*shape: int) -> Tensor:
    """Masks of 4 classes, in patches of 5 pixels."""
    small = torch.randint(0, 4, shape, generator=torch.Generator().manual_seed(2))
    return small.repeat_interleave(5, 1).repeat_interleave(5, 2)


def by_torchvision(picture: Tensor, drawn: Drawn, row: int, interpolation: str) -> Tensor:
    """One row, mirrored and moved by torchvision."""
    from torchvision.transforms.v2 import InterpolationMode, functional

    height, width = picture.shape[-2:]
    across, down = drawn.flips[row].tolist()
    picture = functional.horizontal_flip(picture) if across < 0 else picture
    picture = functional.vertical_flip(picture) if down < 0 else picture
    x, y = drawn.shift[row].tolist()
    return functional.affine(
        picture,
        angle=math.degrees(drawn.angle[row].item()),
        translate=[x * width, y * height],
        scale=drawn.scale[row].item(),
        shear=[0.0, 0.0],
        interpolation=InterpolationMode(interpolation),
        fill=None,  # black; 0 would darken the rim once more, by its share of what is outside
    )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("sides", [(40, 40), (37, 61), (60, 24)])
def test_pixels_move_as_torchvision_moves_each_row(channels: int, sides: tuple[int, int]) -> None:
    pixels, change = pictures(8, channels, *sides), drawn(GEOMETRY, 8)
    moved = change.pixels(pixels, torch.arange(8))
    assert moved.dtype == torch.uint8 and moved.shape == pixels.shape
    wanted = torch.stack([by_torchvision(pixels[row], change, row, "bilinear") for row in range(8)])
    apart = (moved.int() - wanted.int()).abs()
    assert apart.max() <= 1 and (apart > 0).float().mean() < 0.002  # a half is rounded either way
    assert (moved != pixels).float().mean() > 0.9


@pytest.mark.parametrize("sides", [(8, 8), (7, 12)])
def test_masks_move_as_torchvision_moves_each_row(sides: tuple[int, int]) -> None:
    masks, change = classes(8, *sides), drawn(STRONG, 8)
    moved = change.masks(masks)
    assert moved.dtype == torch.int64 and moved.shape == masks.shape
    wanted = torch.stack([by_torchvision(masks[row, None], change, row, "nearest")[0] for row in range(8)])
    assert (moved != wanted).float().mean() < 0.002
    assert set(moved.unique().tolist()) <= set(range(4))


def test_a_mask_moves_with_its_pixels() -> None:
    masks, change = classes(8, 9, 6).clamp(max=1), drawn(GEOMETRY, 8)
    pixels = change.pixels((255 * masks[:, None]).to(torch.uint8), torch.arange(8))[:, 0]
    moved = change.masks(masks)
    # the nearest pixel has at least a quarter of what a bilinear value is made of
    assert (pixels[moved == 1] >= 63).all() and (pixels[moved == 0] <= 192).all()
    assert 0 < moved.float().mean() < 1


def test_quarter_turns_flips_and_whole_shifts_are_exact() -> None:
    still = drawn(STILL, 4)
    change = replace(
        still,
        angle=torch.tensor([math.pi / 2, 0.0, 0.0, 0.0]),
        shift=torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [3 / 16, -2 / 16]]),
        flips=torch.tensor([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]),
    )
    pixels = pictures(4, 1, 16, 16)
    shifted = torch.zeros_like(pixels[3])
    shifted[:, :14, 3:] = pixels[3, :, 2:, :13]  # 3 to the right, 2 up
    wanted = torch.stack([pixels[0].rot90(-1, (1, 2)), pixels[1].flip(2), pixels[2].flip(1), shifted])
    torch.testing.assert_close(change.pixels(pixels, torch.arange(4)), wanted, rtol=0, atol=0)
    masks = pixels[:, 0].long()
    torch.testing.assert_close(change.masks(masks), wanted[:, 0].long(), rtol=0, atol=0)


def test_what_comes_in_from_outside_is_black_and_background() -> None:
    change = replace(drawn(STILL, 1), scale=torch.tensor([0.5]))
    moved = change.pixels(torch.full((1, 1, 32, 32), 200, dtype=torch.uint8), torch.zeros(1, dtype=torch.long))[0, 0]
    mask = change.masks(torch.ones(1, 32, 32, dtype=torch.long))[0]
    inside = torch.zeros(32, 32, dtype=torch.bool)
    inside[8:24, 8:24] = True
    assert (mask == inside).all() and (moved[~inside] == 0).all() and (moved[9:23, 9:23] == 200).all()


def test_contrast_is_torchvisions() -> None:
    from torchvision.transforms.v2 import functional

    pixels, change = pictures(6, 1, 20, 24), drawn(STILL.model_copy(update={"contrast": 0.6}), 6)
    changed = change.pixels(pixels, torch.arange(6))
    wanted = [
        functional.adjust_contrast(one, factor.item()) for one, factor in zip(pixels, change.contrast, strict=True)
    ]
    assert (changed.int() - torch.stack(wanted).int()).abs().max() <= 1  # it cuts off where we round


def test_contrast_and_brightness_are_those_of_the_definition_with_one_mean_a_volume() -> None:
    pixels, owner = pictures(7, 3, 10, 12), torch.tensor([1, 0, 0, 2, 0, 2, 1])
    pixels[owner == 1] //= 4
    change = drawn(STILL.model_copy(update={"contrast": 0.5, "brightness": 0.2}), 3)
    changed = change.pixels(pixels, owner)
    for row in range(3):
        values = pixels[owner == row].double()
        factor, more = change.contrast[row].double(), change.brightness[row].double()
        wanted = (values.mean() + factor * (values - values.mean()) + 255 * more).clamp(0, 255)
        assert (changed[owner == row].double() - wanted).abs().max() <= 0.5 + 1e-3


@pytest.mark.parametrize("side", [28, 333])
def test_no_change_is_none_to_the_bit(side: int) -> None:
    pixels = pictures(2, 3, side, side + 1)
    assert torch.equal(drawn(STILL, 2).pixels(pixels, torch.arange(2)), pixels)
    masks = pixels[:, 0].long()
    assert torch.equal(drawn(STILL, 2).masks(masks), masks)


def test_rows_that_are_not_chosen_come_back_as_they_were() -> None:
    pixels, owner = pictures(9, 3, 20, 16), torch.tensor([0, 0, 1, 2, 2, 2, 3, 3, 3])
    masks, chosen = classes(4, 4, 5), torch.tensor([True, False, True, False])
    change = drawn(STRONG, 4)
    moved, all_moved = change.pixels(pixels, owner, chosen), change.pixels(pixels, owner)
    assert torch.equal(moved[~chosen[owner]], pixels[~chosen[owner]])
    assert torch.equal(moved[chosen[owner]], all_moved[chosen[owner]]) and not torch.equal(all_moved, moved)
    assert torch.equal(change.masks(masks, chosen)[~chosen], masks[~chosen])
    assert torch.equal(change.masks(masks, chosen)[chosen], change.masks(masks)[chosen])


def test_the_slices_of_a_volume_share_what_was_drawn() -> None:
    owner = torch.tensor([0, 1, 0, 1, 2])
    one = pictures(1, 1, 18, 18).expand(5, -1, -1, -1)
    moved = drawn(STRONG, 3).pixels(one, owner)
    assert torch.equal(moved[0], moved[2]) and torch.equal(moved[1], moved[3])
    assert not torch.equal(moved[0], moved[1]) and not torch.equal(moved[0], moved[4])


def test_the_order_of_slices_does_not_matter() -> None:
    pixels, owner = pictures(6, 1, 12, 12), torch.tensor([0, 0, 1, 1, 1, 2])
    change, order = drawn(STRONG, 3), torch.tensor([3, 0, 5, 1, 4, 2])
    assert torch.equal(change.pixels(pixels[order], owner[order]), change.pixels(pixels, owner)[order])


def test_a_batch_computed_in_pieces_is_what_its_rows_are_alone() -> None:
    pixels, change = pictures(5, 1, 150, 310), drawn(STRONG, 5)  # two slices a piece
    moved = change.pixels(pixels, torch.arange(5))
    for row in range(5):
        alone = Drawn(*(getattr(change, field.name)[row : row + 1] for field in fields(Drawn)))
        assert torch.equal(alone.pixels(pixels[row : row + 1], torch.zeros(1, dtype=torch.long))[0], moved[row])


def test_every_row_gets_its_own_parameters_within_the_bounds() -> None:
    change = drawn(STRONG, 2000)
    bounds = {
        "angle": (change.angle, -math.pi, math.pi),
        "shift": (change.shift, -0.3, 0.3),
        "scale": (change.scale, 0.5, 1.5),
        "contrast": (change.contrast, 0.4, 1.6),
        "brightness": (change.brightness, -0.4, 0.4),
    }
    for name, (values, low, high) in bounds.items():
        assert low <= values.min() and values.max() <= high, name
        # uniform over the bounds: they are nearly reached, and half lies below the middle
        assert values.min() < low + 0.02 * (high - low) and values.max() > high - 0.02 * (high - low), name
        assert 0.45 < (values < (low + high) / 2).float().mean() < 0.55, name
        assert values.unique(dim=0).shape[0] > 1900, name
    columns = torch.stack([change.angle, *change.shift.T, change.scale, change.contrast, change.brightness])
    assert (torch.corrcoef(columns) - torch.eye(6)).abs().max() < 0.1  # drawn apart


@pytest.mark.parametrize(("flip", "across", "down"), [("none", 0.0, 0.0), ("horizontal", 0.5, 0.0), ("both", 0.5, 0.5)])
def test_pictures_are_mirrored_only_as_allowed(flip: str, across: float, down: float) -> None:
    flips = drawn(AugmentOptions.model_validate({"flip": flip}), 2000).flips
    assert set(flips.unique().tolist()) <= {-1.0, 1.0}
    assert (flips < 0).float().mean(0).tolist() == pytest.approx([across, down], abs=0.05 if across else 0)
    assert AugmentOptions().flip == "none"


def test_a_seed_repeats_the_draw_and_an_option_moves_no_other() -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first, second = (Augmentation(STRONG).draw(5, "cpu") for _ in range(2))
    torch.set_rng_state(state)
    again = Augmentation(STRONG).draw(5, "cpu")
    for field in fields(Drawn):
        assert torch.equal(getattr(first, field.name), getattr(again, field.name))
    assert not torch.equal(first.angle, second.angle)
    torch.set_rng_state(state)
    without = Augmentation(STRONG.model_copy(update={"rotate": 0.0, "flip": "none"})).draw(5, "cpu")
    assert torch.equal(without.contrast, first.contrast) and torch.equal(without.shift, first.shift)


def test_nothing_is_read_back_from_the_device() -> None:
    # a tensor of the meta device has no values: reading one is an error
    change = Augmentation(STRONG).draw(3, "meta")
    owner, chosen = torch.zeros(5, dtype=torch.long, device="meta"), torch.ones(3, dtype=torch.bool, device="meta")
    pixels = change.pixels(torch.zeros(5, 3, 8, 9, dtype=torch.uint8, device="meta"), owner, chosen)
    masks = change.masks(torch.zeros(3, 8, 9, dtype=torch.long, device="meta"), chosen)
    assert pixels.device.type == masks.device.type == "meta" and pixels.shape == (5, 3, 8, 9)


def test_autocast_changes_nothing() -> None:
    pixels, owner, change = pictures(4, 3, 33, 40), torch.arange(4), drawn(STRONG, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        lowered = change.pixels(pixels, owner)
    assert torch.equal(lowered, change.pixels(pixels, owner))


def test_wrong_types_and_shapes_are_refused() -> None:
    change, owner = drawn(STRONG, 2), torch.arange(2)
    with pytest.raises(ValueError, match=r"pixels must be uint8 .* got torch.float32"):
        change.pixels(torch.zeros(2, 1, 4, 4), owner)
    with pytest.raises(ValueError, match=r"pixels must be .* \[2, 4, 4\]"):
        change.pixels(pictures(2, 4, 4), owner)
    with pytest.raises(ValueError, match=r"owner must have shape \[3\]; got \[2\]"):
        change.pixels(pictures(3, 1, 4, 4), owner)
    with pytest.raises(ValueError, match=r"chosen must have shape \[2\]; got \[3\]"):
        change.pixels(pictures(2, 1, 4, 4), owner, torch.ones(3, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"chosen must have shape \[2\]; got \[3\]"):
        change.masks(torch.zeros(2, 4, 4, dtype=torch.long), torch.ones(3, dtype=torch.bool))
    for wrong in (torch.zeros(2, 4, 4), torch.zeros(3, 4, 4, dtype=torch.long)):
        with pytest.raises(ValueError, match=r"masks must be int64 of shape \[2, height, width\]"):
            change.masks(wrong)


@pytest.mark.parametrize(
    ("name", "value"),
    [("rotate", 181), ("rotate", -1), ("shift", 1), ("scale", 1), ("contrast", 1), ("brightness", -0.1)]
    + [("mixup", -1), ("mixup", math.inf), ("cutmix", math.nan), ("flip", "vertical"), ("domains", "source")],
)
def test_options_outside_their_bounds_are_refused(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        AugmentOptions.model_validate({name: value})


def test_the_options_do_not_import_torch() -> None:
    code = "import sys, medplug.core.images.augment_options; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
