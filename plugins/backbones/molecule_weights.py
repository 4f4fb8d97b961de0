"""Reading the weights of a pretrained graph network: which network they are of, and how large it is."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from medplug.core.errors import BackboneError
from medplug.plugins.backbones.molecule_network import Kind, Shape

_ATOM, _BOND = "x_embedding{}.weight", "gnns.0.edge_embedding{}.weight"
_ALIKE: tuple[Kind, ...] = ("gcn", "graphsage")
_FEATURES = 2  # of atoms and of bonds: element and chirality, type and direction


def read_molecule_weights(file: Path, kind: str) -> tuple[Shape, dict[str, Tensor]]:
    """The shape that the weights of a file have, and the weights by name.

    `kind` is the network's, or ``auto``: then the file's metadata, the names of its
    weights or its own name must say it. Raises `BackboneError` where it is no such file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "pt") as opened:
            told = f"{(opened.metadata() or {}).get('arch', '')} {file.stem}"
            weights = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - it is no mapping
    except (OSError, SafetensorError) as error:
        raise BackboneError(f"backbone file {file}: it cannot be read as safetensors: {error}") from None
    return _shape(weights, _kind(kind, weights, told, file), file), weights


def _kind(asked: str, weights: dict[str, Tensor], told: str, file: Path) -> Kind:
    """The network's kind; GCN and GraphSAGE have weights of the same names and sizes."""
    if "gnns.0.mlp.0.weight" in weights:
        return "gin"
    found = [kind for kind in _ALIKE if kind in (asked if asked != "auto" else told.lower())]
    if len(found) != 1:
        raise BackboneError(
            f"backbone file {file} does not say of which network its weights are; say backbone.kind=gcn or graphsage"
        )
    return found[0]


def _shape(weights: dict[str, Tensor], kind: Kind, file: Path) -> Shape:
    numbered = range(1, _FEATURES + 1)
    missing = [n for i in numbered for n in (_ATOM.format(i), _BOND.format(i)) if n not in weights]
    if missing:
        raise BackboneError(
            f"backbone file {file} holds no graph network of molecules: it has no {missing[0]}; give a file of "
            "github.com/snap-stanford/pretrain-gnns (chem/model_architecture), written as safetensors"
        )
    return Shape(
        kind=kind,
        atoms=tuple(len(weights[_ATOM.format(i)]) for i in numbered),
        bonds=tuple(len(weights[_BOND.format(i)]) for i in numbered),
        width=weights[_ATOM.format(1)].shape[1],
        layers=len({name.split(".")[1] for name in weights if name.startswith("gnns.")}),
    )
