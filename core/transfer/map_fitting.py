"""Training of feature maps by the loss on the target's task and the transfer loss together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from medplug.core.transfer.mapping import AdversarialMap, AutoencoderMap
from medplug.core.transfer.samples import check_pair, full_precision

Loss = Callable[[Tensor, Tensor], Tensor]
"""From logits ``[rows, outputs]`` and the rows' labels: a scalar."""
WIDEST = 256
"""No hidden layer of a map is wider."""
HEAD_STEPS, HEAD_RATE = 100, 0.05
"""Adam's updates of the head alone, before the map may move."""


class Standardising(nn.Module):
    """Raw rows of one domain ``[rows, width]`` as rows of mean zero and deviation one, and back; float32."""

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    def forward(self, rows: Tensor) -> Tensor:
        """Raw rows standardised."""
        return (rows.float() - self.mean) / self.scale

    def undo(self, rows: Tensor) -> Tensor:
        """Standardised rows as raw ones."""
        return rows * self.scale + self.mean


class FittedMap(nn.Module):
    """Source rows by the source's means and deviations, moved by `inner`, and given back by the target's.

    So a map whose `inner` is the identity already gives each feature the
    target's mean and deviation. Raw ``[rows, width]`` to float32 ``[rows, width]``.
    """

    def __init__(
        self, inner: AutoencoderMap | AdversarialMap, of_source: Standardising, of_target: Standardising
    ) -> None:
        super().__init__()
        self.inner = inner
        self.of_source = of_source
        self.of_target = of_target

    def forward(self, source: Tensor) -> Tensor:
        """Raw source rows as raw target rows."""
        with full_precision(source):
            moved: Tensor = self.of_target.undo(self.inner(self.of_source(source)))
            return moved


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

    Starts in closed form, each feature given the target's mean and deviation
    for the source's; the network learns what is left. It minimises ``L_target +
    trade_off * L_transfer``. `L_transfer` compares source rows with the rows of
    `target` ``[m, width]``, of which no label is known or asked. `L_target` is
    the `loss` of one linear head with `outputs` outputs on mapped source rows
    with `source_labels` ``[n, ...]`` and, where given, on `target_labelled`
    ``[k, width]`` as they are with `target_labels` ``[k, ...]``: then the mean
    of the two. The head is fitted before the map moves.

    Nothing but nearness says which class of the target a source class is to
    meet: the head learns from labelled target rows, but no class is sought out
    by them. Classes whose order the domains' means and deviations do not keep
    are not put right, and where the domains differ in how frequent the classes
    are, likeness is bought with misplaced rows. Under mild shifts the start
    does most of the work, and "autoencoder" changes little after it.

    Inside, each domain's features have mean zero and deviation one, and all is
    float32. Each of the `steps` draws `batch` rows a side without replacement
    (all where there are fewer). The rate falls linearly to zero, without which
    the two players of "gan" keep circling.
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
        scales = (fitted.of_source, fitted.of_target)  # the labelled sides are in this order
        sides = [(scale(rows), labels) for scale, (rows, labels) in zip(scales, sides, strict=False)]
        aim = fitted.of_target(target)
        generator = torch.Generator().manual_seed(seed)
        _fit_head(head, sides, loss, batch, generator)
        # little memory of past gradients: the players of "gan" answer to each other's present step
        optimiser = torch.optim.Adam([*fitted.parameters(), *head.parameters()], lr=learning_rate, betas=(0.5, 0.999))
        schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, total_iters=steps)
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
    width = source.shape[1]
    hidden = min(max(2 * width, 64), WIDEST)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        inner = (
            AutoencoderMap(width, hidden, code=min(width, WIDEST // 2))
            if kind == "autoencoder"
            else AdversarialMap(width, hidden)
        )
        head = nn.Linear(width, outputs)
    fitted = FittedMap(inner, *_scales(source, target))
    return fitted.to(source.device), head.to(source.device)


def _scales(source: Tensor, target: Tensor) -> tuple[Standardising, Standardising]:
    """Each domain's own means and deviations; of a feature that one of them holds constant, one deviation for both."""
    rows = [side.detach().float() for side in (source, target)]
    means, deviations = [x.mean(0) for x in rows], [x.std(0, correction=0) for x in rows]
    # below, float32 has no digits of it
    vary = [deviation > 1e-6 * mean.abs() for mean, deviation in zip(means, deviations, strict=True)]
    shared = torch.maximum(*deviations).where(vary[0] | vary[1], 1)
    first, second = (
        Standardising(mean, deviation.where(vary[0] & vary[1], shared))
        for mean, deviation in zip(means, deviations, strict=True)
    )
    return first, second


def _fit_head(
    head: nn.Linear, sides: list[tuple[Tensor, Tensor]], loss: Loss, batch: int, generator: torch.Generator
) -> None:
    """The head, brought to separate the classes where the rows lie.

    Under an unfitted head the map would lower the loss on the source by
    moving rows by their labels, as no map can move a row without one.
    """
    optimiser = torch.optim.Adam(head.parameters(), lr=HEAD_RATE)
    for _ in range(HEAD_STEPS):
        drawn = [_draw(side, batch, generator) for side in sides]
        optimiser.zero_grad()
        torch.autograd.backward(torch.stack([loss(head(rows), labels) for rows, labels in drawn]).mean())
        optimiser.step()


def _draw(side: tuple[Tensor, ...], batch: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """The same rows, drawn without replacement, of each tensor."""
    rows = torch.randperm(len(side[0]), generator=generator)[:batch]
    return tuple(part[rows.to(part.device)] for part in side)
