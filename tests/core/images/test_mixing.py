"""MixUp and CutMix, held to the published sums and to timm's box."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from medplug.core.images import mixing
from medplug.core.images.augment_options import AugmentOptions
from medplug.core.images.mixing import mix

MIXUP, CUTMIX = AugmentOptions(mixup=0.4), AugmentOptions(cutmix=1.0)
ON = pytest.mark.parametrize("options", [MIXUP, CUTMIX], ids=["mixup", "cutmix"])


def pictures(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def flat(rows: int, side: int = 16) -> Tensor:
    """Row i is 10 i all over."""
    return (10 * torch.arange(rows)).to(torch.uint8)[:, None, None, None].expand(rows, 1, side, side)


def mixed(
    pixels: Tensor, targets: Tensor, options: AugmentOptions, seed: int = 0, **given: Tensor
) -> tuple[Tensor, Tensor]:
    torch.manual_seed(seed)
    owner = given.pop("owner", torch.arange(len(pixels)))
    return mix(pixels, owner, targets, options, **given)


@pytest.mark.parametrize("rows", [2, 3, 7, 8])
def test_mixup_is_the_published_sum_of_pictures_and_targets(rows: int) -> None:
    pixels = pictures(rows, 3, 9, 11)
    ours, targets = mixed(pixels, torch.eye(rows, dtype=torch.float64), MIXUP)
    for row in range(rows):
        share = targets[row, row].item()
        (other,) = [i for i in range(rows) if i != row and targets[row, i] > 0]
        assert targets[row].sum().item() == pytest.approx(1) and 0 < share < 1
        wanted = share * pixels[row].double() + (1 - share) * pixels[other].double()
        assert (ours[row].double() - wanted).abs().max() <= 0.5 + 1e-3
    assert ours.dtype == torch.uint8 and targets.diagonal().unique().numel() == 1  # one share a batch


@pytest.mark.parametrize("seed", range(5))
def test_cutmix_puts_one_box_of_another_row_into_each_and_counts_its_area(seed: int) -> None:
    pixels = flat(5, 20)
    ours, targets = mixed(pixels, torch.eye(5, dtype=torch.float64), CUTMIX, seed)
    for row in range(5):
        foreign = ours[row, 0] != pixels[row, 0]
        assert targets[row, row].item() == pytest.approx(1 - foreign.double().mean().item())
        if foreign.any():
            (other,) = [i for i in range(5) if i != row and targets[row, i] > 0]
            assert (ours[row, 0][foreign] == 10 * other).all()
            across, down = foreign.any(0).nonzero(), foreign.any(1).nonzero()
            box = (across.max() - across.min() + 1) * (down.max() - down.min() + 1)
            assert foreign.sum() == box  # no hole in it
    assert len({tuple((ours[row, 0] != pixels[row, 0]).flatten().tolist()) for row in range(5)}) == 1


def test_the_box_is_timms() -> None:
    from timm.data.mixup import rand_bbox

    generator = np.random.default_rng(0)
    for seed in range(200):
        sides, own = (int(generator.integers(4, 60)), int(generator.integers(4, 60))), float(generator.random())
        np.random.seed(seed)
        timms = rand_bbox((3, *sides), own)
        np.random.seed(seed)
        centre = [(np.random.randint(0, side) + 0.5) / side for side in sides]
        (top, bottom), (left, right) = mixing._box(sides, own, centre)
        assert (top, bottom, left, right) == tuple(int(edge) for edge in timms)


def test_targets_are_mixed_as_timm_mixes_them() -> None:
    from timm.data.mixup import mixup_target

    labels = torch.tensor([2, 0])  # of two rows, each has the other for a partner, in timm too
    _, ours = mixed(pictures(2, 1, 6, 6), torch.eye(3)[labels], MIXUP)
    share = ours[0, 2].item()
    torch.testing.assert_close(ours, mixup_target(labels, 3, share))


@ON
@pytest.mark.parametrize("rows", [2, 5, 8])
def test_the_mean_of_the_targets_stays(options: AugmentOptions, rows: int) -> None:
    targets = torch.rand(rows, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    _, ours = mixed(pictures(rows, 1, 12, 10), targets, options)
    torch.testing.assert_close(ours.mean(0), targets.mean(0))
    assert not torch.equal(ours, targets)


def test_the_mean_picture_stays_under_mixup() -> None:
    pixels = pictures(6, 3, 8, 8)
    ours, _ = mixed(pixels, torch.eye(6), MIXUP)
    assert (ours.double().mean(0) - pixels.double().mean(0)).abs().max() <= 0.5


def shares(options: AugmentOptions, batches: int = 300) -> list[float]:
    """The rows' own shares in so many batches."""
    torch.manual_seed(0)
    pixels, targets = flat(2, 32), torch.eye(2)
    return [mix(pixels, torch.arange(2), targets, options)[1][0, 0].item() for _ in range(batches)]


def test_mixups_share_follows_its_beta_distribution() -> None:
    from scipy.stats import kstest

    for alpha in (0.4, 1.0, 5.0):
        assert kstest(shares(AugmentOptions(mixup=alpha)), "beta", args=(alpha, alpha)).pvalue > 0.01


def test_cutmixs_share_is_what_its_clipped_boxes_leave() -> None:
    # a box of u of the area, u uniform, spans r = sqrt(u) of each side, of which r - r^2 / 4 lies inside on average
    inside = 1 / 2 - (1 / 2) * (2 / 5) + (1 / 16) * (1 / 3)
    found = shares(CUTMIX)
    assert sum(found) / len(found) == pytest.approx(1 - inside, abs=0.05) and min(found) >= 0 and max(found) <= 1


