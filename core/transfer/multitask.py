"""Several tasks at once: heads over one features tensor, weights of their losses, and conflicts of their gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from medplug.core.transfer.samples import full_precision, widened


class MultiHead(nn.Module):
    """A linear head for each task over one ``[rows, width]`` tensor of features.

    `outputs` gives each task's number of outputs by its name; the logits come
    as a mapping of the same names to ``[rows, outputs]``. Names must not hold
    a dot (ValueError).
    """

    def __init__(self, width: int, outputs: Mapping[str, int]) -> None:
        super().__init__()
        dotted = [name for name in outputs if "." in name]
        if not outputs or dotted:
            raise ValueError(f"outputs must name at least one task, without dots; got {dotted or 'none'}")
        self.names = tuple(outputs)
        # a bare task's name might be one that every module has, such as "type"
        self.heads = nn.ModuleDict({f"to_{name}": nn.Linear(width, size) for name, size in outputs.items()})

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Each task's logits."""
        return {name: self.heads[f"to_{name}"](features) for name in self.names}


class FixedWeights(nn.Module):
    """``sum_i weights_i L_i`` with weights that stay; a weight may be zero, none negative (ValueError)."""

    weights: Tensor

    def __init__(self, weights: Sequence[float]) -> None:
        super().__init__()
        if not weights or not all(0 <= weight < float("inf") for weight in weights):
            raise ValueError(f"weights must be numbers of at least 0, one a task; got {list(weights)}")
        self.register_buffer("weights", torch.tensor([float(weight) for weight in weights]))

    def forward(self, losses: Tensor | Sequence[Tensor]) -> Tensor:
        """The weighted sum of `losses`: ``[tasks]``, or a scalar a task."""
        return (self.weights * _stacked(losses, len(self.weights))).sum()


class UncertaintyWeights(nn.Module):
    """``sum_i exp(-s_i) L_i + s_i / 2`` with learned ``s_i = log variance_i``, zero at the start.

    For a cross entropy this is the paper's form; for a mean squared error,
    hand over half of it. A loss L's weight settles at 1 / (2 L), so no task
    counts more for being measured in larger numbers. The sum may be negative.
    Give `log_variances` to the optimiser, without weight decay.

    Kendall, Gal and Cipolla, Multi-Task Learning Using Uncertainty to Weigh
    Losses for Scene Geometry and Semantics (2018).
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        if count < 1:
            raise ValueError(f"count must be the number of tasks, at least 1; got {count}")
        self.log_variances = nn.Parameter(torch.zeros(count))

    def forward(self, losses: Tensor | Sequence[Tensor], shares: Tensor | None = None) -> Tensor:
        """The weighted sum of `losses`: ``[tasks]``, or a scalar a task.

        `shares` ``[tasks]`` are for losses of a part of a batch: how much of each task's rows
        it holds, and so how much of ``s_i / 2`` counts (0 where the batch has none of a task).
        """
        stacked = _stacked(losses, len(self.log_variances))
        counted = self.log_variances if shares is None else self.log_variances * shares
        return ((-self.log_variances).exp() * stacked + counted / 2).sum()


def _stacked(losses: Tensor | Sequence[Tensor], count: int) -> Tensor:
    """``[tasks]`` in float32 or better."""
    if not isinstance(losses, Tensor):
        if any(loss.ndim for loss in losses) or len(losses) != count:
            raise ValueError(f"losses must be {count} scalars; got shapes {[list(loss.shape) for loss in losses]}")
        losses = torch.stack(widened(*losses))
    if losses.shape != (count,):
        raise ValueError(f"losses must be [{count}], one a task; got shape {list(losses.shape)}")
    return widened(losses)[0]


def project_conflicts(gradients: Sequence[Tensor], generator: torch.Generator | None = None) -> Tensor:
    """The sum ``[size]`` of the tasks' gradients, each without what goes against another's.

    `gradients` holds one flat ``[size]`` a task. For each, and for the others
    in random order: where their inner product is negative, the task's gradient
    so far is projected onto the plane normal to the other's. Orders come from
    `generator` (on the CPU), else from torch's own. Only the products between
    the gradients are made, once; each result is a combination of them.

    Yu et al., Gradient Surgery for Multi-Task Learning (2020).
    """
    shapes = {tuple(gradient.shape) for gradient in gradients}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        got = [list(gradient.shape) for gradient in gradients]
        raise ValueError(f"gradients must hold one flat [size] a task, all of one size; got shapes {got}")
    stacked = torch.stack(widened(*gradients))
    with full_precision(stacked):
        products = stacked @ stacked.T
        return _freed_shares(products, generator) @ stacked


def _freed_shares(products: Tensor, generator: torch.Generator | None) -> Tensor:
    """How much of each task's gradient ``[tasks]`` is in the sum, from their inner products ``[tasks, tasks]``."""
    tasks = len(products)
    shares = torch.eye(tasks, dtype=products.dtype, device=products.device)
    for task in range(tasks):
        for other in torch.randperm(tasks, generator=generator).tolist():
            if other != task:
                square = products[other, other]
                along = (shares[task] @ products[:, other]).clamp(max=0)
                shares[task, other] -= along / square.where(square > 0, 1)
    return shares.sum(0)


def pcgrad_backward(
    losses: Sequence[Tensor], parameters: Sequence[Tensor], generator: torch.Generator | None = None
) -> None:
    """A backward of the sum of `losses` in which the tasks' gradients are freed of conflicts.

    Adds to the ``.grad`` of `parameters` as a backward does; those that no loss
    reaches are left alone. Parameters that only one loss reaches, such as a
    task's own head, keep their plain gradient; `project_conflicts` joins the
    gradients of the shared ones, each task's taken as one vector and held
    together, so memory is tasks times their size.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    found = [
        torch.autograd.grad(loss, trained, retain_graph=task < len(losses) - 1, allow_unused=True)
        for task, loss in enumerate(losses)
    ]
    shared: list[Tensor] = []
    for parameter, *own in zip(trained, *found, strict=True):
        reached = [gradient for gradient in own if gradient is not None]
        if len(reached) == 1:
            _add_gradient(parameter, reached[0])
        elif reached:
            shared.append(parameter)
    if shared:
        among = {id(parameter) for parameter in shared}
        flat = [_flat(trained, gradients, among) for gradients in found]
        joined = torch.split(project_conflicts(flat, generator), [parameter.numel() for parameter in shared])
        for parameter, gradient in zip(shared, joined, strict=True):
            _add_gradient(parameter, gradient.view_as(parameter).to(parameter.dtype))


def _flat(parameters: Sequence[Tensor], gradients: Sequence[Tensor | None], among: set[int]) -> Tensor:
    """One task's gradient of the shared parameters, zero where it does not reach one."""
    pairs = [pair for pair in zip(parameters, gradients, strict=True) if id(pair[0]) in among]
    return torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for p, g in pairs])


def _add_gradient(parameter: Tensor, gradient: Tensor) -> None:
    parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
