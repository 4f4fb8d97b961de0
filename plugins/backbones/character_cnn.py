"""Convolutions over the characters of SMILES and of protein sequences, from scratch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from medplug.core.backbone import Inputs
from medplug.core.data.entities import distinct
from medplug.core.explaining.attribution import Unit
from medplug.core.explaining.inside import Embedded, Located, units_at
from medplug.core.features import Features
from medplug.plugins.backbones.entity_backbone import EntityBackbone
from medplug.plugins.backbones.entity_options import SequenceCNNOptions, SmilesCNNOptions
from medplug.plugins.backbones.lines import convolved, laid_out
from medplug.plugins.backbones.vocabulary import PAD, UNKNOWN

Ids = NDArray[np.uint8]

_NOT_ASCII = "?"  # what Python writes for it; neither SMILES nor sequences have this character
_CHARACTERS = 16  # as much memory as a token of a small transformer, and less work


class CharacterCNN(EntityBackbone):
    """Three convolutions with more filters each, ReLU, and the largest value of each filter of the last.

    Source: Öztürk, Özgür and Ozkirimli (2018), "DeepDTA: deep drug-target binding
    affinity prediction"; the kernels that grow from layer to layer are those of
    Huang et al. (2020), "DeepPurpose". Unlike there, texts keep their length from
    layer to layer (zeros stand beyond their ends) and padding is never read.

    An item is one text's ids ``[characters]`` as bytes, uncut: entry ``i`` has id ``i + 2``.
    """

    options: SmilesCNNOptions | SequenceCNNOptions
    unit: ClassVar[Unit] = "character"
    """What a character is to whoever reads an explanation."""

    def _build(self) -> None:
        options = self.options
        self._ids = np.full(256, UNKNOWN, dtype=np.uint8)
        self._ids[[ord(entry) for entry in self.entries]] = np.arange(len(self.entries)) + UNKNOWN + 1
        self._gap = max(options.kernels) // 2
        self.width = options.filters[-1]
        self.embedding = nn.Embedding(len(self.entries) + UNKNOWN + 1, options.embedding, padding_idx=PAD)
        nn.init.zeros_(self.embedding.weight[UNKNOWN])  # no training text has one, so nothing would teach it
        widths = [options.embedding, *options.filters]
        self.convolutions = nn.ModuleList(
            nn.Conv1d(before, after, kernel)
            for before, after, kernel in zip(widths, widths[1:], options.kernels, strict=False)
        )
        for convolution in self.convolutions:
            assert isinstance(convolution, nn.Conv1d) and convolution.bias is not None
            nn.init.xavier_uniform_(convolution.weight)  # torch's own start would shrink what three layers give
            nn.init.zeros_(convolution.bias)

    def learn(self, values: Sequence[str], groups: Sequence[str] | None = None) -> None:
        """Learn which characters there are and make a new network for them."""
        found = {character for value in distinct(values)[0] for character in set(value)}
        self._set_entries(tuple(sorted(each for each in found if each.isascii() and each != _NOT_ASCII)))

    def prepare(self, values: Sequence[str]) -> list[Ids]:
        """Give each text's ids, by one look-up; an empty one is one unknown character."""
        return [
            self._ids[np.frombuffer((value or _NOT_ASCII).encode("ascii", "replace"), dtype=np.uint8)]
            for value in values
        ]

    def size(self, item: Ids) -> int:
        """The characters read of this text by what they cost: a transformer's token takes far more."""
        return -(-self._length(item) // _CHARACTERS)

    def _length(self, item: Ids) -> int:
        return min(len(item), self.options.window)

    def census(self, items: Sequence[Ids]) -> dict[str, int]:
        """How many texts lose their end, and how many have characters that training lacks."""
        window = self.options.window
        counts = {
            f"rows longer than the window of {window} characters": sum(len(item) > window for item in items),
            "rows with a character that training lacks": sum(bool((item == UNKNOWN).any()) for item in items),
        }
        return {what: count for what, count in counts.items() if count}

    def collate(self, items: Sequence[Ids]) -> Inputs:
        """Lay the texts end to end: `ids` ``[places]`` as bytes, `at` and `mask` ``[batch, characters]``.

        ``at[row, i]`` is the place of the row's i-th character, or 0, a padding, where it has fewer.
        """
        lengths = [self._length(item) for item in items]
        line = laid_out(lengths, self._gap)
        ids = np.full(line.places, PAD, dtype=np.uint8)
        for item, start, n in zip(items, line.starts, lengths, strict=True):
            ids[start : start + n] = item[:n]
        return {"ids": torch.from_numpy(ids), "at": line.at, "mask": line.mask}

    def inside(self) -> Embedded:
        """The embedding of characters; padding stands for none."""
        return Embedded(self.unit, self.embedding, self._units, self._located)

    def _units(self, items: Sequence[Ids], inputs: Inputs) -> Tensor:
        return units_at(inputs["at"], inputs["mask"], len(inputs["ids"]))

    def _located(self, values: Sequence[str]) -> list[Located]:
        """The characters of every text; an empty text has one that is empty."""
        steps = [np.arange(max(len(value), 1)) for value in values]
        places = [np.stack([step, step + 1], 1) for step in steps]
        return [Located(tuple(value) or ("",), each) for value, each in zip(values, places, strict=True)]

    def forward(self, inputs: Inputs) -> Features:
        """Convolve the real characters; what stands between two texts is zero again behind every layer."""
        ids, at, mask = inputs["ids"].int(), inputs["at"], inputs["mask"]
        real = (ids != PAD).unsqueeze(0)
        line = self.embedding(ids).T  # [embedding, places]
        for convolution in self.convolutions:
            line = convolved(convolution, line).relu() * real
        tokens = line.T.index_select(0, at.flatten()).view(*at.shape, self.width)
        pooled = tokens.amax(1)  # padding is 0, and nothing is below 0
        return Features(functional.dropout(pooled, self.options.dropout, self.training), tokens, mask)


class SmilesCNN(CharacterCNN):
    """DeepDTA's encoder of drugs."""

    options_model = SmilesCNNOptions


class SequenceCNN(CharacterCNN):
    """DeepDTA's encoder of proteins."""

    options_model = SequenceCNNOptions
    unit = "residue"
