"""Relational transfer, held to float64 loops over pairs, triples and classes."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck
from torch.nn.functional import one_hot

from medplug.core.transfer.relational import (
    ANGLE_ROWS,
    label_graph,
    label_graph_loss,
    relational_angles,
    relational_distances,
)

Layer = Callable[[Tensor, Tensor], Tensor]
BOTH = pytest.mark.parametrize("layer", [relational_distances, relational_angles])


def pair(n: int, ws: int = 3, wt: int = 5, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(n)
    student = torch.randn(n, ws, generator=generator, dtype=torch.float64)
    teacher = torch.randn(n, wt, generator=generator, dtype=torch.float64) * 3
    return student.to(dtype).requires_grad_(), teacher.to(dtype)


def huber(gap: Tensor) -> Tensor:
    return torch.where(gap.abs() < 1, gap.square() / 2, gap.abs() - 0.5)


def distance_reference(student: Tensor, teacher: Tensor) -> Tensor:
    pairs = list(itertools.combinations(range(len(student)), 2))
    ours, theirs = (torch.stack([(rows[i] - rows[j]).norm() for i, j in pairs]) for rows in (student, teacher))
    return huber(ours / ours.mean() - theirs / theirs.mean()).mean()


def cosine(rows: Tensor, i: int, j: int, k: int) -> Tensor:
    first, second = rows[i] - rows[j], rows[k] - rows[j]
    return first @ second / (first.norm() * second.norm())


def angle_reference(student: Tensor, teacher: Tensor) -> Tensor:
    triples = list(itertools.permutations(range(len(student)), 3))
    return torch.stack([huber(cosine(student, *triple) - cosine(teacher, *triple)) for triple in triples]).mean()


REFERENCE: dict[Layer, Layer] = {relational_distances: distance_reference, relational_angles: angle_reference}


@BOTH
@pytest.mark.parametrize("n", [3, 7])
def test_value_and_gradient_are_the_references(layer: Layer, n: int) -> None:
    student, teacher = pair(n)
    ours, wanted = layer(student, teacher), REFERENCE[layer](student, teacher)
    torch.testing.assert_close(ours, wanted)
    torch.testing.assert_close(torch.autograd.grad(ours, student), torch.autograd.grad(wanted, student))
    assert gradcheck(lambda s: layer(s, teacher), (student,))


def test_far_distances_count_linearly() -> None:
    teacher = torch.ones(6, 1, dtype=torch.float64).cumsum(0)
    student = torch.tensor([[0.0], [0.0], [0.0], [0.0], [0.0], [9.0]], dtype=torch.float64)
    ours = relational_distances(student, teacher)
    torch.testing.assert_close(ours, distance_reference(student, teacher))
    assert ours < (distance_gap(student) - distance_gap(teacher)).square().mean() / 2


def distance_gap(rows: Tensor) -> Tensor:
    distances = torch.pdist(rows)
    return distances / distances.mean()


@BOTH
def test_equal_samples_are_exactly_zero_apart_and_others_are_not(layer: Layer) -> None:
    student, teacher = pair(9, dtype=torch.float32)
    assert layer(teacher, teacher).item() == 0
    assert layer(student, teacher).item() > 0.01


@BOTH
def test_moving_turning_and_scaling_change_nothing(layer: Layer) -> None:
    _, teacher = pair(9)
    turn = torch.linalg.qr(torch.randn(8, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).Q
    moved = teacher @ turn.T * 7 + 100
    assert layer(moved, teacher).item() == pytest.approx(0, abs=1e-20)


@BOTH
def test_the_order_of_rows_does_not_matter_and_the_teacher_learns_nothing(layer: Layer) -> None:
    student, teacher = pair(8)
    torch.testing.assert_close(layer(student.flip(0), teacher.flip(0)), layer(student, teacher))
    teacher.requires_grad_()
    layer(student, teacher).backward()
    assert teacher.grad is None


@BOTH
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_coinciding_rows_give_finite_gradients(layer: Layer, offset: float) -> None:
    student, teacher = pair(8, dtype=torch.float32)
    for rows in ([0, 0, 1, 2, 2, 3, 4, 5], [0] * 8):
        doubled = (student.detach()[rows] + offset).requires_grad_()
        value = layer(doubled, teacher)
        value.backward()
        assert value.isfinite() and value > 0
        assert doubled.grad is not None and doubled.grad.isfinite().all() and doubled.grad.abs().max() < 10
        assert layer(teacher, doubled).isfinite()
    assert doubled.grad.abs().max() == 0


@BOTH
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lesser_types_keep_their_digits_also_under_autocast(layer: Layer, dtype: torch.dtype) -> None:
    student, teacher = pair(12, 32, 24, dtype=dtype)
    wide = student.detach().double().requires_grad_()
    wanted = layer(wide, teacher.double())
    with torch.autocast("cpu", torch.bfloat16):
        value = layer(student, teacher)
    assert value.dtype == torch.float32 and value.item() == pytest.approx(wanted.item(), rel=1e-4)
    (got,), (right,) = torch.autograd.grad(value, student), torch.autograd.grad(wanted, wide)
    assert (got - right).norm() < max(1e-4, torch.finfo(dtype).eps) * right.norm()


def test_angles_of_many_rows_are_those_of_an_even_subsample() -> None:
    student, teacher = pair(2 * ANGLE_ROWS + 1)
    torch.testing.assert_close(relational_angles(student, teacher), relational_angles(student[::3], teacher[::3]))
    whole, half = pair(ANGLE_ROWS)[0], pair(ANGLE_ROWS)[1]
    assert relational_angles(whole, half) != relational_angles(whole[::2], half[::2])


def test_too_few_or_unpaired_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="relations need 2 rows; got 1"):
        relational_distances(torch.ones(1, 3), torch.ones(1, 3))
    with pytest.raises(ValueError, match="relations need 3 rows; got 2"):
        relational_angles(torch.ones(2, 3), torch.ones(2, 3))
    with pytest.raises(ValueError, match=r"as many rows; got shapes \[\[4, 3\], \[5, 3\]\]"):
        relational_distances(torch.ones(4, 3), torch.ones(5, 3))


def scores(rows: int = 7, classes: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(rows)
    logits = torch.randn(rows, classes, generator=generator, dtype=torch.float64).requires_grad_()
    return logits, torch.arange(rows) % classes


def graph_reference(probs: Tensor, shares: Tensor) -> Tensor:
    rows = []
    for c in range(probs.shape[1]):
        total = sum(shares[r, c] * probs[r] for r in range(len(probs)))
        rows.append(total / total.sum())
    return torch.stack(rows)


def test_each_row_of_the_graph_is_its_classs_mean_prediction() -> None:
    logits, labels = scores()
    probs = logits.softmax(1)
    graph = label_graph(probs, labels)
    torch.testing.assert_close(graph, torch.stack([probs[labels == c].mean(0) for c in range(3)]))
    torch.testing.assert_close(label_graph(probs, one_hot(labels, 3)), graph)
    torch.testing.assert_close(label_graph(probs), graph_reference(probs, probs))
    assert not graph.requires_grad


def test_several_labels_a_row_make_the_graph_of_their_co_occurrence() -> None:
    labels = torch.tensor([[1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 1, 0], [1, 1, 0, 0]])
    wanted = [[3 / 5, 2 / 5, 0, 0], [2 / 6, 3 / 6, 1 / 6, 0], [0, 1 / 2, 1 / 2, 0], [0, 0, 0, 0]]
    torch.testing.assert_close(label_graph(labels), torch.tensor(wanted))


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_the_graphs_loss_is_the_divergence_of_its_rows(temperature: float) -> None:
    logits, labels = scores()
    graph = label_graph(scores(8)[0].softmax(1), scores(8)[1])

    def wanted(logits: Tensor) -> Tensor:
        probs = (logits / temperature).softmax(1)
        means = [probs[labels == c].mean(0) for c in range(3)]
        return sum(
            ((row * (row / mean).log()).sum() for row, mean in zip(graph, means, strict=True)), torch.tensor(0.0)
        ) / len(graph)

    ours, right = label_graph_loss(logits, labels, graph, temperature=temperature), wanted(logits)
    torch.testing.assert_close(ours, right.double())
    torch.testing.assert_close(torch.autograd.grad(ours, logits), torch.autograd.grad(right, logits))
    assert gradcheck(lambda z: label_graph_loss(z, labels, graph, temperature=temperature), (logits,))


def test_the_own_graph_is_zero_away_and_pseudo_labels_are_constants() -> None:
    logits, labels = scores()
    assert label_graph_loss(logits, labels, label_graph(logits.softmax(1), labels)).item() == pytest.approx(0)
    soft = logits.softmax(1)
    graph = label_graph(scores(8)[0].softmax(1))
    free, held = (label_graph_loss(logits, shares, graph) for shares in (soft, soft.detach()))
    torch.testing.assert_close(torch.autograd.grad(free, logits), torch.autograd.grad(held, logits))


def test_classes_without_rows_on_either_side_are_left_out() -> None:
    logits, _ = scores(6)
    source, target = torch.tensor([0, 0, 1, 1, 1, 0]), torch.tensor([1, 1, 1, 2, 2, 2])
    graph = label_graph(scores(6)[0].softmax(1).flip(0), source)
    assert graph[2].sum() == 0
    mean = logits.softmax(1)[:3].mean(0)
    torch.testing.assert_close(label_graph_loss(logits, target, graph), (graph[1] * (graph[1] / mean).log()).sum())
    none = label_graph_loss(logits, torch.full((6,), 2), graph)
    none.backward()
    assert none == 0 and logits.grad is not None and logits.grad.abs().sum() == 0


def test_impossible_predictions_cost_much_but_not_everything() -> None:
    logits = torch.tensor([[400.0, -400.0]], requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        value = label_graph_loss(logits, torch.tensor([0]), torch.tensor([[0.0, 1.0], [0.0, 1.0]]))
    value.backward()
    assert 50 < value.item() < 100 and logits.grad is not None and logits.grad.isfinite().all()


def test_graphs_and_labels_that_do_not_fit_are_refused() -> None:
    logits, labels = torch.zeros(4, 3), torch.zeros(4, dtype=torch.long)
    with pytest.raises(ValueError, match=r"graph must be \[3, 3\] for 3 classes; got shape \[2, 2\]"):
        label_graph_loss(logits, labels, torch.eye(2))
    with pytest.raises(ValueError, match=r"indices \[4\] or shares \[4, 3\]; got shape \[5\]"):
        label_graph_loss(logits, torch.zeros(5), torch.eye(3))
    with pytest.raises(ValueError, match="temperature must be positive; got -1"):
        label_graph_loss(logits, labels, torch.eye(3), temperature=-1)
    with pytest.raises(ValueError, match=r"probs must be \[rows, classes\] .* got shape \[0, 3\]"):
        label_graph(torch.zeros(0, 3))
