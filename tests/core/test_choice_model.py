"""The model of multiple choice: one head for all options, and what options that are not there do."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

from medplug.core.answers.options import LETTERS
from medplug.core.choice_model import ABSENT_LOGIT, ChoiceModel
from medplug.core.data.targets import Target
from medplug.core.errors import BackboneError, ConfigError
from medplug.core.evaluation.conditional import tied_head
from medplug.core.kinds.table import make_model
from medplug.core.losses import ChoiceLoss, make_loss
from medplug.core.training.vectors import Vectors, behind

TARGET = Target("choice", tuple(LETTERS))
WIDTH = 3


def blocks(counts: list[int], seed: int = 0) -> torch.Tensor:
    """Pooled features of questions with so many options."""
    found = torch.randn(len(counts), 8, WIDTH + 1, generator=torch.Generator().manual_seed(seed))
    found[..., -1] = 1
    found[torch.arange(8) >= torch.tensor(counts)[:, None]] = 0
    return found.flatten(1)


@pytest.fixture
def model() -> ChoiceModel:
    torch.manual_seed(0)
    return ChoiceModel(Vectors(8 * (WIDTH + 1)), TARGET).eval()


def logits(model: ChoiceModel, pooled: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model({"vectors": pooled})
    return found


def test_every_option_is_scored_by_the_same_weights_and_what_is_not_there_has_no_probability(
    model: ChoiceModel,
) -> None:
    pooled = blocks([2, 5, 8])
    found = logits(model, pooled)
    expected = pooled.reshape(3, 8, -1)[..., :-1] @ model.head.weight[0] + model.head.bias
    for row, count in enumerate([2, 5, 8]):
        torch.testing.assert_close(found[row, :count], expected[row, :count])
        assert (found[row, count:] == ABSENT_LOGIT).all()
    probabilities = TARGET.probabilities(found.numpy())
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert (probabilities[0, 2:] == 0).all() and (probabilities[0, :2] > 0).all()


def test_the_order_of_options_permutes_the_scores_and_nothing_else(model: ChoiceModel) -> None:
    model.set_neck(nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 4), nn.GELU()), 4)
    pooled = blocks([4])
    order = [2, 0, 3, 1, 4, 5, 6, 7]
    turned = pooled.reshape(1, 8, -1)[:, order].flatten(1)
    torch.testing.assert_close(logits(model, turned), logits(model, pooled)[:, order])
    with torch.no_grad():
        one, other = (model.outputs({"vectors": each}).features for each in (pooled, turned))
    torch.testing.assert_close(one, other)


def test_absent_options_change_neither_scores_nor_features_nor_gradients(model: ChoiceModel) -> None:
    model.set_neck(nn.Linear(WIDTH, 4), 4)
    pooled = blocks([3, 2])
    filled = pooled.reshape(2, 8, -1).clone()
    filled[filled[..., -1] == 0] = torch.tensor([7.0, -3.0, 5.0, 0.0])
    gradients = []
    for given in (pooled, filled.flatten(1)):
        model.zero_grad()
        outputs = model.outputs({"vectors": given})
        loss = make_loss(TARGET, None, 0.1)(outputs.logits, torch.tensor([1, 0])).sum() + outputs.features.sum()
        loss.backward()
        gradients.append((outputs.logits.detach(), [p.grad.clone() for p in model.parameters() if p.grad is not None]))
    torch.testing.assert_close(*gradients)


def test_a_neck_stands_before_the_head_of_each_option_and_keeps_the_width_of_features(model: ChoiceModel) -> None:
    model.set_neck(nn.Linear(WIDTH, 5), 5)
    with torch.no_grad():
        outputs = model.outputs({"vectors": blocks([2, 3])})
    assert outputs.features.shape == (2, model.feature_width) == (2, 5) and outputs.logits.shape == (2, 8)
    assert model.columns == 8 and [each.shape for each in model.apart(outputs.logits.numpy())] == [(2, 8)]


def test_a_fitted_head_is_taken_over_and_what_stands_behind_a_frozen_backbone_is_the_model_itself(
    model: ChoiceModel,
) -> None:
    head, pooled = tied_head(np.array([1.0, -2.0, 0.5]), 3.0, 8), blocks([2, 5])
    model.set_head(head)
    expected = TARGET.probabilities(pooled.numpy() @ head.weight.T + head.bias)
    np.testing.assert_allclose(TARGET.probabilities(logits(model, pooled).numpy()), expected, atol=1e-5)
    tail = behind(model, TARGET, Vectors(8 * (WIDTH + 1)))
    assert isinstance(tail, ChoiceModel) and tail.head is model.head
    torch.testing.assert_close(logits(tail, pooled), logits(model, pooled))
    again = deepcopy(model)
    again.load_state_dict(model.state_dict())
    torch.testing.assert_close(logits(again, pooled), logits(model, pooled))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_cross_entropy_over_the_options_that_a_question_has(model: ChoiceModel, smoothing: float) -> None:
    counts, right = [2, 5, 8], torch.tensor([1, 0, 7])
    found = logits(model, blocks(counts))
    loss = make_loss(TARGET, None, smoothing)
    assert isinstance(loss, ChoiceLoss)
    expected = []
    for row, count, place in zip(found.double().numpy(), counts, right.tolist(), strict=True):
        chances = row[:count] - np.log(np.exp(row[:count]).sum())
        wanted = np.full(count, smoothing / count) + (1 - smoothing) * (np.arange(count) == place)
        expected.append(-(wanted * chances).sum())
    torch.testing.assert_close(loss(found, right), torch.tensor(expected, dtype=torch.float32))


def test_a_backbone_without_blocks_and_further_targets_are_refused() -> None:
    with pytest.raises(BackboneError, match="no block for each of 8 options"):
        make_model(Vectors(9), TARGET)
    with pytest.raises(ConfigError, match=r"data\.also \(age\).*not with options"):
        make_model(Vectors(32), TARGET, {"age": Target("regression", ("age",))})
    assert isinstance(make_model(Vectors(32), TARGET), ChoiceModel)
