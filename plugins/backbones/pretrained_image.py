"""Pretrained image backbones: any network of timm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from torch import Tensor, nn

from medplug.core.backbone import Inputs
from medplug.core.errors import BackboneError
from medplug.core.explaining.inside import Attending, Mapped
from medplug.core.features import Features
from medplug.core.pretrained import find_image_weights
from medplug.core.registry import Source
from medplug.core.training.quiet import quiet
from medplug.plugins.backbones.image_backbone import ImageBackbone
from medplug.plugins.backbones.image_inside import inside_of
from medplug.plugins.backbones.image_networks import Network, described, loaded, made, map_widths, stages, width_of
from medplug.plugins.backbones.image_options import PretrainedImageOptions
from medplug.plugins.backbones.pictures import View


class PretrainedImage(ImageBackbone):
    """A network of timm without its classifier; pooled features are what the classifier read."""

    cell: ClassVar[int] = 32  # what the networks of timm shrink an image by

    def __init__(self, network: nn.Module, assets: Mapping[str, Any], origin: Mapping[str, str]) -> None:
        options = PretrainedImageOptions.model_validate(assets["options"])
        super().__init__(View.from_json(assets["view"]), options.over_slices)
        self.network = network
        self.width: int = assets["width"]
        if self.view.fit == "squash":  # what masks of other fits would have to be brought back from is not kept
            self.map_widths = tuple(assets["map_widths"])
        self._assets, self._origin = dict(assets), dict(origin)

    @classmethod
    def create(cls, options: PretrainedImageOptions, source: Source | None) -> Self:
        """Load the weights of `source`, a folder, a hub name or a lone file.

        Raises `BackboneError` if they cannot be had or do not fit.
        """
        if source is None:
            raise BackboneError("a pretrained image backbone needs weights: name one (medplug list backbones)")
        with quiet():
            file, config, origin = find_image_weights(source)
        told = described(config, options, file)
        view = _view(told, options)
        architecture, arguments = told.build(size=view.size, channels=view.channels, pad_type=options.pad_type)
        if options.start == "random":
            network, origin = made(architecture, arguments), {"source": "random weights", "architecture": architecture}
        else:
            network = loaded(architecture, arguments, told.trained, file)
        assets = {
            "architecture": architecture,
            "arguments": arguments,
            "view": view.to_json(),
            "width": width_of(network, size=view.size, channels=view.channels),
            "map_widths": map_widths(network, size=view.size, channels=view.channels),
            "options": options.model_dump(mode="json"),
        }
        return cls(network, assets, origin)

    @classmethod
    def restore(cls, assets: Mapping[str, Any]) -> Self:
        """Build the architecture that `assets` describe, with random weights."""
        return cls(made(assets["architecture"], assets["arguments"]), assets, {})

    def assets(self) -> dict[str, Any]:
        """Architecture, what it is given, and options."""
        return self._assets

    def maps(self, inputs: Inputs) -> tuple[Features, list[Tensor]]:
        """Features and the network's maps, stage by stage; of a transformer those of four depths."""
        pooled, maps = stages(self.network, self.normalised(inputs["pixels"]))
        return self.pictured(pooled.float()), maps

    def inside(self) -> Mapped | Attending | None:
        """The last maps of a network of convolutions, the attention of a transformer over patches."""
        return inside_of(self.network, self.owner, self.shown)

    def provenance(self) -> dict[str, str]:
        """Where the weights came from."""
        return self._origin


def _view(network: Network, options: PretrainedImageOptions) -> View:
    """What the network is given: as its weights were trained, but for what the options say."""
    trained = network.trained
    native, height, width = trained["input_size"]
    channels = (1 if native == 1 else 3) if options.in_chans == "auto" else int(options.in_chans)
    return View(
        size=options.size or max(height, width),
        channels=channels,
        mean=_channelwise(options.mean or trained["mean"], channels),
        std=_channelwise(options.std or trained["std"], channels),
        fit=options.fit,
        interpolation=options.interpolation or trained["interpolation"],
        crop_pct=trained["crop_pct"],
        slices=options.slices,
    )


def _channelwise(values: Sequence[float], channels: int) -> tuple[float, ...]:
    """One number a channel: their mean for a grey network, one repeated for a coloured one."""
    if channels == 1:
        return (sum(values) / len(values),)
    return tuple(values) if len(values) == 3 else (values[0],) * 3
