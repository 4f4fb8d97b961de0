"""Sums of Gaussian kernels over all pairs of rows on a GPU, from two Triton kernels.

The first makes a band of the kernel matrix tile by tile: a tile's distances,
its kernels, their sum and the strengths with which its pairs pull on each other
never leave the chip but for the strengths, in the rows' type. The second
multiplies the band by the rows. Two products of equal cost, so no tile is made
twice; a gradient of any width; memory for one band only. Sums are stored tile
by tile and added in one order: every run gives the same bits.

Only this module imports triton; it is itself imported where it runs.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton  # type: ignore[import-untyped]
import triton.language as tl  # type: ignore[import-untyped]
from torch import Tensor

from medplug.core.transfer.kernels import Ladder, squarings

BAND_BYTES = 2**29
"""What one band of strengths may take: enough rows for the second kernel to fill a device."""


class Tiles(NamedTuple):
    """Rows, columns and summed entries of a tile, and how a program is run."""

    rows: int
    columns: int
    depth: int
    warps: int
    stages: int


TILES = {torch.bfloat16: Tiles(128, 128, 64, 8, 3), torch.float32: Tiles(64, 64, 32, 4, 3)}
"""By the rows' type: tensor cores for the one, the registers of plain arithmetic for the other."""


def fused_kernel_sum(
    rows: Tensor, mass: Tensor, n: int, ladder: Ladder, own: tuple[Tensor, Tensor] | None, *, wants_gradient: bool
) -> tuple[Tensor, Tensor | None]:
    """``sum_ij mass_i mass_j k(i, j)`` and, where wanted, its gradient ``[rows, width]`` in float32.

    `rows` ``[rows, width]`` are centred and float32 or bfloat16, contiguous;
    `mass` ``[rows]`` and the ladder's precision are float32; k is the mean of
    the ladder's kernels. `own` and `n` as in `kernel_sum`. Products of rows are
    exact and accumulate in float32; strengths are rounded to the rows' type,
    the same on both sides of ``s_ij (row_j - row_i)``, so that a common shift
    of all rows pulls nowhere.
    """
    # kernels start on the current device, whatever they are given
    with torch.cuda.device_of(rows):  # type: ignore[no-untyped-call]
        return _bands(rows, mass, n, ladder, own, wants_gradient)


