"""Relational transfer: how rows lie to each other, and how classes resemble each other, carried over."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from medplug.core.transfer.samples import full_precision, widened

ANGLE_ROWS = 64
"""Angles are taken among at most so many rows, evenly spaced: their number grows with the cube."""


def relational_distances(student: Tensor, teacher: Tensor) -> Tensor:
    """How far the distances between the rows of ``[n, ws]`` are from those of ``[n, wt]``, up to scale.

    Each side's distances are divided by their mean over distinct pairs; the
    Huber loss (quadratic up to 1) of their differences is averaged over the
    pairs. Zero where one side is the other moved, turned or scaled. The
    teacher is a constant. Rows whose squared distance is lost in float32's
    rounding count as one point and get no gradient from each other. Two rows
    are needed, and as many on either side (ValueError).

    Park et al., Relational Knowledge Distillation (2019).
    """
    _check_rows(student, teacher, 2)
    with full_precision(student):
        ours, theirs = (_scaled_distances(rows) for rows in widened(student, teacher.detach()))
    return smooth_l1_loss(ours, theirs, reduction="sum") / (len(ours) * (len(ours) - 1))


def relational_angles(student: Tensor, teacher: Tensor) -> Tensor:
    """How far the angles in all triples of rows of ``[n, ws]`` are from those of ``[n, wt]``.

    The Huber loss (quadratic up to 1) of the cosines' differences, averaged
    over triples of distinct rows; the cosine beside a point that coincides
    with the angle's own is taken as zero. Beyond `ANGLE_ROWS` rows, those of
    an even subsample of at most so many (every second, third, ... row) are
    compared. Cosines come from products of rows, in ``rows^3`` numbers
    whatever the width. Zero where one side is the other moved, turned or
    scaled. The teacher is a constant. Three rows are needed, and as many on
    either side (ValueError).

    Park et al., Relational Knowledge Distillation (2019).
    """
    _check_rows(student, teacher, 3)
    step = math.ceil(len(student) / ANGLE_ROWS)
    with full_precision(student):
        ours, theirs = (_cosines(rows[::step]) for rows in widened(student, teacher.detach()))
    n = len(ours)
    distinct = ~torch.eye(n, dtype=torch.bool, device=ours.device)
    differences = smooth_l1_loss(ours, theirs, reduction="none") * distinct
    return differences.sum() / (n * (n - 1) * (n - 2))


def _check_rows(student: Tensor, teacher: Tensor, least: int) -> None:
    shapes = [list(sample.shape) for sample in (student, teacher)]
    if any(len(shape) != 2 or shape[1] == 0 for shape in shapes) or shapes[0][0] != shapes[1][0]:
        raise ValueError(f"student and teacher must be [n, width] with as many rows; got shapes {shapes}")
    if shapes[0][0] < least:
        raise ValueError(f"relations need {least} rows; got {shapes[0][0]}")


def _products(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The rows' inner products, squared distances and which of those stand clear of rounding, all ``[n, n]``."""
    middle = rows - rows.detach().mean(0)
    gram = middle @ middle.T
    squares = gram.diagonal()
    distances = squares[:, None] + squares - 2 * gram
    eps = torch.finfo(rows.dtype).eps
    known = distances.detach()
    floor = 100 * eps * (known.mean() + eps * rows.detach().square().sum(1).mean())
    apart = (known > floor).fill_diagonal_(False)
    return gram, distances, apart


def _scaled_distances(rows: Tensor) -> Tensor:
    _, squared, apart = _products(rows)
    distances = squared.where(apart, 1).sqrt() * apart
    mean = distances.sum() / (len(rows) * (len(rows) - 1))
    return distances / mean.where(mean > 0, 1)


