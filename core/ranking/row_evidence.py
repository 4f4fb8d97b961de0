"""What each row adds to LogME, so that leaving rows out costs a mean and not a new decomposition."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from medplug.core.transfer.transferability import ROUNDING, SCAN


def evidence_shares(features: Tensor, targets: Tensor) -> Tensor:
    """Each row's log predictive density ``[n]`` given all others, averaged over outputs: LogME's pseudo-values.

    `features` are ``[n, width]``, `targets` ``[n, outputs]`` in float64, no
    output all zero. The model is that of `medplug.core.transfer.logme`: weights
    of variance v / t, noise of variance v, both by the greatest evidence. By the
    chain rule the log evidence of all rows less that without row i is the
    density of row i given the rest, and at the greatest evidence t and v may
    stay as they are, to first order. So means of these values over subsamples
    vary as LogME does (the jackknife's pseudo-values: Tukey, 1958), at the price
    of one decomposition (leave-one-out in closed form: Rasmussen and Williams,
    Gaussian Processes for Machine Learning, 2006, 5.4.2).
    """
    left, singular, _ = torch.linalg.svd(features.double(), full_matrices=False)
    spectrum, along = singular.square(), left.T @ targets  # [k], [k, outputs]
    outside = (targets - left @ along).square().sum(0).maximum(ROUNDING * targets.square().sum(0))
    ratio, noise = _most_evident(spectrum, along.square(), outside, len(targets))
    kept = spectrum[:, None] / (ratio + spectrum[:, None])  # [k, outputs]
    precision = (1 - left.square() @ kept).clamp(min=ROUNDING)  # of a row given the rest, times the noise
    misfit = targets - left @ (kept * along)
    densities = -((2 * math.pi * noise / precision).log() + misfit.square() / (precision * noise)) / 2
    shares: Tensor = densities.mean(1)
    return shares


def _most_evident(spectrum: Tensor, squares: Tensor, outside: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """The ratio t and the noise's variance of the greatest evidence, each ``[outputs]``, to a quarter of a decade."""
    scale = torch.where(spectrum.max() > 0, spectrum.max(), 1.0)
    ratios = scale * 10 ** torch.arange(*SCAN).to(spectrum)
    energy = outside + (ratios[:, None] / (ratios[:, None] + spectrum)) @ squares  # [ratios, outputs]
    volume = torch.log1p(spectrum / ratios[:, None]).sum(1)
    best = (n * energy.log() + volume[:, None]).argmin(0)
    return ratios[best], energy.gather(0, best[None])[0] / n
