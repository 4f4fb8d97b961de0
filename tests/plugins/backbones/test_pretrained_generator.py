"""Text models that write: what their likelihood is, what padding must not change, and which folders are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from medplug.core.errors import BackboneError
from medplug.core.generation.generator import Written
from medplug.core.generation.prompt import Prompt
from medplug.core.registry import Source
from medplug.plugins.backbones.generator_options import GeneratorOptions
from medplug.plugins.backbones.pretrained_generator import PretrainedGenerator

pytestmark = pytest.mark.usefixtures("one_thread")

PROMPTS = [
    "fever",
    "the patient has had a dry cough and chest pain",
    "no rash",
    "acute fracture, severe pain, mild cough",
]
ANSWERS = ["mild", "the patient has no fever", "a rash of the chest", "severe"]


@pytest.fixture(params=["llama", "gpt2_writer", "t5"])
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(f"tiny_{request.param}")
    return found


def load(folder: Path, **options: Any) -> PretrainedGenerator:
    return PretrainedGenerator.create(GeneratorOptions(**options), Source(path=folder)).eval()


def items(model: PretrainedGenerator) -> list[Prompt]:
    answers = model.answers(ANSWERS, 32)
    return [Prompt(p.ids, answer=tuple(ids)) for p, (ids, _) in zip(model.prepare(PROMPTS), answers, strict=True)]


def likelihood(model: PretrainedGenerator, rows: list[Prompt]) -> Tensor:
    with torch.no_grad():
        return model.likelihood(model.collate(rows))


def write(model: PretrainedGenerator, rows: list[Prompt], most: int = 6) -> list[Written]:
    with torch.inference_mode():
        return model.write(model.collate([row.asked() for row in rows]), most)


# ---- likelihood


def test_the_likelihood_is_the_loss_of_transformers(folder: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    model = load(folder)
    auto: Any = AutoModelForCausalLM if model.shares_window else AutoModelForSeq2SeqLM
    theirs = auto.from_pretrained(folder, dtype=torch.float32).eval()
    for row, ours in zip(items(model), likelihood(model, items(model)), strict=True):
        ids, answer = torch.tensor([row.ids]), torch.tensor([row.answer])
        if model.shares_window:
            whole = torch.cat([ids, answer], 1)
            loss = theirs(input_ids=whole, labels=torch.cat([torch.full_like(ids, -100), answer], 1)).loss
        else:
            loss = theirs(input_ids=ids, labels=answer).loss
        assert ours.item() == pytest.approx(loss.item(), abs=1e-5)


def test_an_answer_ends_with_what_ends_a_text(folder: Path) -> None:
    model = load(folder)
    for ids, cut in model.answers(ANSWERS, 32):
        assert ids[-1] == 2 and ids.count(2) == 1 and not cut
    ((ids, cut),) = model.answers([ANSWERS[1] * 9], 5)
    assert cut and len(ids) == 5 and 2 not in ids


def test_neither_padding_nor_the_other_rows_change_a_likelihood(folder: Path) -> None:
    model = load(folder)
    together = likelihood(model, items(model))
    alone = torch.cat([likelihood(model, [row]) for row in items(model)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    assert together.std() > 1e-3


# ---- writing


def test_answers_written_in_a_batch_are_those_written_one_by_one(folder: Path) -> None:
    model = load(folder)
    together = write(model, items(model))
    alone = [write(model, [row])[0] for row in items(model)]
    assert [each.text for each in together] == [each.text for each in alone]
    assert [each.score for each in together] == pytest.approx([each.score for each in alone], abs=1e-5)


def test_the_score_is_the_mean_log_probability_of_what_was_written(folder: Path) -> None:
    model = load(folder)
    row = items(model)[1]
    with torch.inference_mode():
        ids = greedy(model, row, 6)
    (written,) = write(model, [row])
    assert written.score == pytest.approx(-float(likelihood(model, [Prompt(row.ids, answer=tuple(ids))])), abs=1e-5)


def greedy(model: PretrainedGenerator, row: Prompt, most: int) -> list[int]:
    """The likeliest tokens, each from a pass over all that stands before it."""
    found: list[int] = []
    while len(found) < most and 2 not in found:
        if model.shares_window:
            logits = model.model(input_ids=torch.tensor([[*row.ids, *found]])).logits
        else:
            logits = model.model(
                input_ids=torch.tensor([row.ids]), decoder_input_ids=torch.tensor([[0, *found]])
            ).logits
        found.append(int(logits[0, -1].argmax()))
    return found


# ---- folders


@pytest.fixture
def broken(tiny_llama: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(tiny_llama, tmp_path / "model"))


def test_an_encoder_is_refused_with_the_next_step(tiny_bert: Path) -> None:
    with pytest.raises(BackboneError, match=r"bert reads text and writes none.*GPT2.*T5.*another task\.form"):
        load(tiny_bert)


def test_a_folder_of_pickled_weights_is_refused_with_how_to_convert_it(broken: Path) -> None:
    (broken / "model.safetensors").rename(broken / "pytorch_model.bin")
    with pytest.raises(BackboneError, match=r"pytorch_model\.bin.*run code.*AutoModelForCausalLM"):
        load(broken)


def test_weights_without_an_output_are_refused(broken: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(broken / "model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BackboneError, match=r"lack 1 of \d+ parameters \(such as lm_head\.weight\)"):
        load(broken)


def test_a_model_that_no_token_ends_is_refused(broken: Path) -> None:
    for name in ("config.json", "generation_config.json", "tokenizer_config.json"):
        found = json.loads((broken / name).read_text())
        (broken / name).write_text(json.dumps({key: None if "eos" in key else each for key, each in found.items()}))
    with pytest.raises(BackboneError, match="no answer would end"):
        load(broken)


def test_the_settings_of_a_folder_do_not_make_answers_random(broken: Path) -> None:
    expected = [each.text for each in write(load(broken), items(load(broken)))]
    changed = {"do_sample": True, "temperature": 9.0, "num_beams": 3, "repetition_penalty": 4.0}
    (broken / "generation_config.json").write_text(json.dumps({"eos_token_id": 2, **changed}))
    assert [each.text for each in write(load(broken), items(load(broken)))] == expected


def test_a_chat_template_stands_around_prompts(broken: Path) -> None:
    template = (
        "{% for m in messages %}<s>{{ m['role'] }}: {{ m['content'] }}</s>{% endfor %}"
        "{% if add_generation_prompt %}<s>assistant: {% endif %}"
    )
    (broken / "chat_template.jinja").write_text(template)
    model = load(broken)
    text = model._tokenizer.decode(list(model.prepare(["fever"])[0].ids), skip_special_tokens=False)
    assert text == "<s>user: fever</s><s>assistant: "
    ((ids, _),) = model.answers(["mild"], 9)
    assert model._tokenizer.decode(ids, skip_special_tokens=False) == "mild</s>" and model.cue == ""


def test_a_window_is_no_longer_than_the_model(folder: Path) -> None:
    positions = {"t5": 1024}.get(json.loads((folder / "config.json").read_text())["model_type"], 128)
    assert load(folder).window == positions
    assert load(folder, window=50).window == 50
    (prompt,) = load(folder, window=50).prepare(["fever and rash " * 90])
    assert len(prompt.ids) == 50 and prompt.cut
