"""A thinned network is one network for all rows; only dropout changes, and only while it is entered."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from medplug.core.screening.thinned import Thinned


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = nn.Linear(5, 400), nn.BatchNorm1d(400), nn.Dropout(0.25), nn.Linear(400, 3), nn.Dropout(0.5)
        return nn.Sequential(*layers).eval()


def test_a_row_is_changed_alike_in_any_batch() -> None:
    rows, model = torch.randn(6, 5, generator=torch.Generator().manual_seed(1)), network()
    with torch.inference_mode(), Thinned(0, 1):
        together = model(rows)
    thin = Thinned(0, 1)
    for row, wanted in zip(rows, together, strict=True):
        with torch.inference_mode(), thin:
            torch.testing.assert_close(model(row[None])[0], wanted)


def test_units_are_left_out_at_dropouts_rate_and_the_rest_is_scaled() -> None:
    with Thinned(3):
        dropped = functional.dropout(torch.ones(2, 4, 20_000), 0.25, training=False)
    assert set(dropped.unique().tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert torch.equal(dropped, dropped[:1, :1].expand_as(dropped))
    assert abs((dropped == 0).double().mean().item() - 0.25) < 0.01


def test_layers_have_masks_of_their_own_and_seeds_differ() -> None:
    def masks(*seed: int) -> list[torch.Tensor]:
        with Thinned(*seed):
            return [functional.dropout(torch.ones(64), 0.5, training=False) for _ in range(2)]

    one, two = masks(0, 1)
    assert not torch.equal(one, two)
    assert all(torch.equal(a, b) for a, b in zip(masks(0, 1), (one, two), strict=True))
    assert not torch.equal(masks(0, 2)[0], one) and not torch.equal(masks(1, 0)[0], masks(0, 1)[0])


def test_nothing_is_left_out_without_dropout_or_outside() -> None:
    rows, model = torch.ones(1, 5), network()
    before = model(rows)
    state = torch.random.get_rng_state()
    with Thinned(0):
        assert torch.equal(functional.dropout(rows, 0.0, training=False), rows)
        assert not torch.equal(model(rows), before)
    assert torch.equal(model(rows), before)
    assert torch.equal(torch.random.get_rng_state(), state)
