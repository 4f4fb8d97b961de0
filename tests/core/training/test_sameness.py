"""Networks that say the same of everything are refused, and those that work are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from medplug.core.backbone import Inputs
from medplug.core.errors import DataError
from medplug.core.features import Features
from medplug.core.training.sameness import check_features_differ, check_outputs_differ

SAME = "the model gives the same output for every input"


def features(spread: float, rows: int = 50, length: float = 1.0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Rows whose root mean square distance from their mean is `spread` times the mean's length."""
    draw = np.random.default_rng(0)
    centre = draw.normal(size=16)
    apart = draw.normal(size=(rows, 16))
    apart -= apart.mean(0)
    apart *= spread * np.linalg.norm(centre) / np.sqrt(np.square(apart).sum(1).mean())
    return (length * (centre + apart)).astype(np.float32)


@pytest.mark.parametrize("length", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize(("spread", "same"), [(0, True), (0.0005, True), (0.002, False), (0.1, False), (3, False)])
def test_features_are_the_same_by_their_spread_beside_their_length(spread: float, same: bool, length: float) -> None:
    given = features(spread, length=length)
    if not same:
        check_features_differ(given)
        return
    with pytest.raises(DataError, match=SAME) as told:
        check_features_differ(given)
    assert "backbone.mean and backbone.std" in str(told.value)


def test_features_that_are_all_zero_are_the_same() -> None:
    with pytest.raises(DataError, match=SAME):
        check_features_differ(np.zeros((4, 3), np.float32))


def test_features_about_zero_differ() -> None:
    check_features_differ(np.array([[1, -1], [-1, 1]], np.float32))


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_features_that_are_not_finite_are_left_to_others(broken: float) -> None:
    check_features_differ(np.full((4, 3), broken, np.float32))


def test_one_row_among_many_that_differs_is_enough_where_it_differs_much() -> None:
    given = features(0, rows=400)
    given[7] *= -1
    check_features_differ(given)


# ---- networks that will be trained


def deaf(backbone: Any) -> Any:
    """An encoder whose output hardly depends on its input."""
    whole = backbone.forward

    def forward(inputs: Inputs) -> Features:
        found: Features = whole(inputs)
        return Features(1 + 1e-5 * found.pooled, found.tokens, found.mask)

    backbone.forward = forward
    return backbone


def test_an_encoder_that_tells_rows_apart_may_be_trained(
    letters: Callable[..., Any], on_cpu: Callable[..., Any], texts: list[str]
) -> None:
    check_outputs_differ(letters(), texts, on_cpu(tokens=40))


def test_an_encoder_that_does_not_is_refused_before_it_is_trained(
    letters: Callable[..., Any], on_cpu: Callable[..., Any], texts: list[str]
) -> None:
    with pytest.raises(DataError, match=SAME):
        check_outputs_differ(deaf(letters()), texts, on_cpu(tokens=40))


@pytest.mark.parametrize("values", [["cough"], ["cough"] * 30, []])
def test_rows_that_are_all_equal_say_nothing_of_the_encoder(
    values: Sequence[str], letters: Callable[..., Any], on_cpu: Callable[..., Any]
) -> None:
    encoder = deaf(letters())
    check_outputs_differ(encoder, values, on_cpu())
    assert encoder.prepared == []


def test_a_few_different_rows_from_all_over_the_table_are_looked_at(
    letters: Callable[..., Any], on_cpu: Callable[..., Any]
) -> None:
    encoder = letters()
    check_outputs_differ(encoder, [chr(97 + i % 26) * (1 + i // 26) for i in range(500)], on_cpu())
    assert 10 < len(encoder.prepared) == len(set(encoder.prepared)) <= 16
    assert encoder.prepared[0] == "a" and encoder.prepared[-1] == "f" * 20


def test_dropout_is_off_while_they_are_looked_at_and_nothing_is_learned(
    letters: Callable[..., Any], on_cpu: Callable[..., Any], texts: list[str]
) -> None:
    encoder = letters(dropout=0.5).train()
    modes: list[bool] = []
    encoder.register_forward_hook(lambda *_: modes.append(encoder.training))
    check_outputs_differ(encoder, texts, on_cpu())
    assert modes and not any(modes)
    assert all(parameter.grad is None for parameter in encoder.parameters())
    assert not torch.is_inference(encoder.mix.weight)
