from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import ConfigError, MedplugError, RegistryError, UnknownNameError
from medplug.core.grammar import SELECTORS, Flat, flatten, parse_arguments
from medplug.core.plan import Plan, make_plan, task_keys

TASK = "task=text_diagnosis"
TABLES = ("data.source=s.csv", "data.unlabelled=u.csv")


def planned(plugins: Plugins, *words: str, file: Flat | None = None) -> Plan:
    layers = [("file keys.yaml", file)] if file is not None else []
    return make_plan([*layers, ("command line", parse_arguments(words))], plugins)


def refused(plugins: Plugins, *words: str, kind: type[MedplugError] = ConfigError, file: Flat | None = None) -> str:
    with pytest.raises(kind) as caught:
        planned(plugins, *words, file=file)
    said = str(caught.value)
    assert caught.value.exit_code == 2
    assert len(said.splitlines()) <= 24
    return said


def own_registry(folder: Path, text: str) -> Plugins:
    (folder / "own.yaml").write_text(text)
    return Plugins(user_registry=folder / "own.yaml", found=())


WARD = "recipes:\n  ward: {summary: for a test, keys: {train.epochs: 6, train.patience: 6, train.clip: 6, seed: 6}}\n"


def test_arguments_win_over_the_file_over_recipes_over_defaults(tmp_path: Path) -> None:
    plugins = own_registry(tmp_path, WARD)
    words = (TASK, "backbone=text_cnn", "recipe=ward", "train.epochs=9")
    plan = planned(plugins, *words, file={"train.epochs": "8", "train.patience": "8"})
    told = {key: (value, origin) for key, value, origin in plan.settings()}
    assert told["train.epochs"] == (9, "command line")
    assert told["train.patience"] == (8, "file keys.yaml")
    assert told["train.clip"] == (6.0, "recipe ward")
    assert told["train.learning_rate"] == (1e-3, "recipe text_scratch")
    assert told["train.weight_decay"] == (0.01, "default")
    assert told["seed"] == (6, "recipe ward")
    assert (plan.train.epochs, plan.train.patience, plan.train.clip, plan.run.seed) == (9, 8, 6.0, 6)


def test_a_recipe_may_be_named_in_the_file_and_overridden_there(tmp_path: Path) -> None:
    plan = planned(own_registry(tmp_path, WARD), TASK, file={"recipe": "ward", "train.clip": "2"})
    assert (plan.train.epochs, plan.train.clip) == (6, 2.0)


def test_a_recipe_may_nest_its_keys(tmp_path: Path) -> None:
    text = "recipes: {ward: {summary: s, keys: {train: {epochs: 7}, data: {text: note}}}}"
    plan = planned(own_registry(tmp_path, text), TASK, "recipe=ward")
    assert (plan.train.epochs, plan.data.model_dump()["text"]) == (7, "note")


def test_null_unsets_what_a_weaker_layer_set(plugins: Plugins) -> None:
    assert planned(plugins, TASK, "data.limit=null", file={"data.limit": "5"}).data.limit is None


def test_the_fields_decide_the_types(plugins: Plugins) -> None:
    words = ("data.label=1E50", "data.text=007", "train.epochs=007", "task.unicode=no", "data.split=[0.5,0.25,0.25]")
    plan = planned(plugins, TASK, *words)
    data: Any = plan.data
    options: Any = plan.task_options
    assert (data.label, data.text, data.split) == ("1E50", "007", (0.5, 0.25, 0.25))
    assert (plan.train.epochs, options.unicode) == (7, False)


def test_the_keys_are_told_in_reading_order_with_every_option(plugins: Plugins) -> None:
    keys = [key for key, _, _ in planned(plugins, TASK, "output=here").settings()]
    assert len(set(keys)) == len(keys)
    heads = list(dict.fromkeys(key.partition(".")[0] for key in keys))
    assert heads[:3] == ["task", "backbone", "adapter"]
    assert {"output", "seed", "device", "precision", "data", "train", "report", "selection"} <= set(heads)
    assert "adapter.linear_probe.strengths" in keys


