"""Gradient training: micro-batches, accumulation, resuming, and which epoch stays; losses and class weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor
from torch.nn import functional

from medplug.core.config import TrainConfig
from medplug.core.data.targets import Target
from medplug.core.evaluation.metrics import GREATER_IS_BETTER
from medplug.core.model import Loss, Model
from medplug.core.training.arguments import training_arguments
from medplug.core.training.compute import Compute
from medplug.core.training.objective import Objective
from medplug.core.training.quiet import quiet
from medplug.core.training.rows import Collate, Rows
from medplug.core.training.seeds import seeded
from medplug.core.training.trainer import TransferTrainer, preferred, train_by_gradient
from medplug.core.training.weights import balanced_weights, weightings

TARGETS = {
    "binary": Target("binary", ("no", "yes")),
    "multiclass": Target("multiclass", ("a", "b", "c")),
    "multilabel": Target("multilabel", ("a", "b", "c")),
}


def some_labels(target: Target, rows: int) -> NDArray[np.int64]:
    draw = np.random.default_rng(1)
    if target.kind == "multilabel":
        return draw.integers(0, 2, (rows, len(target.classes)))
    return draw.permutation(np.arange(rows) % len(target.classes))


def weights_of(model: torch.nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    return max(float((one[name] - other[name]).abs().max()) for name in one)


class Killed(Exception):
    """The run ends here."""


@dataclass
class Training:
    """One call of the trainer on small data; `scores` are what each epoch's validation gives."""

    letters: Callable[..., Any]
    compute: Compute
    texts: Sequence[str]
    folder: Path
    dropout: float = 0.0
    kind: str = "multiclass"
    scores: Sequence[float] = ()
    metric: str = "macro_f1"
    kill_at: int = 0
    config: dict[str, Any] = field(default_factory=dict)
    seen: list[dict[str, Tensor]] = field(default_factory=list)
    steps: list[tuple[int, int]] = field(default_factory=list)
    told: list[dict[str, float]] = field(default_factory=list)

    def __call__(self, *, resume: bool = False) -> tuple[dict[str, Tensor], list[dict[str, float]]]:
        """Final weights and history."""
        target = TARGETS[self.kind]
        with seeded(0), quiet():
            backbone = self.letters(dropout=self.dropout)
            model = Model(backbone, target)
            rows = Rows(backbone.prepare(self.texts), some_labels(target, len(self.texts)))

            def score() -> dict[str, float]:
                self.seen.append(weights_of(model))
                model.eval()
                with torch.no_grad():
                    size = float(model(backbone.collate(rows.items)).square().mean())
                return {self.metric: self.scores[len(self.seen) - 1] if self.scores else size, "size": size}

            history = train_by_gradient(
                Objective(model, Loss(target), target, {}),
                rows,
                score,
                metric=self.metric,
                greater_is_better=GREATER_IS_BETTER[self.metric],
                config=TrainConfig(**{"epochs": 4, "learning_rate": 0.05, "batch_size": 8, **self.config}),
                seed=0,
                compute=self.compute,
                checkpoints=self.folder,
                resume=resume,
                step=lambda done, total: self.steps.append((done, total)),
                epoch=self._epoch,
            )
        return weights_of(model), history

    def _epoch(self, facts: dict[str, float]) -> None:
        self.told.append(facts)
        if self.kill_at and facts["epoch"] == self.kill_at:
            raise Killed


Train = Callable[..., Training]


@pytest.fixture
def training(
    letters: Callable[..., Any], on_cpu: Callable[..., Compute], texts: list[str], tmp_path: Path
) -> Iterator[Train]:
    def make(folder: str = "checkpoints", *, tokens: int = 4096, rows: int = 48, **how: Any) -> Training:
        names = {"dropout", "kind", "scores", "metric", "kill_at"}
        config = {name: value for name, value in how.items() if name not in names}
        rest = {name: value for name, value in how.items() if name in names}
        return Training(letters, on_cpu(tokens), texts[:rows], tmp_path / folder, config=config, **rest)

    yield make


