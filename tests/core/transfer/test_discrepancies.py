"""The kernel discrepancies, held to float64 references that broadcast and loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from medplug.core.transfer import coral, joint_mmd, kernel_sum, linear_mmd, local_mmd, mmd, sinkhorn, sliced_wasserstein

SIZES = [(8, 8, 3), (5, 9, 4), (1, 6, 2), (12, 2, 7)]
LADDER = [0.5, 1.0, 2.0, 4.0]
UNEVEN = [0.7, 1.0, 3.1]


def pair(
    n: int, m: int, width: int, *, seed: int = 0, offset: float = 0.0, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, width, generator=generator, dtype=torch.float64) + offset
    y = torch.randn(m, width, generator=generator, dtype=torch.float64) * 1.2 + 0.3 + offset
    return x.to(dtype).requires_grad_(), y.to(dtype).requires_grad_()


def gradients(value: Tensor, *samples: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(value, samples, retain_graph=True))


def distances(x: Tensor, y: Tensor) -> Tensor:
    return (x[:, None] - y[None]).square().sum(2)


def kernel(x: Tensor, y: Tensor, bandwidths: Sequence[float | Tensor]) -> Tensor:
    return sum(torch.exp(-distances(x, y) / (2 * b**2)) for b in bandwidths) / len(bandwidths)


def median_bandwidths(x: Tensor, y: Tensor) -> list[Tensor]:
    joint = torch.cat([x, y]).detach()
    upper = torch.triu_indices(len(joint), len(joint), 1)
    median = distances(joint, joint)[upper[0], upper[1]].median().sqrt()
    return [median * 2.0**k for k in (-2, -1, 0, 1, 2)]


def reference(
    x: Tensor, y: Tensor, bandwidths: Sequence[float | Tensor] | None = None, *, biased: bool = True
) -> Tensor:
    bandwidths = median_bandwidths(x, y) if bandwidths is None else bandwidths
    return kernel_reference(*(kernel(a, b, bandwidths) for a, b in ((x, x), (y, y), (x, y))), biased=biased)


def kernel_reference(xx: Tensor, yy: Tensor, xy: Tensor, *, biased: bool = True) -> Tensor:
    if biased:
        return xx.mean() + yy.mean() - 2 * xy.mean()
    n, m = xy.shape
    return (xx.sum() - n) / (n * (n - 1)) + (yy.sum() - m) / (m * (m - 1)) - 2 * xy.mean()


def same_with_gradient(ours: Tensor, wanted: Tensor, *samples: Tensor) -> None:
    torch.testing.assert_close(ours, wanted)
    for got, right in zip(gradients(ours, *samples), gradients(wanted, *samples), strict=True):
        torch.testing.assert_close(got, right)


@pytest.mark.parametrize("bandwidths", [None, LADDER, UNEVEN, [1.3]])
@pytest.mark.parametrize(("n", "m", "width"), SIZES)
def test_mmd_and_its_gradient_are_the_references(n: int, m: int, width: int, bandwidths: list[float] | None) -> None:
    x, y = pair(n, m, width)
    same_with_gradient(mmd(x, y, bandwidths=bandwidths), reference(x, y, bandwidths), x, y)


@pytest.mark.parametrize("bandwidths", [None, UNEVEN])
def test_the_unbiased_estimate_and_its_gradient_are_the_references(bandwidths: list[float] | None) -> None:
    x, y = pair(5, 9, 4)
    same_with_gradient(mmd(x, y, bandwidths=bandwidths, biased=False), reference(x, y, bandwidths, biased=False), x, y)


@pytest.mark.parametrize("biased", [True, False])
def test_finite_differences_agree_with_the_closed_form(biased: bool) -> None:
    x, y = pair(4, 5, 3)
    weights = torch.rand(4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert gradcheck(lambda x, y: mmd(x, y, bandwidths=LADDER, biased=biased, x_weights=weights), (x, y))
    assert gradcheck(lambda x: mmd(x, y.detach(), bandwidths=UNEVEN, biased=biased), (x,))
    assert gradcheck(lambda y: mmd(x.detach(), y, bandwidths=UNEVEN, biased=biased), (y,))


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("block", [7, 100, 400])
def test_blocks_of_rows_change_nothing(block: int, biased: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = pair(14, 17, 3)
    monkeypatch.setattr(kernel_sum, "MEDIAN_ROWS", 10)
    monkeypatch.setitem(kernel_sum.BLOCK, "cpu", block)
    same_with_gradient(mmd(x, y, bandwidths=UNEVEN, biased=biased), reference(x, y, UNEVEN, biased=biased), x, y)
    ours = joint_mmd([x, y[:14]], [y, y], bandwidths=[UNEVEN, [2.0]], biased=biased)
    same_with_gradient(ours, joint_reference([x, y[:14]], [y, y], [UNEVEN, [2.0]], biased=biased), x, y)


def test_many_rows_are_measured_by_an_even_sample_of_their_distances() -> None:
    x, y = pair(900, 700, 4)
    with torch.no_grad():
        assert mmd(x, y) == pytest.approx(reference(x, y).item(), rel=0.02)


@pytest.mark.parametrize("biased", [True, False])
def test_float32_keeps_its_digits_at_an_offset_of_1000(biased: bool) -> None:
    x, y = pair(40, 30, 64, offset=1000.0, dtype=torch.float32)
    wide = x.detach().double().requires_grad_(), y.detach().double().requires_grad_()
    value, wanted = mmd(x, y, biased=biased), reference(*wide, biased=biased)
    assert value.item() == pytest.approx(wanted.item(), rel=1e-4)
    for got, right in zip(gradients(value, x, y), gradients(wanted, *wide), strict=True):
        assert (got - right).norm() < 1e-4 * right.norm()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_samples_are_summed_in_float32(dtype: torch.dtype) -> None:
    x, y = pair(40, 30, 64, dtype=dtype)
    wide = x.detach().double().requires_grad_(), y.detach().double().requires_grad_()
    value, wanted = mmd(x, y), reference(*wide)
    assert value.dtype == torch.float32 and value.item() == pytest.approx(wanted.item(), rel=1e-5)
    for got, right in zip(gradients(value, x, y), gradients(wanted, *wide), strict=True):
        assert got.dtype == dtype
        assert (got - right).norm() < torch.finfo(dtype).eps * right.norm()


def test_autocast_does_not_reach_the_products() -> None:
    x, y = pair(40, 30, 64, offset=5.0, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = mmd(x, y)
    assert torch.equal(inside, mmd(x, y))


def test_samples_of_two_types_meet_in_the_better_one() -> None:
    x, y = pair(6, 5, 3)
    assert mmd(x.float(), y).dtype == torch.float64
    torch.testing.assert_close(mmd(x.bfloat16(), y), reference(x.bfloat16().double(), y))


@pytest.mark.parametrize("biased", [True, False])
def test_whole_weights_are_repeated_rows(biased: bool) -> None:
    x, y = pair(4, 5, 3)
    counts = torch.tensor([2.0, 0.0, 1.0, 1.0])
    weighted = mmd(x, y, bandwidths=LADDER, x_weights=counts * 7, biased=biased)
    repeated = x[[0, 0, 2, 3]]
    if biased:
        same_with_gradient(weighted, reference(repeated, y, LADDER), x, y)
    else:  # two copies of one row are two rows to the repeated sample, one to the weighted
        share, inside = counts.double() / 4, kernel(x, x, LADDER)
        within = share @ (inside - torch.eye(4)) @ share / (1 - share.square().sum())
        alone = reference(repeated, y, LADDER, biased=False)
        four = kernel(repeated, repeated, LADDER)
        same_with_gradient(weighted, alone - (four.sum() - 4) / 12 + within, x, y)


def test_equal_weights_are_no_weights() -> None:
    x, y = pair(4, 5, 3)
    for biased in (True, False):
        weighted = mmd(x, y, biased=biased, x_weights=torch.full((4,), 3.0), y_weights=torch.full((5,), 0.1))
        torch.testing.assert_close(weighted, mmd(x, y, biased=biased))


def test_the_unbiased_estimate_is_zero_on_average_and_the_biased_one_is_not() -> None:
    biased, unbiased = [], []
    for seed in range(300):
        x, y = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        biased.append(mmd(x, y, bandwidths=[1.0]))
        unbiased.append(mmd(x, y, bandwidths=[1.0], biased=False))
    spread = torch.stack(unbiased).std() / 300**0.5
    assert abs(torch.stack(unbiased).mean()) < 3 * spread < torch.stack(biased).mean() / 10


LAYERS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mmd": mmd,
    "given": lambda x, y: mmd(x, y, bandwidths=UNEVEN),
    "joint": lambda x, y: joint_mmd([x, x.softmax(1)], [y, y.softmax(1)]),
    "linear": linear_mmd,
    "local": lambda x, y: local_mmd(x, y, x.softmax(1), y.softmax(1)),
}


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_equal_samples_are_exactly_zero_apart(layer: Callable[[Tensor, Tensor], Tensor], dtype: torch.dtype) -> None:
    for seed in range(5):
        x = pair(17 + seed, 2, 9, seed=seed, offset=3.0, dtype=dtype)[0]
        y = x.detach().clone().requires_grad_()
        value = layer(x, y)
        assert value.item() == 0.0
        assert all(g.abs().max() < 1e-6 for g in gradients(value, x, y))
        shuffled = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))]
        assert 0 <= layer(x, shuffled).item() < 1e-6


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_neither_the_sides_nor_the_order_of_rows_matter(layer: Callable[[Tensor, Tensor], Tensor]) -> None:
    for seed in range(5):
        x, y = pair(7, 11, 4, seed=seed)
        value = layer(x, y)
        torch.testing.assert_close(layer(y, x), value)
        torch.testing.assert_close(layer(x.flip(0), y[torch.randperm(11)]), value)
        assert value > 0


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_repeated_rows_give_finite_values_and_gradients(
    layer: Callable[[Tensor, Tensor], Tensor], offset: float
) -> None:
    same_row = (torch.rand(1, 4, generator=torch.Generator().manual_seed(0)) + offset).expand(6, 4)
    other = same_row.clone()
    other[0] += 1
    for x, y in ((same_row, same_row[:3]), (same_row, other), (same_row[:1], other[:1]), (other[:1], same_row[:1])):
        x, y = x.clone().requires_grad_(), y.clone().requires_grad_()
        value = layer(x, y)
        assert value.isfinite() and all(g.isfinite().all() for g in gradients(value, x, y))
    assert layer(same_row, other) > 1e-3


@pytest.mark.parametrize("layer", [*LAYERS.values(), coral, sinkhorn, sliced_wasserstein])
@pytest.mark.parametrize("rows", [6, 700])
def test_no_value_is_read_back_from_a_device(layer: Callable[[Tensor, Tensor], Tensor], rows: int) -> None:
    x, y = (torch.empty(rows, 3, device="meta", requires_grad=True) for _ in range(2))  # it has no values to read
    layer(x, y).backward()
    assert x.grad is not None and x.grad.shape == x.shape


def test_only_the_side_that_asks_gets_a_gradient() -> None:
    x, y = pair(4, 5, 3)
    mmd(x, y.detach()).backward()
    assert x.grad is not None and y.grad is None
    with torch.no_grad():
        assert not mmd(x, y).requires_grad


@pytest.mark.parametrize("layer", [mmd, coral])
def test_a_second_derivative_is_refused(layer: Callable[[Tensor, Tensor], Tensor]) -> None:
    x, y = pair(4, 5, 3)
    with pytest.raises(RuntimeError, match="no second derivative; leave out create_graph"):
        torch.autograd.grad(layer(x, y) + x.square().sum(), (x,), create_graph=True)


def joint_reference(
    xs: Sequence[Tensor], ys: Sequence[Tensor], bandwidths: Sequence[Sequence[float] | None], *, biased: bool = True
) -> Tensor:
    xx = yy = xy = torch.ones(())
    for x, y, given in zip(xs, ys, bandwidths, strict=True):
        given = median_bandwidths(x, y) if given is None else given
        xx, yy, xy = xx * kernel(x, x, given), yy * kernel(y, y, given), xy * kernel(x, y, given)
    return kernel_reference(xx, yy, xy, biased=biased)


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("bandwidths", [[None, None], [UNEVEN, [1.7]], [LADDER, None]])
def test_joint_mmd_multiplies_the_layers_kernels(bandwidths: list[list[float] | None], biased: bool) -> None:
    x, y = pair(6, 8, 5)
    xs, ys = [x, x[:, :2] * 3], [y, y[:, :2] * 3]
    ours = joint_mmd(xs, ys, bandwidths=bandwidths, biased=biased)
    same_with_gradient(ours, joint_reference(xs, ys, bandwidths, biased=biased), x, y)


def test_joint_mmd_of_one_layer_is_mmd() -> None:
    x, y = pair(6, 8, 5)
    assert torch.equal(joint_mmd([x], [y]), mmd(x, y))


def test_linear_mmd_is_the_squared_distance_of_the_means() -> None:
    x, y = pair(6, 8, 5)
    same_with_gradient(linear_mmd(x, y), (x.mean(0) - y.mean(0)).square().sum(), x, y)
    x, y = pair(40, 30, 16, offset=1000.0, dtype=torch.float32)
    wanted = (x.double().mean(0) - y.double().mean(0)).square().sum()
    assert linear_mmd(x, y).item() == pytest.approx(wanted.item(), rel=1e-5)


def local_reference(x: Tensor, y: Tensor, x_probs: Tensor, y_probs: Tensor, bandwidths: Sequence[float]) -> Tensor:
    values = []
    for c in range(x_probs.shape[1]):
        a, b = x_probs[:, c], y_probs[:, c]
        if a.sum() > 0 and b.sum() > 0:
            a, b = a / a.sum(), b / b.sum()
            parts = a @ kernel(x, x, bandwidths) @ a, b @ kernel(y, y, bandwidths) @ b, a @ kernel(x, y, bandwidths) @ b
            values.append(parts[0] + parts[1] - 2 * parts[2])
    return torch.stack(values).mean()


def test_local_mmd_compares_class_by_class() -> None:
    x, y = pair(9, 7, 4)
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 4])
    onehot = torch.nn.functional.one_hot(labels, 5)
    probs = torch.rand(7, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    probs[:, 2] = 0  # class 2 is only in x, class 3 only in y
    ours = local_mmd(x, y, onehot, probs, bandwidths=UNEVEN)
    same_with_gradient(ours, local_reference(x, y, onehot.double(), probs, UNEVEN), x, y)
    assert gradcheck(lambda x, y: local_mmd(x, y, onehot, probs, bandwidths=UNEVEN), (x, y))


def test_local_mmd_of_one_class_is_mmd_and_of_none_in_common_zero() -> None:
    x, y = pair(9, 7, 4)
    torch.testing.assert_close(local_mmd(x, y, torch.ones(9, 1), torch.ones(7, 1)), mmd(x, y))
    value = local_mmd(x, y, torch.tensor([[1.0, 0.0]]).expand(9, 2), torch.tensor([[0.0, 1.0]]).expand(7, 2))
    assert value == 0 and all((g == 0).all() for g in gradients(value, x, y))


def test_local_mmd_tells_swapped_classes_that_mmd_does_not() -> None:
    x = torch.tensor([[0.0], [0.1], [5.0], [5.1]])
    labels = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert mmd(x, x) == 0 and local_mmd(x, x, labels, labels) == 0
    assert local_mmd(x, x, labels, labels.flip(1)) > 0.5


def test_what_cannot_be_compared_is_refused_by_shape() -> None:
    x, y = torch.randn(4, 3), torch.randn(5, 3)
    with pytest.raises(ValueError, match=r"one width; got shapes \[4, 3\] and \[5, 2\]"):
        mmd(x, y[:, :2])
    with pytest.raises(ValueError, match=r"y must be \[rows, width\].*got shape \[5\]"):
        linear_mmd(x, y[:, 0])
    with pytest.raises(ValueError, match=r"x must be .*got shape \[0, 3\]"):
        mmd(x[:0], y)
    with pytest.raises(ValueError, match=r"torch.int64. Convert it with .float\(\)"):
        mmd(x.long(), y)
    with pytest.raises(ValueError, match=r"x_weights must be \[4\].*got shape \[5\]"):
        mmd(x, y, x_weights=torch.ones(5))
    with pytest.raises(ValueError, match="two rows a side; got 1 and 5"):
        mmd(x[:1], y, biased=False)
    for wrong in ([], [0.0], [1.0, float("nan")]):
        with pytest.raises(ValueError, match="bandwidths must be positive numbers, at least one"):
            mmd(x, y, bandwidths=wrong)
    with pytest.raises(ValueError, match="one entry a layer; got 2, 1 and 2"):
        joint_mmd([x, x], [y])
    with pytest.raises(ValueError, match=r"layers of ys must have equally many rows; got \[5, 4\]"):
        joint_mmd([x, x], [y, y[:4]])
    with pytest.raises(ValueError, match=r"xs\[1\] and ys\[1\]"):
        joint_mmd([x, x], [y, y[:, :1]])
    with pytest.raises(ValueError, match=r"y_probs must be \[5, 2\].*got \[5, 3\]"):
        local_mmd(x, y, torch.ones(4, 2), torch.ones(5, 3))
