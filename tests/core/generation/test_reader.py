"""Generators over questions: what they learn, what they are given, and that a saved one answers alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from medplug.core.answers.questions import Pair
from medplug.core.data.targets import Target
from medplug.core.errors import BackboneError, ConfigError, DataError
from medplug.core.generation.generator import Generator
from medplug.core.generation.model import TextModel
from medplug.core.generation.passages import CorpusFinder
from medplug.core.generation.reader import PromptReader
from medplug.core.generation.writing import Answered, likelihoods, write
from medplug.core.registry import Source
from medplug.core.retrieval.corpus import Corpus
from medplug.core.training.compute import Compute
from medplug.core.training.processes import Processes
from medplug.plugins.adapters.efficient import Lora
from medplug.plugins.adapters.options import LoraOptions
from medplug.plugins.backbones.generator_options import GeneratorOptions
from medplug.plugins.backbones.pretrained_generator import PretrainedGenerator
from medplug.plugins.backbones.scratch_options import TextCNNOptions
from medplug.plugins.backbones.scratch_text import TextCNN

pytestmark = pytest.mark.usefixtures("one_thread")

TARGET = Target("text", ("answer",))
PAIRS = {
    "what of fever": "mild cough",
    "what of rash": "no pain",
    "what of fracture": "severe",
    "what of chest": "acute fever",
}
QUESTIONS = [Pair(question, "") for question in PAIRS]
CORPUS = Corpus.of([("one", "the fever of the patient"), ("two", "a rash with pain " * 60)])
COMPUTE = Compute(torch.device("cpu"), None, 256, Processes(cpu=True, alone=True))


@pytest.fixture(params=["llama", "gpt2_writer", "t5"])
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(f"tiny_{request.param}")
    return found


def generator(folder: Path, **options: Any) -> PretrainedGenerator:
    return PretrainedGenerator.create(GeneratorOptions(**options), Source(path=folder))


def model(text: Generator, *, corpus: bool = False, answer_tokens: int = 8, count: int = 2) -> TextModel:
    finder = CorpusFinder.of(CORPUS) if corpus else None
    return TextModel(PromptReader(text, count=count, answer_tokens=answer_tokens, finder=finder), TARGET)


def learn(made: TextModel, steps: int) -> None:
    """A few steps of gradient on the pairs."""
    items = made.reader.answered(made.reader.prepare(QUESTIONS), list(PAIRS.values()))
    inputs = made.backbone.collate(items)
    optimizer = torch.optim.AdamW([p for p in made.parameters() if p.requires_grad], lr=5e-3, weight_decay=0)
    made.train()
    for _ in range(steps):
        optimizer.zero_grad()
        made.outputs(inputs).logits.mean().backward()
        optimizer.step()


def answers(made: TextModel, values: list[Pair] = QUESTIONS) -> list[Answered]:
    return write(made, made.reader.prepare(values), COMPUTE)


def test_a_tiny_model_learns_to_answer(folder: Path) -> None:
    torch.manual_seed(0)
    made = model(generator(folder))
    before = [each.text for each in answers(made)]
    learn(made, 120)
    assert [each.text for each in answers(made)] == list(PAIRS.values()) != before
    assert all(each.score > -0.5 for each in answers(made))


def test_lora_learns_through_few_weights_and_a_restored_model_answers_alike(folder: Path) -> None:
    torch.manual_seed(0)
    made = model(generator(folder))
    adapter = Lora(LoraOptions(rank=8))
    adapter.prepare(made)
    trained = [name for name, p in made.named_parameters() if p.requires_grad]
    assert trained and all("lora" in name for name in trained)
    learn(made, 25)
    other = model(PretrainedGenerator.restore(made.backbone.assets()))
    adapter.prepare(other)
    state = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    other.load_state_dict(state)
    assert answers(other) == answers(made)
    assert answers(made) != answers(model(generator(folder)))


def test_a_state_names_no_weight_twice_and_loads_whole(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    made = model(generator(folder))
    save_file(made.state_dict(), tmp_path / "model.safetensors")  # refuses tensors that share memory
    other = model(generator(folder).again())
    assert answers(other) != answers(made)
    other.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert answers(other) == answers(made)
    items = made.reader.answered(made.reader.prepare(QUESTIONS), list(PAIRS.values()))
    assert (likelihoods(made, items, COMPUTE) == likelihoods(other, items, COMPUTE)).all()


def test_the_passages_told_of_are_those_in_the_prompt(folder: Path) -> None:
    made = model(generator(folder), corpus=True)
    values = [Pair("the fever", ""), Pair("rash with pain", ""), Pair("zebra", ""), Pair("fever", "own words")]
    given = made.reader.passages(values)
    assert [[each.id for each in row] for row in given] == [["one"], ["two"], [], ["context"]]
    for value, prompt, row in zip(values, made.reader.prepare(values), given, strict=True):
        assert prompt.passages == tuple(each.id for each in row)
        text = generator(folder)._tokenizer.decode(list(prompt.ids))
        assert f"Question: {value.question}" in text
        assert all(each.text[:20] in text for each in row)
    assert [each.passages for each in answers(made, values)] == [("one",), ("two",), (), ("context",)]


def test_prompt_and_answer_fit_the_model(tiny_llama: Path) -> None:
    made = model(generator(tiny_llama), corpus=True, answer_tokens=20)
    (prompt,) = made.reader.prepare([Pair("rash with pain", "")])
    assert prompt.cut and len(prompt.ids) == 128 - 20  # its positions, less what is written
    assert made.reader.census([prompt])["rows whose passages were cut to the 128 tokens that the model reads"] == 1
    with pytest.raises(DataError, match="longer than the model reads"):
        made.reader.prepare([Pair("fever " * 200, "")])
    with pytest.raises(ConfigError, match=r"task\.answer_tokens=128 leaves no room"):
        model(generator(tiny_llama), answer_tokens=128)


def test_answers_that_go_on_are_counted(tiny_t5: Path) -> None:
    reader = model(generator(tiny_t5), answer_tokens=4).reader
    items = reader.answered(reader.prepare(QUESTIONS[:2]), ["fever " * 9, "fever"])
    assert [len(item.answer) <= 4 for item in items] == [True, True]
    assert reader.census(items)["answers that are longer than the 4 tokens that are learned and written"] == 1


def test_passages_are_found_again_in_the_folder_they_were_kept_in(tiny_llama: Path, tmp_path: Path) -> None:
    made, other = model(generator(tiny_llama), corpus=True), model(generator(tiny_llama))
    made.reader.keep(tmp_path)
    other.reader.recall(tmp_path)
    values = [Pair("the fever", ""), Pair("rash with pain", "")]
    assert other.reader.prepare(values) == made.reader.prepare(values)
    assert other.reader.prepare(values) != model(generator(tiny_llama)).reader.prepare(values)


def test_equal_prompts_are_answered_once_and_batches_change_nothing(tiny_llama: Path) -> None:
    made = model(generator(tiny_llama))
    alone = [answers(made, [value])[0] for value in QUESTIONS]
    together = answers(made, [*QUESTIONS, *QUESTIONS[::-1]])
    assert [each.text for each in together] == [each.text for each in [*alone, *alone[::-1]]]


def test_a_backbone_that_writes_nothing_is_refused_with_the_next_step() -> None:
    with pytest.raises(BackboneError, match=r"writes none.*backbone=\./FOLDER"):
        PromptReader(TextCNN.create(TextCNNOptions(), None), count=1, answer_tokens=4)
