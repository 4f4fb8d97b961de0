"""A tiny model of a BERT-like folder: seven words with drawn vectors."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

WORDS = ("[UNK]", "no", "fever", "cough", "rash", "pain", "smith")
NAME = "bert.embeddings.word_embeddings.weight"


def write_model(folder: Path, words: tuple[str, ...] = WORDS, vectors: int = len(WORDS), name: str = NAME) -> Path:
    folder.mkdir(exist_ok=True)
    draw = torch.Generator().manual_seed(7)
    other = {"bert.encoder.layer.0.output.dense.weight": torch.zeros(2, 2)}
    save_file({name: torch.randn(vectors, 5, generator=draw), **other}, folder / "model.safetensors")
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text('{"model_type": "bert"}')
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model")