def _cosines(rows: Tensor) -> Tensor:
    """``[n, n, n]``: of the angle at row j between rows i and k, at [j, i, k]; zero where either is j."""
    gram, squared, apart = _products(rows)
    inverse = squared.where(apart, 1).rsqrt() * apart
    corner = gram.diagonal()[:, None, None]
    inner = gram - gram[:, :, None] - gram[:, None, :] + corner
    return inner * inverse[:, :, None] * inverse[:, None, :]


def label_graph(probs: Tensor, labels: Tensor | None = None) -> Tensor:
    """How the classes resemble each other on the source: row c is the mean of `probs` over the rows of class c.

    `probs` ``[rows, classes]`` are a source model's predictions, softened by
    the temperature that `label_graph_loss` is given. `labels` say whose row it
    is: class indices ``[rows]``, or shares ``[rows, classes]`` (one-hot,
    multi-hot, probabilities), by which a row counts in each class. None: the
    shares are `probs` themselves. Several labels a row given so, as ones and
    zeros, make the graph of their co-occurrence: where row c is the share of
    each class among all labels of the rows that have c.

    Gives ``[classes, classes]``, each row summing to 1, or all zeros for a
    class without rows. A constant to the gradient.

    Tzeng et al., Simultaneous Deep Transfer Across Domains and Tasks (2015), for soft labels a class;
    Chen et al., Multi-Label Image Recognition with Graph Convolutional Networks (2019), for co-occurrence.
    """
    (wide,) = widened(_check_classes(probs, "probs").detach())
    shares = _shares(probs if labels is None else labels, wide)
    with full_precision(wide):
        graph = shares.T @ wide
    total = graph.sum(1, keepdim=True)
    return graph / total.where(total > 0, 1)


def label_graph_loss(logits: Tensor, labels: Tensor, graph: Tensor, *, temperature: float = 1.0) -> Tensor:
    """How far the classes' mean predictions on the target are from the source's `graph`.

    For each class, the softmax of `logits` ``[rows, classes]`` over
    `temperature` is averaged over the rows of the class, told by `labels` as
    in `label_graph` and constant to the gradient (pseudo-labels: the softmax
    itself); the Kullback-Leibler divergence of the graph's row from it is
    averaged over the classes that have rows here and in `graph`
    ``[classes, classes]``. Zero where there is none.

    Tzeng et al., Simultaneous Deep Transfer Across Domains and Tasks (2015), which compares
    each row with its class's soft label: here the mean over the class is compared.
    """
    (wide,) = widened(_check_classes(logits, "logits"))
    classes = wide.shape[1]
    if graph.shape != (classes, classes):
        raise ValueError(f"graph must be [{classes}, {classes}] for {classes} classes; got shape {list(graph.shape)}")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive; got {temperature}")
    shares = _shares(labels, wide)
    goal = graph.detach().to(wide)
    total = shares.sum(0)
    with full_precision(wide):
        sums = shares.T @ (wide / temperature).softmax(1)
    means = (sums / total.where(total > 0, 1)[:, None]).clamp(min=torch.finfo(wide.dtype).tiny)
    divergences = (goal.xlogy(goal) - goal * means.log()).sum(1)
    known = (total > 0) & (goal.sum(1) > 0)
    return (divergences * known).sum() / known.sum().clamp(min=1)


def _check_classes(scores: Tensor, name: str) -> Tensor:
    if scores.ndim != 2 or 0 in scores.shape:
        raise ValueError(f"{name} must be [rows, classes] with at least one of each; got shape {list(scores.shape)}")
    return scores


def _shares(labels: Tensor, scores: Tensor) -> Tensor:
    """Each row's share of each class, ``[rows, classes]``, from class indices or shares."""
    rows, classes = scores.shape
    if labels.shape == (rows,):
        return (labels[:, None] == torch.arange(classes, device=labels.device)).to(scores)
    if labels.shape == (rows, classes):
        return labels.detach().to(scores)
    raise ValueError(f"labels must be indices [{rows}] or shares [{rows}, {classes}]; got shape {list(labels.shape)}")
