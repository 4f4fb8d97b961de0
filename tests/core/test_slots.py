"""Plans of tasks that have slots: which modalities are in use, and which keys speak of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from medplug.core.completion import complete
from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import ConfigError, MedplugError
from medplug.core.folder import config_yaml
from medplug.core.grammar import flatten, parse_arguments, read_file
from medplug.core.plan import Plan, make_plan

TASK = "task=multimodal_diagnosis"
TEXT, VALUES, SIGNAL = "data.text=note", 'data.tabular=["age"]', "data.signal=ecg"
CASES = (TASK, "data.train=cases.csv", TEXT, VALUES)


def planned(plugins: Plugins, *words: str) -> Plan:
    return make_plan([("command line", parse_arguments(words))], plugins)


def refused(plugins: Plugins, *words: str) -> str:
    with pytest.raises(MedplugError) as caught:
        planned(plugins, *words)
    assert caught.value.exit_code == 2
    return str(caught.value)


def names(plan: Plan) -> dict[str, str]:
    return {slot: each.choice.name for slot, each in plan.encoders.items()}


def told(plan: Plan) -> dict[str, Any]:
    return {key: value for key, value, _ in plan.settings()}


def test_each_slot_in_use_has_a_backbone_of_its_own_in_the_tasks_order(plugins: Plugins) -> None:
    plan = planned(plugins, TASK, "data.train=t.csv", SIGNAL, VALUES, TEXT, "data.image=path", 'data.genes=["g_*"]')
    assert list(plan.encoders) == ["text", "image", "tabular", "signal", "genes"]
    assert names(plan)["genes"] == "genes" and names(plan)["text"] == "minilm"
    assert plan.fusion is not None and plan.fusion[0].name == "gated"
    with pytest.raises(ConfigError, match="text and image and tabular"):
        _ = plan.encoder


def test_no_key_of_data_stands_for_the_slots_of_the_sample(plugins: Plugins) -> None:
    assert list(planned(plugins, TASK).encoders) == ["tabular", "signal"]


@pytest.mark.parametrize("form", ["words", "nested", "yaml"])
def test_a_backbone_and_its_options_are_named_below_its_slot_in_every_form(
    plugins: Plugins, form: str, tmp_path: Path
) -> None:
    if form == "words":
        plan = planned(plugins, *CASES, "backbone.text=text_cnn", "backbone.text.window=64")
    elif form == "nested":
        keys: dict[str, Any] = {
            "task": "multimodal_diagnosis",
            "data": {"train": "cases.csv", "text": "note", "tabular": ["age"]},
            "backbone": {"text": {"name": "text_cnn", "window": 64}},
        }
        plan = make_plan([("argument", flatten(keys))], plugins)
    else:
        (tmp_path / "keys.yaml").write_text(
            "task: multimodal_diagnosis\ndata: {train: cases.csv, text: note, tabular: [age]}\n"
            "backbone:\n  text:\n    name: text_cnn\n    window: 64\n"
        )
        plan = make_plan([("file", read_file(tmp_path / "keys.yaml"))], plugins)
    assert names(plan) == {"text": "text_cnn", "tabular": "tabular_resnet"}
    assert plan.encoders["text"].options.model_dump()["window"] == 64


@pytest.mark.parametrize(
    "words",
    [
        ("backbone=tabular_transformer", "backbone.blocks=3"),
        ("backbone.tabular=tabular_transformer", "backbone.tabular.blocks=3"),
        ("backbone.tabular=tabular_transformer", "backbone.blocks=3"),
    ],
)
def test_with_one_slot_in_use_the_keys_are_those_of_a_run_of_one_modality(
    plugins: Plugins, words: tuple[str, ...]
) -> None:
    plan = planned(plugins, TASK, "data.train=t.csv", VALUES, *words)
    assert names(plan) == {"": "tabular_transformer"} and plan.fusion is None
    assert plan.encoder.options.model_dump()["blocks"] == 3
    keys = told(plan)
    assert keys["backbone"] == "tabular_transformer" and keys["backbone.blocks"] == 3
    assert not any(key.startswith(("backbone.tabular", "adapter.tabular", "fusion")) for key in keys)


def test_with_one_slot_in_use_its_own_adapter_is_the_adapter(plugins: Plugins) -> None:
    plan = planned(plugins, TASK, "data.train=t.csv", TEXT, "adapter.text=lora")
    assert [spec.name for spec, _ in plan.adapters] == ["lora"]
    recipe = planned(plugins, TASK, "data.train=t.csv", TEXT)
    assert [spec.name for spec, _ in recipe.adapters] == ["frozen"]


def test_a_scratch_backbone_alone_is_trained_whatever_the_recipe_says_of_a_pretrained_one(plugins: Plugins) -> None:
    plan = planned(plugins, TASK, "data.train=t.csv", TEXT, "backbone=text_cnn")
    assert [spec.name for spec, _ in plan.adapters] == ["finetune"]


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("backbone=minilm", ["this run has text and tabular", "backbone.text=minilm or backbone.tabular=minilm"]),
        ("backbone.image=cnn", ["backbone.image: this run has no image, as data.image names no column"]),
        ("backbone.image.width=8", ["this run has no image", "it has: text, tabular"]),
        ("adapter.signal=frozen", ["adapter.signal: this run has no signal"]),
        ("backbone.text=cnn", ["backbone.text=cnn encodes image", "needs text there"]),
        ("backbone.txt=minilm", ["backbone.txt is not a key; did you mean backbone.text?"]),
        ("backbone.txt.window=3", ["did you mean", "backbone.text.window"]),
        ("backbone.window=3", ["backbone.window is not a key", "backbone.text.window"]),
        ("backbone.text.windo=3", ["is not an option of backbone.text; did you mean backbone.text.window"]),
        ("adapter.txt=frozen", ["did you mean adapter.text?", "adapter.text=NAME or adapter.tabular=NAME"]),
        ("fusion=gatd", ["there is no fusion named 'gatd'; did you mean gated?"]),
        ("fusion.hiden=3", ["did you mean fusion.hidden?"]),
        ("fusion=null", ["fusion takes a name"]),
        ("backbone.text=null", ["backbone.text takes a name"]),
        ("adapter.text=", ["adapter.text takes a name"]),
    ],
)
def test_a_key_that_speaks_of_no_slot_in_use_is_refused_by_name(plugins: Plugins, word: str, parts: list[str]) -> None:
    said = refused(plugins, *CASES, word)
    for part in parts:
        assert part in said


@pytest.mark.parametrize("word", ["fusion=gated", "fusion.hidden=8"])
def test_a_fusion_is_refused_where_there_is_one_modality(plugins: Plugins, word: str) -> None:
    said = refused(plugins, TASK, "data.train=t.csv", VALUES, word)
    assert "fusion joins several modalities" in said and "leave" in said


def test_what_a_recipe_says_of_slots_that_are_not_in_use_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        "recipes:\n  ward:\n    summary: s\n    keys:\n"
        "      {backbone.signal: signal_gru, adapter.image: frozen, fusion: late, backbone.text: text_cnn}\n"
    )
    plugins = Plugins(user_registry=tmp_path / "own.yaml", found=())
    two = planned(plugins, *CASES, "recipe=ward")
    assert names(two) == {"text": "text_cnn", "tabular": "tabular_resnet"}
    assert two.fusion is not None and two.fusion[0].name == "late"
    one = planned(plugins, TASK, "data.train=t.csv", SIGNAL, "recipe=ward")
    assert names(one) == {"": "signal_gru"} and one.fusion is None


JOINT = (
    (),
    ("adapter=lora",),
    ("adapter.text=lora", "adapter.lora.rank=2"),
    ("backbone.text=text_cnn",),
    ("adapter=linear_probe", "fusion=concat", "backbone.tabular=columns"),
    ("backbone.tabular=columns", "fusion=late", "fusion.combine=stacked"),
    ("adapter=mmd+finetune", "data.unlabelled=u.csv", "adapter.text=frozen"),
    ("adapter=mmd", "data.unlabelled=u.csv"),
)


@pytest.mark.parametrize("words", [*JOINT, None])
def test_a_written_configuration_given_back_makes_the_same_plan(
    plugins: Plugins, tmp_path: Path, words: tuple[str, ...] | None
) -> None:
    plan = planned(plugins, *CASES, *words) if words is not None else planned(plugins, TASK)
    (tmp_path / "config.yaml").write_text(config_yaml(plan))
    again = make_plan([("file config.yaml", read_file(tmp_path / "config.yaml"))], plugins)
    assert told(again) == told(plan)
    assert {slot: each.adapter for slot, each in again.encoders.items()} == {
        slot: each.adapter for slot, each in plan.encoders.items()
    }


def test_the_settings_name_each_key_once_and_where_an_adapter_of_all_came_from(plugins: Plugins) -> None:
    rows = planned(plugins, *CASES, "adapter=lora").settings()
    keys = [key for key, _, _ in rows]
    assert len(set(keys)) == len(keys)
    assert ("adapter.text", "lora", "command line") in rows
    assert ("adapter.tabular", None, "default") in rows


@pytest.mark.parametrize(
    ("begun", "given", "some"),
    [
        ("backbone.te", (TEXT, VALUES), ["backbone.text=", "backbone.text.window="]),
        ("backbone.", (), ["backbone.tabular=", "backbone.signal=", "backbone.signal.width="]),
        ("backbone.text=text", (), ["backbone.text=text_cnn"]),
        ("adapter.text=fro", (TEXT, VALUES), ["adapter.text=frozen"]),
        ("adapter.te", (TEXT, VALUES), ["adapter.text="]),
        ("fusion=ga", (), ["fusion=gated"]),
        ("fusion.comb", ("fusion=late",), ["fusion.combine="]),
        ("backbone.text.ker", (TEXT, VALUES, "backbone.text=text_cnn"), ["backbone.text.kernels="]),
    ],
)
def test_the_shell_completes_the_keys_of_slots(begun: str, given: tuple[str, ...], some: list[str]) -> None:
    found = complete(begun, [TASK, *given])
    assert set(some) <= set(found)
    assert "backbone=" not in found


def test_only_backbones_of_a_slots_modality_are_offered_for_it() -> None:
    found = complete("backbone.signal=", [TASK])
    assert "backbone.signal=signal_cnn" in found and "backbone.signal=minilm" not in found
