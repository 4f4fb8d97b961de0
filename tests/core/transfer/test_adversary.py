"""The domain adversary, held to a float64 reference and to what it does to an encoder."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from medplug.core.transfer.adversary import DomainAdversary

WIDTH, CLASSES = 4, 3
KINDS: list[dict[str, Any]] = [
    {},
    {"classes": CLASSES},
    {"classes": CLASSES, "randomised": 7},
    {"classes": CLASSES, "entropy": True},
    {"classes": CLASSES, "randomised": 7, "entropy": True},
]


def seeded(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def made(**options: Any) -> DomainAdversary:
    torch.manual_seed(0)
    return DomainAdversary(WIDTH, hidden=8, **options).double()


def inputs(adversary: DomainAdversary, n: int = 5, m: int = 3) -> tuple[Tensor, ...]:
    """Features of either domain and, for an adversary with classes, their probabilities."""
    features = (seeded(n, WIDTH, seed=1).requires_grad_(), (seeded(m, WIDTH, seed=2) + 1).requires_grad_())
    if adversary.classes is None:
        return features
    probs = (2 * seeded(rows, CLASSES, seed=3 + rows) for rows in (n, m))
    return *features, *(logits.softmax(1).requires_grad_() for logits in probs)


def seen(adversary: DomainAdversary, row: Tensor, probs: Tensor | None) -> Tensor:
    if probs is None:
        return row
    if adversary.feature_map is None or adversary.class_map is None:
        return torch.outer(row, probs).flatten()
    return (adversary.feature_map.T @ row) * (adversary.class_map.T @ probs) / adversary.feature_map.shape[1] ** 0.5


def side(adversary: DomainAdversary, x: Tensor, probs: Tensor | None, weights: Tensor | None, source: bool) -> Tensor:
    """The weighted mean of one domain's losses, row by row."""
    total, mass = torch.zeros(()).double(), 0.0
    for row in range(len(x)):
        p = None if probs is None else probs[row].detach()
        chance = adversary.discriminator(seen(adversary, x[row], p)).sigmoid().squeeze()
        weight = 1.0 if weights is None else weights[row].item()
        if adversary.entropy and p is not None:
            weight *= 1 + torch.exp((p * p.log()).sum()).item()
        total = total - weight * (chance if source else 1 - chance).log()
        mass += weight
    return total / mass


def reference(adversary: DomainAdversary, given: tuple[Tensor, ...], weights: tuple[Tensor, ...] | None) -> Tensor:
    """The loss with nothing reversed."""
    probs = given[2:] or (None, None)
    x_weights, y_weights = weights or (None, None)
    x_loss = side(adversary, given[0], probs[0], x_weights, source=True)
    return (x_loss + side(adversary, given[1], probs[1], y_weights, source=False)) / 2


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("options", KINDS)
def test_the_loss_is_the_references_and_only_the_features_learn_against_it(
    options: dict[str, Any], weighted: bool
) -> None:
    adversary = made(**options)
    given = inputs(adversary)
    weights = (seeded(5, seed=8).exp(), seeded(3, seed=9).exp()) if weighted else None
    named = {} if weights is None else {"x_weights": weights[0], "y_weights": weights[1]}
    ours, wanted = adversary(*given, coefficient=0.3, **named), reference(adversary, given, weights)
    torch.testing.assert_close(ours, wanted)
    own = list(adversary.parameters())
    torch.testing.assert_close(
        torch.autograd.grad(ours, own, retain_graph=True), torch.autograd.grad(wanted, own, retain_graph=True)
    )
    got, straight = torch.autograd.grad(ours, given[:2]), torch.autograd.grad(wanted, given[:2])
    torch.testing.assert_close(got, tuple(-0.3 * gradient for gradient in straight))


@pytest.mark.parametrize("options", KINDS[1:])
def test_probabilities_and_weights_get_no_gradient(options: dict[str, Any]) -> None:
    adversary = made(**options)
    x, y, x_probs, y_probs = inputs(adversary)
    weights = torch.ones(5).double().requires_grad_()
    adversary(x, y, x_probs, y_probs, coefficient=1.0, x_weights=weights).backward()
    assert x.grad is not None and x_probs.grad is None and y_probs.grad is None and weights.grad is None


@pytest.mark.parametrize("options", KINDS)
def test_rows_given_again_change_nothing_in_either_domain(options: dict[str, Any]) -> None:
    adversary = made(**options)
    given = inputs(adversary)
    many = [torch.cat([rows] * (3 if place % 2 else 1)) for place, rows in enumerate(given)]
    torch.testing.assert_close(adversary(*many, coefficient=1.0), adversary(*given, coefficient=1.0))


