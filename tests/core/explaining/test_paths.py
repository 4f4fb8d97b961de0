"""Integrated gradients: beside captum's, where they must sum, and what they leave out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medplug.core.explaining.inside import LEFT, Embedded, units_at, units_in_place
from medplug.core.explaining.paths import counted, follow, gathered

pytestmark = pytest.mark.usefixtures("one_thread")


class Reader(nn.Module):
    """A tiny transformer of ids ``[batch, tokens]``, smooth enough for a short path."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(12, 8)
        self.mixed = nn.GRU(8, 6, batch_first=True)
        self.head = nn.Linear(6, 3)

    def forward(self, ids: Tensor) -> Tensor:
        found: Tensor = self.head(self.mixed(self.embedding(ids))[0].tanh().mean(1))
        return found


IDS = torch.tensor([[3, 5, 7, 2], [4, 4, 9, 1]])
EVERY = units_in_place(torch.ones(2, 4, dtype=torch.bool))
WEIGHTS = torch.tensor([[1.0, 0.0, -0.5], [0.0, 2.0, 0.0]], dtype=torch.float64)


def inside(model: Reader, baseline: Tensor | None = None) -> Embedded:
    return Embedded("token", model.embedding, lambda items, inputs: EVERY, lambda values: [], baseline)


def test_scores_are_those_of_captum() -> None:
    captum = pytest.importorskip("captum.attr")
    model = Reader()
    pad = model.embedding.weight[0].detach()
    own = follow(lambda: model(IDS), inside(model, pad), EVERY, WEIGHTS, steps=20)

    def output(ids: Tensor, weights: Tensor) -> Tensor:
        return (model(ids).double() * weights).sum(1)

    made = captum.LayerIntegratedGradients(output, model.embedding)
    wanted = made.attribute(IDS, torch.zeros_like(IDS), additional_forward_args=(WEIGHTS,), n_steps=20)
    torch.testing.assert_close(own.scores, wanted.sum(-1).double(), rtol=1e-4, atol=1e-6)


def test_scores_sum_to_the_output_less_that_of_the_baseline() -> None:
    model = Reader()
    own = follow(lambda: model(IDS), inside(model), EVERY, WEIGHTS, steps=24)
    torch.testing.assert_close(own.scores.sum(1), own.here - own.baseline, rtol=1e-4, atol=1e-6)
    assert own.here.tolist() == pytest.approx((model(IDS).double() * WEIGHTS).sum(1).tolist())


def test_of_a_linear_model_each_score_is_the_weight_times_the_change() -> None:
    table, weight = nn.Embedding(5, 3), torch.tensor([1.0, -2.0, 0.5])
    ids, of = torch.tensor([[1, 4]]), units_in_place(torch.ones(1, 2, dtype=torch.bool))
    told = Embedded("token", table, lambda items, inputs: of, lambda values: [], torch.ones(3))
    own = follow(lambda: (table(ids) @ weight).sum(1, keepdim=True), told, of, torch.ones(1, 1).double(), steps=2)
    wanted = ((table.weight[[1, 4]] - 1.0) @ weight).tolist()
    assert own.scores[0].tolist() == pytest.approx(wanted, rel=1e-5)


def test_places_that_are_no_unit_stay_and_have_no_score() -> None:
    model, of = Reader(), EVERY.clone()
    of[:, 0] = LEFT
    own = follow(lambda: model(IDS), inside(model), of, WEIGHTS, steps=24)
    assert own.scores[:, 0].tolist() == [0.0, 0.0]
    torch.testing.assert_close(own.scores.sum(1), own.here - own.baseline, rtol=1e-4, atol=1e-6)


def test_the_model_is_as_it_was_after_it_is_explained() -> None:
    model = Reader()
    before = model(IDS).detach()
    follow(lambda: model(IDS), inside(model), EVERY, WEIGHTS, steps=2)
    assert torch.equal(model(IDS), before)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_unit_in_several_places_has_their_sum() -> None:
    of = torch.tensor([[0, 0], [0, 1], [LEFT, LEFT], [0, 1], [1, 0]])
    scores = torch.tensor([1.0, 2.0, 99.0, 4.0, 8.0])
    assert counted(of, 2).tolist() == [2, 1]
    found = gathered(scores, of, counted(of, 2))
    assert [each.tolist() for each in found] == [[1.0, 6.0], [8.0]]


def test_units_on_a_line_are_found_where_they_stand() -> None:
    at, mask = torch.tensor([[1, 2], [4, 0]]), torch.tensor([[True, True], [True, False]])
    found = units_at(at, mask, 6).tolist()
    assert found == [[LEFT] * 2, [0, 0], [0, 1], [LEFT] * 2, [1, 0], [LEFT] * 2]


def test_a_finer_path_comes_nearer_to_the_whole() -> None:
    class Bent(Reader):
        def forward(self, ids: Tensor) -> Tensor:
            found: Tensor = self.head(self.mixed(8 * self.embedding(ids))[0].relu().mean(1))
            return found

    model = Bent()

    def gap(steps: int) -> float:
        own = follow(lambda: model(IDS), inside(model), EVERY, WEIGHTS, steps)
        return float((own.scores.sum(1) - own.here + own.baseline).abs().max())

    assert gap(64) < gap(2)
    assert np.isfinite(gap(2))