# ---- micro-batches and accumulation


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("tokens", [1, 40, 120])
def test_micro_batches_add_up_to_the_gradient_of_the_whole_batch(
    tokens: int,
    kind: str,
    letters: Callable[..., Any],
    on_cpu: Callable[..., Compute],
    texts: list[str],
    tmp_path: Path,
) -> None:
    target = TARGETS[kind]
    labels = some_labels(target, len(texts))

    def gradients(tokens: int, accumulate: int) -> tuple[int, Tensor, dict[str, Tensor]]:
        with seeded(0):
            backbone = letters()
            model = Model(backbone, target)
        config, rows = TrainConfig(accumulate=accumulate), Rows(backbone.prepare(texts), labels)
        objective = Objective(model, Loss(target), target, {})
        trainer = TransferTrainer(
            lambda: {},
            lambda scores: 0.0,
            model=objective,
            args=training_arguments(config, on_cpu(), tmp_path, 0, len(labels)),
            train_dataset=rows,
            eval_dataset=Rows([], labels[:0]),
        )
        trainer.current_gradient_accumulation_steps = accumulate
        micro = Collate(backbone, tokens)([rows[i] for i in range(len(rows))])
        loss = trainer.training_step(objective, micro)
        return len(micro), loss, {name: p.grad for name, p in model.named_parameters() if p.grad is not None}

    count, loss, found = gradients(tokens, 1)
    whole_count, whole_loss, whole = gradients(100_000, 1)
    assert whole_count == 1 and count > 3
    torch.testing.assert_close(loss, whole_loss, atol=1e-6, rtol=0)
    assert set(found) == set(whole) and difference(found, whole) < 1e-6 < max(
        float(g.abs().max()) for g in found.values()
    )
    with seeded(0):  # and it is the gradient of the mean loss, written plainly
        backbone = letters()
        model = Model(backbone, target)
    plain = Loss(target)(model(backbone.collate(backbone.prepare(texts))), torch.from_numpy(labels)).mean()
    plain.backward()
    assert difference(found, {name: p.grad for name, p in model.named_parameters() if p.grad is not None}) < 1e-6
    _, shared_loss, shared = gradients(tokens, 4)
    torch.testing.assert_close(shared_loss * 4, loss, atol=1e-6, rtol=0)
    assert difference({name: g * 4 for name, g in shared.items()}, whole) < 1e-6


def test_training_under_a_small_token_budget_gives_the_same_model(training: Train) -> None:
    small, _ = training("small", tokens=40)()
    large, _ = training("large", tokens=100_000)()
    assert difference(small, large) < 1e-4


def test_accumulated_batches_equal_one_bigger_batch(training: Train) -> None:
    bigger, told = training("bigger", batch_size=16, rows=32)()
    gathered, same = training("gathered", batch_size=4, accumulate=4, rows=32)()
    assert difference(bigger, gathered) < 1e-4
    assert [row["loss"] for row in same] == pytest.approx([row["loss"] for row in told], abs=1e-4)
    other, _ = training("other", batch_size=4, rows=32)()
    assert difference(bigger, other) > 1e-2


def test_weights_really_move_and_each_step_is_told(training: Train) -> None:
    run = training(epochs=2)
    after, history = run()
    assert difference(run.seen[0], after) > 1e-2
    assert run.steps == [(i, 12) for i in range(1, 13)]
    assert history[1]["loss"] < history[0]["loss"] and run.told == history


# ---- resuming


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_run_killed_in_its_third_epoch_goes_on_to_the_very_same_end(training: Train, accumulate: int) -> None:
    how: dict[str, Any] = {"dropout": 0.3, "accumulate": accumulate, "tokens": 60}
    weights, history = training("unbroken", **how)()
    broken = training("broken", kill_at=3, **how)
    with pytest.raises(Killed):
        broken()
    again = training("broken", **how)
    resumed, resumed_history = again(resume=True)
    assert len(again.seen) == 2  # the third epoch and the fourth
    assert resumed_history == history and len(history) == 4
    assert difference(resumed, weights) == 0.0
    assert difference(training("without", **{**how, "dropout": 0.0})()[0], weights) > 1e-3  # dropout did act


def test_patience_is_remembered_across_a_kill(training: Train) -> None:
    scores = [0.9, 0.5, 0.4, 0.3, 0.2, 0.1, 0.1, 0.1]
    weights, history = training("unbroken", epochs=8, scores=scores)()
    with pytest.raises(Killed):
        training("broken", epochs=8, scores=scores, kill_at=3)()
    resumed, resumed_history = training("broken", epochs=8, scores=scores[2:])(resume=True)
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    assert [row["epoch"] for row in resumed_history] == [1, 2, 3, 4]
    assert difference(resumed, weights) == 0.0


