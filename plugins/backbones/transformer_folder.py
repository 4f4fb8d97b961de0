"""The folder of a model of transformers: its weights, its tokenizer, and what is kept of both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from medplug.core.errors import BackboneError
from medplug.plugins.backbones.pretrained_options import PretrainedTextOptions

_ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout", "attn_pdrop")
_HEADS = ("pooler", "contact_head")  # of BERT and kin, and of ESM: they would be dead weight


def load_model(folder: Path, options: PretrainedTextOptions) -> Any:
    """Load the weights of a folder; `BackboneError` if they cannot be read or lack parameters."""
    from transformers import AutoModel

    config = read_config(folder)
    if getattr(config, "is_encoder_decoder", False):
        raise BackboneError(
            f"backbone folder {folder}: {config.model_type} is an encoder with a decoder, which medplug reads for "
            "written answers alone; name an encoder (such as BERT) or a decoder (such as GPT2): medplug list backbones"
        )
    for name in _ATTENTION_DROPOUT:
        if hasattr(config, name):
            setattr(config, name, options.attention_dropout)
    return read_weights(AutoModel, folder, config)


def read_config(folder: Path) -> Any:
    """The configuration of a folder; `BackboneError` if transformers cannot read it."""
    from transformers import AutoConfig

    with _readable(folder):
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def read_weights(auto: Any, folder: Path, config: Any) -> Any:
    """The model that `auto` (``AutoModel`` and kin) makes of a folder, without the heads that nothing here uses.

    `BackboneError` if the weights cannot be read or lack parameters.
    """
    with _readable(folder):
        model, info = auto.from_pretrained(
            folder,
            config=config,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            dtype=torch.float32,
            output_loading_info=True,
        )
    model = without_heads(model)
    wanted = set(model.state_dict())
    missing = sorted(name for name in info["missing_keys"] if name in wanted)
    if missing:
        raise BackboneError(
            f"backbone folder {folder}: the weights lack {len(missing)} of {len(wanted)} parameters "
            f"(such as {missing[0]}), which would start at random; is this the right folder for {config.model_type}?"
        )
    return model


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """Say in a line what transformers found wrong with a folder."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        first = (str(error).strip().splitlines() or [""])[0]
        raise BackboneError(f"backbone folder {folder}: transformers cannot read it: {first}") from None


def without_heads(model: Any) -> Any:
    """Drop pooling layers and the like: pooled features are made here."""
    for name in _HEADS:
        if getattr(model, name, None) is not None:
            setattr(model, name, None)
    return model


def describe(folder: Path, model: Any, options: PretrainedTextOptions, probe: str) -> dict[str, Any]:
    """Architecture, tokenizer and how both are used, as JSON data; `probe` is a text of one token."""
    tokenizer, fast = read_tokenizer(folder)
    prefix, suffix = specials(fast, probe)
    window = min(options.window, positions_of(model, options.window))
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


def read_tokenizer(folder: Path) -> tuple[Any, Any]:
    """The tokenizer of a folder as transformers has it, and without Python in its loop; `BackboneError` without any."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        fast = _fast(tokenizer)
    except (OSError, ValueError, AttributeError, ImportError) as error:
        first = (str(error).strip().splitlines() or [""])[0]
        problem = f"no usable tokenizer (tokenizer.json or a vocabulary): {first}"
        raise BackboneError(f"backbone folder {folder}: {problem}") from None
    if set(fast.get_vocab()) <= {*tokenizer.all_special_tokens, "\u2581"}:  # what transformers makes of no file at all
        raise BackboneError(
            f"backbone folder {folder}: no usable tokenizer: its vocabulary is empty; "
            "copy tokenizer.json (or the vocabulary files) of the model into it"
        )
    return tokenizer, fast


def _fast(tokenizer: Any) -> Any:
    """The tokenizer without Python in its loop; ESM's, which has none, is written anew: a residue is a token."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
    from transformers import EsmTokenizer

    if not isinstance(tokenizer, EsmTokenizer):
        return tokenizer.backend_tokenizer
    vocabulary = tokenizer.get_vocab()  # type: ignore[no-untyped-call]
    fast = Tokenizer(models.WordLevel(vocabulary, tokenizer.unk_token))
    fast.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    first, last = tokenizer.cls_token, tokenizer.eos_token
    fast.post_processor = processors.TemplateProcessing(
        f"{first} $A {last}", None, [(first, tokenizer.cls_token_id), (last, tokenizer.eos_token_id)]
    )
    return fast


def positions_of(model: Any, unbounded: int) -> int:
    """The most tokens that the model can read at once."""
    positions = int(getattr(model.config, "max_position_embeddings", unbounded))
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            positions -= module.padding_idx + 1  # RoBERTa and kin number positions from there
    return positions


def specials(tokenizer: Any, probe: str) -> tuple[list[int], list[int]]:
    """The ids that the tokenizer puts before and after a text."""
    bare = tokenizer.encode(probe, add_special_tokens=False).ids
    full = tokenizer.encode(probe, add_special_tokens=True).ids
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
