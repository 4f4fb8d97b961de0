"""The folder of a text model that writes: which kind it is, its weights, and what stands around its prompts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medplug.core.errors import BackboneError
from medplug.plugins.backbones.generator_options import GeneratorOptions
from medplug.plugins.backbones.transformer_folder import (
    positions_of,
    read_config,
    read_tokenizer,
    read_weights,
    specials,
)

_PROBE = "a"
_ASKED, _REPLIED = "\u27e6asked\u27e7", "\u27e6replied\u27e7"
"""What stands for the turns of a chat while its template is taken apart."""


def load_writer(folder: Path) -> Any:
    """The causal or sequence-to-sequence model of a folder; `BackboneError` where it is none, or cannot be read."""
    config = read_config(folder)
    return read_weights(_auto(is_seq2seq(config, folder)), folder, config)


def made(config: Mapping[str, Any]) -> Any:
    """The model of a configuration that `described` kept, with random weights."""
    from transformers import AutoConfig

    found = AutoConfig.for_model(**config)
    return _auto(bool(getattr(found, "is_encoder_decoder", False))).from_config(found, trust_remote_code=False)


def is_seq2seq(config: Any, folder: Path) -> bool:
    """Whether a model has an encoder before its decoder; `BackboneError` where it does not write at all."""
    from transformers import (
        MODEL_FOR_CAUSAL_LM_MAPPING,
        MODEL_FOR_MASKED_LM_MAPPING,
        MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
    )

    kind = type(config)
    if getattr(config, "is_encoder_decoder", False) and kind in MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING:
        return True
    masked = kind in MODEL_FOR_MASKED_LM_MAPPING and not getattr(config, "is_decoder", False)
    if kind in MODEL_FOR_CAUSAL_LM_MAPPING and not masked:
        return False
    raise BackboneError(
        f"backbone folder {folder}: {config.model_type} reads text and writes none; generative answers need a causal "
        "model (such as GPT2, Llama, Qwen) or a sequence-to-sequence one (such as T5, BART): backbone=./FOLDER. "
        "For an encoder use another task.form"
    )


def _auto(seq2seq: bool) -> Any:
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    return AutoModelForSeq2SeqLM if seq2seq else AutoModelForCausalLM


def described(folder: Path, model: Any, options: GeneratorOptions) -> dict[str, Any]:
    """Architecture, tokenizer and what stands around prompts and answers, as JSON data."""
    tokenizer, fast = read_tokenizer(folder)
    seq2seq = bool(getattr(model.config, "is_encoder_decoder", False))
    ends = _ends(model, tokenizer)
    if not ends:
        raise BackboneError(
            f"backbone folder {folder}: no token is named that ends a text (eos_token_id), so that no answer would end"
        )
    chat = None if seq2seq else _chat(tokenizer, fast, ends)
    before, after = specials(fast, _PROBE) if chat is None else chat[:2]
    found = model.generation_config
    return {
        "config": model.config.to_dict(),
        "tokenizer": json.loads(fast.to_str()),
        "window": min(options.window, positions_of(model, options.window)),
        "before": before,
        # a causal model goes on from the prompt: what ends a text must not stand there
        "after": after if seq2seq or chat is not None else [],
        "chat": chat is not None,
        "answer_before": before if seq2seq else [],
        "answer_after": after if seq2seq else [ends[0] if chat is None else chat[2]],
        "spaced": not seq2seq and chat is None and _spaced(fast),
        "pad": _first(tokenizer.pad_token_id, model.config.pad_token_id, ends[0]),
        "ends": ends,
        "start": _first(found.decoder_start_token_id, getattr(model.config, "decoder_start_token_id", None)),
        "forced_start": found.forced_bos_token_id if seq2seq else None,
        "options": options.model_dump(mode="json"),
    }


def _ends(model: Any, tokenizer: Any) -> list[int]:
    """The tokens that end a text, that of the tokenizer first."""
    told = [tokenizer.eos_token_id]
    for each in (model.generation_config.eos_token_id, getattr(model.config, "eos_token_id", None)):
        told += each if isinstance(each, list) else [each]
    return list(dict.fromkeys(int(token) for token in told if token is not None))


def _chat(tokenizer: Any, fast: Any, ends: list[int]) -> tuple[list[int], list[int], int] | None:
    """The tokens before a question and after it up to where the answer begins, and the one that ends the answer's turn.

    None where the tokenizer has no template of a chat.
    """
    if not getattr(tokenizer, "chat_template", None):
        return None
    turn = [{"role": "user", "content": _ASKED}]
    # templates that let a model think aloud first are asked not to; others pass over what they do not know
    how: dict[str, Any] = {"tokenize": False, "enable_thinking": False}
    asked = tokenizer.apply_chat_template(turn, add_generation_prompt=True, **how)
    replied = tokenizer.apply_chat_template([*turn, {"role": "assistant", "content": _REPLIED}], **how)
    if asked.count(_ASKED) != 1 or replied.count(_REPLIED) != 1:
        raise BackboneError("the tokenizer's chat template changes what is said; take chat_template out of the folder")

    def tokens(text: str) -> list[int]:
        return list(fast.encode(text, add_special_tokens=False).ids)

    before, after = map(tokens, asked.split(_ASKED))
    closing = tokens(replied.partition(_REPLIED)[2])
    return before, after, next((token for token in closing if token in ends), ends[0])


def _spaced(fast: Any) -> bool:
    """Whether a word within a text is one token with the space before it, as those of byte pairs are."""
    alone, within = (len(fast.encode(text, add_special_tokens=False).ids) for text in ("the", " the"))
    return within <= alone


def _first(*values: int | None) -> int | None:
    return next((int(value) for value in values if value is not None), None)
