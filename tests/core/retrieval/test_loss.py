"""The in-batch loss: held to a plain reference in float64, with equal passages, several right and hard negatives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medplug.core.retrieval.loss import InBatchLoss

TEXTS, WIDTH, TEMPERATURE = 40, 6, 0.05
RIGHT = {(0, 10), (0, 11), (1, 12), (2, 10), (3, 13), (4, 14)}
ROWS = {
    "each its own": [[0, 10], [1, 12], [3, 13]],
    "equal passages": [[0, 10], [2, 10], [1, 12]],
    "a question twice": [[0, 10], [0, 11], [4, 14]],
    "hard negatives": [[0, 10, 13], [1, 12, 20], [4, 14, 20]],
    "a hard negative that is right for another": [[0, 10, 20], [1, 12, 11], [3, 13, 21]],
    "hard negatives that are missing": [[0, 10, 10], [1, 12, 12], [4, 14, 20]],
    "one row": [[0, 10]],
}


def vectors_of(rows: np.ndarray, seed: int = 0) -> np.ndarray:
    """Unit vectors ``[rows, texts, width]``, the same for the same text."""
    table = np.random.default_rng(seed).normal(size=(TEXTS, WIDTH))
    return (table / np.linalg.norm(table, axis=1, keepdims=True))[rows]


def reference(rows: list[list[int]], vectors: np.ndarray) -> list[float]:
    """One loss a row: of all distinct passages of the batch, those right for its question but its own left out."""
    known = {number: vectors[i, j] for i, row in enumerate(rows) for j, number in enumerate(row) if j}
    losses = []
    for i, (question, own, *_) in enumerate(rows):
        score = {passage: float(vectors[i, 0] @ each) / TEMPERATURE for passage, each in known.items()}
        against = [value for passage, value in score.items() if (question, passage) not in RIGHT]
        losses.append(-score[own] + np.log(np.exp(score[own]) + np.exp(against).sum()))
    return losses


def loss_of(rows: np.ndarray, vectors: torch.Tensor, dtype: torch.dtype | None = None) -> torch.Tensor:
    keys = np.array(sorted(question * TEXTS + passage for question, passage in RIGHT))
    with torch.autocast("cpu", dtype or torch.bfloat16, enabled=dtype is not None):
        found: torch.Tensor = InBatchLoss(keys, TEXTS, TEMPERATURE)(vectors, torch.from_numpy(rows))
    return found


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS.keys())
@pytest.mark.parametrize("dtype", [None, torch.bfloat16], ids=["plain", "autocast"])
def test_it_is_the_reference(rows: list[list[int]], dtype: torch.dtype | None) -> None:
    numbers = np.array(rows)
    vectors = vectors_of(numbers)
    found = loss_of(numbers, torch.from_numpy(vectors).float(), dtype)
    np.testing.assert_allclose(found.numpy(), reference(rows, vectors), rtol=1e-4, atol=1e-4)


def test_the_order_of_the_rows_changes_nothing() -> None:
    numbers = np.array(ROWS["a hard negative that is right for another"])
    found = loss_of(numbers, torch.from_numpy(vectors_of(numbers)))
    turned = numbers[::-1].copy()
    again = loss_of(turned, torch.from_numpy(vectors_of(turned)))
    torch.testing.assert_close(found, again.flip(0))


def test_a_row_alone_costs_nothing_and_pulls_nowhere() -> None:
    numbers = np.array([[0, 10]])
    vectors = torch.from_numpy(vectors_of(numbers)).requires_grad_()
    loss = loss_of(numbers, vectors).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == pytest.approx(0, abs=1e-6) and vectors.grad is not None
    assert float(vectors.grad.abs().max()) < 1e-6


def test_no_gradient_reaches_a_passage_that_is_right_for_every_question_beside_its_own_row() -> None:
    numbers = np.array([[0, 10], [0, 11]])
    vectors = torch.from_numpy(vectors_of(numbers)).requires_grad_()
    loss_of(numbers, vectors).sum().backward()  # type: ignore[no-untyped-call]
    assert vectors.grad is not None and bool(torch.isfinite(vectors.grad).all())
    assert float(vectors.grad.abs().max()) < 1e-6
