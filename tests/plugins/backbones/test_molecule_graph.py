"""Graph networks of molecules: held to a plain reference, and what their features depend on and what they do not."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from medplug.core.errors import BackboneError
from medplug.core.features import Features
from medplug.core.registry import Source
from medplug.plugins.backbones.entity_options import MoleculeGraphOptions, PretrainedMoleculeOptions
from medplug.plugins.backbones.molecule_graph import GraphBackbone, MoleculeGraph, PretrainedMolecule
from medplug.plugins.backbones.molecule_network import AtomNorm, Layer, MoleculeNetwork, Shape, messages

pytest.importorskip("rdkit")

SMILES = ["CC(=O)Oc1ccccc1C(=O)O", "[Na+]", "C[C@H](N)C(=O)O", "F/C=C/F", "Cn1cnc2c1c(=O)n(C)c(=O)n2C"]
PUBLISHED = ("gcn_contextpred", "gcn_supervised_contextpred", "graphsage_contextpred")
KINDS = ("gin", "gcn", "graphsage")
WEIGHTS = Path(os.environ.get("MEDPLUG_SHARED") or Path(__file__).parents[4] / "shared") / "weights"

pytestmark = pytest.mark.usefixtures("one_thread")
every_kind = pytest.mark.parametrize("kind", KINDS)


def scratch(kind: str = "gin", **changes: Any) -> MoleculeGraph:
    torch.manual_seed(0)
    return MoleculeGraph.create(MoleculeGraphOptions.model_validate({"kind": kind, "width": 8, **changes}), None).eval()


def written(file: Path, kind: str, metadata: dict[str, str] | None = None) -> Path:
    """A file of small weights with the names of the pretrained ones, and statistics that are not those of a start."""
    torch.manual_seed(1)
    network = MoleculeNetwork(Shape(kind, (120, 3), (6, 3), 8, 2), dropout=0.0, stored=True)  # type: ignore[arg-type]
    for norm in network.batch_norms:
        assert isinstance(norm, AtomNorm) and norm.running_mean is not None and norm.running_var is not None
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2.0)
    save_file(network.state_dict(), file, metadata)
    return file


def pretrained(file: Path, **options: Any) -> PretrainedMolecule:
    return PretrainedMolecule.create(PretrainedMoleculeOptions(**options), Source(path=file)).eval()


def encode(backbone: GraphBackbone, smiles: list[str]) -> Features:
    with torch.no_grad():
        features: Features = backbone(backbone.collate(backbone.prepare(smiles)))
    return features


# ---- against a plain reference


def linear(weights: dict[str, NDArray[np.float64]], name: str, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = rows @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
    return found


def reference(kind: str, weights: dict[str, NDArray[np.float64]], atoms: int, bonds: list[tuple[int, int, int, int]]):
    """One layer, atom by atom: `bonds` are from, to, type and direction, self-loops among them."""
    x = weights["x"]
    degree = [sum(1 for bond in bonds if bond[1] == atom) for atom in range(atoms)]
    rows = []
    for atom in range(atoms):
        total = np.zeros(x.shape[1])
        for source, target, kind_of, direction in bonds:
            if target == atom:
                edge = weights["edge_embedding1.weight"][kind_of] + weights["edge_embedding2.weight"][direction]
                sent = x[source] if kind == "gin" else linear(weights, "linear", x[source])
                scale = {"gin": 1.0, "gcn": (degree[source] * degree[atom]) ** -0.5, "graphsage": 1 / degree[atom]}
                total = total + scale[kind] * (sent + edge)
        if kind == "gin":
            total = linear(weights, "mlp.2", np.maximum(linear(weights, "mlp.0", total), 0))
        rows.append(total / np.linalg.norm(total) if kind == "graphsage" else total)
    return np.stack(rows)


@every_kind
def test_a_layer_is_that_of_the_reference(kind: str) -> None:
    torch.manual_seed(0)
    shape = Shape(kind, (120, 3), (6, 3), 5, 1)  # type: ignore[arg-type]
    layer = Layer(shape).double()
    x = torch.randn(5, 5, dtype=torch.float64)
    joined = [(0, 1, 0, 0), (1, 2, 1, 1), (2, 3, 3, 2), (1, 3, 2, 0)]  # and atom 4 alone, as another molecule
    bonds = [*joined, *((b, a, *rest) for a, b, *rest in joined), *((atom, atom, 4, 0) for atom in range(5))]
    table = torch.tensor(bonds)
    sent = messages(table[:, :2].T, table[:, 2:] + torch.tensor([0, 6]), 5, shape)
    weights = {name: value.detach().numpy() for name, value in layer.state_dict().items()} | {"x": x.numpy()}
    expected = reference(kind, weights, 5, bonds)  # type: ignore[arg-type]
    np.testing.assert_allclose(layer(x, sent).detach().numpy(), expected, rtol=1e-6, atol=1e-7)


# ---- what features depend on


@every_kind
@pytest.mark.parametrize("pooling", ["mean", "sum"])
def test_neither_padding_nor_the_other_molecules_change_a_molecule(kind: str, pooling: str, tmp_path: Path) -> None:
    file = written(tmp_path / f"{kind}.safetensors", kind)
    for backbone in (scratch(kind, pooling=pooling), pretrained(file, pooling=pooling)):
        together = encode(backbone, SMILES)
        assert together.tokens.shape == (5, 14, 8) and together.mask.sum(1).tolist() == [13, 1, 6, 4, 14]
        assert not together.tokens[~together.mask].any()
        for row, smiles in enumerate(SMILES):
            alone = encode(backbone, [smiles])
            torch.testing.assert_close(alone.pooled[0], together.pooled[row], rtol=1e-5, atol=1e-5)
            tokens = together.tokens[row][together.mask[row]]
            torch.testing.assert_close(alone.tokens[0], tokens, rtol=1e-5, atol=1e-5)
            expected = tokens.mean(0) if pooling == "mean" else tokens.sum(0)
            torch.testing.assert_close(alone.pooled[0], expected, rtol=1e-5, atol=1e-5)
        assert torch.cdist(together.pooled, together.pooled).fill_diagonal_(1.0).min() > 1e-4


def test_in_training_too_no_molecule_depends_on_another_when_it_learns_from_scratch() -> None:
    backbone = scratch(dropout=0.0).train()
    together = backbone(backbone.collate(backbone.prepare(SMILES))).pooled
    alone = backbone(backbone.collate(backbone.prepare(SMILES[:1]))).pooled
    torch.testing.assert_close(alone[0], together[0], rtol=1e-5, atol=1e-5)


def test_the_order_of_the_atoms_changes_nothing() -> None:
    found = encode(scratch("gcn"), ["OCC", "CCO"]).pooled
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-5)


def test_chirality_and_charges_are_seen() -> None:
    found = encode(scratch(), ["C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O", "CCO", "CC[O-]"]).pooled
    assert not torch.allclose(found[0], found[1], atol=1e-4) and not torch.allclose(found[2], found[3], atol=1e-4)


@every_kind
def test_a_saved_one_gives_equal_features(kind: str, tmp_path: Path) -> None:
    for backbone in (scratch(kind), pretrained(written(tmp_path / f"{kind}.safetensors", kind))):
        again = type(backbone).restore(json.loads(json.dumps(backbone.assets()))).eval()
        again.load_state_dict(backbone.state_dict())
        assert torch.equal(encode(again, SMILES).pooled, encode(backbone, SMILES).pooled)


@every_kind
def test_every_weight_gets_a_finite_gradient_even_from_a_single_atom(kind: str, tmp_path: Path) -> None:
    for backbone in (scratch(kind), pretrained(written(tmp_path / f"{kind}.safetensors", kind))):
        for smiles in (SMILES, ["[Na+]"]):
            backbone.zero_grad()
            backbone.train()(backbone.collate(backbone.prepare(smiles))).tokens.square().sum().backward()
            for parameter in backbone.parameters():
                assert parameter.grad is not None and parameter.grad.isfinite().all()


# ---- weights


def test_the_kind_is_told_by_metadata_names_of_weights_or_the_name_of_the_file(tmp_path: Path) -> None:
    told = written(tmp_path / "told.safetensors", "gcn", {"arch": "5-layer GCN, 300-d"})
    named = written(tmp_path / "graphsage_contextpred.safetensors", "graphsage")
    seen = written(tmp_path / "weights.safetensors", "gin")
    for file, kind in ((told, "gcn"), (named, "graphsage"), (seen, "gin")):
        assert pretrained(file).network.shape == Shape(kind, (120, 3), (6, 3), 8, 2)  # type: ignore[arg-type]
    silent = written(tmp_path / "silent.safetensors", "gcn")
    with pytest.raises(BackboneError, match="backbone.kind=gcn or graphsage"):
        pretrained(silent)
    assert pretrained(silent, kind="graphsage").network.shape.kind == "graphsage"


def test_what_is_no_such_file_is_refused_with_the_next_step(tmp_path: Path) -> None:
    other, broken, part = (tmp_path / f"gcn_{name}.safetensors" for name in ("other", "broken", "part"))
    save_file({"weight": torch.zeros(2)}, other)
    broken.write_bytes(b"no tensors")
    weights = load_file(written(part, "gcn"))
    del weights["gnns.1.linear.bias"]
    save_file(weights, part)
    for file, reason in ((other, "holds no graph network"), (broken, "safetensors"), (part, "linear.bias")):
        with pytest.raises(BackboneError, match=reason):
            pretrained(file)
    with pytest.raises(BackboneError, match=r"give a \*.safetensors file"):
        PretrainedMolecule.create(PretrainedMoleculeOptions(), Source(hub="owner/name"))
    with pytest.raises(BackboneError, match="MoleculeGraph learns from scratch"):
        MoleculeGraph.create(MoleculeGraphOptions(), Source(path=part))


@pytest.mark.shared
@pytest.mark.skipif(not WEIGHTS.is_dir(), reason="no shared weights: set MEDPLUG_SHARED to the folder with weights/")
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_weights_load_whole(name: str) -> None:
    file = WEIGHTS / f"molecule_{name}.safetensors"
    backbone = pretrained(file)
    assert backbone.network.shape == Shape(name.partition("_")[0], (120, 3), (6, 3), 300, 5)  # type: ignore[arg-type]
    loaded = backbone.network.state_dict()
    assert {key: value.shape for key, value in load_file(file).items()} == {k: v.shape for k, v in loaded.items()}
    assert all(torch.equal(value, loaded[key]) for key, value in load_file(file).items())
    features = encode(backbone, SMILES)
    assert features.pooled.isfinite().all() and features.pooled.shape == (5, 300)


@pytest.mark.shared
@pytest.mark.skipif(not WEIGHTS.is_dir(), reason="no shared weights: set MEDPLUG_SHARED to the folder with weights/")
@pytest.mark.parametrize("name", PUBLISHED)
def test_what_norms_are_given_lies_where_it_lay_in_pretraining(name: str) -> None:
    """So the wiring is right: weights read as the other kind's give correlations of 0.2 to 0.5."""
    backbone = pretrained(WEIGHTS / f"molecule_{name}.safetensors")
    given: list[torch.Tensor] = []
    for norm in backbone.network.batch_norms:
        norm.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0].mean(0)))
    encode(backbone, [*SMILES[:1], *SMILES[2:], "CC(C)Cc1ccc(cc1)C(C)C(=O)O", "CN1CCC[C@H]1c1cccnc1"])
    for norm, mean in zip(backbone.network.batch_norms, given, strict=True):
        assert isinstance(norm.running_mean, torch.Tensor)
        assert torch.corrcoef(torch.stack([norm.running_mean, mean]))[0, 1] > 0.8
