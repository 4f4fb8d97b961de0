"""What is read of a model's folder: the vectors of its tokens and its tokenizer. No code comes with them."""

from __future__ import annotations

from pathlib import Path

import torch
from medplug.core.errors import BackboneError
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer
from torch import Tensor

_VECTORS = "embeddings.word_embeddings.weight"
"""How the parameter's name ends in BERT and kin (RoBERTa, DistilBERT, ELECTRA)."""


def read_vectors(folder: Path) -> Tensor:
    """The vector of every token, float32 ``[tokens, width]``, from the safetensors of a folder.

    `BackboneError` where a file cannot be read or none has them.
    """
    for file in sorted(folder.glob("*.safetensors")):
        found = _vectors_in(file)
        if found is not None:
            return found
    raise BackboneError(
        f"backbone folder {folder}: no parameter is called ...{_VECTORS}; give the folder of a BERT-like model, as "
        "save_pretrained() leaves it"
    )


def _vectors_in(file: Path) -> Tensor | None:
    try:
        with safe_open(file, framework="pt") as opened:
            named = [name for name in opened.keys() if name.endswith(_VECTORS)]  # noqa: SIM118 - no mapping
            return opened.get_tensor(named[0]).to(torch.float32) if named else None
    except (OSError, SafetensorError) as error:
        raise BackboneError(f"weights {file}: safetensors cannot read them: {error}") from None


def read_tokenizer(folder: Path, vectors: int) -> Tokenizer:
    """The tokenizer of a folder; `BackboneError` where it is missing, or knows more tokens than there are vectors."""
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise BackboneError(
            f"backbone folder {folder} has no tokenizer.json; write it where the model can be loaded: "
            "AutoTokenizer.from_pretrained(MODEL).save_pretrained(FOLDER)"
        )
    try:
        found = Tokenizer.from_file(str(file))
    except Exception as error:  # noqa: BLE001 - tokenizers raises Exception itself
        raise BackboneError(f"{file}: tokenizers cannot read it: {error}") from None
    largest = max(found.get_vocab().values(), default=-1)
    if not 0 <= largest < vectors:
        raise BackboneError(
            f"{file} numbers tokens up to {largest}, and the model has {vectors} vectors; give the tokenizer and the "
            "weights of one model"
        )
    return found
