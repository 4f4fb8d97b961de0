from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from medplug.core.data.targets import Target
from medplug.core.losses import CoxLoss, make_loss
from medplug.core.model import Loss


def reference(logits: NDArray[np.float64], labels: NDArray[np.float64]) -> NDArray[np.float64]:
    losses = np.zeros(len(logits))
    for row, (time, event) in enumerate(labels):
        if event:
            losses[row] = np.log(np.exp(logits[labels[:, 0] >= time]).sum()) - logits[row]
    return losses


def slope(logits: NDArray[np.float64], labels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the summed losses: a row's share in each event's risk set, less the row itself where it has the event."""
    found = np.zeros(len(logits))
    for row, (time, event) in enumerate(labels):
        if event:
            at_risk = labels[:, 0] >= time
            found[at_risk] += np.exp(logits[at_risk]) / np.exp(logits[at_risk]).sum()
            found[row] -= 1
    return found


def drawn(rows: int, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    draw = np.random.default_rng(seed)
    times, events = draw.integers(1, 1 + rows // 3, rows), draw.random(rows) < 0.6  # many ties
    return 2 * draw.normal(size=rows), np.column_stack([times, events]).astype(np.float64)


def value_and_slope(logits: NDArray[np.float64], labels: NDArray[np.float64]) -> tuple[torch.Tensor, torch.Tensor]:
    given = torch.tensor(logits[:, None], dtype=torch.float32, requires_grad=True)
    losses = CoxLoss()(given, torch.tensor(labels, dtype=torch.float32))
    losses.sum().backward()
    assert given.grad is not None
    return losses.detach(), given.grad[:, 0]


@pytest.mark.parametrize("rows", [1, 2, 7, 60])
def test_a_rows_loss_is_its_part_of_the_likelihood_with_ties_and_censoring(rows: int) -> None:
    logits, labels = drawn(max(rows, 3), seed=rows)
    logits, labels = logits[:rows], labels[:rows]
    losses, gradient = value_and_slope(logits, labels)
    assert losses.shape == (rows,) and losses.dtype == torch.float32
    np.testing.assert_allclose(losses, reference(logits, labels), atol=2e-6)
    np.testing.assert_allclose(gradient, slope(logits, labels), atol=2e-6)


def test_the_order_of_the_rows_changes_nothing() -> None:
    logits, labels = drawn(30)
    order = np.random.default_rng(1).permutation(30)
    losses, gradient = value_and_slope(logits, labels)
    moved, turned = value_and_slope(logits[order], labels[order])
    torch.testing.assert_close(moved, losses[order])
    torch.testing.assert_close(turned, gradient[order])


def test_a_batch_without_an_event_costs_nothing_and_moves_nothing() -> None:
    logits, labels = drawn(12)
    labels[:, 1] = 0
    losses, gradient = value_and_slope(logits, labels)
    assert (losses == 0).all() and (gradient == 0).all()


def test_risks_far_apart_neither_overflow_nor_vanish() -> None:
    logits, labels = drawn(40)
    losses, gradient = value_and_slope(100 * logits, labels)
    assert losses.isfinite().all() and gradient.isfinite().all()
    np.testing.assert_allclose(gradient, slope(100 * logits, labels), atol=1e-4)


def test_half_precision_logits_are_summed_in_float32() -> None:
    logits, labels = drawn(20)
    half = torch.tensor(logits[:, None]).half()
    losses = CoxLoss()(half, torch.tensor(labels).float())
    assert losses.dtype == torch.float32
    np.testing.assert_allclose(losses, reference(half[:, 0].double().numpy(), labels), atol=1e-5)


def test_a_time_to_an_event_has_a_loss_of_its_own() -> None:
    assert isinstance(make_loss(Target("survival", ("death",))), CoxLoss)
    assert isinstance(make_loss(Target("binary", ("no", "yes"))), Loss)


# ---- treatments


@pytest.mark.parametrize("binary", [True, False])
def test_a_treatments_loss_is_that_of_the_outcome_seen_and_of_the_arm(binary: bool) -> None:
    rng = np.random.default_rng(0)
    outcomes = ("dead", "alive") if binary else ("score",)
    target = Target("treatment", ("0", "a", "b"), *((0.0, 1.0) if binary else (50.0, 8.0)), outcomes=outcomes)
    logits, arms = rng.normal(size=(9, 6)), rng.integers(0, 3, 9)
    seen = rng.integers(0, 2, 9).astype(float) if binary else rng.normal(50, 8, 9)
    own = logits[np.arange(9), arms]
    cost = np.logaddexp(0, own) - seen * own if binary else np.square(own - (seen - 50.0) / 8.0)
    chances = np.exp(logits[:, 3:]) / np.exp(logits[:, 3:]).sum(axis=1, keepdims=True)
    labels = torch.from_numpy(np.column_stack([arms, seen]))
    found = make_loss(target)(torch.from_numpy(logits).float(), labels)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), cost - np.log(chances[np.arange(9), arms]), rtol=1e-5)


def test_the_outcomes_of_arms_that_were_not_given_have_no_gradient() -> None:
    target = Target("treatment", ("0", "1"), outcomes=("y",))
    logits = torch.zeros(2, 4, requires_grad=True)
    make_loss(target)(logits, torch.tensor([[0.0, 1.0], [1.0, 1.0]])).sum().backward()
    assert logits.grad is not None
    assert (logits.grad[:, :2] != 0).tolist() == [[True, False], [False, True]]
    assert (logits.grad[:, 2:] != 0).all()
