"""CORAL in closed form: source rows moved so that their mean and covariance are the target's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medplug.core.transfer.samples import full_precision, widened

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Recolouring:
    """The affine map ``(rows - source_mean) @ matrix + target_mean``.

    `matrix` is ``[width, width]``, the means ``[width]``, all float64.
    """

    matrix: Floats
    source_mean: Floats
    target_mean: Floats

    @overload
    def __call__(self, rows: NDArray[Any]) -> Floats: ...

    @overload
    def __call__(self, rows: Tensor) -> Tensor: ...

    def __call__(self, rows: NDArray[Any] | Tensor) -> Floats | Tensor:
        """The moved rows ``[rows, width]``: float64 from an array; float32 or better from a tensor, differentiable."""
        if rows.ndim != 2 or rows.shape[1] != len(self.matrix):
            raise ValueError(f"rows must be [rows, {len(self.matrix)}]; got shape {list(rows.shape)}")
        if not isinstance(rows, Tensor):
            moved: Floats = (rows - self.source_mean) @ self.matrix + self.target_mean
            return moved
        (wide,) = widened(rows)
        matrix, source_mean, target_mean = (
            torch.as_tensor(part, dtype=wide.dtype, device=wide.device)
            for part in (self.matrix, self.source_mean, self.target_mean)
        )
        with full_precision(wide):
            return (wide - source_mean) @ matrix + target_mean


def recolour(
    source: NDArray[Any] | Tensor, target: NDArray[Any] | Tensor, *, shrinkage: float | None = None
) -> Recolouring:
    """The map that whitens ``[n, width]`` by its covariance and colours it by that of ``[m, width]``.

    The mean moves as well, which the paper leaves to a normalisation before.
    Each covariance C becomes ``(1 - s) C + s m I`` with m its mean variance,
    so that it can be inverted with fewer rows than `width`. `shrinkage` is s,
    from 0 to 1, for both sides; None: for each side that of Ledoit and Wolf.
    Directions without any variance are left out (a pseudo-inverse). Shrinking
    treats all features alike: bring them to one scale before. A few target
    rows give a covariance near a sphere, onto which the map then whitens.
    Each side needs two rows of finite values (ValueError).

    Sun, Feng and Saenko, Return of Frustratingly Easy Domain Adaptation (2016);
    Ledoit and Wolf, A Well-Conditioned Estimator for Large-Dimensional Covariance Matrices (2004).
    """
    if shrinkage is not None and not 0 <= shrinkage <= 1:
        raise ValueError(f"shrinkage must lie between 0 and 1, or be None; got {shrinkage}")
    x, y = _float64(source, "source"), _float64(target, "target")
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"source and target must be of one width; got shapes {list(x.shape)} and {list(y.shape)}")
    whiten = _root(_covariance(x, shrinkage), -0.5)
    colour = _root(_covariance(y, shrinkage), 0.5)
    return Recolouring(whiten @ colour, x.mean(0), y.mean(0))


def _float64(sample: NDArray[Any] | Tensor, name: str) -> Floats:
    """The sample as a float64 array, refused where it has no covariance."""
    rows = sample.detach().cpu().double().numpy() if isinstance(sample, Tensor) else np.asarray(sample, np.float64)
    if rows.ndim != 2 or len(rows) < 2 or rows.shape[1] < 1:
        raise ValueError(f"{name} must be [rows, width] with two rows for a covariance; got shape {list(rows.shape)}")
    if not np.isfinite(rows).all():
        raise ValueError(f"{name} must be finite; got {np.count_nonzero(~np.isfinite(rows))} values that are not")
    return rows


def _covariance(rows: Floats, shrinkage: float | None) -> Floats:
    """The covariance ``[width, width]``, drawn towards a sphere of the same mean variance."""
    from sklearn.covariance import ledoit_wolf_shrinkage

    centred = rows - rows.mean(0)
    plain = centred.T @ centred / (len(rows) - 1)
    share = float(ledoit_wolf_shrinkage(centred, assume_centered=True)) if shrinkage is None else shrinkage
    shrunk: Floats = (1 - share) * plain + share * np.trace(plain) / len(plain) * np.eye(len(plain))
    return shrunk


def _root(covariance: Floats, power: float) -> Floats:
    """The symmetric power of a covariance on the directions in which it varies."""
    values, vectors = np.linalg.eigh(covariance)
    varies = values > len(values) * np.finfo(np.float64).eps * values.max()
    powers = np.where(varies, np.where(varies, values, 1) ** power, 0)
    root: Floats = (vectors * powers) @ vectors.T
    return root
