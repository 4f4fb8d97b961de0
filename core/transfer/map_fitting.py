"""Training of feature maps by the loss on the target's task and the transfer loss together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, cast

import torch
from torch import Tensor, nn

from medplug.core.transfer.mapping import AdversarialMap, AutoencoderMap
from medplug.core.transfer.samples import check_pair, full_precision

Loss = Callable[[Tensor, Tensor], Tensor]
"""From logits ``[rows, outputs]`` and the rows' labels: a scalar."""
WIDEST = 256
"""No hidden layer of a map is wider."""


class FittedMap(nn.Module):
    """A map of standardised features, usable on raw ones: ``[rows, width]`` to float32 ``[rows, width]``."""

    mean: Tensor
    scale: Tensor

    def __init__(self, inner: AutoencoderMap | AdversarialMap, mean: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.inner = inner
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    def standardised(self, rows: Tensor) -> Tensor:
        """Raw rows as the inner map takes them."""
        return (rows.float() - self.mean) / self.scale

    def forward(self, source: Tensor) -> Tensor:
        """Raw source rows as raw target rows."""
        with full_precision(source):
            return cast(Tensor, self.inner(self.standardised(source))) * self.scale + self.mean


def fit_map(
    kind: Literal["autoencoder", "gan"],
    source: Tensor,
    source_labels: Tensor,
    target: Tensor,
    *,
    target_labelled: Tensor | None = None,
    target_labels: Tensor | None = None,
    outputs: int,
    loss: Loss,
    trade_off: float,
    steps: int,
    batch: int,
    learning_rate: float,
    seed: int,
) -> FittedMap:
    """A map from raw source features ``[n, width]`` to raw target features, trained and in eval mode.

    Minimises ``L_target + trade_off * L_transfer``. `L_transfer` compares
    source rows with the rows of `target` ``[m, width]``, of which no label is
    known or asked. `L_target` is the `loss` of one linear head with `outputs`
    outputs on mapped source rows with `source_labels` ``[n, ...]`` and, where
    given, on `target_labelled` ``[k, width]`` as they are with `target_labels`
    ``[k, ...]``: then the mean of the two. Without labelled target rows nothing
    but nearness says which class of the target a source class is to meet.

    Features are standardised by the mean and deviation of source and target
    rows together, and all is float32. Each of the `steps` draws `batch` rows a
    side without replacement (all where there are fewer). The rate falls
    linearly to zero, without which the two players of "gan" keep circling.
    The same `seed` gives the same map on the same machine; torch's own random
    state is left as it was.
    """
    if kind not in ("autoencoder", "gan"):
        raise ValueError(f'kind must be "autoencoder" or "gan"; got {kind!r}')
    sides = _labelled(source, source_labels, target, target_labelled, target_labels)
    if min(steps, batch, outputs) < 1 or not learning_rate > 0 or not trade_off >= 0:
        got = f"{steps}, {batch}, {outputs}, {learning_rate} and {trade_off}"
        raise ValueError(f"fit_map needs steps, batch and outputs >= 1, learning_rate > 0, trade_off >= 0; got {got}")
    with full_precision(source), torch.enable_grad():
        fitted, head = _start(kind, source, target, outputs, seed)
        sides = [(fitted.standardised(rows), labels) for rows, labels in sides]
        aim = fitted.standardised(target)
        # little memory of past gradients: the players of "gan" answer to each other's present step
        optimiser = torch.optim.Adam([*fitted.parameters(), *head.parameters()], lr=learning_rate, betas=(0.5, 0.999))
        schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, total_iters=steps)
        generator = torch.Generator().manual_seed(seed)
        for _ in range(steps):
            (rows, labels), *others = (_draw(side, batch, generator) for side in sides)
            (opposite,) = _draw((aim,), batch, generator)
            losses = [loss(head(fitted.inner(rows)), labels), *(loss(head(x), y) for x, y in others)]
            objective = torch.stack(losses).mean() + trade_off * fitted.inner.transfer_loss(rows, opposite)
            optimiser.zero_grad()
            torch.autograd.backward(objective)
            optimiser.step()
            schedule.step()
    return fitted.eval().requires_grad_(False)


def _labelled(
    source: Tensor, source_labels: Tensor, target: Tensor, some: Tensor | None, some_labels: Tensor | None
) -> list[tuple[Tensor, Tensor]]:
    """The rows that have labels, with them: the source's and, where given, the target's."""
    check_pair(source, target, ("source", "target"))
    sides = [(source, source_labels)]
    if some is not None and some_labels is not None:
        check_pair(target, some, ("target", "target_labelled"))
        sides.append((some, some_labels))
    elif some is not None or some_labels is not None:
        raise ValueError("target_labelled and target_labels go together; got only one of them")
    for name, (rows, labels) in zip(("source", "target_labelled"), sides, strict=False):
        if labels.ndim < 1 or len(labels) != len(rows):
            raise ValueError(f"{name} has {len(rows)} rows, so many labels are needed; got shape {list(labels.shape)}")
    return sides


def _start(kind: str, source: Tensor, target: Tensor, outputs: int, seed: int) -> tuple[FittedMap, nn.Linear]:
    """The untrained map, in training mode, and the head."""
    joint = torch.cat([source, target]).detach().float()
    width, mean, deviation = joint.shape[1], joint.mean(0), joint.std(0)
    varies = deviation > 1e-6 * mean.abs()  # below, float32 has no digits of it
    hidden = min(max(2 * width, 64), WIDEST)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        inner = (
            AutoencoderMap(width, hidden, code=min(width, WIDEST // 2))
            if kind == "autoencoder"
            else AdversarialMap(width, hidden)
        )
        head = nn.Linear(width, outputs)
    fitted = FittedMap(inner, mean, deviation.where(varies, 1))
    return fitted.to(source.device), head.to(source.device)


def _draw(side: tuple[Tensor, ...], batch: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """The same rows, drawn without replacement, of each tensor."""
    rows = torch.randperm(len(side[0]), generator=generator)[:batch]
    return tuple(part[rows.to(part.device)] for part in side)
