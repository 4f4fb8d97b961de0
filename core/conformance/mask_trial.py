"""The small transfer problem of masks: made-up pictures, their outlines, and a network that these are decoded from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from medplug.core.backbone import Backbone, Inputs
from medplug.core.conformance.stand_in import Optionless
from medplug.core.conformance.trial import Trial
from medplug.core.data.targets import Target
from medplug.core.features import Features
from medplug.core.specs import AdapterSpec

_SIDE = 16


class PictureStandIn(Optionless):
    """Two convolutions over grey pictures, their maps at a half and a quarter of the size."""

    map_widths = (8, 16)

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, self.map_widths[0], 3, stride=2, padding=1)
        self.second = nn.Conv2d(self.map_widths[0], self.map_widths[1], 3, stride=2, padding=1)
        self.width = self.map_widths[1]

    def assets(self) -> dict[str, Any]:
        """The side of the pictures that it reads."""
        return {"side": _SIDE}

    def prepare(self, values: Sequence[NDArray[np.uint8]]) -> list[Tensor]:
        """``[1, height, width]``."""
        return [torch.from_numpy(value)[None] for value in values]

    def size(self, item: Tensor) -> int:
        """One picture."""
        return 1

    def collate(self, items: Sequence[Tensor]) -> Inputs:
        """`pixels` ``[batch, 1, height, width]`` and the row of each in `owner`."""
        return {"pixels": torch.stack(list(items)), "owner": torch.arange(len(items))}

    def forward(self, inputs: Inputs) -> Features:
        """The means of the coarser map, and its places as tokens."""
        return self.maps(inputs)[0]

    def maps(self, inputs: Inputs) -> tuple[Features, list[Tensor]]:
        """The features and both maps."""
        fine = self.first(inputs["pixels"].float() / 255).relu()
        coarse = self.second(fine).relu()
        tokens = coarse.flatten(2).transpose(1, 2)
        mask = torch.ones(tokens.shape[:2], dtype=torch.bool)
        return Features(tokens.mean(1), tokens, mask), [fine, coarse]


class MaskTrial(Trial):
    """Two classes of pixels and the background, in pictures of noise."""

    def __init__(self, spec: AdapterSpec) -> None:
        super().__init__(spec, Target("mask", ("background", "lesion", "vessel")))

    def backbone(self) -> Backbone:
        """The small network of pictures."""
        return PictureStandIn()

    def values(self, rows: int) -> list[Any]:
        """Grey pictures ``[height, width]``."""
        draw = np.random.default_rng(1)
        return list(draw.integers(0, 256, (rows, _SIDE, _SIDE)).astype(np.uint8))

    def labels(self, rows: int) -> NDArray[Any]:
        """Class numbers ``[rows, height, width]``, the bands of a class a row further down in each."""
        place = np.arange(rows)[:, None, None] + np.arange(_SIDE)[None, :, None] + np.zeros(_SIDE, np.int64)
        return place // 4 % 3