@pytest.mark.parametrize("options", KINDS)
def test_whole_weights_are_repeated_rows_and_a_weight_of_zero_a_row_left_out(options: dict[str, Any]) -> None:
    adversary = made(**options)
    given = inputs(adversary)
    repeated = [rows if place % 2 else rows[[0, 1, 1, 3, 3, 3]] for place, rows in enumerate(given)]
    weights = torch.tensor([1, 2, 0, 3, 0])
    weighted = adversary(*given, coefficient=1.0, x_weights=weights)
    torch.testing.assert_close(weighted, adversary(*repeated, coefficient=1.0))
    torch.testing.assert_close(weighted, adversary(*given, coefficient=1.0, x_weights=weights * 11.0))


def test_a_domain_without_weight_counts_nothing() -> None:
    adversary = made()
    x, y = inputs(adversary)
    value = adversary(x, y, coefficient=1.0, x_weights=torch.zeros(5))
    value.backward()
    torch.testing.assert_close(value, side(adversary, y, None, None, source=False) / 2)
    assert x.grad is not None and (x.grad == 0).all() and y.grad is not None and (y.grad != 0).any()


def test_the_entropys_weights_turn_the_loss_to_certain_rows() -> None:
    plain, weighted = made(classes=CLASSES), made(classes=CLASSES, entropy=True)
    x, y, _, y_probs = inputs(plain)
    alike = torch.full((5, CLASSES), 1 / CLASSES).double()
    torch.testing.assert_close(
        weighted(x, y[:1], alike, y_probs[:1], coefficient=1.0), plain(x, y[:1], alike, y_probs[:1], coefficient=1.0)
    )
    certain = torch.cat([torch.eye(CLASSES).double()[:1], alike[1:]])
    stated = torch.tensor([2.0] + [1 + 1 / CLASSES] * 4)  # exp(-log(classes)) = 1 / classes
    torch.testing.assert_close(
        weighted(x, y[:1], certain, y_probs[:1], coefficient=1.0),
        plain(x, y[:1], certain, y_probs[:1], coefficient=1.0, x_weights=stated),
        rtol=1e-6,
        atol=0,
    )


def test_the_randomised_map_is_fixed_by_the_seed_and_saved_with_the_state() -> None:
    first, again = made(classes=CLASSES, randomised=7), made(classes=CLASSES, randomised=7)
    given = inputs(first)
    assert torch.equal(first(*given, coefficient=1.0), again(*given, coefficient=1.0))
    other = DomainAdversary(WIDTH, classes=CLASSES, hidden=8, randomised=7).double()
    assert not torch.equal(first(*given, coefficient=1.0), other(*given, coefficient=1.0))
    state = first.state_dict()
    assert state["feature_map"].shape == (WIDTH, 7) and state["class_map"].shape == (CLASSES, 7)
    other.load_state_dict(state)
    assert torch.equal(first(*given, coefficient=1.0), other(*given, coefficient=1.0))
    assert not {"feature_map", "class_map"} & {name for name, _ in first.named_parameters()}


def test_wide_products_are_randomised() -> None:
    full, beyond = DomainAdversary(1024, classes=4, hidden=2), DomainAdversary(1025, classes=4, hidden=2)
    assert full.feature_map is None and full.discriminator[0].in_features == 4096
    assert beyond.feature_map is not None and beyond.discriminator[0].in_features == 1024


def test_randomised_products_keep_the_products_of_the_full_ones_on_average() -> None:
    adversary = made(classes=CLASSES, randomised=200_000)
    features, probs = seeded(2, WIDTH), seeded(2, CLASSES, seed=1).softmax(1)
    full = torch.outer(features[0], probs[0]).flatten() @ torch.outer(features[1], probs[1]).flatten()
    rows = [seen(adversary, features[row], probs[row]) for row in range(2)]
    torch.testing.assert_close(rows[0] @ rows[1], full, rtol=0.1, atol=0.02)


@pytest.mark.parametrize("options", KINDS)
def test_half_precision_features_under_autocast_are_computed_in_float32(options: dict[str, Any]) -> None:
    adversary = made(**options)
    given = [rows.detach().to(torch.bfloat16).requires_grad_() for rows in inputs(adversary)]
    wanted = adversary(*given, coefficient=1.0)
    adversary.float()
    with torch.autocast("cpu", torch.bfloat16):
        value = adversary(*given, coefficient=1.0)
    value.backward()
    assert value.dtype == torch.float32 and value.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert given[0].grad is not None and given[0].grad.dtype == torch.bfloat16