def test_a_run_killed_after_its_training_trains_no_more(training: Train) -> None:
    scores = [0.9, 0.5, 0.4, 0.3]
    weights, history = training("done", epochs=8, scores=scores)()
    again, same = training("done", epochs=8, scores=[])(resume=True)
    assert same == history
    assert difference(again, weights) == 0.0


def test_a_half_written_checkpoint_is_passed_over(training: Train, tmp_path: Path) -> None:
    weights, history = training("unbroken", dropout=0.3)()
    with pytest.raises(Killed):
        training("broken", dropout=0.3, kill_at=4)()
    newest = max((tmp_path / "broken").glob("checkpoint-*"), key=lambda folder: int(folder.name.split("-")[1]))
    assert newest.name == "checkpoint-18"
    (tmp_path / "broken" / "checkpoint-24").mkdir()
    (tmp_path / "broken" / "checkpoint-24" / "trainer_state.json").write_text('{"epoch": 4.')
    again = training("broken", dropout=0.3)
    resumed, resumed_history = again(resume=True)
    assert len(again.seen) == 1  # the fourth epoch alone
    assert difference(resumed, weights) == 0.0 and resumed_history == history


def test_with_no_checkpoint_to_go_on_from_it_starts_anew(training: Train) -> None:
    weights, _ = training("unbroken", dropout=0.3)()
    assert difference(training("killed early", dropout=0.3)(resume=True)[0], weights) == 0.0


# ---- which epoch stays


@pytest.mark.parametrize(
    ("metric", "scores", "best"),
    [
        ("macro_f1", [0.2, 0.8, 0.7, 0.6], 2),
        ("macro_f1", [0.8, 0.8, 0.8, 0.8], 1),
        ("log_loss", [0.9, 0.5, 0.4, 0.6], 3),
        ("log_loss", [0.9, 0.8, 0.7, 0.6], 4),
    ],
)
def test_the_model_is_left_at_its_best_validation_epoch(
    metric: str, scores: list[float], best: int, training: Train
) -> None:
    run = training(metric=metric, scores=scores)
    weights, history = run()
    assert difference(weights, run.seen[best - 1]) == 0.0
    assert [row[metric] for row in history] == scores
    assert all(difference(weights, seen) > 0 for i, seen in enumerate(run.seen, 1) if i != best)


def test_where_the_metric_is_undefined_the_epoch_of_lower_log_loss_is_preferred() -> None:
    choice = partial(preferred, metric="auroc", greater_is_better=True)
    epochs = [{"auroc": float("nan"), "log_loss": loss} for loss in (0.7, 0.4, 0.5)]
    assert max(epochs, key=choice) is epochs[1]


def test_of_equal_scores_the_epoch_of_lower_log_loss_is_preferred() -> None:
    by_f1, by_loss = (
        partial(preferred, metric=metric, greater_is_better=greater)
        for metric, greater in (("macro_f1", True), ("log_loss", False))
    )
    early, late, worse = ({"macro_f1": f1, "log_loss": loss} for f1, loss in ((1.0, 0.4), (1.0, 0.3), (0.9999, 0.0)))
    assert by_f1(late) > by_f1(early) > by_f1(worse) and by_loss(worse) > by_loss(late) > by_loss(early)
    assert by_f1({"macro_f1": 0.5}) == 0.5


@pytest.mark.parametrize(("patience", "epochs"), [(1, 3), (2, 4), (3, 5), (10, 8)])
def test_training_stops_when_patience_ends(patience: int, epochs: int, training: Train) -> None:
    run = training(epochs=8, patience=patience, scores=[0.1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3])
    weights, history = run()
    assert len(history) == epochs and difference(weights, run.seen[1]) == 0.0


def test_the_same_seed_trains_the_same_model(training: Train) -> None:
    one, first = training("one", dropout=0.3)()
    two, second = training("two", dropout=0.3)()
    assert difference(one, two) == 0.0 and first == second


