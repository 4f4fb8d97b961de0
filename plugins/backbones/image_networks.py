"""Networks of timm: which one a file or a folder of weights is for, how it is built, and its weights put in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medplug.core.errors import BackboneError, did_you_mean
from medplug.plugins.backbones.image_options import PretrainedImageOptions

_STAGES = 6  # a network of more has blocks and no stages
_FAULTS = (AssertionError, AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)
"""What timm and torch raise for arguments, weights and sizes that do not fit."""

_CONFIGURED = ("input_size", "fixed_input_size", "mean", "std", "interpolation", "crop_pct", "classifier")
_NOT_OWN = ("pretrained", "checkpoint_path", "cache_dir", "num_classes", "features_only")
"""How arguments begin that are none of a network's own, or would have timm read other files; a folder may hold any."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network as described: timm's name, the arguments that build it, and how its weights were trained.

    `trained` holds timm's own words: ``input_size`` (channels, height, width),
    ``mean``, ``std``, ``interpolation``, ``crop_pct``, ``fixed_input_size``.
    """

    architecture: str
    arguments: Mapping[str, Any]
    trained: Mapping[str, Any]

    def build(self, *, size: int, channels: int, pad_type: str | None) -> tuple[str, dict[str, Any]]:
        """What `made` takes for this network at another size, with other channels."""
        arguments = {**self.arguments, "in_chans": channels}
        if self.trained.get("fixed_input_size"):
            arguments["img_size"] = size
        if pad_type is not None:
            arguments["pad_type"] = pad_type
        return self.architecture, arguments


def described(config: Path | None, options: PretrainedImageOptions, weights: Path) -> Network:
    """The network that weights are for, by the config.json beside them and ``backbone.model``; `BackboneError` else."""
    from timm.models import PretrainedCfg, get_pretrained_cfg, is_model, list_models

    told = _read(config) if config is not None else {}
    name = options.model or str(told.get("architecture") or "") or _unnamed(weights, config)
    architecture = name.partition(".")[0]
    if not is_model(architecture):
        likely = did_you_mean(architecture, list_models())
        raise BackboneError(f"timm knows no network named {architecture!r}{likely} (timm.list_models() names them)")
    try:
        known = get_pretrained_cfg(name) or PretrainedCfg()
    except RuntimeError as error:
        raise BackboneError(f"backbone.model={name}: {error}") from None
    try:
        return _network(architecture, vars(known), told)
    except _FAULTS as error:
        where = f"backbone folder {config.parent if config else ''}"
        raise BackboneError(f"{where}: config.json is not as timm writes it: {_first(error)}") from None


def _network(architecture: str, known: Mapping[str, Any], told: Mapping[str, Any]) -> Network:
    """What timm knows of the weights, but for what their own config.json says."""
    own = {key: value for key, value in told.get("pretrained_cfg", told).items() if value is not None}
    trained = {key: {**known, **own}[key] for key in _CONFIGURED}
    arguments = _own(told.get("model_args", {}))
    channels, height, width = trained["input_size"]
    if "img_size" in arguments:
        side = arguments.pop("img_size")
        height, width = (side, side) if isinstance(side, int) else side
    trained["input_size"] = (arguments.pop("in_chans", channels), height, width)
    return Network(architecture, arguments, trained)


def _own(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if not name.startswith(_NOT_OWN)}


def made(architecture: str, arguments: Mapping[str, Any]) -> nn.Module:
    """The network without a classifier, with random weights; `BackboneError` where timm cannot build it."""
    from timm import create_model
    from timm.models import is_model

    if not is_model(architecture):  # a name with a scheme would send timm to the hub
        raise BackboneError(f"timm knows no network named {architecture!r}")
    try:
        return create_model(architecture, pretrained=False, num_classes=0, **_own(arguments))
    except _FAULTS as error:
        raise BackboneError(f"timm cannot build {architecture} with {_words(arguments)}: {_first(error)}") from None


def loaded(architecture: str, arguments: Mapping[str, Any], trained: Mapping[str, Any], file: Path) -> nn.Module:
    """The network with the weights of a safetensors file, less its classifier; `BackboneError` where they do not fit.

    timm itself converts them: other channels, another size, an older naming.
    """
    from timm import create_model

    weights = _weights(file)
    classifier = trained.get("classifier")
    first = classifier if isinstance(classifier, str) or not classifier else classifier[0]
    classes = len(weights.get(f"{first}.weight", ()))
    here = {"state_dict": weights, "num_classes": classes, "input_size": trained["input_size"]}
    nowhere = {"url": None, "file": None, "hf_hub_id": None, "source": None, "custom_load": False, "label_offset": 0}
    try:
        network: Any = create_model(
            architecture,
            pretrained=True,
            pretrained_cfg_overlay={**nowhere, **here},
            num_classes=classes,  # as in the file: then timm lets nothing be missing
            **arguments,
        )
        network.reset_classifier(0)
    except _FAULTS as error:
        expected = made(architecture, arguments).state_dict()
        _refuse_gaps(file, architecture, expected, _missing(expected, weights))
        raise BackboneError(f"backbone file {file} does not fit {architecture}: {_first(error)}") from None
    found: nn.Module = network
    network.pretrained_cfg.pop("state_dict")  # a second copy of all weights else
    expected = found.state_dict()
    if not [name for name in weights if name not in expected and not name.startswith(str(first))]:
        _refuse_gaps(file, architecture, expected, _missing(expected, weights))  # families that timm loads leniently
    return found


def _missing(expected: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> list[str]:
    """The names that the weights lack; counts of batches are no weights."""
    return [name for name in expected if name not in weights and not name.endswith("num_batches_tracked")]


def _refuse_gaps(file: Path, architecture: str, expected: Mapping[str, Tensor], missing: list[str]) -> None:
    if missing:
        raise BackboneError(
            f"backbone file {file}: the weights lack {len(missing)} of {len(expected)} parameters "
            f"(such as {missing[0]}), which would start at random; are they those of {architecture}?"
        )


def width_of(network: nn.Module, *, size: int, channels: int) -> int:
    """The width of the features, by a trial; `BackboneError` where the network cannot read that size."""
    try:
        with torch.no_grad():
            features: Tensor = network.eval()(torch.zeros(1, channels, size, size))
    except _FAULTS as error:
        raise BackboneError(f"the network cannot read backbone.size={size}: {_first(error)}") from None
    if features.ndim != 2:
        raise BackboneError(f"the network gives features of shape {list(features.shape)}, not one vector an image")
    return features.shape[1]


def stages(network: Any, values: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Pooled features ``[slices, width]`` of ``[slices, channels, side, side]``, and each stage's maps, finest first.

    Of a transformer, whose maps all have one size, those of four depths.
    """
    blocks = len(network.feature_info)
    chosen = None if blocks <= _STAGES else [(i + 1) * blocks // 4 - 1 for i in range(4)]
    last, maps = network.forward_intermediates(values, indices=chosen)
    return network.forward_head(last), maps


def map_widths(network: nn.Module, *, size: int, channels: int) -> list[int]:
    """The channels of each stage's maps, by a trial; empty where the network gives none."""
    if not hasattr(network, "forward_intermediates"):
        return []
    try:
        with torch.no_grad():
            _, maps = stages(network.eval(), torch.zeros(1, channels, size, size))
    except _FAULTS:
        return []
    return [each.shape[1] for each in maps]


def _read(config: Path) -> dict[str, Any]:
    try:
        told = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BackboneError(f"backbone folder {config.parent}: config.json cannot be read: {_first(error)}") from None
    if not isinstance(told, dict):
        raise BackboneError(f"backbone folder {config.parent}: config.json holds no description of a network")
    return told


def _unnamed(weights: Path, config: Path | None) -> str:
    """Say that the network must be named, and which it may be."""
    from timm import list_models

    if config is not None:
        raise BackboneError(
            f"backbone folder {config.parent}: config.json names no architecture of timm; give backbone.model=NAME"
        )
    stem = weights.stem
    fitting = [name for name in list_models() if stem == name or stem.startswith((f"{name}_", f"{name}.", f"{name}-"))]
    guess = f"{max(fitting, key=len)} (a guess from its own name)" if fitting else "NAME"
    raise BackboneError(f"backbone file {weights} does not say which network it is for; give backbone.model={guess}")


def _weights(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        # float32 at once: halves would be rounded again where timm folds channels or resamples positions
        return {name: each.float() if each.is_floating_point() else each for name, each in load_file(file).items()}
    except (OSError, SafetensorError) as error:
        raise BackboneError(f"backbone file {file} cannot be read: {_first(error)}") from None


def _first(error: BaseException) -> str:
    """What an error says, in a line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])[:300] if lines else type(error).__name__


def _words(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in arguments.items())
