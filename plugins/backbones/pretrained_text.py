"""Pretrained text backbones: any encoder or decoder that transformers can read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medplug.core.backbone import Backbone, Inputs
from medplug.core.errors import BackboneError
from medplug.core.explaining.attribution import Unit
from medplug.core.explaining.inside import Embedded, Located
from medplug.core.features import Features
from medplug.core.pretrained import find_weights
from medplug.core.readers.windows import SpanWindow
from medplug.core.registry import Source
from medplug.core.training.quiet import quiet
from medplug.plugins.backbones.context_windows import windows_of_ids
from medplug.plugins.backbones.pair_layout import PairLayout
from medplug.plugins.backbones.pretrained_options import PretrainedTextOptions
from medplug.plugins.backbones.transformer_folder import describe, load_model, without_heads
from medplug.plugins.backbones.windows import Ids, Windows, cut_windows, units_of_windows


class PretrainedText(Backbone):
    """A transformers model over windows of text.

    Texts longer than the window become several windows, whose vectors are
    pooled; `tokens` then holds the windows of a row one after another.
    """

    options_model: ClassVar[type[PretrainedTextOptions]] = PretrainedTextOptions
    probe: ClassVar[str] = "a"  # what any tokenizer of its modality reads
    unit: ClassVar[Unit] = "token"

    def __init__(self, model: Any, assets: Mapping[str, Any], origin: Mapping[str, str]) -> None:
        super().__init__()
        from tokenizers import Tokenizer

        self.model = model
        self.width = int(model.config.hidden_size)
        self.options = self.options_model.model_validate(assets["options"])
        self._assets, self._origin = dict(assets), dict(origin)
        self._tokenizer = Tokenizer.from_str(json.dumps(assets["tokenizer"]))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._prefix, self._suffix = assets["prefix"], assets["suffix"]
        self._room = assets["window"] - len(self._prefix) - len(self._suffix)

    @classmethod
    def create(cls, options: PretrainedTextOptions, source: Source | None) -> Self:
        """Load the weights of `source`; `BackboneError` if they cannot be had or do not fit."""
        if source is None:
            raise BackboneError("a pretrained text backbone needs weights: name one (medplug list backbones)")
        with quiet():
            folder, origin = find_weights(source)
            model = load_model(folder, options)
            assets = describe(folder, model, options, cls.probe)
        return cls(model, assets, origin)

    @classmethod
    def restore(cls, assets: Mapping[str, Any]) -> Self:
        """Build the architecture that `assets` describe, with random weights."""
        from transformers import AutoConfig, AutoModel

        with quiet():
            config = AutoConfig.for_model(**assets["config"])
            made = AutoModel.from_config(config, trust_remote_code=False)  # type: ignore[no-untyped-call]
            model = without_heads(made)
        return cls(model, assets, {})

    def assets(self) -> dict[str, Any]:
        """Architecture, tokenizer and options."""
        return self._assets

    def provenance(self) -> dict[str, str]:
        """Where the weights came from."""
        return self._origin

    def prepare(self, values: Sequence[str]) -> list[Windows]:
        """Tokenise (in parallel) and cut into windows."""
        encoded = self._tokenizer.encode_batch_fast([self._given(each) for each in values], add_special_tokens=False)
        return [
            cut_windows(
                one.ids,
                room=self._room,
                overlap=min(self.options.overlap, self._room // 2),
                most=self.options.windows,
                prefix=self._prefix,
                suffix=self._suffix,
            )
            for one in encoded
        ]

    def prepare_pairs(self, questions: Sequence[str], contexts: Sequence[str]) -> list[Windows]:
        """Tokenise (in parallel) and write each pair as the tokenizer does; a long context becomes windows."""
        ids = self._distinct_ids([*questions, *contexts])
        return [
            self._layout.windows(
                ids[question],
                ids[context],
                window=self._assets["window"],
                overlap=self.options.overlap,
                most=self.options.windows,
            )
            for question, context in zip(questions, contexts, strict=True)
        ]

    def span_windows(self, questions: Sequence[str], contexts: Sequence[str], overlap: int) -> list[list[SpanWindow]]:
        """Tokenise (in parallel) and cut each context into windows behind its question; none is left out."""
        asked = self._distinct_ids(questions)
        distinct = list(dict.fromkeys(contexts))
        read = dict(zip(distinct, self._tokenizer.encode_batch(distinct, add_special_tokens=False), strict=True))
        layout, window = self._layout, self._assets["window"]
        return [
            windows_of_ids(layout, asked[q], read[c].ids, read[c].offsets, window=window, overlap=overlap)
            for q, c in zip(questions, contexts, strict=True)
        ]

    def _distinct_ids(self, texts: Sequence[str]) -> dict[str, list[int]]:
        """The ids of each text without special tokens; one that many pairs share is tokenised once."""
        distinct = list(dict.fromkeys(texts))
        encoded = self._tokenizer.encode_batch_fast(distinct, add_special_tokens=False)
        return {text: one.ids for text, one in zip(distinct, encoded, strict=True)}

    @cached_property
    def _layout(self) -> PairLayout:
        return PairLayout.of(self._tokenizer, self.probe, self._prefix, self._suffix)

    def size(self, item: Windows) -> int:
        """Tokens computed for this text."""
        return item.size

    def collate(self, items: Sequence[Windows]) -> Inputs:
        """Windows of all rows on top of each other: `ids`, `mask` ``[windows, length]``; `grid` ``[batch, most]``.

        ``grid[row, i]`` is the place of the row's i-th window, or the number of
        windows where it has fewer. Pairs have `types` ``[windows, length]`` beside these
        where the model tells the two texts apart by them.
        """
        parts = [part for item in items for part in item.parts]
        ids = np.full((len(parts), max(map(len, parts))), self._assets["pad"], dtype=np.int64)
        mask = np.zeros(ids.shape, dtype=bool)
        for row, part in enumerate(parts):
            ids[row, : len(part)] = part
            mask[row, : len(part)] = True
        grid = np.full((len(items), max(len(item.parts) for item in items)), len(parts), dtype=np.int64)
        start = 0
        for row, item in enumerate(items):
            grid[row, : len(item.parts)] = np.arange(start, start + len(item.parts))
            start += len(item.parts)
        found = {"ids": torch.from_numpy(ids), "mask": torch.from_numpy(mask), "grid": torch.from_numpy(grid)}
        types = [part for item in items for part in item.types]
        return found | ({"types": _padded(types)} if types and self._reads_types else {})

    @property
    def _reads_types(self) -> bool:
        """Whether the model has an embedding of which text a token is of."""
        return int(getattr(self.model.config, "type_vocab_size", 0) or 0) > 1

    def forward(self, inputs: Inputs) -> Features:
        """Encode every window, pool tokens to windows and windows to rows."""
        mask, grid = inputs["mask"], inputs["grid"]
        given = {"token_type_ids": inputs["types"]} if "types" in inputs else {}
        tokens = self.model(input_ids=inputs["ids"], attention_mask=mask.long(), **given).last_hidden_state
        pooled = self._pool(tokens, mask)  # [windows, width]
        if grid.shape == (len(mask), 1):
            return Features(pooled, tokens, mask)
        batch, most = grid.shape
        real = grid < len(mask)  # [batch, most]
        padded = torch.cat([pooled, pooled.new_zeros(1, self.width)])[grid]
        lengths = torch.cat([mask.sum(1), mask.new_zeros(1, dtype=torch.long)])[grid]
        rows = self._pool_windows(padded, lengths, real)
        tokens = torch.cat([tokens, tokens.new_zeros(1, *tokens.shape[1:])])[grid]
        mask = torch.cat([mask, mask.new_zeros(1, mask.shape[1])])[grid]
        return Features(rows, tokens.reshape(batch, -1, self.width), mask.reshape(batch, -1))

    def inside(self) -> Embedded:
        """The embedding of tokens, before their positions; special tokens stay.

        The mean of the vocabulary stands for none: padding is a vector of zeros in many models, and the
        norm of the first layer would turn all of the way from there into one step.
        """
        layer = self.model.get_input_embeddings()
        return Embedded(self.unit, layer, self._units, self._located, layer.weight.detach().mean(0))

    def _units(self, items: Sequence[Windows], inputs: Inputs) -> Tensor:
        """Whose token each place ``[windows, length]`` is; what windows share is one unit."""
        overlap = min(self.options.overlap, self._room // 2)
        found = units_of_windows(items, inputs["ids"].shape[1], overlap, len(self._prefix), len(self._suffix))
        return torch.from_numpy(found).to(inputs["ids"].device)

    def _located(self, values: Sequence[str]) -> list[Located]:
        """The tokens of every text, and where they stand in it; an empty text has none."""
        read = self._tokenizer.encode_batch([self._given(value) for value in values], add_special_tokens=False)
        places = [self._in_value(np.array(one.offsets, dtype=np.int64).reshape(-1, 2)) for one in read]
        return [
            Located(tuple(value[first:end] for first, end in each), each)
            for value, each in zip(values, places, strict=True)
        ]

    def _given(self, value: str) -> str:
        """A raw value as the tokenizer is given it."""
        return value

    def _in_value(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Places in what the tokenizer was given as places in the raw value."""
        return places

    def _pool(self, tokens: Tensor, mask: Tensor) -> Tensor:
        pooling = self._assets["pooling"]
        if pooling == "cls":
            return tokens[:, 0]
        if pooling == "last":
            last = mask.sum(1) - 1
            return tokens[torch.arange(len(tokens), device=tokens.device), last]
        weight = mask.unsqueeze(-1).to(tokens.dtype)
        return (tokens * weight).sum(1) / weight.sum(1)

    def _pool_windows(self, windows: Tensor, lengths: Tensor, real: Tensor) -> Tensor:
        """Windows ``[batch, most, width]`` to rows: a mean (by length, where tokens are averaged) or a maximum."""
        if self.options.over_windows == "max":
            return windows.masked_fill(~real.unsqueeze(-1), float("-inf")).amax(1)
        weight = (lengths if self._assets["pooling"] == "mean" else real).to(windows.dtype).unsqueeze(-1)
        return (windows * weight).sum(1) / weight.sum(1)

    def census(self, items: Sequence[Windows]) -> dict[str, int]:
        """How many texts were longer than the window, and how many lost their end."""
        most = self.options.windows
        return {
            f"rows longer than the window of {self._assets['window']} tokens": sum(len(i.parts) > 1 for i in items),
            f"rows cut after {most} window{'s' if most > 1 else ''}": sum(i.cut for i in items),
        }


def _padded(types: Sequence[Ids]) -> Tensor:
    """Token types ``[windows, length]``, 0 where there is no token."""
    found = np.zeros((len(types), max(map(len, types))), dtype=np.int64)
    for row, part in zip(found, types, strict=True):
        row[: len(part)] = part
    return torch.from_numpy(found)
