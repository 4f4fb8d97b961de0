"""Small backbones of random weights, in memory: what adapters are checked on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from medplug.core.backbone import Backbone, Inputs
from medplug.core.features import Features
from medplug.core.training.quiet import quiet

WIDTH = 16
_LETTERS, _POSITIONS = 128, 64
_WINDOW = 32  # adapters may put positions of their own before the text


class Optionless(Backbone):
    """One whose network is always the same: nothing is chosen, and what it keeps of itself decides nothing."""

    @classmethod
    def create(cls, options: Any, source: Any) -> Self:
        """Build one; there is nothing to choose."""
        return cls()

    @classmethod
    def restore(cls, assets: Mapping[str, Any]) -> Self:
        """The same network with random weights."""
        return cls()


class StandIn(Optionless):
    """A BERT of two blocks that reads the letters of a text (ASCII), its features the mean over them."""

    def __init__(self) -> None:
        super().__init__()
        from transformers import BertConfig, BertModel

        with quiet():
            self.model = BertModel(
                BertConfig(
                    vocab_size=_LETTERS,
                    intermediate_size=24,
                    max_position_embeddings=_POSITIONS,
                    hidden_dropout_prob=0.0,
                    attention_probs_dropout_prob=0.0,
                    hidden_size=WIDTH,
                    num_hidden_layers=2,
                    num_attention_heads=2,
                ),
                add_pooling_layer=False,
            )
        self.width = WIDTH
        with torch.no_grad():
            for parameter in self.parameters():  # larger than a fresh start, so that differences show
                parameter.mul_(4.0 if parameter.dim() > 1 else 1.0)

    def assets(self) -> dict[str, Any]:
        """The tokens read of a text."""
        return {"window": _WINDOW}

    def prepare(self, values: Sequence[str]) -> list[Tensor]:
        """The letters' numbers, 1 and more."""
        return [torch.tensor([1 + ord(letter) % (_LETTERS - 1) for letter in text[:_WINDOW]]) for text in values]

    def size(self, item: Tensor) -> int:
        """Its letters."""
        return len(item)

    def collate(self, items: Sequence[Tensor]) -> Inputs:
        """`ids` ``[batch, tokens]``, 0 where there is none."""
        return {"ids": pad_sequence(list(items), batch_first=True)}

    def forward(self, inputs: Inputs) -> Features:
        """The last hidden states, and their mean over letters."""
        mask = inputs["ids"] > 0
        tokens = self.model(input_ids=inputs["ids"], attention_mask=mask.long()).last_hidden_state
        weight = mask.unsqueeze(-1).to(tokens.dtype)
        return Features((tokens * weight).sum(1) / weight.sum(1), tokens, mask)