def test_the_area_of_an_uncut_box_is_the_other_rows_share() -> None:
    for own in (0.0, 0.1, 0.5, 0.9, 1.0):
        (top, bottom), (left, right) = mixing._box((300, 200), own, [0.5, 0.5])
        assert (bottom - top) * (right - left) / 60_000 == pytest.approx(1 - own, abs=0.01)


def test_with_both_on_a_coin_chooses() -> None:
    both, kinds = AugmentOptions(mixup=1.0, cutmix=1.0), []
    for seed in range(200):
        ours, targets = mixed(flat(2, 12) + 100, torch.eye(2), both, seed)
        kinds.append(set(ours.unique().tolist()) <= {100, 110} and not math.isclose(float(targets[0, 0]), 1.0))
    assert 50 < sum(kinds) < 150


@ON
def test_every_row_is_another_rows_partner_once(options: AugmentOptions) -> None:
    seen = set()
    for seed in range(40):
        _, targets = mixed(pictures(5, 1, 30, 30), torch.eye(5), options, seed)
        weights = targets.clone().fill_diagonal_(0)
        if (weights == 0).all():
            continue  # a share that leaves every row as it was
        assert ((weights > 0).sum(0) == 1).all() and ((weights > 0).sum(1) == 1).all()
        seen |= {tuple(pair) for pair in weights.nonzero().tolist()}
    assert len(seen) == 20  # any row can meet any other


@ON
def test_only_chosen_rows_are_mixed_and_with_each_other(options: AugmentOptions) -> None:
    chosen, pixels = torch.tensor([True, False, True, False, True, True]), pictures(6, 1, 20, 20)
    for seed in range(5):
        ours, targets = mixed(pixels, torch.eye(6), options, seed, chosen=chosen)
        assert torch.equal(ours[~chosen], pixels[~chosen]) and torch.equal(targets[~chosen], torch.eye(6)[~chosen])
        assert (targets[chosen][:, ~chosen] == 0).all()
        assert (targets[chosen].max(1).values < 1).all()


@ON
@pytest.mark.parametrize("chosen", [[False, True, False], [False, False, False]])
def test_a_row_alone_stays_as_it_is(options: AugmentOptions, chosen: list[bool]) -> None:
    pixels, targets = pictures(3, 3, 8, 9), torch.rand(3, 2, generator=torch.Generator().manual_seed(0))
    ours = mixed(pixels, targets, options, chosen=torch.tensor(chosen))
    assert torch.equal(ours[0], pixels) and torch.equal(ours[1], targets)
    alone = mixed(pixels[:1], targets[:1], options)
    assert torch.equal(alone[0], pixels[:1]) and torch.equal(alone[1], targets[:1])


def test_volumes_and_batches_without_mixing_stay_as_they_are() -> None:
    pixels, targets, owner = pictures(5, 1, 8, 8), torch.eye(3), torch.tensor([0, 0, 1, 2, 2])
    ours = mixed(pixels, targets, MIXUP, owner=owner)
    assert torch.equal(ours[0], pixels) and torch.equal(ours[1], targets)
    ours = mixed(pixels, torch.eye(5), AugmentOptions())
    assert torch.equal(ours[0], pixels) and torch.equal(ours[1], torch.eye(5))


@ON
def test_slices_in_any_order_keep_their_rows(options: AugmentOptions) -> None:
    pixels, order = pictures(6, 1, 14, 14), torch.tensor([4, 0, 5, 1, 3, 2])
    straight, targets = mixed(pixels, torch.eye(6), options, seed=3)
    shuffled, same = mixed(pixels[order], torch.eye(6), options, seed=3, owner=order)
    assert torch.equal(same, targets) and torch.equal(shuffled, straight[order])


@ON
def test_what_was_given_is_not_written_to_and_a_seed_repeats_it(options: AugmentOptions) -> None:
    pixels, targets = pictures(5, 3, 16, 16), torch.rand(5, 1, generator=torch.Generator().manual_seed(0))
    before = pixels.clone(), targets.clone()
    first, again, other = (mixed(pixels, targets, options, seed) for seed in (1, 1, 2))
    assert torch.equal(pixels, before[0]) and torch.equal(targets, before[1])
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


@ON
def test_nothing_is_read_back_from_the_device(options: AugmentOptions) -> None:
    # a tensor of the meta device has no values: reading one is an error
    pixels = torch.zeros(4, 1, 8, 8, dtype=torch.uint8, device="meta")
    chosen = torch.ones(4, dtype=torch.bool, device="meta")
    owner = torch.arange(4, device="meta")
    ours, targets = mix(pixels, owner, torch.zeros(4, 2, device="meta"), options, chosen)
    assert ours.device.type == targets.device.type == "meta" and ours.shape == pixels.shape


def test_wrong_types_and_shapes_are_refused() -> None:
    pixels, targets, owner = pictures(2, 1, 4, 4), torch.eye(2), torch.arange(2)
    with pytest.raises(ValueError, match=r"pixels must be uint8 .* got torch.float32"):
        mix(pixels.float(), owner, targets, MIXUP)
    with pytest.raises(ValueError, match=r"owner \[slices\]; got .* and \[1\]"):
        mix(pixels, owner[:1], targets, MIXUP)
    for wrong in (torch.tensor([0, 1]), torch.eye(2).long()):
        with pytest.raises(ValueError, match="targets must be probabilities"):
            mix(pixels, owner, wrong, MIXUP)
    with pytest.raises(ValueError, match=r"chosen must be bool of shape \[2\]"):
        mix(pixels, owner, targets, MIXUP, torch.ones(2))
