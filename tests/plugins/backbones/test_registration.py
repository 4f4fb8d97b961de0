"""What the built-in backbones declare: every name leads to code and options, and a source to who loads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from medplug.core.choice import choose_backbone
from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import ConfigError
from medplug.core.specs import Modality


@pytest.mark.parametrize(
    ("name", "modality", "loader"),
    [
        ("./gcn.safetensors", "molecule", "pretrained_molecule"),
        ("weights/gcn.safetensors", "molecule", "pretrained_molecule"),
        ("./ChemBERTa", "molecule", "pretrained_smiles"),
        ("owner/name", "molecule", "pretrained_smiles"),
        ("chemberta", "molecule", "pretrained_smiles"),
        ("./ESM", "protein", "pretrained_protein"),
        ("esm2_8m", "protein", "pretrained_protein"),
        ("./network.safetensors", "image", "pretrained_image"),
        ("./folder", "image", "pretrained_image"),
    ],
)
def test_a_source_says_who_loads_it(name: str, modality: Modality, loader: str) -> None:
    assert choose_backbone(name, modality, "task", Plugins()).spec.name == loader


def test_a_users_name_for_a_file_is_loaded_as_the_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "registry.yaml"
    file.write_text("backbones:\n  mine: { modality: molecule, path: gcn.safetensors }\n")
    monkeypatch.setenv("MEDPLUG_REGISTRY", str(file))
    assert choose_backbone("mine", "molecule", "task", Plugins()).spec.name == "pretrained_molecule"


@pytest.mark.parametrize(
    ("name", "modality", "weights"),
    [("pretrained_text", "text", "minilm"), ("pretrained_molecule", "molecule", "none")],
)
def test_a_loader_named_in_place_of_weights_is_told_what_to_name(name: str, modality: Modality, weights: str) -> None:
    with pytest.raises(ConfigError, match=rf"backbone={name} loads weights and has none .*known: .*{weights}"):
        choose_backbone(name, modality, "task", Plugins())
