"""Domain adversaries: a discriminator learns to tell two domains apart, and the features learn to defeat it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from medplug.core.transfer.entropy import certainty
from medplug.core.transfer.reversal import reverse_gradient
from medplug.core.transfer.samples import check_pair, full_precision, widened

WIDEST_PRODUCT = 4096
"""The most inputs that the discriminator gets from the full product of features and probabilities."""

RANDOMISED_WIDTH = 1024
"""How many inputs it gets from the randomised product, unless told."""


class DomainAdversary(nn.Module):
    """The loss of a discriminator of two domains, on features whose gradient is reversed.

    Without `classes`, the discriminator sees features ``[rows, width]`` (DANN).
    With them, it sees their outer product with the class probabilities, ``[rows,
    width * classes]``, so that domains are compared class by class (CDAN); or,
    where that is wider than 4,096 or `randomised` is given, `randomised`
    (default 1,024) products of random projections of both, fixed at the start
    and saved with the state. `entropy` weighs each row by 1 + exp(-H), H the
    entropy of its probabilities (CDAN+E). ValueError on sizes below one, one
    class, or `randomised` or `entropy` without `classes`.

    The discriminator has two hidden layers. It has no dropout: the features learn
    from its gradient, which few rows leave noisy enough. It has no batch
    normalisation: a row would be judged by the mix of domains around it. It
    computes in the type of its parameters, also under autocast.

    Ganin et al., Domain-Adversarial Training of Neural Networks (2016); Long et
    al., Conditional Adversarial Domain Adaptation (2018).
    """

    feature_map: Tensor | None
    class_map: Tensor | None

    def __init__(
        self,
        width: int,
        *,
        classes: int | None = None,
        hidden: int = 256,
        randomised: int | None = None,
        entropy: bool = False,
    ) -> None:
        super().__init__()
        _check_sizes(width, classes, hidden, randomised, entropy)
        sides = width, classes or 1
        if randomised is None and classes is not None and width * classes > WIDEST_PRODUCT:
            randomised = RANDOMISED_WIDTH
        self.width, self.classes, self.entropy = width, classes, entropy
        for name, side in zip(("feature_map", "class_map"), sides, strict=True):
            self.register_buffer(name, None if randomised is None else torch.randn(side, randomised))
        self.discriminator = nn.Sequential(
            nn.Linear(randomised or math.prod(sides), hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 1),
        )

    def forward(
        self,
        x: Tensor,
        y: Tensor,
        x_probs: Tensor | None = None,
        y_probs: Tensor | None = None,
        *,
        coefficient: float | Tensor,
        x_weights: Tensor | None = None,
        y_weights: Tensor | None = None,
    ) -> Tensor:
        """The mean of the two domains' cross-entropies: source `x` ``[n, width]``, target `y` ``[m, width]``.

        Each domain counts half, whatever its rows. `x_probs` ``[n, classes]``
        and `y_probs` ``[m, classes]`` go with `classes`, and are constants to the
        gradient; so are `x_weights` ``[n]`` and `y_weights` ``[m]``, non-negative
        and normalised here (a domain of zeros counts nothing). Minimised, the
        loss trains the discriminator, while the gradient of `x` and `y` is
        multiplied by ``-coefficient``. ValueError on wrong shapes.
        """
        check_pair(x, y)
        if x.shape[1] != self.width:
            raise ValueError(f"x and y must be [rows, {self.width}] for this adversary; got {list(x.shape)}")
        probs = self._probabilities(x_probs, x, "x_probs"), self._probabilities(y_probs, y, "y_probs")
        x_shares = self._shares(x_weights, probs[0], "x_weights")
        y_shares = self._shares(y_weights, probs[1], "y_weights")
        with full_precision(x):
            features = reverse_gradient(torch.cat([self._own(x), self._own(y)]), coefficient)
            (logits,) = widened(self.discriminator(self._conditioned(features, torch.cat(probs))).squeeze(1))
        x_loss = -(x_shares * logsigmoid(logits[: len(x)])).sum()
        y_loss = -(y_shares * logsigmoid(-logits[len(x) :])).sum()
        return (x_loss + y_loss) / 2

    def _own(self, given: Tensor) -> Tensor:
        """The tensor where and as the parameters are."""
        return given.to(next(self.discriminator.parameters()))

    def _probabilities(self, probs: Tensor | None, sample: Tensor, name: str) -> Tensor:
        """The rows' class probabilities; without classes, all rows are of one."""
        if self.classes is None and probs is not None:
            raise ValueError(
                f"{name} was given to an adversary without classes; make it with classes={probs.shape[-1]}"
            )
        if self.classes is None:
            return self._own(sample.new_ones(len(sample), 1))
        if probs is None or probs.shape != (len(sample), self.classes):
            got = "None" if probs is None else f"shape {list(probs.shape)}"
            wanted = f"[{len(sample)}, {self.classes}]"
            raise ValueError(f"{name} must be {wanted}, a row for each row of features; got {got}")
        return self._own(probs.detach())

    def _shares(self, weights: Tensor | None, probs: Tensor, name: str) -> Tensor:
        """What each row counts in its domain, ``[rows]``; they sum to one."""
        (probs,) = widened(probs)
        if weights is not None and weights.shape != (len(probs),):
            raise ValueError(f"{name} must be [{len(probs)}], one weight a row; got shape {list(weights.shape)}")
        counts = probs.new_ones(len(probs)) if weights is None else weights.detach().to(probs)
        if self.entropy:
            counts = counts * certainty(probs)
        total = counts.sum()
        return counts / total.where(total > 0, 1)

    def _conditioned(self, features: Tensor, probs: Tensor) -> Tensor:
        """What the discriminator sees of ``[rows, width]`` and ``[rows, classes]``."""
        if self.feature_map is None or self.class_map is None:
            return (features[:, :, None] * probs[:, None, :]).flatten(1)
        products = (features @ self.feature_map) * (probs @ self.class_map)
        return products / math.sqrt(products.shape[1])


def _check_sizes(width: int, classes: int | None, hidden: int, randomised: int | None, entropy: bool) -> None:
    given = (("width", width, 1), ("classes", classes, 2), ("hidden", hidden, 1), ("randomised", randomised, 1))
    for name, size, least in given:
        if size is not None and size < least:
            raise ValueError(f"{name} must be {least} or more; got {size}")
    if classes is None and (randomised is not None or entropy):
        option = "entropy" if entropy else "randomised"
        raise ValueError(f"{option} needs the class probabilities; give classes too")