@pytest.mark.parametrize(
    ("word", "told"),
    [
        (
            "train.epoch=3",
            [
                "train.epoch is not an option of train; did you mean train.epochs?",
                "valid: epochs, least_updates, members, batch",
            ],
        ),
        ("data.lable=x", ["did you mean data.label?", "valid: train, validation"]),
        ("data.epochs=3", ["data.epochs is not an option of data; did you mean train.epochs?"]),
        ("backbone.poling=mean", ["did you mean backbone.pooling?", "windows"]),
        ("task.positiv=x", ["did you mean task.positive?"]),
        ("adapter.linear_probe.strength=[1]", ["did you mean adapter.linear_probe.strengths?", "standardise"]),
        ("epochs=3", ["epochs is not a key; did you mean train.epochs?", "keys begin with: task, backbone, adapter"]),
        ("sed=3", ["sed is not a key; did you mean seed?"]),
        ("zzzz=3", ["zzzz is not a key (keys begin with"]),
        ("train=3", ["train is a group of options; write train.OPTION=VALUE (valid: epochs"]),
        ("adapter.linear_probe=3", ["adapter.linear_probe is a group of options", "strengths"]),
        ("task.name.deeper=3", ["task.name.deeper is not an option of task", "positive"]),
    ],
)
def test_an_unknown_key_is_told_with_close_ones_and_the_valid_ones(
    plugins: Plugins, word: str, told: list[str]
) -> None:
    said = refused(plugins, TASK, word)
    for part in told:
        assert part in said
    assert said.startswith(word.partition("=")[0])


def test_an_unknown_key_of_a_file_or_recipe_says_where_it_stands(plugins: Plugins, tmp_path: Path) -> None:
    assert refused(plugins, TASK, file={"train.epoch": "3"}).startswith("file keys.yaml: train.epoch is not an option")
    wrong = own_registry(tmp_path, "recipes: {ward: {summary: s, keys: {train.epoch: 3}}}")
    assert refused(wrong, TASK, "recipe=ward").startswith("recipe ward: train.epoch is not an option")


@pytest.mark.parametrize("key", ["adapter.finetune.freeze_embeddings", "adapter.finetune", "adapter.rank"])
def test_options_of_an_adapter_that_was_not_chosen_are_refused(plugins: Plugins, key: str) -> None:
    said = refused(plugins, TASK, f"{key}=1")
    assert said.startswith(key)
    assert "adapter.NAME.option=VALUE" in said
    assert said.endswith("the adapters chosen are linear_probe")


def test_no_task_is_told_with_the_known_ones(plugins: Plugins) -> None:
    known = "text_diagnosis, imaging, multimodal_diagnosis, drug_target, medical_qa"
    assert refused(plugins, "seed=1") == f"no task is given; write task=NAME (known: {known})"


@pytest.mark.parametrize("word", ["task=", "task=null", "backbone=", 'backbone=["minilm"]', "adapter=null", "recipe="])
def test_a_selector_without_a_name_is_shown_the_form(plugins: Plugins, word: str) -> None:
    key = word.partition("=")[0]
    words = [word] if key == "task" else [TASK, word]
    assert f"{key} takes a name, as in {key}=NAME" in refused(plugins, *words)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["task=text_diagnoses"], ["no task named 'text_diagnoses'; did you mean text_diagnosis?", "list tasks"]),
        (
            [TASK, "backbone=minilmm"],
            ["no backbone named 'minilmm'; did you mean minilm?", "text_cnn", "list backbones"],
        ),
        ([TASK, "backbone=text_cn"], ["did you mean text_cnn", "biomedbert"]),
        ([TASK, "backbone=a/b/c"], ["no backbone named 'a/b/c'"]),
        ([TASK, "adapter=fine_tune"], ["no adapter named 'fine_tune'; did you mean finetune?", "list adapters"]),
        ([TASK, "adapter=linear_probe+lorra"], ["no adapter named 'lorra'", "linear_probe"]),
    ],
)
def test_an_unknown_name_is_told_with_close_ones_and_the_known_ones(
    plugins: Plugins, words: list[str], told: list[str]
) -> None:
    said = refused(plugins, *words, kind=UnknownNameError)
    for part in told:
        assert part in said


def test_an_unknown_recipe_is_told(plugins: Plugins) -> None:
    assert "did you mean text_scratch?" in refused(plugins, TASK, "recipe=text_scrach", kind=RegistryError)


@pytest.mark.parametrize("form", ["{}", "./weights", "weights", "sub/weights"])
def test_a_local_folder_serves_as_backbone(
    plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "sub" / "weights").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    name = form.format(tmp_path / "weights")
    choice = planned(plugins, TASK, f"backbone={name}").encoder.choice
    assert choice.source is not None
    assert (choice.source.path, choice.source.hub) == (Path(name), None)
    assert (choice.name, choice.spec.name) == (name, "pretrained_text")


