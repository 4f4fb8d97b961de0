"""Tiny pretrained models, made once a session: every folder looks as `save_pretrained` leaves it."""

from __future__ import annotations

import json
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

WORDS = "the a no and with of for in on patient has had fever cough chest pain rash fracture acute chronic mild severe"


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Compute on one thread: the processors are shared by the tests."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a BERT of 2 layers and width 32 that reads at most 64 tokens, words and letters."""
    from transformers import BertConfig, BertModel

    tokenizer = _word_pieces()
    shape: dict[str, int] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = BertConfig(vocab_size=len(tokenizer), intermediate_size=48, max_position_embeddings=64, **shape)
    return _saved(tmp_path_factory.mktemp("bert"), BertModel, config, tokenizer)


@pytest.fixture(scope="session")
def tiny_gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a GPT2 of 2 layers and width 32 that reads at most 64 tokens, byte pairs."""
    from transformers import GPT2Config, GPT2Model

    tokenizer = _byte_pairs()
    config = GPT2Config(
        vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=4, n_positions=64, bos_token_id=0, eos_token_id=0
    )
    return _saved(tmp_path_factory.mktemp("gpt2"), GPT2Model, config, tokenizer)


@pytest.fixture(scope="session")
def tiny_esm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an ESM-2 of 2 layers and width 32 that reads at most 34 tokens, residues."""
    from transformers import EsmConfig, EsmForMaskedLM

    tokens = ["<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWCXBUZO.-", "<null_1>", "<mask>"]
    shape: dict[str, int] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = EsmConfig(
        vocab_size=len(tokens), intermediate_size=48, max_position_embeddings=34, position_embedding_type="rotary",
        token_dropout=True, pad_token_id=1, mask_token_id=32, emb_layer_norm_before=False, **shape,
    )  # fmt: skip
    folder = _saved(tmp_path_factory.mktemp("esm"), EsmForMaskedLM, config)
    (folder / "vocab.txt").write_text("\n".join(tokens))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "EsmTokenizer"}))
    return folder


@pytest.fixture(scope="session")
def tiny_roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a RoBERTa of SMILES; a byte-pair tokenizer without a letter `a` of its own, as SMILES have few."""
    from transformers import RobertaConfig, RobertaModel

    tokens = ["<s>", "<pad>", "</s>", "<unk>", *"CcOoNn()=123[]+-#l", "Cl", "cc"]
    shape: dict[str, int] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = RobertaConfig(
        vocab_size=len(tokens), intermediate_size=48, max_position_embeddings=66, pad_token_id=1, **shape
    )
    folder = _saved(tmp_path_factory.mktemp("roberta"), RobertaModel, config)
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\nC l\nc c\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "RobertaTokenizer"}))
    return folder


def _saved(folder: Path, model: Any, config: Any, tokenizer: Any = None) -> Path:
    import torch
    from transformers.utils import logging

    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = model(config)
        for parameter in made.parameters():  # larger than a fresh start, so that differences show
            parameter.data.mul_(4.0 if parameter.dim() > 1 else 1.0)
    logging.disable_progress_bar()
    made.save_pretrained(folder)
    logging.enable_progress_bar()
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    return folder


def _word_pieces() -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = string.ascii_lowercase + string.digits
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        *WORDS.split(),
        *".,;:",
        *letters,
        *(f"##{letter}" for letter in letters),
    ]
    pieces = list(dict.fromkeys(pieces))
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", [("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def _byte_pairs() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([WORDS] * 4, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>", bos_token="<|endoftext|>")
