"""What training minimises, held to a plain computation with all rows in one padded batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from medplug.core.adapter import Adapter, Batch
from medplug.core.backbone import Inputs
from medplug.core.data.targets import Target
from medplug.core.losses import make_loss
from medplug.core.model import Loss, Model
from medplug.core.training.objective import Objective, shares
from medplug.core.training.rows import Collate, Part, Rows
from medplug.core.training.seeds import seeded

TARGETS = {
    "binary": Target("binary", ("no", "yes")),
    "multiclass": Target("multiclass", ("a", "b", "c")),
    "multilabel": Target("multilabel", ("a", "b", "c")),
}
LABELLED = 30
every_kind = pytest.mark.parametrize("kind", TARGETS)


class Judge(Adapter):
    """A layer that looks at both domains; the reference and the progress count too."""

    def attach(self, model: Model) -> nn.Module:
        with seeded(5):
            self.layer = nn.Linear(model.head.in_features, 1)
        return self.layer

    def penalty(self, batch: Batch) -> Tensor:
        self.batch = batch
        return judged(
            self.layer,
            (batch.source_features, batch.target_features),
            (batch.source_logits, batch.target_logits),
            batch.reference["judge"],
            batch.progress,
        )


class Gap(Adapter):
    """The distance of the domains' mean features; it attaches nothing."""

    def penalty(self, batch: Batch) -> Tensor:
        return (batch.source_features.mean(0) - batch.target_features.mean(0)).square().sum()


class Nothing(Adapter):
    """No penalty at all."""

    def penalty(self, batch: Batch) -> Tensor:
        return batch.outputs.features.new_zeros(())


def judged(
    layer: nn.Module, features: tuple[Tensor, Tensor], logits: tuple[Tensor, Tensor], known: Tensor, progress: float
) -> Tensor:
    opinion = layer(features[0]).square().mean() - layer(features[1]).mean()
    spread = (logits[0].mean(0) - logits[1].mean(0)).abs().sum()
    return opinion + (1 + progress) * spread + (layer(torch.cat(features)) * known).mean()


def some_labels(target: Target) -> NDArray[np.int64]:
    draw = np.random.default_rng(1)
    several = target.kind == "multilabel"
    return draw.integers(0, 2 if several else len(target.classes), (LABELLED, 3) if several else LABELLED)


def domain_rows(backbone: Any, texts: list[str], target: Target, *, weighted: bool = True) -> Rows:
    """Rows of a source, then of a target, then unlabelled ones: the order of a part."""
    weights = np.random.default_rng(2).uniform(0, 3, LABELLED) if weighted else None
    known = np.random.default_rng(3).normal(size=(len(texts), 1)).astype(np.float32)
    return Rows(backbone.prepare(texts), some_labels(target), weights, np.arange(LABELLED) < 20, {"judge": known})


def part_of(rows: Rows, backbone: Any, tokens: int, order: NDArray[np.int64] | None = None) -> Part:
    drawn = range(len(rows)) if order is None else order.tolist()
    weighted = rows.weights is not None
    (part,) = Collate(backbone, tokens, together=True, weighted=weighted)([rows[i] for i in drawn])
    return part


def gradients(module: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}


def made(letters: Callable[..., Any], target: Target, **penalties: Adapter) -> Objective:
    with seeded(0):
        return Objective(Model(letters(), target), Loss(target), target, penalties)


# ---- value and gradient


