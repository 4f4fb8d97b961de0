"""Pretrained text backbones: any encoder or decoder that transformers can read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from medplug.core.backbone import Backbone, Inputs
from medplug.core.errors import BackboneError
from medplug.core.features import Features
from medplug.core.registry import Source
from medplug.core.training.quiet import quiet
from medplug.plugins.backbones.pretrained_options import PretrainedTextOptions
from medplug.plugins.backbones.weights import find_weights
from medplug.plugins.backbones.windows import Windows, cut_windows

_ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout", "attn_pdrop")


class PretrainedText(Backbone):
    """A transformers model over windows of text.

    Texts longer than the window become several windows, whose vectors are
    pooled; `tokens` then holds the windows of a row one after another.
    """

    def __init__(self, model: Any, assets: Mapping[str, Any], origin: Mapping[str, str]) -> None:
        super().__init__()
        from tokenizers import Tokenizer

        self.model = model
        self.width = int(model.config.hidden_size)
        self.options = PretrainedTextOptions.model_validate(assets["options"])
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
            model = _load(folder, options)
            assets = _describe(folder, model, options)
        return cls(model, assets, origin)

    @classmethod
    def restore(cls, assets: Mapping[str, Any]) -> Self:
        """Build the architecture that `assets` describe, with random weights."""
        from transformers import AutoConfig, AutoModel

        with quiet():
            config = AutoConfig.for_model(**assets["config"])
            made = AutoModel.from_config(config, trust_remote_code=False)  # type: ignore[no-untyped-call]
            model = _without_pooler(made)
        return cls(model, assets, {})

    def assets(self) -> dict[str, Any]:
        """Architecture, tokenizer and options."""
        return self._assets

    def provenance(self) -> dict[str, str]:
        """Where the weights came from."""
        return self._origin

    def prepare(self, values: Sequence[str]) -> list[Windows]:
        """Tokenise (in parallel) and cut into windows."""
        encoded = self._tokenizer.encode_batch_fast(list(values), add_special_tokens=False)
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

    def size(self, item: Windows) -> int:
        """Tokens computed for this text."""
        return item.size

    def collate(self, items: Sequence[Windows]) -> Inputs:
        """Windows of all rows on top of each other: `ids`, `mask` ``[windows, length]``; `grid` ``[batch, most]``.

        ``grid[row, i]`` is the place of the row's i-th window, or the number of
        windows where it has fewer.
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
        return {"ids": torch.from_numpy(ids), "mask": torch.from_numpy(mask), "grid": torch.from_numpy(grid)}

    def forward(self, inputs: Inputs) -> Features:
        """Encode every window, pool tokens to windows and windows to rows."""
        mask, grid = inputs["mask"], inputs["grid"]
        tokens = self.model(input_ids=inputs["ids"], attention_mask=mask.long()).last_hidden_state
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


def _load(folder: Path, options: PretrainedTextOptions) -> Any:
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModel

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        if getattr(config, "is_encoder_decoder", False):
            raise BackboneError(
                f"backbone folder {folder}: {config.model_type} is an encoder with a decoder, which medplug does not "
                "read; name an encoder (such as BERT) or a decoder (such as GPT2): medplug list backbones"
            )
        for name in _ATTENTION_DROPOUT:
            if hasattr(config, name):
                setattr(config, name, options.attention_dropout)
        model, info = AutoModel.from_pretrained(
            folder,
            config=config,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        first = (str(error).strip().splitlines() or [""])[0]
        raise BackboneError(f"backbone folder {folder}: transformers cannot read it: {first}") from None
    model = _without_pooler(model)
    wanted = set(model.state_dict())
    missing = sorted(name for name in info["missing_keys"] if name in wanted)
    if missing:
        raise BackboneError(
            f"backbone folder {folder}: the weights lack {len(missing)} of {len(wanted)} parameters "
            f"(such as {missing[0]}), which would start at random; is this the right folder for {config.model_type}?"
        )
    return model


def _without_pooler(model: Any) -> Any:
    """Drop the pooling layer of BERT and kin: pooled features are made here, and it would be dead weight."""
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    return model


def _describe(folder: Path, model: Any, options: PretrainedTextOptions) -> dict[str, Any]:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        fast = tokenizer.backend_tokenizer
    except (OSError, ValueError, AttributeError, ImportError) as error:
        first = (str(error).strip().splitlines() or [""])[0]
        problem = f"no usable tokenizer (tokenizer.json or a vocabulary): {first}"
        raise BackboneError(f"backbone folder {folder}: {problem}") from None
    if set(fast.get_vocab()) <= {*tokenizer.all_special_tokens, "\u2581"}:  # what transformers makes of no file at all
        raise BackboneError(
            f"backbone folder {folder}: no usable tokenizer: its vocabulary is empty; "
            "copy tokenizer.json (or the vocabulary files) of the model into it"
        )
    prefix, suffix = _specials(fast)
    window = min(options.window, _positions(model, options.window))
    padding = getattr(model.config, "pad_token_id", None)
    if window < len(prefix) + len(suffix) + 2:
        raise BackboneError(f"backbone.window={options.window} leaves no room for text beside the special tokens")
    return {
        "config": model.config.to_dict(),
        "tokenizer": json.loads(fast.to_str()),
        "prefix": prefix,
        "suffix": suffix,
        "pad": int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else padding or 0),
        "window": window,
        "pooling": _pooling(options.pooling, model),
        "options": options.model_dump(mode="json"),
    }


def _positions(model: Any, unbounded: int) -> int:
    """The most tokens that the model can read at once."""
    positions = int(getattr(model.config, "max_position_embeddings", unbounded))
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            positions -= module.padding_idx + 1  # RoBERTa and kin number positions from there
    return positions


def _specials(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The ids that the tokenizer puts before and after a text."""
    bare = tokenizer.encode("a", add_special_tokens=False).ids
    full = tokenizer.encode("a", add_special_tokens=True).ids
    for start in range(len(full) - len(bare) + 1):
        if full[start : start + len(bare)] == bare:
            return full[:start], full[start + len(bare) :]
    return [], []


def _pooling(asked: str, model: Any) -> str:
    """A decoder's last token has read the whole text; an encoder's tokens are averaged."""
    if asked != "auto":
        return asked
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING

    kind = type(model.config)
    return "last" if kind in MODEL_FOR_CAUSAL_LM_MAPPING and kind not in MODEL_FOR_MASKED_LM_MAPPING else "mean"
