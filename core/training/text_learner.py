"""Training of texts: right answers made likelier, scored by the answers that are written.

An epoch is chosen by what is reported, the answers themselves, and not by their likelihood: the
likelihood of a free text is mostly that of its wording, and often has its best epoch before
the answers have theirs. It decides between epochs whose answers are equally good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from medplug.core.answers.questions import Pair
from medplug.core.evaluation.answers import METRICS, normalised, score_answers
from medplug.core.generation.model import TextModel
from medplug.core.generation.passages import Found
from medplug.core.generation.writing import Answered, likelihoods, write
from medplug.core.model import Model
from medplug.core.training.frozen import FrozenFeatures
from medplug.core.training.job import Job, Trained
from medplug.core.training.learner import Learner

MOST_SCORED = 200
"""The most validation rows whose answers are written after an epoch: to write takes far longer than to read."""


@dataclass(frozen=True, slots=True)
class Writing:
    """Of one split what was `written`, and the mean negative log-likelihood ``[rows]`` of the right answers."""

    written: list[Answered]
    losses: NDArray[np.float32]


class AnswerLoss(nn.Module):
    """The loss is what the model gives already."""

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """One loss a row ``[batch]``: the mean negative log-likelihood ``[batch, 1]`` of the right answer's tokens."""
        return logits.float()[:, 0]


class TextLearner(Learner):
    """A model that writes; the right answers stand in its items."""

    @property
    def labels(self) -> NDArray[Any]:
        """Nothing: the items hold them."""
        return np.zeros(len(self.items["train"]), dtype=np.int64)

    def loss(self) -> nn.Module:
        """The likelihood of the right answer."""
        return AnswerLoss()

    def score(self, chosen_by: str) -> dict[str, float]:
        """An epoch's scores of answers to at most 200 validation rows, and the likelihood of all right ones."""
        rows = np.unique(np.linspace(0, len(self.items["validation"]) - 1, MOST_SCORED).round().astype(int)).tolist()
        items, truth = self.items["validation"], self._truth("validation")
        written = write(self._model, [items[row] for row in rows], self.job.compute)
        scores = score_answers([each.text for each in written], [[truth[row]] for row in rows], list(METRICS))
        loss = likelihoods(self._model, items, self.job.compute)
        return {**{name: float(values.mean()) for name, values in scores.items()}, "log_loss": float(loss.mean())}

    def trained(self, notes: dict[str, Any], history: list[dict[str, float]]) -> Trained:
        """What training leaves: answers in place of logits."""
        splits, compute = ("validation", "test"), self.job.compute
        written = {s: write(self._model, self.items[s], compute, self.job.stage(f"predicting {s}")) for s in splits}
        found = {split: likelihoods(self._model, self.items[split], compute) for split in splits}
        if history and len(self.items["validation"]) > MOST_SCORED:
            notes = {**notes, "validation rows that epochs were chosen by": MOST_SCORED}
        findings = {split: Writing(written[split], found[split]) for split in splits}
        return Trained(notes, {}, history, self.census, findings=findings)

    def _truth(self, split: str) -> list[str]:
        return self.job.dataset.splits[split].labels or []

    @property
    def _model(self) -> TextModel:
        assert isinstance(self.model, TextModel)
        return self.model


def text_learner(model: Model, job: Job, frozen: FrozenFeatures) -> TextLearner:
    """A model that writes, with prompts and right answers by split."""
    assert isinstance(model, TextModel)
    job.stage("preparing")
    items, census = {}, {}
    for split, examples in job.dataset.splits.items():
        values: list[Pair] = examples.values
        given = model.reader.passages(values)
        items[split] = model.reader.prompts(values, given)
        if examples.labels is not None:
            items[split] = model.reader.answered(items[split], examples.labels)
        census[split] = {**model.reader.census(items[split]), **_held(given, examples.labels or [])}
    return TextLearner(model, items, census, job, frozen)


def _held(given: Sequence[Sequence[Found]], answers: Sequence[str]) -> dict[str, int]:
    """In how many rows the right answer stands in what is given, as it is: it need be found and not written."""
    held = 0
    for row, answer in zip(given, answers, strict=False):
        wanted = f" {normalised(answer)} "
        held += wanted.strip() != "" and any(wanted in f" {normalised(each.text)} " for each in row)
    return {"rows whose right answer stands word for word in a passage that was given": held}