def test_a_folder_may_start_from_home(plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    source = planned(plugins, TASK, "backbone=~/weights").encoder.choice.source
    assert source is not None
    assert source.path == tmp_path / "weights"


@pytest.mark.parametrize("name", ["minilm", "text_cnn"])
def test_a_folder_that_happens_to_bear_a_known_name_does_not_take_it(
    plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    source = planned(plugins, TASK, f"backbone={name}", "adapter=finetune").encoder.choice.source
    assert source is None or source.path is None


def test_a_hub_name_serves_as_backbone(plugins: Plugins) -> None:
    source = planned(plugins, TASK, "backbone=org/name").encoder.choice.source
    assert source is not None
    assert (source.hub, source.path, source.revision) == ("org/name", None, None)


def test_a_named_backbone_brings_its_source_and_options(plugins: Plugins) -> None:
    plan = planned(plugins, TASK, "backbone=gpt2")
    assert plan.encoder.choice.source is not None
    assert plan.encoder.choice.source.revision == plugins.registry.backbones["gpt2"].revision
    assert plan.encoder.options.model_dump()["pooling"] == "last"
    assert plan.origins["backbone.pooling"] == "registry"
    own = planned(plugins, TASK, "backbone=gpt2", "backbone.pooling=mean")
    assert own.encoder.options.model_dump()["pooling"] == "mean"


def test_a_backbone_of_another_modality_is_refused(tmp_path: Path) -> None:
    plugins = own_registry(tmp_path, "backbones: {scans: {modality: text, path: x}, pics: {modality: image, path: x}}")
    planned(plugins, TASK, "backbone=scans")
    said = refused(plugins, TASK, "backbone=pics")
    assert "image" in said


def test_a_backbone_from_scratch_brings_its_recipe(plugins: Plugins) -> None:
    plan = planned(plugins, TASK, "backbone=text_cnn")
    assert plan.encoder.choice.source is None
    assert [spec.name for spec, _ in plan.adapters] == ["finetune"]
    assert plan.origins["adapter"] == "recipe text_scratch"
    assert plan.train.epochs == plugins.registry.recipes["text_scratch"].keys["train.epochs"]


def test_the_recipe_of_a_backbone_gives_way_to_what_is_asked(plugins: Plugins) -> None:
    plan = planned(plugins, TASK, "backbone=text_gru", "train.epochs=2", file={"train.patience": "1"})
    assert (plan.train.epochs, plan.train.patience, plan.train.learning_rate) == (2, 1, 1e-3)


@pytest.mark.parametrize("name", ["text_cnn", "text_lstm", "text_gru"])
def test_a_frozen_head_on_random_weights_is_refused_with_the_way_out(plugins: Plugins, name: str) -> None:
    said = refused(plugins, TASK, f"backbone={name}", "adapter=linear_probe")
    for part in (f"backbone={name}", "adapter=linear_probe", "use adapter=finetune", "medplug list backbones"):
        assert part in said


@pytest.mark.parametrize("joined", ["finetune+finetune", "finetune+", "+finetune"])
def test_adapters_are_joined_by_a_plus_each_once(plugins: Plugins, joined: str) -> None:
    assert f"adapter={joined}: name each adapter once, joined by +" in refused(plugins, TASK, f"adapter={joined}")


def test_adapters_compose_and_keep_their_own_options(install: Callable[..., EntryPoint]) -> None:
    plugins = Plugins(found=[install("alpha", adapter=["whiten"])])
    plan = planned(plugins, TASK, "adapter=whiten+kmm+l2sp", "adapter.l2sp.alpha=0.5", *TABLES)
    assert [spec.name for spec, _ in plan.adapters] == ["whiten", "kmm", "l2sp"]
    assert plan.adapters[2][1].model_dump()["alpha"] == 0.5
    assert plan.adapters[0][1].model_dump() == {}


def test_a_third_partys_task_backbone_and_adapter_make_a_plan(install: Callable[..., EntryPoint]) -> None:
    plugins = Plugins(found=[install("alpha", task=["triage"], backbone=["bag"], adapter=["whiten"])])
    plan = planned(plugins, "task=triage", "backbone=bag", "adapter=whiten", "data.train=a.csv")
    assert (plan.task.name, plan.encoder.choice.name, plan.data.train) == ("triage", "bag", "a.csv")


def test_fusion_of_one_modality_is_refused(plugins: Plugins) -> None:
    assert "leave fusion out" in refused(plugins, TASK, "fusion=concat")
    assert planned(plugins, TASK, "fusion=null")


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("train.epochs=three", "train.epochs=three (command line): input should be a valid integer"),
        ("train.epochs=0", "train.epochs=0 (command line): input should be greater than 0"),
        ("train.epochs=1.5", "train.epochs=1.5 (command line)"),
        ("seed=-1", "seed=-1 (command line)"),
        ("device=gpu", "'auto', 'cpu', 'cuda' or 'mps'"),
        ("precision=half", "'bfloat16'"),
        ("task.unicode=perhaps", "task.unicode=perhaps (command line): input should be a valid boolean"),
        ("data.on_error=ignore", "'stop' or 'skip'"),
        ("data.split=[0.5,0.5]", "data.split=[0.5, 0.5] (command line): give random, group, or three shares"),
        ("data.split=[0.5,0.5]", "as [0.7,0.1,0.2]"),
        ("data.split=[0.5,0.1,0.1]", "three shares that add up to 1"),
        ("data.split=group", "data.split=group needs data.group=COLUMN"),
        ("backbone.pooling=max", "backbone.pooling=max (command line)"),
        ("backbone.overlap=200", "backbone.overlap=200 is more than half of backbone.window=256"),
        ("adapter.linear_probe.strengths=[0]", "adapter.linear_probe.strengths=[0] (command line)"),
        ("report.resamples=" + "x" * 500, "report.resamples=xxx"),
    ],
)
def test_a_wrong_value_is_told_with_its_key_and_origin_and_what_is_allowed(
    plugins: Plugins, word: str, told: str
) -> None:
    said = refused(plugins, TASK, word)
    assert told in said
    assert len(said) < 500


