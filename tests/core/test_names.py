"""Which adapter acts on each backbone of a run of several modalities."""

from __future__ import annotations

from pathlib import Path

import pytest

from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import ConfigError
from medplug.core.grammar import parse_arguments
from medplug.core.names import names_of
from medplug.core.plan import make_plan
from medplug.core.ranking.request import make_request

CASES = ("task=multimodal_diagnosis", "data.train=cases.csv", "data.text=note", 'data.tabular=["age"]')


def own(plugins: Plugins, *words: str) -> dict[str, str]:
    """The adapter of each slot, by name."""
    names = names_of([("command line", parse_arguments((*CASES, *words)))], plugins)
    return {slot: spec.name for slot, spec in names.own.items()}


def refused(plugins: Plugins, *words: str) -> str:
    with pytest.raises(ConfigError) as caught:
        make_plan([("command line", parse_arguments((*CASES, *words)))], plugins)
    return str(caught.value)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ((), {"text": "frozen", "tabular": "finetune"}),  # the recipe's
        (("adapter=finetune",), {"text": "finetune", "tabular": "finetune"}),
        (("adapter=lora",), {"text": "lora"}),
        (("adapter=frozen",), {"text": "frozen"}),
        (("adapter=lora", "adapter.text=frozen", "backbone.tabular=tabular_resnet"), None),
        (("adapter=finetune", "adapter.text=lora"), {"text": "lora", "tabular": "finetune"}),
        (("adapter.text=gradual",), {"text": "gradual", "tabular": "finetune"}),
        (("adapter.text=null",), {"text": "finetune", "tabular": "finetune"}),
        (("adapter=mmd", "data.unlabelled=u.csv"), {"text": "frozen"}),  # it says nothing of what is trained
        (("adapter=finetune+mmd", "data.unlabelled=u.csv"), {"text": "finetune", "tabular": "finetune"}),
        (("backbone.text=text_cnn",), {"text": "finetune", "tabular": "finetune"}),  # which frozen cannot act on
        (("backbone.tabular=columns",), {"text": "frozen"}),
        (("adapter=linear_probe", "fusion=concat", "backbone.tabular=columns"), {}),
    ],
)
def test_a_slots_own_adapter_is_the_one_asked_for_then_that_of_all_then_the_recipes(
    plugins: Plugins, words: tuple[str, ...], found: dict[str, str] | None
) -> None:
    if found is None:
        assert "none is left to it (adapter.text=frozen, backbone.tabular=tabular_resnet)" in refused(plugins, *words)
    else:
        assert own(plugins, *words) == found


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("adapter.text=linear_probe",), ["acts on the whole model: write adapter=linear_probe"]),
        (("adapter.text=mmd",), ["acts on the whole model: write adapter=mmd"]),
        (("adapter.tabular=lora",), ["tabular_resnet starts from random weights", "leave adapter.tabular out"]),
        (("adapter.tabular=frozen",), ["tabular_resnet starts from random weights"]),
        (
            ("backbone.tabular=columns", "adapter.tabular=finetune"),
            ["columns has no weights", "leave adapter.tabular out"],
        ),
        (
            ("adapter=linear_probe", "fusion=concat", "backbone.tabular=columns", "adapter.text=finetune"),
            ["adapter=linear_probe leaves every backbone as it is; leave adapter.text out"],
        ),
        (("adapter=lora", "backbone.text=text_cnn"), ["none is left to it (backbone.text=text_cnn"]),
        (("adapter=lora", "backbone.text=text_cnn", "backbone.tabular=columns"), ["none is left to it"]),
    ],
)
def test_an_adapter_that_cannot_act_there_is_refused_with_the_way_out(
    plugins: Plugins, words: tuple[str, ...], parts: list[str]
) -> None:
    said = refused(plugins, *words)
    for part in parts:
        assert part in said


def test_a_head_is_fitted_only_where_every_backbone_means_something_and_the_fusion_learns_nothing(
    plugins: Plugins,
) -> None:
    said = refused(plugins, "adapter=linear_probe", "fusion=concat")
    assert "backbone.tabular=tabular_resnet starts from random weights" in said and "columns" in said
    both = refused(plugins, "adapter=linear_probe", "fusion=concat", "backbone.text=text_cnn", "backbone.tabular=genes")
    assert "random weights" in both
    said = refused(plugins, "adapter=linear_probe", "backbone.tabular=columns")
    assert "fusion=gated has weights of its own" in said and "use fusion=concat" in said
    plan = make_plan(
        [("argument", parse_arguments((*CASES, "adapter=svm", "fusion=concat", "backbone.tabular=columns")))], plugins
    )
    assert [each.adapter for each in plan.encoders.values()] == [None, None]


@pytest.mark.parametrize("what", ["backbones", "sources"])
def test_a_ranking_is_of_one_modality(plugins: Plugins, what: str, tmp_path: Path) -> None:
    keys = [("command line", parse_arguments(CASES))]
    with pytest.raises(ConfigError, match="one modality, and these keys have text and tabular"):
        make_request(plugins, keys, **{what: "minilm,bert"})
    one = [("command line", parse_arguments(CASES[:3]))]
    request = make_request(plugins, one, backbones="minilm,bert")
    assert [plan.encoder.choice.name for plan in request.plans] == ["minilm", "bert"]


@pytest.mark.parametrize(
    ("word", "left"),
    [
        ("backbone.text=minilm", {"backbone.text.window": 7, "fusion.hidden": 5, "fusion.modality_dropout": 0.3}),
        ("backbone.text=text_cnn", {"fusion.hidden": 5, "fusion.modality_dropout": 0.3}),
        ("fusion=lowrank", {"backbone.text.window": 7, "fusion.modality_dropout": 0.3}),
    ],
)
def test_a_recipes_options_go_with_the_name_that_they_are_of(
    plugins: Plugins, word: str, left: dict[str, object]
) -> None:
    recipe = {
        **{"backbone.text": "minilm", "backbone.text.window": 7},
        **{"fusion": "gated", "fusion.hidden": 5, "fusion.modality_dropout": 0.3},
    }
    keys = names_of([("recipe mine", recipe), ("command line", parse_arguments((*CASES, word)))], plugins).keys
    assert {key: value for key, (value, origin) in keys.items() if origin == "recipe mine" and "." in key} == {
        **({"backbone.text": "minilm"} if "backbone" not in word else {}),
        **left,
    }


def test_options_that_were_asked_for_are_never_left_out(plugins: Plugins) -> None:
    assert "fusion.rank" in refused(plugins, "fusion=gated", "fusion.rank=3")


@pytest.mark.parametrize(
    ("words", "drug"),
    [((), "ecfp"), (("fusion=bilinear_attention",), "molecule_graph"), (("fusion=gated",), "ecfp")],
)
def test_a_fusion_of_tokens_brings_backbones_that_have_some(
    plugins: Plugins, words: tuple[str, ...], drug: str
) -> None:
    def chosen(*more: str) -> str:
        words_given = ("task=drug_target", "data.train=pairs.csv", *words, *more)
        return names_of([("command line", parse_arguments(words_given))], plugins).choices["drug"].name

    assert chosen() == drug
    assert chosen("backbone.drug=smiles_cnn") == "smiles_cnn"
