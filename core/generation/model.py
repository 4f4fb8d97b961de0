"""The model of texts: a generator, and no head."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from medplug.core.backbone import Backbone, Inputs
from medplug.core.data.targets import Target
from medplug.core.errors import BackboneError
from medplug.core.generation.reader import PromptReader
from medplug.core.model import Model, Outputs


class TextModel(Model):
    """A logit a row ``[batch, 1]``: the mean negative log-likelihood of its right answer's tokens.

    It is what training minimises. There is no head: what an adapter trains is in the backbone, and
    where it trains nothing the model answers as it is.
    """

    def __init__(self, backbone: Backbone, target: Target, also: Mapping[str, Target] | None = None) -> None:
        if not isinstance(backbone, PromptReader):
            raise BackboneError(
                f"{type(backbone).__name__} reads no prompts; generative answers need a causal or sequence-to-sequence "
                "model of transformers: backbone=./FOLDER"
            )
        super().__init__(backbone, target)
        self.head = nn.Identity()  # type: ignore[assignment]

    def outputs(self, inputs: Inputs) -> Outputs:
        """The likelihood, as feature and as logit."""
        assert isinstance(self.backbone, PromptReader)
        loss = self.backbone.text.likelihood(inputs)[:, None]
        return Outputs(loss, loss)

    @property
    def reader(self) -> PromptReader:
        """The backbone, as what it is."""
        assert isinstance(self.backbone, PromptReader)
        return self.backbone

    @property
    def columns(self) -> int:
        """One."""
        return 1

    @property
    def feature_width(self) -> int:
        """One."""
        return 1

    def set_neck(self, neck: nn.Module, width: int) -> None:
        """Nothing: there is no head for it to stand before."""