# ---- losses


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
def test_losses_are_those_of_torch(weighted: bool, smoothing: float) -> None:
    torch.manual_seed(0)
    weights = torch.tensor([0.5, 3.0, 1.5]) if weighted else None

    logits, classes = 3 * torch.randn(20, 3), torch.from_numpy(some_labels(TARGETS["multiclass"], 20))
    expected = functional.cross_entropy(logits, classes, weights, reduction="none", label_smoothing=smoothing)
    torch.testing.assert_close(Loss(TARGETS["multiclass"], weights, smoothing)(logits, classes), expected)

    several = torch.from_numpy(some_labels(TARGETS["multilabel"], 20))
    softened = several * (1 - smoothing) + smoothing / 2
    expected = functional.binary_cross_entropy(logits.sigmoid(), softened, reduction="none")
    expected = expected * torch.where(several > 0, 1.0 if weights is None else weights, 1.0)
    torch.testing.assert_close(Loss(TARGETS["multilabel"], weights, smoothing)(logits, several), expected.mean(1))

    logits, yes = logits[:, :1], torch.from_numpy(some_labels(TARGETS["binary"], 20))
    pair = weights[:2] if weights is not None else None
    softened = (yes * (1 - smoothing) + smoothing / 2).unsqueeze(1)
    expected = functional.binary_cross_entropy(logits.sigmoid(), softened, reduction="none")[:, 0]
    expected = expected * (1.0 if pair is None else pair[yes])
    torch.testing.assert_close(Loss(TARGETS["binary"], pair, smoothing)(logits, yes), expected)


def test_multilabel_weights_without_smoothing_are_torchs_positive_weights() -> None:
    logits, several = torch.randn(20, 3), torch.from_numpy(some_labels(TARGETS["multilabel"], 20))
    weights = torch.tensor([0.5, 3.0, 1.5])
    expected = functional.binary_cross_entropy_with_logits(
        logits, several.float(), pos_weight=weights, reduction="none"
    ).mean(1)
    torch.testing.assert_close(Loss(TARGETS["multilabel"], weights)(logits, several), expected)


def test_a_binary_loss_is_the_two_class_loss_on_the_logit_and_nothing() -> None:
    logits, yes = torch.randn(20, 1), torch.from_numpy(some_labels(TARGETS["binary"], 20))
    pairs, weights = torch.cat([torch.zeros_like(logits), logits], 1), torch.tensor([0.7, 2.0])
    for smoothing in (0.0, 0.2):
        if smoothing:  # torch weighs the smoothed part by each class; here a row keeps the weight of its own
            weights = torch.ones(2)
        expected = functional.cross_entropy(pairs, yes, weights, reduction="none", label_smoothing=smoothing)
        torch.testing.assert_close(Loss(TARGETS["binary"], weights, smoothing)(logits, yes), expected)


def test_losses_are_computed_in_full_precision() -> None:
    logits = torch.randn(20, 3).to(torch.bfloat16)
    classes = torch.from_numpy(some_labels(TARGETS["multiclass"], 20))
    found = Loss(TARGETS["multiclass"])(logits, classes)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, functional.cross_entropy(logits.float(), classes, reduction="none"))


# ---- class weights


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_balanced_weights_are_those_of_scikit_learn(kind: str) -> None:
    target = TARGETS[kind]
    labels = np.random.default_rng(0).choice(len(target.classes), 200, p=[0.7, 0.3, 0.0][: len(target.classes)])
    labels[:5] = len(target.classes) - 1
    found = balanced_weights(labels, target)
    np.testing.assert_allclose(found, compute_class_weight("balanced", classes=np.unique(labels), y=labels))


def test_balanced_weights_of_labels_give_presence_the_weight_of_absence() -> None:
    labels = np.zeros((1000, 3), dtype=np.int64)
    labels[:500, 0] = labels[:100, 1] = labels[:1, 2] = 1
    assert balanced_weights(labels, TARGETS["multilabel"]) == pytest.approx([1.0, 9.0, 100.0])


def test_a_class_without_rows_weighs_nothing() -> None:
    assert balanced_weights(np.array([0, 0, 1, 0]), TARGETS["multiclass"]) == pytest.approx([4 / 9, 4 / 3, 0.0])


def test_the_rule_says_which_weightings_a_fit_may_choose_from() -> None:
    labels = np.array([0, 0, 1, 0])
    assert weightings(labels, TARGETS["binary"], "none") == {"none": None}
    for rule, names in (("balanced", ["balanced"]), ("auto", ["none", "balanced"])):
        found = weightings(labels, TARGETS["binary"], rule)  # type: ignore[arg-type]
        assert list(found) == names and found["balanced"] == pytest.approx([2 / 3, 2.0])
