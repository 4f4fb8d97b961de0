"""Which adapters go together, and with which backbone and data: looked at before rows are read, and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from medplug.core.config import DataConfig, SelectionConfig
from medplug.core.errors import ConfigError, DataError
from medplug.core.specs import AdapterSpec, FusionSpec, Need

if TYPE_CHECKING:
    from medplug.core.choice import BackboneChoice
    from medplug.core.task import Examples

NEEDED: dict[Need, tuple[str, str]] = {
    "labels": ("labelled rows", "give data.train, or data.source"),
    "source_labels": (
        "labelled rows of a source domain",
        "give data.source=TABLE, or data.unlabelled beside data.train, or data.site with data.source_sites and "
        "data.target_sites",
    ),
    "target_labels": (
        "labelled rows of the target domain beside those of the source",
        "give data.train beside data.source, or data.target_labels=NUMBER with data.target_sites",
    ),
    "unlabelled_target": (
        "rows of the target domain (labels are not needed)",
        "give data.unlabelled=TABLE, or data.site with data.source_sites and data.target_sites",
    ),
    "pretrained_backbone": ("a pretrained backbone", "name one (medplug list backbones), or use adapter=finetune"),
}
"""What each need is called, and the next step where it is not met."""


def check_composition(
    adapters: Sequence[AdapterSpec], data: DataConfig, selection: SelectionConfig, *, backbone: str, pretrained: bool
) -> None:
    """Raise `ConfigError` for adapters that cannot work together, or lack what they need."""
    _check_together(adapters)
    met = {*needs_met(data), *(("pretrained_backbone",) if pretrained else ())}
    for spec in adapters:
        for need in spec.needs:
            if need not in met:
                _refuse(spec, need, backbone)
    _check_selection(data, selection)
    _check_criterion(adapters, selection, backbone=backbone, pretrained=pretrained)


def check_joint(adapters: Sequence[AdapterSpec], fusion: FusionSpec, backbones: Mapping[str, BackboneChoice]) -> None:
    """Raise `ConfigError` for a head that is fitted on features which would have to be trained first."""
    for spec in adapters:
        if "fit" not in spec.answers:
            continue
        new = [f"backbone.{slot}={choice.name}" for slot, choice in backbones.items() if not choice.meaningful]
        if new:
            start = "start" if len(new) > 1 else "starts"
            raise ConfigError(
                f"adapter={spec.name} fits a head on features as they are, and {' and '.join(new)} {start} from random "
                "weights; name pretrained ones (of table columns: columns), or use adapter=finetune"
            )
        if fusion.learns:
            raise ConfigError(
                f"adapter={spec.name} fits a head in closed form, and fusion={fusion.name} has weights of its own to "
                "train; use fusion=concat, or adapter=frozen"
            )


def require_training_table(data: DataConfig) -> None:
    """Refuse tables beside a training one where neither it nor a source is given."""
    for name in ("unlabelled", "validation", "test"):
        if data.train is None and data.source is None and getattr(data, name) is not None:
            raise ConfigError(f"data.{name} is given without data.train or data.source; give the training table too")
    if data.train is None and data.source_sites and not data.finds_domains:
        raise ConfigError("data.source_sites divide the table data.train, which is not given")


def check_rows(adapters: Sequence[AdapterSpec], selection: SelectionConfig, splits: Mapping[str, Examples]) -> None:
    """Raise `DataError` where what the data keys promised is not in the rows that were read."""
    train = splits["train"]
    if train.of_target is None:
        return
    lacking = {
        "source_labels": not (~train.of_target).any(),
        "target_labels": not train.of_target.any(),
        "unlabelled_target": "unlabelled" not in splits and not train.of_target.any(),
    }
    for spec in adapters:
        for need in spec.needs:
            if lacking.get(need):
                raise DataError(f"adapter={spec.name} needs {NEEDED[need][0]}, and no such row was left to train on")
    if selection.criterion != "validation" and "unlabelled" not in splits:
        raise DataError(
            f"selection.criterion={selection.criterion} looks at unlabelled target rows, and none was left: "
            "every one of them is labelled or held out"
        )


def needs_met(data: DataConfig) -> set[Need]:
    """What the data keys promise to bring."""
    met: set[Need] = {"labels"}
    if data.source_sites:
        met |= {"source_labels", "unlabelled_target"}
        met |= {"target_labels"} if data.target_labels else set()
    if data.source is not None or data.unlabelled is not None:
        met.add("source_labels")
    if data.unlabelled is not None or (data.source is not None and data.train is not None):
        met.add("unlabelled_target")
    if data.source is not None and data.train is not None:
        met.add("target_labels")
    return met


def _refuse(spec: AdapterSpec, need: Need, backbone: str) -> None:
    what, step = NEEDED[need]
    if need == "pretrained_backbone":
        raise ConfigError(
            f"backbone={backbone} starts from random weights, and adapter={spec.name} leaves them as they are: "
            f"it would build on noise. It needs {what}; {step}"
        )
    raise ConfigError(f"adapter={spec.name} needs {what}, which the data keys do not give; {step}")


def _check_together(adapters: Sequence[AdapterSpec]) -> None:
    fits = [spec for spec in adapters if "fit" in spec.answers]
    prepares = [spec for spec in adapters if "prepare" in spec.answers]
    by_gradient = [spec for spec in adapters if {"penalty", "schedule"} & set(spec.answers)]
    if len(fits) > 1 or (fits and len(prepares) > 1):
        names = " and ".join(spec.name for spec in dict.fromkeys([*fits, *prepares]))
        raise ConfigError(f"adapter: {names} each make the head in their own way; choose one of them")
    if fits and by_gradient:
        raise ConfigError(
            f"adapter={fits[0].name} fits a head in closed form, and {by_gradient[0].name} acts on training by "
            f"gradient; use adapter=frozen+{by_gradient[0].name} (the frozen backbone with a trained head), or "
            f"adapter={by_gradient[0].name} alone (everything is trained)"
        )
    weighs = [spec for spec in adapters if "weigh" in spec.answers]
    if fits and weighs and fits[0].family == "instance":
        raise ConfigError(
            f"adapter={fits[0].name} weighs the source rows itself; use it without {weighs[0].name}, or "
            f"{weighs[0].name}+linear_probe"
        )
    if len(prepares) > 1:
        names = " and ".join(spec.name for spec in prepares)
        raise ConfigError(f"adapter: {names} each say which weights are trained; choose one of them")


def _check_criterion(
    adapters: Sequence[AdapterSpec], selection: SelectionConfig, *, backbone: str, pretrained: bool
) -> None:
    if selection.criterion in ("iwv", "dev") and not pretrained:
        raise ConfigError(
            f"selection.criterion={selection.criterion} weighs rows by a pretrained backbone's features, and "
            f"backbone={backbone} starts from random weights; use snd or infomax"
        )
    fits = [spec.name for spec in adapters if "fit" in spec.answers]
    if fits and selection.criterion != "validation":
        raise ConfigError(
            f"selection.criterion={selection.criterion} chooses among the epochs of training by gradient; "
            f"adapter={fits[0]} has none and chooses its strength on validation rows: leave it out"
        )


def _check_selection(data: DataConfig, selection: SelectionConfig) -> None:
    met = needs_met(data)
    if selection.criterion != "validation" and data.unlabelled is None and not data.source_sites:
        _, step = NEEDED["unlabelled_target"]
        raise ConfigError(f"selection.criterion={selection.criterion} looks at unlabelled target rows; {step}")
    if selection.oracle and data.source is None and not data.source_sites:
        raise ConfigError(
            "selection.oracle=true is about choosing by labels of a target domain, and none is named that has any: "
            "beside data.train, data.validation is of its domain; name the labelled table data.source, or name sites"
        )
    if selection.oracle and selection.criterion != "validation":
        raise ConfigError(
            "selection.oracle=true chooses by target labels, and "
            f"selection.criterion={selection.criterion} without any; leave one of them out"
        )
    if selection.oracle and data.source is not None and data.train is not None:
        raise ConfigError(
            "selection.oracle=true is for a target without labels to learn from; with data.train beside data.source "
            "validation rows are the target's already: leave it out"
        )
    if selection.oracle and "target_labels" not in met and not data.source_sites and data.validation is None:
        raise ConfigError("selection.oracle=true needs data.validation, a labelled table of the target domain")
    unsupervised = data.source is not None and data.train is None
    if unsupervised and data.validation is not None and not selection.oracle:
        raise ConfigError(
            "data.validation would choose the model by labels of the target domain, which unsupervised transfer does "
            "not have: leave it out (validation rows are cut from data.source), or give some target rows as "
            "data.train; for a study, selection.oracle=true allows it and the report says so"
        )
