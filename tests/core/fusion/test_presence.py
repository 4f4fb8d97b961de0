"""Withholding modalities, and sums over those that are there."""

from __future__ import annotations

import pytest
import torch

from medplug.core.features import Features
from medplug.core.fusion import presence, withhold
from medplug.core.fusion.presence import known_pooled, known_tokens, masked_mean, present_softmax, shares

NAMES = ("text", "image", "tabular")


def batch(rows: int) -> dict[str, Features]:
    """Rows that have each modality with probability 0.6, padding, and some rows that have none."""
    torch.manual_seed(0)
    found = {}
    for name in NAMES:
        mask = torch.ones(rows, 4, dtype=torch.bool)
        mask[:, 3] = False
        mask &= (torch.rand(rows) < 0.6)[:, None]
        found[name] = Features(torch.randn(rows, 3), torch.randn(rows, 4, 3), mask)
    return found


def test_withholding_empties_no_row_and_gives_none_what_it_lacks() -> None:
    features = batch(2000)
    before = presence(features, NAMES)
    for share in (0.1, 0.5, 0.95):
        after = presence(withhold(features, share), NAMES)
        assert torch.equal(after.any(1), before.any(1))
        assert not (after & ~before).any()


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_each_modality_of_a_row_with_several_is_withheld_with_that_share(share: float) -> None:
    features = {name: Features(each.pooled, each.tokens, each.mask | True) for name, each in batch(40_000).items()}
    kept = presence(withhold(features, share), NAMES).double().mean(0)
    # all three are drawn away with share ** 3, and then one of them stays
    expected = 1 - share + share**3 / 3
    assert (kept - expected).abs().max() < 0.01


def test_a_row_of_one_modality_keeps_it() -> None:
    features = batch(2000)
    one = presence(features, NAMES).sum(1) == 1
    assert one.sum() > 100
    assert torch.equal(presence(withhold(features, 0.9), NAMES)[one], presence(features, NAMES)[one])


def test_withholding_clears_whole_masks_and_touches_nothing_else() -> None:
    features = batch(50)
    for name, each in withhold(features, 0.5).items():
        assert each.pooled is features[name].pooled and each.tokens is features[name].tokens
        assert torch.equal(each.mask[each.present], features[name].mask[each.present])


def test_withholding_follows_torchs_seed_and_not_the_order_of_the_mapping() -> None:
    features = batch(100)
    drawn = []
    for given in (features, features, dict(reversed(features.items()))):
        torch.manual_seed(5)
        drawn.append(presence(withhold(given, 0.5), NAMES))
    assert torch.equal(drawn[0], drawn[1]) and torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], presence(withhold(features, 0.5), NAMES))
    assert list(withhold(dict(reversed(features.items())), 0.5)) == list(reversed(NAMES))


def test_withholding_nothing_draws_nothing() -> None:
    features = batch(20)
    state = torch.get_rng_state()
    assert withhold(features, 0.0) == features
    assert torch.equal(torch.get_rng_state(), state)


def test_presence_has_a_column_a_modality_in_the_order_asked_for() -> None:
    features = batch(30)
    found = presence(features, ("tabular", "text"))
    assert torch.equal(found[:, 0], features["tabular"].mask.any(1))
    assert torch.equal(found[:, 1], features["text"].mask.any(1))


def test_what_is_not_known_is_replaced() -> None:
    nan = float("nan")
    mask = torch.tensor([[True, False], [False, False]])
    features = Features(torch.tensor([[1.0], [nan]]), torch.tensor([[[2.0], [nan]], [[nan], [nan]]]), mask)
    assert known_pooled(features, torch.tensor([9.0])).tolist() == [[1.0], [9.0]]
    assert known_tokens(features).tolist() == [[[2.0], [0.0]], [[0.0], [0.0]]]


def test_means_and_shares_count_what_is_there_and_are_zero_where_nothing_is() -> None:
    mask = torch.tensor([[True, True, False], [False, False, False]])
    values = torch.tensor([[[1.0], [3.0], [50.0]], [[7.0], [8.0], [9.0]]])
    assert masked_mean(values, mask).tolist() == [[2.0], [0.0]]
    assert shares(mask).tolist() == [[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]
    assert masked_mean(values.bfloat16(), mask).dtype == torch.float32


def test_a_softmax_over_what_is_there_computes_in_float32() -> None:
    present = torch.tensor([[True, False, True], [False, False, False]])
    scores = torch.tensor([[1.0, 300.0, 2.0], [1.0, 2.0, 3.0]], dtype=torch.bfloat16)
    found = present_softmax(scores, present)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found[0], torch.tensor([1 / (1 + torch.e), 0.0, torch.e / (1 + torch.e)]))
    assert found[1].tolist() == [0.0, 0.0, 0.0]
