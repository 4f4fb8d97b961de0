"""The losses of several targets, held to a plain sum over whole batches in float64."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from medplug.core.config import TrainConfig
from medplug.core.data.targets import Target
from medplug.core.losses import make_loss
from medplug.core.model import Loss, Model
from medplug.core.training.balance import RATE, Balance
from medplug.core.training.compute import Compute
from medplug.core.training.objective import Objective
from medplug.core.training.quiet import quiet
from medplug.core.training.rows import Collate, Rows
from medplug.core.training.seeds import seeded
from medplug.core.training.trainer import train_by_gradient

MAIN = Target("multiclass", ("a", "b", "c"))
ALSO = {
    "sex": Target("binary", ("F", "M")),
    "length.of stay": Target("regression", ("length.of stay",), 30.0, 10.0),
    "signs": Target("multilabel", ("rash", "fever")),
}
Others = list[tuple[NDArray[Any], NDArray[np.bool_]]]


def other_labels(rows: int) -> Others:
    """Labels of each further target, half of them known; none of the last."""
    draw = np.random.default_rng(3)
    labels = [draw.integers(0, 2, rows), draw.normal(30, 10, rows), draw.integers(0, 2, (rows, 2))]
    return [(each, draw.random(rows) < share) for each, share in zip(labels, (0.5, 0.4, 0.0), strict=True)]


def make(backbone: Any, weight: float | None, main: Target = MAIN) -> tuple[Model, Objective]:
    with seeded(0):
        model = Model(backbone, main, ALSO)
    targets = list(ALSO.values())
    balance = Balance(main, targets, [make_loss(target) for target in targets], weight)
    return model, Objective(model, Loss(main), main, {}, balance=balance)


def gradients(objective: Objective, parts: list[Any]) -> tuple[Tensor, dict[str, Tensor]]:
    objective.zero_grad()
    total = torch.stack([objective(part) for part in parts]).sum()
    total.backward()
    return total.detach(), {name: p.grad.clone() for name, p in objective.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("weight", [0.3, None])
@pytest.mark.parametrize("weighted", [False, True])
def test_micro_batches_add_up_to_the_batch_and_to_the_plain_sum(
    weight: float | None, weighted: bool, letters: Callable[..., Any], texts: list[str]
) -> None:
    backbone, others = letters(), other_labels(len(texts))
    main = np.arange(len(texts)) % 3
    weights = np.random.default_rng(1).random(len(texts)) if weighted else None
    model, objective = make(backbone, weight)
    rows = Rows(backbone.prepare(texts), main, weights, others=others)
    drawn = [rows[i] for i in range(len(rows))]
    if weight is None:
        with torch.no_grad():
            objective.balance.weights.log_variances.copy_(torch.tensor([0.2, -0.5, 1.0, 0.7]))  # type: ignore[union-attr, operator]
    whole, expected = gradients(objective, Collate(backbone, 100_000, weighted=weighted)(drawn))
    parts = Collate(backbone, 40, weighted=weighted)(drawn)
    total, found = gradients(objective, parts)
    together = Collate(backbone, 40, together=True, weighted=weighted)(drawn)
    assert len(parts) > 3 and len(together) == 1
    for other_total, other in ((total, found), gradients(objective, together)):
        torch.testing.assert_close(other_total, whole, atol=1e-5, rtol=0)
        torch.testing.assert_close(other, expected, atol=1e-5, rtol=1e-4)

    outputs = model.outputs(backbone.collate(rows.items))
    scale = np.ones(len(texts)) if weights is None else weights
    means = [_mean(_cross_entropy(_array(outputs.logits), main) * scale)]
    sex, stay, _ = (_array(each) for each in outputs.others)
    (yes, has_sex), (days, has_stay), _ = others
    means.append(_mean((_binary(sex[:, 0], yes) * scale)[has_sex]))
    means.append(_mean((((stay[:, 0] - (days - 30) / 10) ** 2) * scale)[has_stay]))
    if weight is None:  # the squared error is halved; what no row has is no part of the sum
        s = np.array([0.2, -0.5, 1.0])
        plain = float((np.exp(-s) * np.array(means) * [1, 1, 0.5] + s / 2).sum())
    else:
        plain = means[0] + weight * (means[1] + means[2])
    assert float(whole) == pytest.approx(plain, abs=1e-5)


def _array(tensor: Tensor) -> NDArray[np.float64]:
    return tensor.detach().double().numpy()


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean())


def _cross_entropy(logits: NDArray[np.float64], labels: NDArray[Any]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]
    return found


def _binary(logits: NDArray[np.float64], labels: NDArray[Any]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.log1p(np.exp(logits)) - labels * logits
    return found


@pytest.mark.parametrize("weight", [1.0, None])
def test_what_an_empty_cell_holds_changes_no_gradient(
    weight: float | None, letters: Callable[..., Any], texts: list[str]
) -> None:
    backbone, others = letters(), other_labels(len(texts))
    _, objective = make(backbone, weight)

    def found(others: Others) -> tuple[Tensor, dict[str, Tensor]]:
        rows = Rows(backbone.prepare(texts), np.arange(len(texts)) % 3, others=others)
        return gradients(objective, Collate(backbone, 60)([rows[i] for i in range(len(rows))]))

    filled = [(np.where(known.reshape(-1, *[1] * (each.ndim - 1)), each, 1), known) for each, known in others]
    one, two = found(others), found(filled)
    assert float(one[0]) == float(two[0])
    torch.testing.assert_close(one[1], two[1], atol=0, rtol=0)
    nobody = one[1]["model.others.2.weight"]  # no row has a label of it
    assert not nobody.any() and one[1]["model.others.0.weight"].abs().max() > 1e-3
    if weight is None:
        moved = one[1]["balance.weights.log_variances"]
        assert moved[3] == 0 and (moved[:3] != 0).all()


def test_a_head_more_changes_nothing_of_the_main_one(letters: Callable[..., Any], texts: list[str]) -> None:
    backbone = letters()
    with seeded(0):
        alone = Model(backbone, MAIN)
    model, _ = make(backbone, 1.0)
    inputs = backbone.collate(backbone.prepare(texts))
    assert torch.equal(alone(inputs), model(inputs))
    every = model.every(inputs).detach().numpy()
    for found, expected in zip(model.apart(every), (model(inputs), *model.outputs(inputs).others), strict=True):
        assert torch.equal(torch.from_numpy(found), expected)
    model.set_neck(torch.nn.Linear(backbone.width, 9), 9)
    assert [tuple(each.shape) for each in model.outputs(inputs).others] == [(48, 1), (48, 1), (48, 2)]


# ---- training


class Killed(Exception):
    """The run ends here."""


def train(
    letters: Callable[..., Any],
    compute: Compute,
    texts: list[str],
    folder: Path,
    *,
    kill_at: int = 0,
    resume: bool = False,
) -> tuple[Objective, list[dict[str, float]]]:
    with seeded(0), quiet():
        backbone = letters(dropout=0.2)
        model, objective = make(backbone, None)
        rows = Rows(backbone.prepare(texts), np.arange(len(texts)) % 3, others=other_labels(len(texts)))

        def score() -> dict[str, float]:
            model.eval()
            with torch.no_grad():
                return {"macro_f1": float(model(backbone.collate(rows.items)).square().mean())}

        def told(facts: dict[str, float]) -> None:
            if facts["epoch"] == kill_at:
                raise Killed

        config = TrainConfig(epochs=4, learning_rate=1e-3, batch_size=8, weight_decay=0.9)
        assert objective.balance is not None
        history = train_by_gradient(
            objective,
            rows,
            score,
            metric="macro_f1",
            greater_is_better=True,
            config=config,
            seed=0,
            compute=compute,
            checkpoints=folder,
            resume=resume,
            step=lambda done, total: None,
            epoch=told,
            rates=objective.balance.rates("balance.", config.learning_rate),
        )
    return objective, history


def test_learned_weights_move_at_their_own_rate_and_a_killed_run_goes_on_to_the_same_end(
    letters: Callable[..., Any], on_cpu: Callable[..., Compute], texts: list[str], tmp_path: Path
) -> None:
    objective, history = train(letters, on_cpu(), texts, tmp_path / "unbroken")
    weights = objective.state_dict()
    moved = weights["balance.weights.log_variances"]
    assert moved[:3].abs().max() > 3 * RATE  # of 24 steps, where the model's own rate would allow 0.024 at most
    assert (moved[:3] != 0).all()
    assert moved[3] == 0  # nobody has a label: neither a gradient nor weight decay
    with pytest.raises(Killed):
        train(letters, on_cpu(), texts, tmp_path / "broken", kill_at=2)
    again, told = train(letters, on_cpu(), texts, tmp_path / "broken", resume=True)
    assert told == history
    for name, value in again.state_dict().items():
        assert torch.equal(value, weights[name]), name
    assert objective.balance is not None
    learned = objective.balance.learned(["main", *ALSO])
    assert learned["length.of stay"] == pytest.approx(0.5 * float(torch.exp(-moved[2])))
