"""What a backbone that writes promises to the core."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from medplug.core.backbone import Backbone, Inputs


@dataclass(frozen=True, slots=True)
class Frame:
    """The token ids that stand before and after every prompt: a tokenizer's own, or those of a chat's turns."""

    before: tuple[int, ...]
    after: tuple[int, ...]


class Written(NamedTuple):
    """An answer as it was written: its text, and the mean log-probability of its tokens (the end counted as one)."""

    text: str
    score: float


class Generator(Backbone):
    """A text model that writes: a causal one goes on from a prompt, a sequence-to-sequence one answers it.

    Its items are `medplug.core.generation.prompt.Prompt`s. `window` is the most tokens that it
    reads at once, of a causal model those that it writes among them (`shares_window`); `frame`
    stands around each prompt, and `cue` is the text of a prompt's end, after which the answer begins.
    """

    window: int
    shares_window: bool
    frame: Frame
    cue: str

    @abstractmethod
    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of pieces of a prompt, without those of the frame."""

    @abstractmethod
    def answers(self, texts: Sequence[str], most: int) -> list[tuple[list[int], bool]]:
        """The token ids of answers with their end, and whether one was cut to `most`, which has no end then."""

    @abstractmethod
    def likelihood(self, inputs: Inputs) -> Tensor:
        """The mean negative log-likelihood of each row's answer tokens ``[batch]``, in float32."""

    @abstractmethod
    def write(self, inputs: Inputs, most: int) -> list[Written]:
        """The answers to prompts without one, of at most `most` tokens: greedily, the likeliest token each time."""