def test_a_wrong_value_of_a_file_names_the_file(plugins: Plugins) -> None:
    assert "train.epochs=three (file keys.yaml)" in refused(plugins, TASK, file={"train.epochs": "three"})


def test_every_fault_of_a_section_is_told_at_once(plugins: Plugins) -> None:
    said = refused(plugins, TASK, "train.epochs=three", "train.clip=soft")
    assert [line.partition("=")[0] for line in said.splitlines()] == ["train.epochs", "train.clip"]


@pytest.mark.parametrize(
    "keys",
    [
        {"data": {"text": {"text": ["Jane Roe, cough"]}}},
        {"data": {"label": ["Jane Roe", 3]}},
        {"data": {"train": b"Jane Roe, cough"}},
        {"train": {"epochs": {"note": "Jane Roe"}}},
        {"task": {"name": {"note": ["Jane Roe"]}}},
    ],
)
def test_a_table_given_in_the_wrong_place_is_never_quoted(plugins: Plugins, keys: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        make_plan([("argument", flatten({"task": "text_diagnosis", **keys}))], plugins)
    assert "Jane" not in str(caught.value)


def test_a_table_in_memory_is_planned_and_named_without_its_rows(plugins: Plugins) -> None:
    table = {"text": ["Jane Roe, cough"], "label": ["a"]}
    plan = make_plan([("argument", flatten({"task": "text_diagnosis", "data": {"train": table}}))], plugins)
    assert plan.data.train == table
    assert ("data.train", "<table in memory>", "argument") in plan.settings()


def test_completion_keys_follow_the_backbone_and_adapter_chosen(plugins: Plugins) -> None:
    keys = dict(task_keys({"task": "text_diagnosis", "backbone": "text_cnn"}, plugins))
    assert {"backbone.kernels", "adapter.finetune.freeze_embeddings", "train.epochs", "data.label"} <= set(keys)
    assert "backbone.overlap" not in keys
    assert all(told for key, told in keys.items() if key not in SELECTORS)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("adapter=linear_probe+finetune",), "choose one of them"),
        (("adapter=linear_probe+mmd",), "use adapter=frozen.mmd"),
        (("adapter=finetune+mmd",), "adapter=mmd needs labelled rows of a source domain"),
        (("backbone=text_cnn", "adapter=linear_probe"), "would build on noise"),
        (("selection.criterion=dev",), "looks at unlabelled target rows; give data.unlabelled"),
        (("selection.oracle=true",), "and none is named"),
        (("data.source=a.csv", "data.validation=b.csv"), "data.validation would choose the model by labels"),
        (("data.target_labels=5",), "with tables, data.limit counts"),
        (("data.group=",), "data.group"),
        (("data.split_column=",), "data.split_column"),
        (('report.by=["sex",""]',), "report.by"),
    ],
)
def test_what_would_be_ignored_is_refused(plugins: Plugins, words: tuple[str, ...], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        planned(plugins, TASK, *words)


def test_a_backbone_without_weights_serves_where_a_pretrained_one_is_needed(install) -> None:
    fixed = """
from medplug.core.hooks import hookimpl
from medplug.core.specs import BackboneSpec
said = {"summary": "for a test", "factory": "nowhere:Nothing", "config": "medplug.core.config:Section"}

@hookimpl
def medplug_backbones():
    return [BackboneSpec(name="counts", modality="text", fixed=True, **said)]
"""
    plugins = Plugins(found=[install("counts", fixed)])
    assert planned(plugins, TASK, "backbone=counts", "adapter=linear_probe").encoder.choice.spec.fixed
    with pytest.raises(ConfigError, match="starts from random weights"):
        planned(plugins, TASK, "backbone=text_cnn", "adapter=linear_probe")


@pytest.mark.parametrize("written", ["sex,age", "sex, age", '["sex","age"]'])
def test_columns_to_report_by_are_joined_by_commas_or_listed(plugins: Plugins, written: str) -> None:
    assert planned(plugins, TASK, f"report.by={written}").report.by == ("sex", "age")
