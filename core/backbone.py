"""What a backbone promises to the core.

Shapes: ``batch`` rows, ``tokens`` positions, ``width`` features. A mask is True
where a token is real. Backbones are implemented by plugins and called by the
core; plugins know each other by name only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from medplug.core.data.batches import Positions, budget_batches
from medplug.core.errors import BackboneError
from medplug.core.features import Features

if TYPE_CHECKING:
    from medplug.core.explaining.inside import Inside
    from medplug.core.images.store import StoredImage
    from medplug.core.readers.windows import SpanWindow
    from medplug.core.registry import Source

Inputs = dict[str, Tensor]
"""One collated batch of one modality."""


class Backbone(nn.Module, ABC):
    """An encoder of one modality.

    In eval mode it is deterministic, and neither padding nor the other rows of a
    batch change a row's features beyond rounding.
    """

    width: int
    map_widths: tuple[int, ...] = ()
    """The channels of what `maps` gives, finest first; empty where it gives none."""
    decides: bool = False
    """Whether its pooled features are the logits themselves, so that no head stands behind it."""
    keeps_statistics: bool = False
    """Whether its batch norms keep the statistics of pretraining even where their weights are trained."""

    @classmethod
    @abstractmethod
    def create(cls, options: Any, source: Source | None) -> Self:
        """Build it with pretrained weights from `source`, or from scratch where that is None."""

    @classmethod
    @abstractmethod
    def restore(cls, assets: Mapping[str, Any]) -> Self:
        """Build it again from `assets`, with any weights; the core then loads the saved ones."""

    def again(self) -> Self:
        """The same network with random weights."""
        return type(self).restore(self.assets())

    @abstractmethod
    def assets(self) -> dict[str, Any]:
        """All that `restore` needs beside the weights, as JSON data."""

    def learn(self, values: Sequence[Any], groups: Sequence[str] | None = None) -> None:
        """Learn what must be learned from the raw training values (a vocabulary, a scale). Called once, first.

        `groups` says which patient each value belongs to: what one patient alone
        has must not be kept, because it would be saved with the model.
        """

    @abstractmethod
    def prepare(self, values: Sequence[Any]) -> list[Any]:
        """Turn raw values into items (one each), on the CPU: tokenise, decode, featurise."""

    def span_windows(self, questions: Sequence[str], contexts: Sequence[str], overlap: int) -> list[list[SpanWindow]]:
        """Cut each context into windows with its question before each, to find where in it an answer stands.

        A window's item is one of this backbone's, whose `Features.tokens` its offsets
        tell of; windows share `overlap` tokens of the context, or as many as leave them
        half new. `BackboneError` from those that read no text.
        """
        raise BackboneError(
            f"{type(self).__name__} finds no spans in texts; name a text backbone (medplug list backbones)"
        )

    def prepare_pairs(self, questions: Sequence[str], contexts: Sequence[str]) -> list[Any]:
        """Turn questions and the texts they are asked of into items (one a pair), each read as one sequence.

        What is too long is cut or read in windows; no window lacks its question.
        `BackboneError` from those that read no text.
        """
        raise BackboneError(
            f"{type(self).__name__} reads no pairs of texts; name a text backbone (medplug list backbones)"
        )

    @abstractmethod
    def size(self, item: Any) -> int:
        """The cost of one prepared item, in tokens; batches are budgeted and sorted by it."""

    def batches(self, items: Sequence[Any], budget: int) -> list[Positions]:
        """Positions of all items in batches to compute at once, of at most `budget` tokens, padding counted."""
        return budget_batches([self.size(item) for item in items], budget=budget)

    @abstractmethod
    def collate(self, items: Sequence[Any]) -> Inputs:
        """Stack prepared items into one padded batch."""

    @abstractmethod
    def forward(self, inputs: Inputs) -> Features:
        """Encode one batch."""

    def train(self, mode: bool = True) -> Self:
        """Set the mode; batch norms whose weights are frozen keep the statistics that go with these.

        So do all of them where `keeps_statistics` is set.
        """
        super().train(mode)
        for module in self.modules():
            if isinstance(module, _BatchNorm):
                learns = any(each.requires_grad for each in module.parameters()) and not self.keeps_statistics
                module.train(mode and learns)
        return self

    def maps(self, inputs: Inputs) -> tuple[Features, list[Tensor]]:
        """Features and, finest first, feature maps ``[batch, channels, height, width]`` to decode masks from."""
        raise TypeError(f"{type(self).__name__} gives no feature maps")

    def masks(self, masks: Sequence[StoredImage]) -> list[StoredImage]:
        """Bring masks to where `prepare` brings their images, without a new value between two classes."""
        raise TypeError(f"{type(self).__name__} reads no masks")

    def inside(self) -> Inside | None:
        """Where in the network its units (tokens, atoms, patches) can be followed, to explain what is predicted.

        None where the backbone does not say; then explanations leave its input out, and say so.
        """
        return None

    def census(self, items: Sequence[Any]) -> dict[str, int]:
        """Counts worth a line in the report (rows longer than the window, say), by name."""
        return {}

    def provenance(self) -> dict[str, str]:
        """Where the weights came from (source, revision), for the manifest."""
        return {}

    def reading(self) -> str:
        """A line on what the network is given, as far as rows were prepared (size and range of pixels, say)."""
        return ""
