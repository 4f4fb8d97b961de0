"""The augmentation of a training batch of images: moved and lit anew row by row, blended where asked."""

from __future__ import annotations

import torch
from torch import Tensor

from medplug.core.images.augment import Augmentation
from medplug.core.images.augment_options import AugmentOptions
from medplug.core.images.mixing import mix


class ImageAugmentation:
    """What `medplug.core.augmentation.Augmentation` asks for, of collated images (``pixels`` and ``owner``)."""

    def __init__(self, options: AugmentOptions) -> None:
        self.options = options
        self.mixes = options.mixup > 0 or options.cutmix > 0
        self._moves = Augmentation(options)

    def changed(
        self, inputs: dict[str, Tensor], labels: Tensor, labelled: Tensor, sources: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The batch with every row (or every target row) changed; masks move along, class shares are blended."""
        pixels, owner = inputs["pixels"], inputs["owner"]
        chosen = ~sources if self.options.domains == "target" else torch.ones_like(sources)
        drawn = self._moves.draw(len(labels), pixels.device)
        pixels = drawn.pixels(pixels, owner, chosen)
        if labels.ndim == 3:
            labels = drawn.masks(labels, chosen & labelled)
        elif self.mixes:
            pixels, labels = mix(pixels, owner, labels, self.options, chosen & labelled)
        return {**inputs, "pixels": pixels}, labels