@every_kind
@pytest.mark.parametrize("tokens", [1, 40, 100_000])
def test_loss_and_gradient_are_those_of_all_rows_in_one_padded_batch(
    tokens: int, kind: str, letters: Callable[..., Any], texts: list[str]
) -> None:
    target = TARGETS[kind]
    rows = domain_rows(letters(), texts, target)
    objective = made(letters, target, judge=Judge(None), gap=Gap(None))
    objective.progress = 0.25
    part = part_of(rows, letters(), tokens)
    assert (len(part.inputs) == 1) is (tokens > 48 * 30)
    value = objective(part)
    value.backward()

    plain = made(letters, target, judge=Judge(None))
    model, weights = plain.model, rows.weights
    features = model.backbone(model.backbone.collate(list(rows.items))).pooled
    logits = model.head(features)
    losses = Loss(target)(logits[:LABELLED], torch.from_numpy(rows.labels))
    assert weights is not None
    expected = (losses * torch.from_numpy(weights).float()).sum() / LABELLED
    domains = (features[:20], features[20:]), (logits[:20], logits[20:])
    expected = expected + judged(plain.attached["judge"], *domains, torch.from_numpy(rows.reference["judge"]), 0.25)
    expected = expected + (features[:20].mean(0) - features[20:].mean(0)).square().sum()
    expected.backward()
    torch.testing.assert_close(value, expected, atol=1e-6, rtol=1e-6)
    found, wanted = gradients(objective), gradients(plain)
    assert set(found) == set(wanted) and "attached.judge.weight" in found and len(found) == 7
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, wanted[name], atol=1e-6, rtol=1e-4)
        assert gradient.abs().max() > 1e-4


def test_the_order_in_which_rows_are_drawn_changes_nothing(letters: Callable[..., Any], texts: list[str]) -> None:
    target = TARGETS["multiclass"]
    rows = domain_rows(letters(), texts, target)
    objective = made(letters, target, judge=Judge(None))
    values = [
        objective(part_of(rows, letters(), tokens, np.random.default_rng(seed).permutation(48))).item()
        for seed, tokens in enumerate([40, 40, 60, 100_000])
    ]
    assert values == pytest.approx([values[0]] * 4, abs=1e-5)