def _bands(
    rows: Tensor, mass: Tensor, n: int, ladder: Ladder, own: tuple[Tensor, Tensor] | None, wants_gradient: bool
) -> tuple[Tensor, Tensor | None]:
    """The sum and its gradient, one band of the kernel matrix after another."""
    tiles, (total, width) = TILES[rows.dtype], rows.shape
    precision = ladder.precision * mass.new_ones(())  # no copy from the host, which would wait for the device
    factors = mass.new_ones(2) if own is None else torch.stack(own).to(mass)
    squares = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float32).square_()
    scale = 4 * precision / len(ladder.ratios)
    gradient = rows.new_empty(rows.shape, dtype=torch.float32) if wants_gradient else None
    across = triton.cdiv(total, tiles.columns)
    pitch = across * tiles.columns  # whole tiles: an odd number of columns would be read one by one
    fitting = max(BAND_BYTES // (pitch * rows.element_size()) // tiles.rows, 1)
    step = min(fitting, triton.cdiv(total, tiles.rows)) * tiles.rows
    band = rows.new_empty((step, pitch)) if wants_gradient else rows
    pulls = mass.new_zeros((across, step))
    values = []
    run = {"num_warps": tiles.warps, "num_stages": tiles.stages, "enable_fp_fusion": True}
    for start in range(0, total, step):
        stop = min(start + step, total)
        down = triton.cdiv(stop - start, tiles.rows)
        values.append(mass.new_empty((across, down)))
        _make_band[down, across](
            *(rows, squares, mass, precision, factors, band, pulls, values[-1]),
            *(start, stop, total, n, width, step, pitch),
            *(ladder.ratios, _steps(ladder.ratios), own is None, wants_gradient, *tiles[:3]),
            **run,
        )
        if gradient is not None:
            _pull[down, triton.cdiv(width, tiles.columns)](
                *(rows, band, pulls.sum(0), scale, gradient, start, stop, total, width, pitch, *tiles[:3]), **run
            )
    value = torch.cat([each.flatten() for each in values]).double().sum() / len(ladder.ratios)
    return value.to(mass.dtype), gradient


def _steps(ratios: tuple[float, ...]) -> tuple[int, ...]:
    """How often each kernel is the one before squared; 0 where it takes an exponential of its own."""
    return 0, *(squarings(after / before) or 0 for before, after in zip(ratios, ratios[1:], strict=False))


@triton.jit  # type: ignore[untyped-decorator]
def _make_band(  # type: ignore[no-untyped-def]
    rows,
    squares,
    mass,
    precision,
    factors,
    band,
    pulls,
    values,
    start,
    stop,
    total,
    n,
    width,
    step,
    pitch,
    RATIOS: tl.constexpr,
    STEPS: tl.constexpr,
    BIASED: tl.constexpr,
    SLOPES: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
):
    """One tile of rows `start` to `stop` against all rows: its part of the value, of the band and of its row sums."""
    i = start + tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    j = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    products = tl.zeros([ROWS, COLUMNS], tl.float32)
    for first in range(0, width, DEPTH):
        c = first + tl.arange(0, DEPTH)
        inside = c < width
        left = rows + i.to(tl.int64)[:, None] * width + c[None, :]
        right = rows + j.to(tl.int64)[None, :] * width + c[:, None]
        a = tl.load(left, (i < stop)[:, None] & inside[None, :], 0.0)
        b = tl.load(right, (j < total)[None, :] & inside[:, None], 0.0)
        products = tl.dot(a, b, products, input_precision="ieee")
    lengths = tl.load(squares + i, i < stop, 0.0)[:, None] + tl.load(squares + j, j < total, 0.0)[None, :]
    itself = i[:, None] == j[None, :]
    distances = tl.where(itself, 0.0, tl.maximum(lengths - 2 * products, 0.0))

    exponents = -tl.load(precision) * distances
    kernel = tl.exp(exponents)
    kernels = kernel
    slopes = kernel
    for k in tl.static_range(1, len(RATIOS)):
        if STEPS[k] == 0:
            kernel = tl.exp(exponents * RATIOS[k])
        else:
            for _ in tl.static_range(STEPS[k]):
                kernel = kernel * kernel
        kernels += kernel
        slopes += kernel * RATIOS[k]

    # a row past the end has no mass, so its pairs neither count nor pull
    pairs = tl.load(mass + i, i < stop, 0.0)[:, None] * tl.load(mass + j, j < total, 0.0)[None, :]
    if not BIASED:
        in_x, in_y = (i < n)[:, None] & (j < n)[None, :], (i >= n)[:, None] & (j >= n)[None, :]
        pairs *= tl.where(in_x, tl.load(factors), tl.where(in_y, tl.load(factors + 1), 1.0))
        pairs = tl.where(itself, 0.0, pairs)
    tl.store(values + tl.program_id(1) * tl.num_programs(0) + tl.program_id(0), tl.sum(kernels * pairs))
    if SLOPES:
        strengths = tl.where(itself, 0.0, slopes * pairs).to(band.dtype.element_ty)
        row = i - start
        tl.store(band + row.to(tl.int64)[:, None] * pitch + j[None, :], strengths, (i < stop)[:, None])
        tl.store(pulls + tl.program_id(1) * step + row, tl.sum(strengths.to(tl.float32), 1), i < stop)


@triton.jit  # type: ignore[untyped-decorator]
def _pull(  # type: ignore[no-untyped-def]
    rows,
    band,
    pull,
    scale,
    gradient,
    start,
    stop,
    total,
    width,
    pitch,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
):
    """One tile of the gradient of rows `start` to `stop`: ``scale (sum_j s_ij row_j - pull_i row_i)``."""
    i = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    c = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    within, inside = i < stop - start, c < width
    pulled = tl.zeros([ROWS, COLUMNS], tl.float32)
    for first in range(0, total, DEPTH):
        j = first + tl.arange(0, DEPTH)
        s = tl.load(band + i.to(tl.int64)[:, None] * pitch + j[None, :], within[:, None], 0.0)
        r = tl.load(rows + j.to(tl.int64)[:, None] * width + c[None, :], (j < total)[:, None] & inside[None, :], 0.0)
        pulled = tl.dot(s, r, pulled, input_precision="ieee")
    at, whole = (start + i).to(tl.int64)[:, None] * width + c[None, :], within[:, None] & inside[None, :]
    own = tl.load(rows + at, whole, 0.0).to(tl.float32) * tl.load(pull + i, within, 0.0)[:, None]
    tl.store(gradient + at, (pulled - own) * tl.load(scale), whole)
