"""Every backbone of molecules and of proteins that is registered: what else is in a batch changes no entity."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from medplug.core.backbone import Backbone
from medplug.core.features import Features
from medplug.core.plugins import Plugins
from medplug.core.registry import Source
from medplug.core.specs import resolve

pytest.importorskip("rdkit.Chem", reason="rdkit is an extra: pip install 'medplug[chem]'")
pytestmark = pytest.mark.usefixtures("one_thread")

VALUES = {
    "molecule": ["CC(=O)Oc1ccccc1C(=O)O", "CO", "Cn1cnc2c1c(=O)n(C)c(=O)n2C", "C(=O)(N)N", "[Na+].[Cl-]", "Clc1ccccc1"],
    "protein": ["MKVLAAGIVGLCAKMKV", "MK", "GLCAK" * 9, "MKVMKVX", "ACDEFGHIKLMNPQRSTVWY" * 5, "W"],
}
SMALL: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("smiles_cnn", "sequence_cnn"), {"filters": (4, 5, 7), "embedding": 6}),
    "ecfp": {"hidden": 8, "bits": 64},
    "kmer": {"hidden": 8, "min_count": 1, "k": 2},
    "molecule_graph": {"width": 8},
}
WEIGHTS = Path(os.environ.get("MEDPLUG_SHARED") or Path(__file__).parents[4] / "shared") / "weights"
GRAPH = WEIGHTS / "molecule_gcn_supervised_contextpred.safetensors"
ALL = [spec for spec in Plugins(found=()).all("backbone") if spec.modality in VALUES]


@pytest.fixture(params=ALL, ids=lambda spec: spec.name)
def made(request: pytest.FixtureRequest) -> tuple[Backbone, list[str]]:
    """Each of them, ready to encode, and entities of very different lengths."""
    spec, sources = request.param, {"pretrained_smiles": "tiny_roberta", "pretrained_protein": "tiny_esm"}
    source: Source | None = None
    if spec.name in sources:
        source = Source(path=request.getfixturevalue(sources[spec.name]))
    elif spec.pretrained:
        if not GRAPH.is_file():
            pytest.skip("no shared weights: set MEDPLUG_SHARED to the folder with weights/")
        source = Source(path=GRAPH)
    options = resolve(spec.config, owner=spec.name)(**SMALL.get(spec.name, {}))
    torch.manual_seed(0)
    backbone: Backbone = resolve(spec.factory, owner=spec.name).create(options, source)
    backbone.learn(VALUES[spec.modality])
    return backbone.eval(), VALUES[spec.modality]


def encode(backbone: Backbone, items: list[Any]) -> Features:
    with torch.no_grad():
        found: Features = backbone(backbone.collate(items))
    return found


def test_these_are_all_of_them() -> None:
    assert {spec.name for spec in ALL} == {*SMALL, "pretrained_smiles", "pretrained_molecule", "pretrained_protein"}


def test_padding_and_the_composition_of_the_batch_change_no_entity(made: tuple[Backbone, list[str]]) -> None:
    backbone, values = made
    items = backbone.prepare(values)
    together = encode(backbone, items)
    assert together.pooled.shape == (len(values), backbone.width)
    for order in ([5, 0, 3], [2, 4], [1, 1, 2], *([row] for row in range(len(values)))):
        found = encode(backbone, [items[row] for row in order])
        for place, row in enumerate(order):
            torch.testing.assert_close(found.pooled[place], together.pooled[row], rtol=1e-5, atol=1e-5)
            own, same = found.tokens[place][found.mask[place]], together.tokens[row][together.mask[row]]
            torch.testing.assert_close(own, same, rtol=1e-5, atol=1e-5)


def test_entities_are_told_apart_and_cost_what_their_length_is(made: tuple[Backbone, list[str]]) -> None:
    backbone, values = made
    items = backbone.prepare(values)
    pooled = encode(backbone, items).pooled
    assert pooled.isfinite().all() and not torch.allclose(pooled[0], pooled[2], atol=1e-3)
    sizes = [backbone.size(item) for item in items]
    assert min(sizes) >= 1 and sizes[2] >= sizes[1]
