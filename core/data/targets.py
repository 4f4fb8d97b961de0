"""What is predicted: its kind, its classes, and the way between labels, logits and probabilities.

A number has no probabilities: where others have these, it has predicted values.
So it is with the time to an event, whose values are log hazards. Of a treatment
they are the outcome under each arm, and how likely each arm is given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.trust import Calibration, Conformal
from medplug.core.errors import DataError
from medplug.core.specs import TargetKind

_OF_THEIR_OWN = ("span", "ranking", "text")
"""Kinds whose labels are neither classes nor numbers."""


@dataclass(frozen=True, slots=True)
class Target:
    """A target over named `classes` (`binary`, `multiclass`, `multilabel`, `mask`), or one of the other kinds.

    For `binary` the classes are ``(negative, positive)``. Labels are texts
    (tuples of texts for multilabel). For `mask` the classes are those of a pixel
    beside the background, which has number 0 and no name here; a row's label
    is the tuple of classes that its mask shows. For `regression` labels are
    numbers, `classes` holds the name of what is predicted alone, and `centre`
    and `scale` are the mean and the standard deviation of the training labels,
    by which logits are standardised. For `survival` labels are pairs of a time
    above 0 and whether the event came then (else the row was last seen without
    it), `classes` holds the event's name alone, and `hazard` the cumulative
    baseline hazard at some times, once training has given it: pairs of a time
    and the hazard until then of a row whose log hazard is 0, both ascending.
    For `treatment` labels are pairs of an arm and its outcome
    (`medplug.core.data.arms.Treated`), `classes` are the arms, the control first,
    and `outcomes` the classes ``(negative, positive)`` of a binary outcome, or the
    name alone of one that is a number (with `centre` and `scale`);
    `higher_is_better` says which outcomes are wanted.
    For `choice` the classes are the letters of a question's options, of which a row has the
    first ones, as many as it has options. Three kinds have labels of their own:
    for `span` the right answers of a context, each a text and the character it begins at (none:
    it has no answer), for `ranking` the id of the right passage, for `text` the answer's text;
    `classes` holds the name of what is predicted alone.

    Three are settled on validation rows, once a model is trained: `calibration` corrects the probabilities of
    classes, `threshold` is the probability from which on a row of a binary target is decided positive (None: where
    it is the likelier), and `conformal` says which sets or intervals hold the truth so often.
    """

    kind: TargetKind
    classes: tuple[str, ...]
    centre: float = 0.0
    scale: float = 1.0
    hazard: tuple[tuple[float, float], ...] = ()
    outcomes: tuple[str, ...] = ()
    higher_is_better: bool = True
    calibration: Calibration | None = None
    threshold: float | None = None
    conformal: Conformal | None = None

    @property
    def plain(self) -> Self:
        """The target without what validation rows settled for one model: what other models are read by."""
        return replace(self, calibration=None, threshold=None, conformal=None)

    @classmethod
    def numeric(cls, name: str, labels: Sequence[float]) -> Self:
        """The regression target of these training labels; `DataError` where they do not vary."""
        values = np.asarray(labels, dtype=np.float64)
        if not len(values) or values.min() == values.max():
            raise DataError(
                f"the training rows have {min(len(values), 1)} different value(s) of {name}; a model needs two or more"
            )
        with np.errstate(over="ignore", invalid="ignore"):
            centre, scale = float(values.mean()), float(values.std())
        if not np.isfinite(scale):
            raise DataError(f"the training values of {name} are too large to be squared; give them in another unit")
        return cls("regression", (name,), centre, scale)

    @classmethod
    def survival(cls, name: str, labels: Sequence[tuple[float, bool]]) -> Self:
        """The target of these times to an event; `DataError` where none has it, or all times are the same."""
        if not any(event for _, event in labels):
            raise DataError(f"none of the {len(labels)} training rows has the event {name}; there is nothing to learn")
        if len({time for time, _ in labels}) < 2:
            raise DataError(f"the training rows all have the same time to {name}; a model needs two or more")
        return cls("survival", (name,))

    @property
    def has_classes(self) -> bool:
        """Whether rows (or pixels) belong to classes; numbers, times, treatments, spans, rankings and texts do not."""
        return self.kind not in ("regression", "survival", "treatment", *_OF_THEIR_OWN)

    @property
    def by_row(self) -> bool:
        """Whether a model gives a fixed number of logits a row; of masks, spans, rankings and texts it gives other."""
        return self.kind != "mask" and self.kind not in _OF_THEIR_OWN

    @property
    def binary_outcome(self) -> bool:
        """Whether what comes of a treatment is one of two classes, and not a number."""
        return len(self.outcomes) == 2

    @property
    def outputs(self) -> int:
        """How many logits a head gives: one for binary or without classes, else one a class (masks: and background).

        For a treatment two an arm: the outcomes of all arms, then their propensities; for a span two a token.
        """
        if self.kind == "treatment":
            return 2 * len(self.classes)
        if self.kind == "span":
            return 2
        return 1 if self.kind == "binary" else len(self.classes) + (self.kind == "mask")

    @property
    def columns(self) -> int:
        """How many columns `probabilities` gives."""
        return self.outputs if self.kind == "treatment" else len(self.classes)

    @property
    def several(self) -> bool:
        """Whether a row's label is a tuple of classes."""
        return self.kind in ("multilabel", "mask")

    def unknown(self, labels: Sequence[Any]) -> list[int]:
        """The positions of labels that are not among the classes; any number or time is known.

        Of treatments those whose arm, or class of the outcome, is not known.
        """
        if self.kind == "treatment":
            return [i for i, label in enumerate(labels) if not self._knows(*label)]
        if not self.has_classes:
            return []
        known = set(self.classes)
        if self.several:
            return [i for i, label in enumerate(labels) if not known.issuperset(label)]
        return [i for i, label in enumerate(labels) if label not in known]

    def _knows(self, arm: str, outcome: str | float) -> bool:
        return arm in self.classes and (not self.binary_outcome or outcome in self.outcomes)

    def encode(self, labels: Sequence[Any]) -> NDArray[Any]:
        """Class positions ``[rows]``, or for multilabel zeros and ones ``[rows, classes]``; both int64.

        For regression the numbers themselves ``[rows]``, for survival times and zeros
        or ones (event) ``[rows, 2]``, for treatments the arm's position and the outcome
        (its class's position, or the number) ``[rows, 2]``, in float64. For ranking numbers that are
        equal where the passages are, in int64; for span and text the labels themselves ``[rows]``.
        Raises KeyError for a label outside the classes (`unknown` finds them).
        """
        if self.kind == "ranking":
            return np.array([_number_of(label) for label in labels], dtype=np.int64)
        if self.kind in _OF_THEIR_OWN:
            own = np.empty(len(labels), dtype=np.object_)
            for row, label in enumerate(labels):
                own[row] = label
            return own
        if self.kind == "regression":
            return np.array(labels, dtype=np.float64)
        if self.kind == "survival":
            return np.array(labels, dtype=np.float64).reshape(-1, 2)
        position = {name: i for i, name in enumerate(self.classes)}
        if self.kind == "treatment":
            of_outcome = {name: i for i, name in enumerate(self.outcomes)}
            pairs = [(position[arm], of_outcome[each] if self.binary_outcome else each) for arm, each in labels]
            return np.array(pairs, dtype=np.float64).reshape(-1, 2)
        if not self.several:
            return np.array([position[label] for label in labels], dtype=np.int64)
        encoded = np.zeros((len(labels), len(self.classes)), dtype=np.int64)
        for row, names in enumerate(labels):
            encoded[row, [position[name] for name in names]] = 1
        return encoded

    def probabilities(self, logits: NDArray[Any]) -> NDArray[np.float64]:
        """Probabilities ``[rows, classes]`` (two columns for binary) from logits ``[rows, outputs]``.

        For regression the predicted values ``[rows, 1]``, in the labels' own unit; for
        survival the log hazards ``[rows, 1]``, which have a meaning beside each other alone.
        For a treatment ``[rows, 2 * arms]``: the outcome under each arm (the positive
        class's probability, or the number in its unit), then the chance of being given each arm.
        """
        logits = np.asarray(logits, dtype=np.float64)
        if self.kind == "treatment":
            outcomes, arms = np.split(logits, 2, axis=1)
            values = _sigmoid(outcomes) if self.binary_outcome else self.centre + self.scale * outcomes
            return np.hstack([values, _softmax(arms)])
        if self.kind == "survival":
            return logits
        if self.kind == "regression":
            return np.asarray(self.centre + self.scale * logits)
        if self.calibration is not None:
            logits = self.calibration.scaled(logits)
        found = _softmax(logits) if self.kind in ("multiclass", "choice") else _sigmoid(logits)
        if self.calibration is not None:
            found = self.calibration.stepped(found, exclusive=self.kind == "multiclass")
        if self.kind != "binary":
            return found
        both: NDArray[np.float64] = np.hstack([1.0 - found, found])
        return both

    def standardised(self, labels: NDArray[np.float64]) -> NDArray[np.float64]:
        """The logits ``[rows]`` that would predict encoded labels ``[rows]`` of a number exactly."""
        return (labels - self.centre) / self.scale

    def decide(self, probabilities: NDArray[np.float64]) -> NDArray[Any]:
        """Encoded decisions: the likeliest class, or for multilabel every class of at least one half.

        For binary the positive class from `threshold` on, where that is set.
        For regression the predicted values ``[rows]``, for survival the log hazards, for a
        treatment the arm of the best predicted outcome.
        """
        if self.kind == "treatment":
            outcomes = probabilities[:, : len(self.classes)]
            return np.asarray((outcomes if self.higher_is_better else -outcomes).argmax(axis=1), dtype=np.int64)
        if not self.has_classes:
            return probabilities[:, 0]
        if self.kind == "multilabel":
            return (probabilities >= 0.5).astype(np.int64)
        if self.threshold is not None:
            return (probabilities[:, 1] >= self.threshold).astype(np.int64)
        likeliest: NDArray[np.int64] = probabilities.argmax(axis=1).astype(np.int64)
        return likeliest

    def decode(self, decisions: NDArray[Any]) -> list[Any]:
        """Class names of encoded decisions (for multilabel a tuple of names a row), or arms; else floats."""
        if self.kind == "treatment":
            return [self.classes[i] for i in decisions]
        if not self.has_classes:
            return [float(value) for value in decisions]
        if self.kind == "multilabel":
            return [tuple(name for name, on in zip(self.classes, row, strict=True) if on) for row in decisions]
        return [self.classes[i] for i in decisions]


def _number_of(identifier: str) -> int:
    """A number for an id: equal ids, equal numbers."""
    digest = hashlib.blake2b(identifier.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)))


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
