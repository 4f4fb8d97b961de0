"""Feed-forward networks of vectors: fingerprints of molecules, and the composition of sequences of k-mers."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from medplug.core.backbone import Inputs
from medplug.core.data.entities import distinct
from medplug.core.features import Features
from medplug.core.molecules.features import morgan
from medplug.core.proteins.kmers import words
from medplug.core.proteins.reading import AMINO_ACIDS
from medplug.plugins.backbones.entity_backbone import EntityBackbone
from medplug.plugins.backbones.entity_options import EcfpOptions, KmerOptions
from medplug.plugins.backbones.table_backbone import alone
from medplug.plugins.backbones.table_networks import Residual


class VectorNetwork(EntityBackbone):
    """A projection of a vector, and residual blocks behind it; the features are the last layer's.

    The blocks are those of Gorishniy et al. (2021), "Revisiting Deep Learning Models for Tabular Data".
    """

    options: EcfpOptions | KmerOptions

    def _build(self) -> None:
        options, width = self.options, self.options.hidden
        self.width = width
        self.projection = nn.Sequential(nn.Linear(self.inputs, width), nn.LayerNorm(width), nn.ReLU())
        inside = options.expansion * width
        self.blocks = nn.Sequential(*(Residual(width, inside, options.dropout) for _ in range(options.blocks)))
        self.norm = nn.LayerNorm(width)

    @property
    @abstractmethod
    def inputs(self) -> int:
        """The length of the vector."""

    def forward(self, inputs: Inputs) -> Features:
        """Encode `vector` ``[batch, inputs]``; each row is its own token."""
        vector = inputs["vector"]
        seen = functional.dropout(vector.to(self.norm.weight.dtype), self.options.input_dropout, self.training)
        return alone(self.norm(self.blocks(self.projection(seen))).relu())


class Fingerprints(VectorNetwork):
    """Which neighbourhoods of atoms a molecule has, up to a radius, folded to so many bits.

    Source: Rogers and Hahn (2010), "Extended-Connectivity Fingerprints". An item is
    one fingerprint ``[bits]`` of bytes.
    """

    options_model = EcfpOptions
    options: EcfpOptions

    @property
    def inputs(self) -> int:
        """The bits."""
        return self.options.bits

    def prepare(self, values: Sequence[str]) -> list[NDArray[np.uint8]]:
        """The fingerprint of every SMILES; `MoleculeError` where one cannot be read."""
        return list(morgan(values, self.options.radius, self.options.bits))

    def size(self, item: NDArray[np.uint8]) -> int:
        """One token."""
        return 1

    def collate(self, items: Sequence[NDArray[np.uint8]]) -> Inputs:
        """`vector` ``[batch, bits]`` of bytes."""
        return {"vector": torch.from_numpy(np.stack(items))}


class Composition(NamedTuple):
    """The known k-mers of a sequence: their places `at` ``[found]`` among all and their `values` ``[found]``."""

    at: NDArray[np.int64]
    values: NDArray[np.float32]


class Kmers(VectorNetwork):
    """The composition of a sequence: how often each k-mer of the 20 amino acids stands in it, of those that are known.

    The square root of the share, so that the rare ones count (Hellinger's), times
    the square root of how many are known, which makes the mean square of a vector 1.
    An item is a `Composition`.
    """

    options_model = KmerOptions
    options: KmerOptions

    def _build(self) -> None:
        numbers = [words(entry, self.options.k) for entry in self.entries]
        self._known = np.concatenate([np.zeros(0, dtype=np.int64), *numbers])  # in their order
        super()._build()

    @property
    def inputs(self) -> int:
        """The k-mers known."""
        return max(1, len(self.entries))

    def learn(self, values: Sequence[str], groups: Sequence[str] | None = None) -> None:
        """Learn the k-mers that most training sequences hold, each counted once, and make a new network for them."""
        counts: Counter[int] = Counter()
        for value in distinct(values)[0]:
            counts.update(np.unique(words(value, self.options.k)).tolist())
        kept = [word for word in counts if counts[word] >= self.options.min_count]
        kept.sort(key=lambda word: (-counts[word], word))
        self._set_entries(tuple(_spelled(word, self.options.k) for word in sorted(kept[: self.options.max_size])))

    def prepare(self, values: Sequence[str]) -> list[Composition]:
        """Count the k-mers of every sequence."""
        return [self._composition(value) for value in values]

    def _composition(self, value: str) -> Composition:
        found, counts = np.unique(words(value, self.options.k), return_counts=True)
        at = np.searchsorted(self._known, found)
        known = np.isin(found, self._known)
        values = np.sqrt(counts[known] * (self.inputs / max(1, counts.sum())))
        return Composition(at[known], values.astype(np.float32))

    def size(self, item: Composition) -> int:
        """One token."""
        return 1

    def census(self, items: Sequence[Composition]) -> dict[str, int]:
        """How many sequences have no k-mer that is known."""
        empty = sum(not len(item.at) for item in items)
        return {f"rows without a known {self.options.k}-mer": empty} if empty else {}

    def collate(self, items: Sequence[Composition]) -> Inputs:
        """`vector` ``[batch, known]``."""
        vector = np.zeros((len(items), self.inputs), dtype=np.float32)
        for row, item in zip(vector, items, strict=True):
            row[item.at] = item.values
        return {"vector": torch.from_numpy(vector)}


def _spelled(word: int, k: int) -> str:
    """The letters of the word of that number."""
    places = np.unravel_index(word, (len(AMINO_ACIDS),) * k)
    return "".join(AMINO_ACIDS[int(place)] for place in places)