def test_rows_are_judged_alone_and_alike_in_training_and_evaluation() -> None:
    adversary = made()
    x, y = inputs(adversary)
    alone = torch.stack([adversary(row[None], y, coefficient=1.0) for row in x]).mean()
    torch.testing.assert_close(adversary(x, y, coefficient=1.0), alone)
    assert torch.equal(adversary.train()(x, y, coefficient=1.0), adversary.eval()(x, y, coefficient=1.0))


@pytest.mark.parametrize("options", KINDS)
def test_no_value_is_read_back_from_a_device(options: dict[str, Any]) -> None:
    adversary = DomainAdversary(WIDTH, **options).to("meta")
    given = [rows.detach().to("meta") for rows in inputs(adversary)]
    weights = torch.ones(5, device="meta")
    assert adversary(*given, coefficient=torch.ones((), device="meta"), x_weights=weights).shape == ()


def separability(x: Tensor, y: Tensor) -> float:
    """The share of the features' variance that lies between the domains."""
    between = ((x.mean(0) - y.mean(0)) / 2).square().sum()
    return (between / torch.cat([x, y]).var(0, correction=0).sum()).item()


def two_hospitals() -> tuple[Tensor, Tensor, Tensor]:
    """Labels, and the rows that have them in either domain."""
    labels = torch.arange(120) % 2
    x, y = (seeded(120, WIDTH, seed=seed).float() for seed in (1, 2))
    for rows in (x, y):
        rows[:, 0] += 6 * labels - 3  # what the class is read from
    y[:, 1] += 4  # what gives the domain away
    return labels, x, y


@pytest.mark.parametrize("coefficient", [0.0, 1.0])
@pytest.mark.parametrize("options", [{}, {"classes": 2}, {"classes": 2, "randomised": 32, "entropy": True}])
def test_an_encoder_that_hears_it_hides_the_domain_and_keeps_the_class(
    options: dict[str, Any], coefficient: float
) -> None:
    labels, x, y = two_hospitals()
    torch.manual_seed(0)
    encoder, head = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 2)
    adversary = DomainAdversary(WIDTH, hidden=32, **options)
    groups = [
        {"params": [*encoder.parameters(), *head.parameters()], "lr": 0.003},
        {"params": adversary.parameters(), "lr": 0.01},
    ]
    optimiser = torch.optim.Adam(groups, betas=(0.5, 0.999))  # with more momentum the two sides circle each other
    before = separability(encoder(x), encoder(y))
    for _ in range(300):
        features = encoder(x), encoder(y)
        logits = [head(sample) for sample in features]
        probs = [sample.softmax(1) for sample in logits] if options else []
        told_apart = adversary(*features, *probs, coefficient=coefficient)
        optimiser.zero_grad()
        (nn.functional.cross_entropy(logits[0], labels) + told_apart).backward()
        optimiser.step()
    after = separability(encoder(x), encoder(y))
    if coefficient:
        assert after < 0.05 * before and told_apart > 0.4  # near the log 2 of a coin
        assert (head(encoder(y)).argmax(1) == labels).float().mean() > 0.95
    else:
        assert after > 0.2 * before and told_apart < 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "width must be 1 or more; got 0"),
        ({"hidden": 0}, "hidden must be 1 or more"),
        ({"classes": 1}, "classes must be 2 or more"),
        ({"classes": 2, "randomised": 0}, "randomised must be 1 or more"),
        ({"randomised": 8}, "randomised needs the class probabilities"),
        ({"entropy": True}, "entropy needs the class probabilities"),
    ],
)
def test_sizes_that_make_no_adversary_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DomainAdversary(**{"width": 4, **options})


def test_what_does_not_fit_the_adversary_is_refused_by_shape() -> None:
    plain, conditional = made(), made(classes=CLASSES)
    x, y, x_probs, y_probs = inputs(conditional)
    with pytest.raises(ValueError, match=r"must be \[rows, 4\] for this adversary; got \[5, 2\]"):
        plain(x[:, :2], y[:, :2], coefficient=1.0)
    with pytest.raises(ValueError, match="one width"):
        plain(x, y[:, :2], coefficient=1.0)
    with pytest.raises(ValueError, match="x_probs was given to an adversary without classes"):
        plain(x, y, x_probs, y_probs, coefficient=1.0)
    with pytest.raises(ValueError, match=r"y_probs must be \[3, 3\].*got None"):
        conditional(x, y, x_probs, coefficient=1.0)
    with pytest.raises(ValueError, match=r"x_probs must be \[5, 3\].*got shape \[5, 2\]"):
        conditional(x, y, x_probs[:, :2], y_probs, coefficient=1.0)
    with pytest.raises(ValueError, match=r"y_weights must be \[3\].*got shape \[5\]"):
        plain(x, y, coefficient=1.0, y_weights=torch.ones(5))
