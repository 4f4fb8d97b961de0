"""The model of masks: a backbone and, in place of a linear head, a decoder of its feature maps."""

from __future__ import annotations

from torch import Tensor, nn

from medplug.core.backbone import Backbone, Inputs
from medplug.core.data.targets import Target
from medplug.core.errors import BackboneError
from medplug.core.model import Model, Outputs
from medplug.core.segmentation.decoder import FeaturePyramidDecoder


class MaskModel(Model):
    """Logits ``[batch, classes, height, width]`` at the size that the backbone reads, the background first.

    The features that penalties act on are the backbone's pooled ones.
    """

    def __init__(self, backbone: Backbone, target: Target) -> None:
        if not backbone.map_widths:
            raise BackboneError(
                f"this {type(backbone).__name__} gives no feature maps to decode masks from; an image backbone does "
                "(medplug list backbones), with backbone.fit=squash"
            )
        super().__init__(backbone, target)
        self.head = FeaturePyramidDecoder(backbone.map_widths, target.outputs)  # type: ignore[assignment]

    def outputs(self, inputs: Inputs) -> Outputs:
        """Pooled features and the logits of every pixel."""
        features, maps = self.backbone.maps(inputs)
        height, width = inputs["pixels"].shape[-2:]
        logits: Tensor = self.head(maps, (height, width))
        return Outputs(features.pooled.float(), logits.float())

    @property
    def feature_width(self) -> int:
        """The width of the backbone's pooled features."""
        return self.backbone.width

    def set_neck(self, neck: nn.Module, width: int) -> None:
        """Nothing: a decoder reads maps, and no layer on pooled features can stand before it."""
