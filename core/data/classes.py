"""What is predicted, read from the training labels."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any, Literal

from medplug.core.data.targets import Target
from medplug.core.errors import ConfigError, DataError, did_you_mean
from medplug.core.specs import TargetKind

Asked = Literal["auto", "binary", "multiclass", "multilabel"]
"""What ``task.target`` may ask for where classes are predicted."""
MANY = 50
CODES = 20
"""Of more different numbers than this it must be said whether they are names of classes."""
LONGEST = 100
"""Characters of the longest class name; a longer cell is a text, and class names stand in reports."""
POSITIVE = frozenset(
    ("1", "yes", "y", "true", "positive", "pos", "abnormal", "present", "malignant", "active")
    + ("阳性", "是", "有", "异常", "恶性")
)
NEGATIVE = frozenset(
    ("0", "no", "n", "false", "negative", "neg", "normal", "absent", "benign", "none", "control", "healthy")
    + ("inactive", "decoy")
    + ("阴性", "否", "无", "正常", "良性")
)
_NUMBER = re.compile(r"-?\d+(\.\d+)?")  # 1E50 is a code


def target_of(
    labels: Sequence[Any], asked: Asked = "auto", positive: str | None = None, columns: Sequence[str] | None = None
) -> Target:
    """The target of these training labels (texts, or tuples of texts).

    `asked` is ``task.target`` and `positive` ``task.positive``, None where it is
    to be known by its name. `columns` are the 0/1 columns, where labels come from
    such: they are the classes, in their order. Raises `DataError` where the labels cannot be
    learned from, `ConfigError` where the options do not fit them.
    """
    several = bool(labels) and isinstance(labels[0], tuple)
    classes = in_order({name for label in labels for name in label} if several else set(labels))
    _check_learnable(classes, len(labels), several)
    if asked == "auto" and not several and len(classes) > CODES and all(_NUMBER.fullmatch(each) for each in classes):
        raise DataError(
            f"the training rows have {len(classes)} different labels, all of them numbers: say task.target=multiclass "
            "if each is the code of a class, or task.target=regression (where the task has it) to predict the number"
        )
    kind = _kind(classes, asked, several)
    if positive is not None and kind != "binary":
        raise ConfigError(f"task.positive is for a binary target; this one is {kind}: leave task.positive")
    if columns is not None:
        classes = _indicated(classes, columns)
    if kind == "binary":
        classes = _negative_first(classes, positive)
    return Target(kind, tuple(classes))


def in_order(classes: Collection[str]) -> list[str]:
    """Names by the alphabet; numbers, where all are, by their size."""
    if all(_NUMBER.fullmatch(name) for name in classes):
        return sorted(classes, key=lambda name: (float(name), name))
    return sorted(classes)


def _check_learnable(classes: Sequence[str], rows: int, several: bool) -> None:
    if len(classes) > MANY and len(classes) > rows / 2:
        raise DataError(
            f"the {rows} training rows have {len(classes)} different labels: is data.label the right column? "
            "(if a cell joins several labels: task.target=multilabel)"
        )
    if any(len(name) > LONGEST for name in classes):
        raise DataError(f"a label is longer than {LONGEST} characters: is data.label the right column?")
    if len(classes) < (1 if several else 2):
        raise DataError(f"the training rows have {len(classes)} class(es); a model needs two to tell apart")


def _kind(classes: Sequence[str], asked: Asked, several: bool) -> TargetKind:
    if asked == "auto":
        return "multilabel" if several else "binary" if len(classes) == 2 else "multiclass"
    if several is not (asked == "multilabel"):
        held = "several labels" if several else "one label"
        raise ConfigError(f"task.target={asked}, but a row has {held}; use task.target=auto")
    if asked == "binary" and len(classes) > 2:
        raise ConfigError(f"task.target=binary, but the training labels have {len(classes)} classes; use multiclass")
    return asked


def _indicated(found: Collection[str], columns: Sequence[str]) -> list[str]:
    unseen = [name for name in columns if name not in found]
    if unseen:
        raise DataError(f"no training row has a 1 in {', '.join(unseen)}: leave such columns out of data.label")
    return list(columns)


def _negative_first(classes: Sequence[str], positive: str | None) -> list[str]:
    chosen = _likely_positive(classes) if positive is None else positive
    if chosen not in classes:
        raise ConfigError(
            f"task.positive={chosen} is not among the classes{did_you_mean(chosen, classes)} "
            f"(classes: {', '.join(classes)})"
        )
    return [*(name for name in classes if name != chosen), chosen]


def _likely_positive(classes: Sequence[str]) -> str:
    first, second = classes
    return first if _leaning(first) > _leaning(second) else second


def _leaning(name: str) -> int:
    folded = name.casefold()
    return (folded in POSITIVE) - (folded in NEGATIVE)
