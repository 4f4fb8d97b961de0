"""What does not serve a kind of target: adapters, weights of classes, measures to choose by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from medplug.core.config import SelectionConfig, TrainConfig
from medplug.core.errors import ConfigError
from medplug.core.specs import AdapterSpec, Question, TargetKind

if TYPE_CHECKING:
    from medplug.core.data.targets import Target

_SERVING: dict[Question, str] = {
    "fit": "use adapter=linear_probe",
    "penalty": "use adapter=mmd, coral, wasserstein or dann",
}
"""What serves every kind of target in place of an adapter that answers this."""
_NOT_OF_ROWS: dict[TargetKind, str] = {
    "mask": "masks are predicted",
    "span": "answers in contexts are predicted",
    "ranking": "passages are ranked",
    "text": "answers are written",
}
_SMOOTHED = ("span",)
_WHOLE = ("ranking", "text")
"""Kinds without a head: what is trained is the backbone itself."""
_TRAINED: dict[TargetKind, str] = {"mask": "decoder", "span": "head on tokens"}
"""What training by gradient alone can make for kinds that no head in closed form serves."""


def check_target(
    adapters: Sequence[AdapterSpec],
    train: TrainConfig,
    selection: SelectionConfig,
    target: Target,
    asked: Callable[[str], bool] = lambda key: True,
) -> None:
    """Raise `ConfigError` for what does not serve this kind of target, once the training labels have told it.

    `asked` says whether somebody asked for a key, and no recipe of the backbone did.
    """
    for spec in adapters:
        if target.kind not in spec.targets:
            other = next((text for question, text in _SERVING.items() if question in spec.answers), "leave it out")
            if target.kind in _WHOLE:
                other = "use adapter=finetune or lora"
            if target.kind in _TRAINED and "fit" in spec.answers:
                other = f"use adapter=finetune, or adapter=frozen to train a {_TRAINED[target.kind]} alone"
            raise ConfigError(
                f"adapter={spec.name} serves {', '.join(spec.targets)} targets, and this one is {target.kind}; {other}"
            )
    if (what := _NOT_OF_ROWS.get(target.kind)) is not None:
        smoothed = train.label_smoothing > 0 and (target.kind not in _WHOLE or asked("train.label_smoothing"))
        _check_not_of_rows(what, target, selection, train, smoothed=smoothed)
    _check_settled(selection, target)
    if target.kind == "choice":
        _check_choice(selection, train)
    if target.has_classes or target.kind in _NOT_OF_ROWS:
        return
    what = _without_classes(target)
    if train.class_weights == "balanced":
        raise ConfigError(f"train.class_weights=balanced weighs classes, and {what}; leave it out")
    # where nobody asked for it, a recipe for classes gave it, and no loss heeds it
    if train.label_smoothing and asked("train.label_smoothing"):
        raise ConfigError(f"train.label_smoothing spreads a label over classes, and {what}; leave it out, or give 0")
    if target.kind == "treatment" and selection.criterion != "validation":
        raise ConfigError(
            f"selection.criterion={selection.criterion} judges a prediction a row, and {what}; leave it out"
        )
    if target.kind == "survival" and selection.criterion != "validation":
        raise ConfigError(
            f"selection.criterion={selection.criterion} judges rows one by one, and {what}, whose risks have a meaning "
            "beside each other alone; leave it out"
        )
    if selection.criterion in ("snd", "infomax"):
        raise ConfigError(
            f"selection.criterion={selection.criterion} looks at class probabilities, and {what}; use iwv or dev"
        )


def _without_classes(target: Target) -> str:
    if target.kind == "treatment":
        return "a treatment is chosen by its predicted outcome"
    return f"the target {target.classes[0]} is {'a time to an event' if target.kind == 'survival' else 'a number'}"


def _check_settled(selection: SelectionConfig, target: Target) -> None:
    asked = f"selection.calibration={selection.calibration}"
    if selection.calibration not in ("none", "auto") and target.kind not in ("binary", "multiclass", "multilabel"):
        if target.kind != "choice":
            raise ConfigError(
                f"{asked} corrects probabilities of classes, and this target is {target.kind}; leave it out"
            )
        if selection.calibration != "temperature":
            raise ConfigError(
                f"{asked} corrects each class by itself, and letters of options have no meaning of "
                "their own; use selection.calibration=temperature"
            )
    if selection.threshold != "half" and target.kind != "binary":
        raise ConfigError(
            f"selection.threshold={selection.threshold} divides rows of two classes, and this target is {target.kind}; "
            "leave it out"
        )


def _check_choice(selection: SelectionConfig, train: TrainConfig) -> None:
    what = "the letter of an option says nothing of what it is"
    if selection.criterion in ("snd", "infomax"):
        raise ConfigError(
            f"selection.criterion={selection.criterion} compares rows by their class, and {what}; use iwv or dev"
        )
    if train.class_weights == "balanced":
        raise ConfigError(f"train.class_weights=balanced weighs rows by their class, and {what}; leave it out")


def _check_not_of_rows(
    what: str, target: Target, selection: SelectionConfig, train: TrainConfig, *, smoothed: bool
) -> None:
    if selection.criterion != "validation":
        raise ConfigError(
            f"selection.criterion={selection.criterion} judges predictions of rows, and {what}; leave it out"
        )
    if train.class_weights == "balanced":
        raise ConfigError(f"train.class_weights=balanced weighs rows by their class, and {what}; leave it out")
    if smoothed and target.kind not in _SMOOTHED:
        raise ConfigError(f"train.label_smoothing spreads a row's label, and {what}; leave it out")
