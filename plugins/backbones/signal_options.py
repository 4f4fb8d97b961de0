"""Options of the signal encoders."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from medplug.core.config import Section

Normalise = Literal["record", "training", "none"]
"""What is taken off the samples of a channel, and what they are divided by.

``record``, the default: the signal's own mean and deviation. Offsets and gains of
electrodes and devices then do not matter, and neither do amplitudes. ``training``:
those of all training signals, without the most extreme 0.2 % of samples, so that
amplitudes count. ``none``: samples stay as they are.
"""


class SignalOptions(Section):
    """What the signal encoders have in common."""

    rate: PositiveFloat | None = Field(
        None, description="samples a second that the network reads (default: the commonest rate of training signals)"
    )
    length: PositiveInt | None = Field(
        None,
        description="the most samples read of a signal; of longer ones it is the middle, and they are counted "
        "(default: the longest training signal, at most 5,000)",
    )
    normalise: Normalise = Field(
        "record", description="what sets the scale of a channel: each record itself, the training signals, or nothing"
    )
    dropout: float = Field(0.2, ge=0, lt=1, description="dropout while training")


class SignalCNNOptions(SignalOptions):
    """``backbone.*`` for the convolutional encoder."""

    width: PositiveInt = Field(96, ge=16, multiple_of=4, description="the features' width, that of the last blocks")


class PatchOptions(SignalOptions):
    """What the encoders that read patches have in common."""

    patch: PositiveInt | None = Field(
        None, description="samples of a patch, of all channels (default: a 32nd of `length`, from 4 to 32)"
    )


class SignalTransformerOptions(PatchOptions):
    """``backbone.*`` for the transformer."""

    width: PositiveInt = Field(96, multiple_of=2, description="the width of its layers and of the features")
    layers: PositiveInt = Field(3, description="layers on top of each other")
    heads: PositiveInt = Field(4, description="attention heads of a layer")

    @model_validator(mode="after")
    def _heads_divide(self) -> SignalTransformerOptions:
        if self.width % self.heads:
            raise ValueError(f"heads must divide the width; got {self.heads} heads and a width of {self.width}")
        return self


class SignalGRUOptions(PatchOptions):
    """``backbone.*`` for the GRU."""

    hidden: PositiveInt = Field(64, description="the width of the state in each direction; the features are twice it")
    layers: PositiveInt = Field(1, description="recurrent layers on top of each other")
