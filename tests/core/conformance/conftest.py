"""The kit on built-in plugins: a module names PLUGINS, and what else it wants of options; one test a check."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medplug.core.conformance import Skipped, plugin_checks

Checks = dict[str, Callable[[], None]]

_NOT_HERE = ("plugin:registry", "plugin:declared", ":gpu", ":maps")
"""Checks that may be skipped: of what a built-in lacks, or this machine."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A case for each check of the module's PLUGINS, and of each of its VARIANTS: spec -> how -> options."""
    if "built_in" not in metafunc.fixturenames:
        return
    asked, cases = metafunc.module, []
    for plugin in asked.PLUGINS:
        names = [name for name, _ in plugin_checks(plugin)]
        cases += [(plugin, "", name) for name in names]
        for spec, each in asked.VARIANTS.items():
            cases += [(plugin, f"{spec} {how}", name) for how in each for name in names if f":{spec}:" in name]
    metafunc.parametrize("built_in", cases, ids=[" ".join(case[1:]).strip() for case in cases], indirect=True)


@pytest.fixture
def built_in(request: pytest.FixtureRequest, made_checks: Callable[[Any, str, str], Checks]) -> Callable[[], None]:
    """One check, which may be skipped only where the module's SKIPPED says so, of a variant by its name too."""
    plugin, variant, name = request.param
    named = {name, f"{variant} {name}"}
    check = made_checks(request.module, plugin, variant)[name]

    def act() -> None:
        try:
            check()
        except Skipped as reason:
            if named.isdisjoint(request.module.SKIPPED) and not name.endswith(_NOT_HERE):
                pytest.fail(f"skipped: {reason}")

    return act


@pytest.fixture(scope="module")
def made_checks(request: pytest.FixtureRequest) -> Callable[[Any, str, str], Checks]:
    """The checks of a plugin, or of a variant of one of its specs, made once."""
    made: dict[tuple[str, str], Checks] = {}

    def find(asked: Any, plugin: str, variant: str) -> Checks:
        if (plugin, variant) not in made:
            spec, _, how = variant.partition(" ")
            options = {**asked.OPTIONS, **({spec: asked.VARIANTS[spec][how]} if variant else {})}
            sources = request.getfixturevalue("tiny_sources") if plugin.endswith(".backbones") else {}
            made[plugin, variant] = dict(plugin_checks(plugin, options=options, sources=sources))
        return made[plugin, variant]

    return find


@pytest.fixture(scope="module")
def tiny_sources(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small weights for every loader of weights; those of molecules where they are shared."""
    tiny = {"text": "tiny_bert", "generator": "tiny_llama", "smiles": "tiny_roberta", "protein": "tiny_esm"}
    found: dict[str, Path] = {f"pretrained_{what}": request.getfixturevalue(name) for what, name in tiny.items()}
    found["pretrained_image"] = small_resnet(tmp_path_factory.mktemp("resnet"))
    shared = Path(os.environ.get("MEDPLUG_SHARED") or Path(__file__).parents[4] / "shared") / "weights"
    graph = shared / "molecule_gcn_supervised_contextpred.safetensors"
    return found | ({"pretrained_molecule": graph} if graph.is_file() else {})


def small_resnet(folder: Path) -> Path:
    import timm
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = timm.create_model("test_resnet", num_classes=2, pretrained_cfg_overlay={"input_size": (3, 32, 32)})
    timm.models.save_for_hf(model, folder, safe_serialization=True)
    return folder
