"""Tiny pretrained models, made once a session: every folder looks as `save_pretrained` leaves it."""

from __future__ import annotations

import gc
import json
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

WORDS = "the a no and with of for in on patient has had fever cough chest pain rash fracture acute chronic mild severe"
HERE = Path(__file__).parent
DRAWN = {"test_privacy.py", "test_comparison.py", "test_compare_cli.py", "test_output.py"}
"""Files of tests that look at figures, beside those in a folder `report`."""
SHORT = (HERE / "core", HERE / "plugins")
"""Folders of files that take seconds each; what lies elsewhere under `tests` uses whole commands."""


def pytest_configure(config: pytest.Config) -> None:
    """Hand files out as they are collected; those of most tests, which would be the first, are the quick ones."""
    if config.pluginmanager.hasplugin("xdist"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long, so that none of them is left to one process while the others have ended."""
    items.sort(key=lambda item: any(item.path.is_relative_to(folder) for folder in SHORT))


def pytest_collection_finish() -> None:
    """What was collected stays to the end: no later pass over the garbage need look at it again."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """All may go now: compiled bindings would tell of what they still hold."""
    gc.unfreeze()
    gc.collect()


@pytest.fixture(scope="module", autouse=True)
def figures_as_they_come(request: pytest.FixtureRequest) -> Iterator[None]:
    """Draw figures where reports themselves are tested; elsewhere it would take a half of each small run.

    Where a run of every kind of task is searched for what its patients' rows hold, figures are drawn, and not laid out.
    """
    with pytest.MonkeyPatch.context() as patched:
        if "report" not in request.path.parts:
            patched.setattr("matplotlib.layout_engine.ConstrainedLayoutEngine.execute", lambda self, figure: None)
            if request.path.name not in DRAWN:
                patched.setattr("matplotlib.backends.backend_svg.FigureCanvasSVG.print_svg", _blank)
        yield


def _blank(_: Any, file: Any, **__: Any) -> None:
    file.write("<svg></svg>")


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Compute on one thread: the processors are shared by the tests."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Boosted trees of few choices, as they take most of the time of a small run."""
    monkeypatch.setattr("medplug.core.evaluation.trees.DEEP", ((0.1,), (8,), (5, 20)))


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


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a Llama that writes, of 2 layers and width 48, 128 positions, byte pairs, and no template."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = _asking_byte_pairs()
    shape: dict[str, int] = {
        "hidden_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 96,
    }
    ends: dict[str, Any] = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    config = LlamaConfig(
        vocab_size=len(tokenizer), num_key_value_heads=2, max_position_embeddings=128, tie_word_embeddings=False,
        **shape, **ends,
    )  # fmt: skip
    return _saved(tmp_path_factory.mktemp("llama"), LlamaForCausalLM, config, tokenizer, larger=1.0)


@pytest.fixture(scope="session")
def tiny_gpt2_writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a GPT2 that writes, its output tied to its input, 128 positions."""
    from transformers import GPT2Config, GPT2LMHeadModel

    tokenizer = _asking_byte_pairs()
    config = GPT2Config(
        vocab_size=len(tokenizer), n_embd=48, n_layer=2, n_head=4, n_positions=128, bos_token_id=1, eos_token_id=2
    )
    return _saved(tmp_path_factory.mktemp("gpt2-writer"), GPT2LMHeadModel, config, tokenizer, larger=1.0)


@pytest.fixture(scope="session")
def tiny_t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a T5 of 2 layers and width 48, its weights tied."""
    from transformers import T5Config, T5ForConditionalGeneration

    tokenizer = _asking_byte_pairs(ending=True)
    config = T5Config(
        vocab_size=len(tokenizer), d_model=48, d_kv=12, d_ff=96, num_layers=2, num_heads=4, dropout_rate=0.0,
        pad_token_id=0, eos_token_id=2, decoder_start_token_id=0,
    )  # fmt: skip
    return _saved(tmp_path_factory.mktemp("t5"), T5ForConditionalGeneration, config, tokenizer, larger=1.0)


def _asking_byte_pairs(*, ending: bool = False) -> Any:
    """Byte pairs of short questions; with `ending` every text ends in ``</s>``."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    names = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=list(names.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    asked = ["Answer the question from the passages.", "Answer the question.", "Passage 1: ", "Question: ", "Answer:"]
    tokenizer.train_from_iterator([*asked * 4, *[WORDS] * 4], trainer)
    if ending:
        tokenizer.post_processor = processors.TemplateProcessing("$A </s>", None, [("</s>", 2)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def _saved(folder: Path, model: Any, config: Any, tokenizer: Any = None, *, larger: float = 4.0) -> Path:
    import torch
    from transformers.utils import logging

    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = model(config)
        for parameter in made.parameters():  # larger than a fresh start, so that differences show
            parameter.data.mul_(larger if parameter.dim() > 1 else 1.0)
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