@every_kind
def test_unlabelled_rows_have_no_loss_of_their_own(kind: str, letters: Callable[..., Any], texts: list[str]) -> None:
    target = TARGETS[kind]
    with_them, without = (made(letters, target, nothing=Nothing(None)) for _ in range(2))
    whole = with_them(part_of(domain_rows(letters(), texts, target), letters(), 40))
    labelled = without(part_of(domain_rows(letters(), texts[:LABELLED], target), letters(), 40))
    torch.testing.assert_close(whole, labelled)
    whole.backward()
    labelled.backward()
    for name, gradient in gradients(with_them).items():
        torch.testing.assert_close(gradient, gradients(without)[name], atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("tokens", [40, 100_000])
def test_without_penalties_weighted_parts_add_up(tokens: int, letters: Callable[..., Any], texts: list[str]) -> None:
    target = TARGETS["multiclass"]
    rows = domain_rows(letters(), texts[:LABELLED], target)
    objective = made(letters, target)
    assert rows.weights is not None and not list(objective.attached.parameters())
    drawn = [rows[i] for i in np.random.default_rng(0).permutation(LABELLED)]
    found = sum(objective(part) for part in Collate(letters(), tokens, weighted=True)(drawn))
    logits = objective.model(objective.model.backbone.collate(list(rows.items)))
    losses = Loss(target)(logits, torch.from_numpy(rows.labels))
    torch.testing.assert_close(found, (losses * torch.from_numpy(rows.weights).float()).mean())
    equal = sum(objective(part) for part in Collate(letters(), tokens)(drawn))
    torch.testing.assert_close(equal, losses.mean())


# ---- what a penalty is handed


def test_a_penalty_is_told_domains_labels_reference_target_and_progress(
    letters: Callable[..., Any], texts: list[str]
) -> None:
    target, judge = TARGETS["multiclass"], Judge(None)
    rows = domain_rows(letters(), texts, target)
    objective = made(letters, target, judge=judge)
    model = objective.model
    for progress in (0.0, 0.5):
        objective.progress = progress
        objective(part_of(rows, letters(), 40))
        assert judge.batch.progress == progress
    batch = judge.batch
    assert batch.target is target and batch.sources == 20
    assert batch.labels.tolist() == rows.labels.tolist()
    np.testing.assert_array_equal(batch.reference["judge"], rows.reference["judge"])
    outputs = model.outputs(model.backbone.collate(list(rows.items)))
    assert [len(batch.source_features), len(batch.target_features)] == [20, 28]
    torch.testing.assert_close(torch.cat([batch.source_features, batch.target_features]), outputs.features)
    torch.testing.assert_close(torch.cat([batch.source_logits, batch.target_logits]), outputs.logits)


def test_the_attached_are_in_the_objective_and_not_in_the_model(letters: Callable[..., Any]) -> None:
    objective = made(letters, TARGETS["binary"], judge=Judge(None), gap=Gap(None))
    beside = {name for name in objective.state_dict() if not name.startswith("model.")}
    assert beside == {"attached.judge.weight", "attached.judge.bias"}
    assert {f"model.{name}" for name in objective.model.state_dict()} == set(objective.state_dict()) - beside


class Weighty(Adapter):
    """A penalty on the weights alone."""

    looks_at_rows = False

    def attach(self, model: Model) -> None:
        self.head = model.head

    def penalty(self, batch: Batch) -> Tensor:
        return self.head.weight.square().sum()


def test_a_penalty_on_weights_leaves_micro_batches_apart_and_counts_once(
    letters: Callable[..., Any], texts: list[str]
) -> None:
    target = TARGETS["multiclass"]
    with seeded(0):
        model = Model(letters(), target)
    objective = Objective(model, Loss(target), target, {"weighty": Weighty(None)})
    assert not objective.together and Objective(model, Loss(target), target, {"gap": Gap(None)}).together
    labels = np.arange(LABELLED) % 3
    rows = Rows(model.backbone.prepare(texts[:LABELLED]), labels)
    parts = Collate(model.backbone, 60)([rows[i] for i in range(LABELLED)])
    assert len(parts) > 2
    plain = Loss(target)(model(model.backbone.collate(rows.items)), torch.from_numpy(labels)).mean()
    expected = plain + model.head.weight.square().sum()
    torch.testing.assert_close(sum(objective(part) for part in parts), expected)


# ---- a number


def test_the_loss_of_a_number_is_the_squared_error_of_the_standardised_label() -> None:
    draw = np.random.default_rng(0)
    labels = 1e4 + 50 * draw.normal(size=20)
    target = Target.numeric("volume", labels.tolist())
    logits = torch.from_numpy(draw.normal(size=(20, 1)).astype(np.float32)).requires_grad_()
    losses = Loss(target)(logits, torch.from_numpy(labels))
    standardised = (labels - labels.mean()) / labels.std()
    error = logits.detach().double().numpy()[:, 0] - standardised
    assert losses.shape == (20,)
    np.testing.assert_allclose(losses.detach(), error**2, rtol=1e-4, atol=1e-6)
    (gradient,) = torch.autograd.grad(losses.sum(), logits)
    np.testing.assert_allclose(gradient[:, 0], 2 * error, rtol=1e-4, atol=1e-6)
    blended = Loss(target)(logits, shares(torch.from_numpy(labels), target))  # a column, as a blend of rows has it
    np.testing.assert_allclose(blended.detach(), error**2, rtol=1e-3, atol=1e-4)


def test_labels_that_are_numbers_reach_a_device_in_float32(letters: Callable[..., Any], texts: list[str]) -> None:
    items = letters().prepare(texts[:6])
    for labels, dtype in ((np.arange(6) / 3, torch.float32), (np.arange(6), torch.int64)):
        rows = Rows(items, labels)
        (part,) = Collate(letters(), 4096)([rows[i] for i in range(6)])
        assert part.labels.dtype == dtype and part.labels.tolist() == pytest.approx(labels.tolist())


# ---- augmentation


class Changes:
    """Checks that every row comes with what is its own, and changes it: the letters, and the labels of labelled rows.

    A row's first letter is its number. Where it mixes, shares are halved between two classes.
    """

    def __init__(self, labels: NDArray[np.int64], *, mixes: bool = False, changes: bool = True) -> None:
        self.known, self.mixes, self.changes = labels, mixes, changes
        self.seen: list[int] = []

    def changed(self, inputs: Inputs, labels: Tensor, labelled: Tensor, sources: Tensor) -> tuple[Inputs, Tensor]:
        rows = inputs["ids"][:, 0] - 1
        self.seen += rows.tolist()
        assert len(labels) == len(labelled) == len(sources) == len(rows)
        assert labelled.tolist() == (rows < LABELLED).tolist()
        assert sources.tolist() == (rows < 20).tolist()
        expected = torch.from_numpy(self.known)[rows[labelled]]
        assert labels[labelled].equal(self.shares(expected) if self.mixes else expected)
        if not self.changes:
            return inputs, labels
        return {"ids": self.letters(inputs["ids"])}, self.labels(labels)

    def shares(self, labels: Tensor) -> Tensor:
        """One share an output, of labels as they are encoded."""
        return functional.one_hot(labels, 3).float()

    @staticmethod
    def letters(ids: Tensor) -> Tensor:
        return torch.where(ids > 0, 128 - ids, 0)

    def labels(self, labels: Tensor) -> Tensor:
        return 0.5 * labels + 0.5 * labels.roll(1, -1) if self.mixes else (labels + 1) % 3


class SharesAsTheyAre(Changes):
    """Binary and multilabel labels are shares of each output already."""

    def shares(self, labels: Tensor) -> Tensor:
        return labels.float() if labels.ndim == 2 else labels.float()[:, None]


def numbered(texts: list[str]) -> list[str]:
    """The texts, each begun by a letter that is its row's number."""
    return [chr(i + 1) + text for i, text in enumerate(texts)]


def cut(rows: Rows, backbone: Any, tokens: int, *, together: bool) -> list[Part]:
    """The rows in another order, as parts; without unlabelled ones where they may come apart."""
    kept = len(rows) if together else LABELLED
    drawn = [rows[i] for i in np.random.default_rng(8).permutation(kept)]
    return Collate(backbone, tokens, together=together, weighted=rows.weights is not None)(drawn)


both_ways = pytest.mark.parametrize("together", [False, True])


@both_ways
@pytest.mark.parametrize("tokens", [1, 60, 100_000])
@pytest.mark.parametrize("mixes", [False, True])
def test_the_loss_is_of_the_rows_as_they_were_changed_each_with_its_own_label_and_weight(
    mixes: bool, tokens: int, together: bool, letters: Callable[..., Any], texts: list[str]
) -> None:
    target = TARGETS["multiclass"]
    rows = domain_rows(letters(), numbered(texts), target)
    labels = torch.from_numpy(np.asarray(rows.labels))
    augmentation = Changes(rows.labels, mixes=mixes)
    with seeded(0):
        model = Model(letters(), target)
    objective = Objective(model, Loss(target), target, {"nothing": Nothing(None)} if together else {}, augmentation)
    parts = cut(rows, letters(), tokens, together=together)
    value = sum(objective.train()(part) for part in parts)
    assert sorted(augmentation.seen) == list(range(48 if together else LABELLED))

    inputs = model.backbone.collate(list(rows.items)[:LABELLED])
    given = augmentation.labels(functional.one_hot(labels, 3).float() if mixes else labels)
    losses = Loss(target)(model({"ids": Changes.letters(inputs["ids"])}), given)
    expected = (losses * torch.from_numpy(rows.weights).float()).mean()
    torch.testing.assert_close(value, expected)
    unchanged = (Loss(target)(model(inputs), labels) * torch.from_numpy(rows.weights).float()).mean()
    assert (expected - unchanged).abs() > 1e-3


@both_ways
def test_rows_are_changed_only_while_training(together: bool, letters: Callable[..., Any], texts: list[str]) -> None:
    target = TARGETS["multiclass"]
    rows = domain_rows(letters(), numbered(texts), target)
    augmentation = Changes(rows.labels)
    with seeded(0):
        model = Model(letters(), target)
    penalties = {"nothing": Nothing(None)} if together else {}
    changing = Objective(model, Loss(target), target, penalties, augmentation)
    plain = Objective(model, Loss(target), target, penalties)
    parts = cut(rows, letters(), 60, together=together)
    found, expected = (sum(each.eval()(part) for part in parts) for each in (changing, plain))
    torch.testing.assert_close(found, expected, atol=0, rtol=0)
    assert augmentation.seen == []
    assert sum(changing.train()(part) for part in parts) != expected and augmentation.seen


@both_ways
@every_kind
def test_a_mixing_augmentation_is_handed_shares_whose_loss_is_that_of_the_labels(
    kind: str, together: bool, letters: Callable[..., Any], texts: list[str]
) -> None:
    target = TARGETS[kind]
    rows = domain_rows(letters(), numbered(texts), target)
    augmentation = (Changes if kind == "multiclass" else SharesAsTheyAre)(rows.labels, mixes=True, changes=False)
    with seeded(0):
        model = Model(letters(), target)
    penalties = {"nothing": Nothing(None)} if together else {}
    losses = [
        sum(objective.train()(part) for part in cut(rows, letters(), 60, together=together))
        for objective in (
            Objective(model, Loss(target), target, penalties, augmentation),
            Objective(model, Loss(target), target, penalties),
        )
    ]
    assert augmentation.seen
    torch.testing.assert_close(losses[0], losses[1])


def test_a_penalty_sees_the_changed_rows_with_their_labels_as_they_were(
    letters: Callable[..., Any], texts: list[str]
) -> None:
    target, judge = TARGETS["multiclass"], Judge(None)
    rows = domain_rows(letters(), numbered(texts), target)
    with seeded(0):
        model = Model(letters(), target)
    objective = Objective(model, Loss(target), target, {"judge": judge}, Changes(rows.labels)).train()
    objective(part_of(rows, letters(), 60))
    ids = model.backbone.collate(list(rows.items))["ids"]
    outputs = model.outputs({"ids": Changes.letters(ids)})
    torch.testing.assert_close(judge.batch.outputs.features, outputs.features)
    assert judge.batch.labels.tolist() == rows.labels.tolist() and judge.batch.sources == 20


class Turning:
    """Turns masks upside down, and writes into those of rows that have none."""

    mixes = False

    def changed(self, inputs: Inputs, labels: Tensor, labelled: Tensor, sources: Tensor) -> tuple[Inputs, Tensor]:
        assert labels.shape == (len(labelled), 2, 3) and labels.dtype == torch.int64
        rows = inputs["ids"][:, 0] - 1
        assert (labels[labelled][:, 0, 0] == rows[labelled]).all()
        return inputs, torch.where(labelled[:, None, None], labels.flip(1), -1)


class Corner(nn.Module):
    """Logits times the upper left pixel of each row's mask."""

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return logits.sum(1) * labels[:, 0, 0]


@both_ways
def test_masks_go_with_their_rows(together: bool, letters: Callable[..., Any], texts: list[str]) -> None:
    target = TARGETS["multiclass"]
    masks = np.arange(LABELLED)[:, None, None] + 100 * np.arange(2)[:, None] + np.zeros((LABELLED, 2, 3), np.int64)
    sources = np.arange(LABELLED) < 20
    rows = Rows(letters().prepare(numbered(texts)), masks, None, sources)
    with seeded(0):
        model = Model(letters(), target)
    penalties = {"nothing": Nothing(None)} if together else {}
    objective = Objective(model, Corner(), target, penalties, Turning()).train()
    found = sum(objective(part) for part in cut(rows, letters(), 60, together=together))
    logits = model(model.backbone.collate(list(rows.items)[:LABELLED]))
    torch.testing.assert_close(found, (logits.sum(1) * (torch.arange(LABELLED) + 100)).mean())


# ---- the time to an event


@pytest.mark.parametrize("tokens", [1, 40, 100_000])
def test_rows_are_at_risk_together_however_their_batch_is_cut(
    tokens: int, letters: Callable[..., Any], texts: list[str]
) -> None:
    target, backbone = Target("survival", ("death",)), letters()
    draw = np.random.default_rng(0)
    labels = np.column_stack([draw.integers(1, 9, LABELLED), draw.integers(0, 2, LABELLED)]).astype(np.float64)
    rows = Rows(backbone.prepare(texts[:LABELLED]), labels)
    with seeded(0):
        objective = Objective(Model(backbone, target), make_loss(target), target, {})
    assert objective.together and not made(letters, TARGETS["binary"]).together
    parts = Collate(backbone, tokens, together=objective.together)([rows[i] for i in range(LABELLED)])
    value = torch.stack([objective(part) for part in parts]).sum()
    logits = objective.model(backbone.collate(rows.items))[:, 0].detach().double().numpy()
    losses = [
        np.log(np.exp(logits[labels[:, 0] >= time]).sum()) - own
        for (time, event), own in zip(labels, logits, strict=True)
        if event
    ]
    assert value.item() == pytest.approx(np.sum(losses) / LABELLED, rel=1e-5)
