"""What each fusion computes, held to plain references in float64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from medplug.core.features import Features
from medplug.core.fusion import (
    BilinearAttention,
    Bottleneck,
    Concat,
    CrossAttention,
    FeedForward,
    Film,
    Fusion,
    Gated,
    Hybrid,
    Late,
    LowRank,
)
from medplug.core.fusion.attention import attend

Array = NDArray[np.float64]
WIDTHS = {"text": 4, "image": 3}
ROWS = 5


def drawn(widths: Mapping[str, int] = WIDTHS) -> dict[str, Features]:
    """Text is missing in row 1, the image in row 2; tokens of the others are real or not at random."""
    torch.manual_seed(0)
    found = {}
    for at, (name, width) in enumerate(widths.items()):
        mask = torch.rand(ROWS, 4 + at) < 0.7
        mask[:, 2] = True
        mask[1 + at] = False
        pooled, tokens = torch.randn(ROWS, width), torch.randn(ROWS, 4 + at, width)
        found[name] = Features(pooled.double(), tokens.double(), mask)
    return found


def ready(fusion: Fusion) -> dict[str, Array]:
    """Make its weights random and wide; give them as arrays."""
    torch.manual_seed(1)
    fusion.double().eval()
    for parameter in fusion.parameters():
        nn.init.normal_(parameter, std=0.7)
    return {name: value.detach().numpy() for name, value in fusion.named_parameters()}


def numbers(features: Features) -> tuple[Array, Array, NDArray[np.bool_]]:
    return features.pooled.numpy(), features.tokens.numpy(), features.mask.numpy()


def linear(weights: Mapping[str, Array], name: str, values: Array) -> Any:
    return weights[f"{name}.weight"] @ values + weights[f"{name}.bias"]


@pytest.mark.parametrize("normalised", [False, True])
def test_feed_forward_is_layers_behind_features_side_by_side(normalised: bool) -> None:
    fusion = FeedForward(WIDTHS, hidden=(6, 4), dropout=0.5, normalised=normalised)
    weights, features = ready(fusion), drawn()
    joined = fusion(features).joined.detach().numpy()
    assert joined.shape == (ROWS, 4) and fusion.width == 4
    for row in range(ROWS):
        has = [bool(each.mask[row].any()) for each in features.values()]
        parts = [
            numbers(each)[0][row] if there else weights[f"side_by_side.placeholders.{name}"]
            for (name, each), there in zip(features.items(), has, strict=True)
        ]
        found = np.concatenate([*parts, np.array(has, dtype=float)])
        for layer in range(2):
            found = linear(weights, f"layers.{layer}.0", found)
            if normalised:
                found = (found - found.mean()) / np.sqrt(found.var() + 1e-5)
                found = found * weights[f"layers.{layer}.1.weight"] + weights[f"layers.{layer}.1.bias"]
            found = np.maximum(found, 0)
        np.testing.assert_allclose(joined[row], found, rtol=1e-9, atol=1e-12)


def test_feed_forward_leaves_features_out_behind_every_layer_in_training_alone() -> None:
    fusion = FeedForward(WIDTHS, hidden=(64, 64), dropout=0.5)
    ready(fusion)
    features = drawn()
    whole = fusion(features).joined
    assert torch.equal(fusion(features).joined, whole)
    torch.manual_seed(0)
    drawn_out = fusion.train()(features).joined
    assert ((drawn_out == 0) & (whole > 0)).any() and not torch.equal(drawn_out, whole)


def test_lowrank_is_a_linear_map_of_the_outer_product() -> None:
    widths = {**WIDTHS, "tabular": 2}
    fusion = LowRank(widths, hidden=6, rank=3)
    weights, features = ready(fusion), drawn(widths)
    tensor = np.zeros((6, 5, 4, 3))  # [hidden, text and 1, image and 1, tabular and 1]
    sides = {
        name: np.concatenate([weights[f"factors.{name}.weight"], weights[f"factors.{name}.bias"][:, None]], 1)
        for name in widths
    }
    for r in range(3):
        for k in range(6):
            text, image, tabular = (sides[name][r * 6 + k] for name in widths)
            tensor[k] += text[:, None, None] * image[:, None] * tabular
    for row in range(ROWS):
        text, image, tabular = (
            np.append(
                numbers(each)[0][row] if numbers(each)[2][row].any() else weights[f"placeholders.{name}"],
                1.0,
            )
            for name, each in features.items()
        )
        outer = text[:, None, None] * image[:, None] * tabular
        expected = (tensor * outer).sum((1, 2, 3)) + weights["bias"]
        np.testing.assert_allclose(fusion(features).joined[row].detach(), expected, rtol=1e-10)


def test_a_new_lowrank_leaves_the_product_as_it_is_where_a_modality_is_missing() -> None:
    fusion = LowRank(WIDTHS, hidden=6, rank=3).double()
    features = drawn()
    factor = fusion.factors["image"](features["image"].pooled[1]).view(3, 6)
    torch.testing.assert_close(fusion(features).joined[1], factor.sum(0) - 3)


def test_bilinear_attention_gathers_by_maps_over_all_pairs_of_tokens() -> None:
    fusion = BilinearAttention(WIDTHS, hidden=6, glimpses=3)
    weights, features = ready(fusion), drawn()
    joined = fusion(features).joined.detach().numpy()
    for row in range(ROWS):
        sides = []
        for name in ("image", "text"):
            _, tokens, mask = numbers(features[name])
            real = tokens[row][mask[row]] if mask[row].any() else weights[f"placeholders.{name}"][None]
            read = np.maximum([linear(weights, f"project.{name}", token) for token in real], 0)
            sides.append((read[:, :6], read[:, 6:]))
        (x, x_values), (y, y_values) = sides
        gathered = []
        for glimpse in weights["glimpses.image__text"]:
            logits = np.array([[(glimpse * one * two).sum() for two in y] for one in x])
            attention = np.exp(logits) / np.exp(logits).sum()
            gathered.append(
                sum(attention[i, j] * x_values[i] * y_values[j] for i in range(len(x)) for j in range(len(y)))
            )
        expected = linear(weights, "gather.image__text", np.concatenate(gathered))
        np.testing.assert_allclose(joined[row], expected, rtol=1e-10)


def test_bilinear_attention_keeps_other_pairs_where_a_modality_is_missing() -> None:
    fusion = BilinearAttention({**WIDTHS, "tabular": 2}, hidden=6)
    assert fusion.pairs == (("image", "tabular"), ("image", "text"), ("tabular", "text"))
    assert BilinearAttention({"text": 3}).pairs == (("text", "text"),)


def test_concat_puts_features_side_by_side_with_placeholders_and_says_what_is_there() -> None:
    fusion, features = Concat(WIDTHS).double(), drawn()
    means = {name: torch.full((width,), 3.0) for name, width in WIDTHS.items()}
    for held in (0.0, 3.0):
        joined = fusion(features).joined
        assert fusion.width == joined.shape[1] == 4 + 3 + 2
        text, image, there = joined.split([4, 3, 2], 1)
        assert torch.equal(text[0], features["text"].pooled[0]) and torch.equal(image[1], features["image"].pooled[1])
        assert text[1].eq(held).all() and image[2].eq(held).all()
        assert there.tolist() == [[1, 1], [0, 1], [1, 0], [1, 1], [1, 1]]
        fusion.set_placeholders(means)
    fusion.set_placeholders({"image": torch.zeros(3)})
    assert fusion.placeholders["text"].eq(3).all() and fusion.placeholders["image"].eq(0).all()


def test_gated_is_a_mean_by_the_softmax_of_the_scores() -> None:
    fusion = Gated(WIDTHS, hidden=6)
    weights, features = ready(fusion), drawn()
    fused = fusion(features)
    scores = {}
    for row in range(ROWS):
        projected = {}
        for name, each in features.items():
            pooled, _, mask = numbers(each)
            if mask[row].any():
                flat = linear(weights, f"project.{name}.linear", pooled[row])
                flat = (flat - flat.mean()) / np.sqrt(flat.var() + 1e-5)
                projected[name] = flat * weights[f"project.{name}.norm.weight"] + weights[f"project.{name}.norm.bias"]
        scores = {name: np.exp(linear(weights, f"score.{name}", each)[0]) for name, each in projected.items()}
        expected = sum(scores[name] / sum(scores.values()) * each for name, each in projected.items())
        np.testing.assert_allclose(fused.joined[row].detach(), expected, rtol=1e-8)
        shares = [scores.get(name, 0.0) / sum(scores.values()) for name in WIDTHS]
        np.testing.assert_allclose(fused.weights[row].detach(), shares, rtol=1e-8)


@pytest.mark.parametrize("combine", ["mean", "stacked"])
def test_late_averages_the_logits_that_are_there(combine: Any) -> None:
    fusion = Late(WIDTHS, outputs=3, combine=combine)
    weights, features = ready(fusion), drawn()
    fused = fusion(features)
    own = {name: float(np.exp(weights.get(f"scores.{name}", 0.0))) for name in WIDTHS}
    for row in range(ROWS):
        there = {name: numbers(each)[0][row] for name, each in features.items() if numbers(each)[2][row].any()}
        total = sum(own[name] for name in there)
        expected = sum(own[name] / total * linear(weights, f"heads.{name}", each) for name, each in there.items())
        np.testing.assert_allclose(fused.joined[row].detach(), expected, rtol=1e-10)
        np.testing.assert_allclose(
            fused.weights[row].detach(), [own[name] / total if name in there else 0 for name in WIDTHS]
        )


def test_late_refuses_another_way_to_combine() -> None:
    with pytest.raises(ValueError, match="mean or stacked; got sum"):
        Late(WIDTHS, 2, "sum")  # type: ignore[arg-type]


def test_hybrid_has_joint_features_and_then_the_logits_of_each_modality() -> None:
    fusion = Hybrid(WIDTHS, outputs=2, hidden=6)
    weights, features = ready(fusion), drawn()
    joined = fusion(features).joined
    assert fusion.width == 6 + 2 * 2
    expected = functional.gelu(fusion.mix(fusion.early(features).joined))
    torch.testing.assert_close(joined[:, :6], expected)
    logits = linear(weights, "heads.image", numbers(features["image"])[0][0])
    np.testing.assert_allclose(joined[0, 8:].detach(), logits, rtol=1e-10)
    assert joined[1, 6:8].eq(0).all() and joined[2, 8:].eq(0).all() and joined[[0, 2], 6:8].ne(0).all()


def test_film_scales_and_shifts_its_base_by_what_is_there() -> None:
    fusion = Film({**WIDTHS, "tabular": 2}, hidden=6, base="image")
    weights, features = ready(fusion), drawn({**WIDTHS, "tabular": 2})
    joined = fusion(features).joined
    for row in range(ROWS):
        pooled = torch.from_numpy(numbers(features["image"])[0][row])
        there = [name for name in ("text", "tabular") if numbers(features[name])[2][row].any()]
        base = fusion.project(pooled).detach().numpy() if row != 2 else weights["placeholder"]
        changes = [linear(weights, f"modulate.{name}", numbers(features[name])[0][row]) for name in there]
        gamma, beta = np.split(sum(changes), 2)
        expected = functional.gelu(torch.from_numpy((1 + gamma) * base + beta))
        torch.testing.assert_close(joined[row], expected)


def test_film_leaves_its_base_as_it_is_at_the_start_and_where_no_condition_is_there() -> None:
    fusion, features = Film(WIDTHS, hidden=6, base="image").double(), drawn()
    base = functional.gelu(fusion.project(features["image"].pooled))
    torch.testing.assert_close(fusion(features).joined[[0, 1, 3, 4]], base[[0, 1, 3, 4]])
    ready(fusion)
    torch.testing.assert_close(fusion(features).joined[1], functional.gelu(fusion.project(features["image"].pooled[1])))


def test_film_modulates_the_widest_unless_told() -> None:
    assert Film({"a": 2, "c": 5, "b": 5}).base == Film({"b": 5, "c": 5, "a": 2}).base == "b"
    assert Film(WIDTHS, base="image").base == "image"
    with pytest.raises(ValueError, match="one of the modalities text, image; got sound"):
        Film(WIDTHS, base="sound")


def test_attention_is_a_softmax_of_scaled_products_head_by_head() -> None:
    torch.manual_seed(0)
    queries, keys, values = (torch.randn(2, 3, n, 6).double() for n in (4, 5, 5))
    mask = torch.rand(2, 3, 5) < 0.6
    mask[..., 0] = True
    mask[1, 2] = False  # where no key counts, all do
    found = attend(queries, keys, values, mask, heads=2)
    mask[1, 2] = True
    for head in (slice(0, 3), slice(3, 6)):
        products = queries[..., head] @ keys[..., head].transpose(-1, -2) / 3**0.5
        weights = products.masked_fill(~mask[:, :, None], -torch.inf).softmax(-1)
        torch.testing.assert_close(found[..., head], weights @ values[..., head])


@pytest.mark.parametrize("layer", [CrossAttention, Bottleneck])
def test_one_attention_call_serves_all_modalities(layer: type[Fusion], monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    plain = functional.scaled_dot_product_attention
    monkeypatch.setattr(
        functional, "scaled_dot_product_attention", lambda *given, **named: calls.append(1) or plain(*given, **named)
    )
    layer({**WIDTHS, "tabular": 2}).double().eval()(drawn({**WIDTHS, "tabular": 2}))
    assert len(calls) == (1 if layer is CrossAttention else 2)  # a layer


def with_many_tokens(layer: Any) -> tuple[Fusion, dict[str, Features], dict[str, Features]]:
    """A row with one token a modality, and the same with the text's fifty times over."""
    torch.manual_seed(0)
    widths = {"text": 4, "image": 3, "tabular": 2}
    one = torch.ones(1, 1, dtype=torch.bool)
    row = {n: Features(torch.randn(1, w), torch.randn(1, 1, w, requires_grad=True), one) for n, w in widths.items()}
    text = row["text"]
    many = Features(text.pooled, text.tokens.expand(1, 50, 4), one.expand(1, 50))
    return layer(widths).eval(), row, {**row, "text": many}


def test_in_cross_attention_a_modality_with_many_tokens_does_not_drown_one_with_few() -> None:
    fusion, row, many = with_many_tokens(CrossAttention)
    torch.testing.assert_close(fusion(many).joined, fusion(row).joined, rtol=1e-4, atol=1e-5)


def test_nor_does_it_in_a_bottleneck() -> None:
    fusion, row, many = with_many_tokens(Bottleneck)
    sizes = [
        torch.autograd.grad(fusion(each).joined.square().sum(), row["tabular"].tokens)[0].norm() for each in (row, many)
    ]
    assert sizes[1] > sizes[0] / 5


@pytest.mark.parametrize("layer", [CrossAttention, Bottleneck])
def test_heads_must_divide_the_hidden_width(layer: Any) -> None:
    with pytest.raises(ValueError, match="multiple of heads; got hidden=10 and heads=4"):
        layer(WIDTHS, hidden=10, heads=4)
