"""The encoder: texts to tokens, tokens to vectors, and what is learned of the training texts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from medplug.core.backbone import Backbone, Inputs
from medplug.core.errors import BackboneError
from medplug.core.explaining.inside import Embedded, Located, units_in_place
from medplug.core.features import Features
from medplug.core.pretrained import find_weights
from medplug.core.registry import Source
from tokenizers import Tokenizer
from torch import Tensor, nn

from medplug_static_vectors.folder import read_tokenizer, read_vectors
from medplug_static_vectors.options import StaticVectorsOptions
from medplug_static_vectors.weighting import Ids, common_direction, inverse_frequencies, token_counts

_EMPTY = np.zeros(1, dtype=np.int32)
"""What a text without any token is read as: the first of the vocabulary, which no text has (padding, a start)."""

_BATCH = 256
"""Texts at once while the common direction is learned."""


class StaticVectors(Backbone):
    """The vectors of a text's tokens, and their mean, weighted by smooth inverse frequency.

    With w the weight of a token, v its vector and u the direction that the training texts have in
    common, its feature is w (v - u uᵀv) in ``[batch, tokens, width]``, and the pooled feature
    ``[batch, width]`` the mean of these over a text's tokens. That is the sentence vector of Arora, Liang
    and Ma (2017). Order counts for nothing. Weights and direction are learned of texts alone, once,
    and stay as they are where the vectors are trained on.
    """

    weights: Tensor
    direction: Tensor

    def __init__(
        self, options: StaticVectorsOptions, tokenizer: Tokenizer, vectors: nn.Embedding, origin: Mapping[str, str]
    ) -> None:
        super().__init__()
        self.options, self._tokenizer, self._origin = options, tokenizer, dict(origin)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.vectors, self.width = vectors, vectors.embedding_dim
        self.register_buffer("weights", torch.ones(vectors.num_embeddings))
        self.register_buffer("direction", torch.zeros(self.width))

    @classmethod
    def create(cls, options: StaticVectorsOptions, source: Source | None) -> Self:
        """Read the vectors of `source`; `BackboneError` if they cannot be had."""
        if source is None:
            raise BackboneError("static_vectors has no vectors of its own; name some, as backbone=minilm_static")
        folder, origin = find_weights(source)
        vectors = read_vectors(folder)
        tokenizer = read_tokenizer(folder, len(vectors))
        return cls(options, tokenizer, nn.Embedding(len(vectors), vectors.shape[1], _weight=vectors), origin)

    @classmethod
    def restore(cls, assets: Mapping[str, Any]) -> Self:
        """Build it again from `assets`, with random vectors."""
        options = StaticVectorsOptions.model_validate(assets["options"])
        tokenizer = Tokenizer.from_str(json.dumps(assets["tokenizer"]))
        return cls(options, tokenizer, nn.Embedding(*assets["shape"]), {})

    def assets(self) -> dict[str, Any]:
        """Options, tokenizer, and the shape of the vectors ``[tokens, width]``."""
        return {
            "options": self.options.model_dump(),
            "tokenizer": json.loads(self._tokenizer.to_str()),
            "shape": [self.vectors.num_embeddings, self.width],
        }

    def provenance(self) -> dict[str, str]:
        """Where the vectors came from."""
        return self._origin

    def learn(self, values: Sequence[str], groups: Sequence[str] | None = None) -> None:
        """Learn how rare tokens are in the training texts, and then their common direction."""
        items = [item[: self.options.window] for item in self.prepare(values)]
        counts = token_counts(items, groups, self.vectors.num_embeddings)
        self.weights.copy_(inverse_frequencies(counts, self.options.smoothing))
        if self.options.common and items:
            self.direction.copy_(common_direction(self._means(items), self.width))

    @torch.no_grad()
    def _means(self, items: Sequence[Ids]) -> Iterator[Tensor]:
        """The pooled features of some texts after the others, as they are before the direction is known."""
        for start in range(0, len(items), _BATCH):
            yield self(self.collate(items[start : start + _BATCH])).pooled

    def prepare(self, values: Sequence[str]) -> list[Ids]:
        """Give each text's tokens, one at least."""
        encoded = self._tokenizer.encode_batch_fast(list(values), add_special_tokens=False)
        return [np.array(one.ids, dtype=np.int32) if one.ids else _EMPTY for one in encoded]

    def size(self, item: Ids) -> int:
        """Tokens read of this text."""
        return min(len(item), self.options.window)

    def collate(self, items: Sequence[Ids]) -> Inputs:
        """Pad to the longest text: `ids` and `mask`, both ``[batch, tokens]``."""
        longest = max(map(self.size, items))
        ids, mask = np.zeros((len(items), longest), dtype=np.int64), np.zeros((len(items), longest), dtype=bool)
        for row, item in enumerate(items):
            read = self.size(item)
            ids[row, :read], mask[row, :read] = item[:read], True
        return {"ids": torch.from_numpy(ids), "mask": torch.from_numpy(mask)}

    def forward(self, inputs: Inputs) -> Features:
        """Weigh the vectors, take the common direction out of them, and average."""
        ids, mask = inputs["ids"], inputs["mask"]
        vectors = self.vectors(ids) * (self.weights[ids] * mask).unsqueeze(-1)  # [batch, tokens, width]
        along = (vectors * self.direction).sum(-1, keepdim=True)  # no matrix product, which autocast would round
        tokens = vectors - along * self.direction
        return Features(tokens.sum(1) / mask.sum(1, keepdim=True), tokens, mask)

    def inside(self) -> Embedded:
        """The vectors, which stand for words one by one; the mean of them all stands for none."""
        baseline = self.vectors.weight.detach().mean(0)
        return Embedded(
            "token", self.vectors, lambda _, inputs: units_in_place(inputs["mask"]), self._located, baseline
        )

    def _located(self, values: Sequence[str]) -> list[Located]:
        """The tokens of every text, and where they stand in it; an empty text has one that is empty."""
        encoded = self._tokenizer.encode_batch(list(values), add_special_tokens=False)
        found = [one.offsets or [(0, 0)] for one in encoded]
        return [
            Located(tuple(value[first:end] for first, end in each), np.array(each, dtype=np.int64))
            for value, each in zip(values, found, strict=True)
        ]

    def census(self, items: Sequence[Ids]) -> dict[str, int]:
        """How many texts lose their end."""
        cut = sum(len(item) > self.options.window for item in items)
        return {f"rows longer than the window of {self.options.window} tokens": cut} if cut else {}
