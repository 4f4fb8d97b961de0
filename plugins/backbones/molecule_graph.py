"""Graph networks of molecules: one that learns from scratch, and pretrained ones of Hu et al. (2020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medplug.core.backbone import Backbone, Inputs
from medplug.core.errors import BackboneError
from medplug.core.explaining.inside import Embedded, Located, units_at
from medplug.core.features import Features
from medplug.core.molecules.graph import MoleculeGraph as Drawn
from medplug.core.molecules.graph import graph, symbols
from medplug.core.pretrained import lone_file, refuse_weights
from medplug.core.registry import Source
from medplug.plugins.backbones.entity_options import MoleculeGraphOptions, PretrainedMoleculeOptions
from medplug.plugins.backbones.lines import laid_out
from medplug.plugins.backbones.molecule_network import SELF_LOOP, MoleculeNetwork, Shape
from medplug.plugins.backbones.molecule_weights import read_molecule_weights

_ATOMS = (120, 3, 12, 11, 9, 2, 9)  # values of element, chirality, degree, charge, hydrogens, aromatic, hybridisation
_BONDS = (6, 3, 2, 2)  # of type (a self-loop's among them), direction, conjugated, ring: as in the pretrained weights
_LEAST = (1, 0, 0, -5, 0, 0, 0)  # an element's first is hydrogen, a charge's first -5


class Graph(NamedTuple):
    """One molecule: `atoms` ``[atoms, features]``, `edges` ``[2, edges]`` and `bonds` ``[edges, features]``.

    Every bond is there in both ways, and one from every atom to itself. Values of
    a feature are counted on from those of the feature before it.
    """

    atoms: NDArray[np.int16]
    edges: NDArray[np.int16]
    bonds: NDArray[np.int16]


def graph_of(drawn: Drawn, shape: Shape) -> Graph:
    """The features of a molecule that a network of this shape reads; rare values count as the nearest known one."""
    loops = np.zeros((len(drawn.atoms), len(shape.bonds)), dtype=np.int16)
    loops[:, 0] = SELF_LOOP
    own = np.arange(len(drawn.atoms), dtype=np.int16)
    bonds = np.concatenate([drawn.bonds[:, : len(shape.bonds)], loops])
    atoms = drawn.atoms[:, : len(shape.atoms)] - np.array(_LEAST[: len(shape.atoms)], dtype=np.int16)
    edges = np.concatenate([drawn.pairs, np.stack([own, own])], axis=1)
    return Graph(_counted_on(atoms, shape.atoms), edges, _counted_on(bonds, shape.bonds))


def _counted_on(values: NDArray[np.int16], sizes: tuple[int, ...]) -> NDArray[np.int16]:
    starts = np.cumsum([0, *sizes[:-1]])
    counted: NDArray[np.int16] = (values.clip(0, np.array(sizes) - 1) + starts).astype(np.int16)
    return counted


class GraphBackbone(Backbone):
    """A network over atoms and bonds; tokens are the atoms, and pooled features their mean or sum.

    An item is a `Graph`.
    """

    def __init__(self, network: MoleculeNetwork, options: MoleculeGraphOptions | PretrainedMoleculeOptions) -> None:
        super().__init__()
        self.network, self.options = network, options
        self.width = network.shape.width

    def prepare(self, values: Sequence[str]) -> list[Graph]:
        """Draw every SMILES; `MoleculeError` where one cannot be read."""
        return [graph_of(graph(value), self.network.shape) for value in values]

    def size(self, item: Graph) -> int:
        """Atoms."""
        return len(item.atoms)

    def collate(self, items: Sequence[Graph]) -> Inputs:
        """One graph of all molecules: `atoms`, `edges`, `bonds` as in `Graph`; `at` and `mask` ``[batch, atoms]``.

        ``at[row, i]`` is the place of the row's i-th atom among all.
        """
        line = laid_out([len(item.atoms) for item in items], 0)
        edges = [item.edges + start for item, start in zip(items, line.starts, strict=True)]
        return {
            "atoms": torch.from_numpy(np.concatenate([item.atoms for item in items]).astype(np.int64)),
            "edges": torch.from_numpy(np.concatenate(edges, axis=1)),
            "bonds": torch.from_numpy(np.concatenate([item.bonds for item in items]).astype(np.int64)),
            "at": line.at,
            "mask": line.mask,
        }

    def inside(self) -> Embedded:
        """The atoms before any message is sent; one that is left out keeps its bonds."""
        return Embedded("atom", self.network.embedded, self._units, self._located)

    def _units(self, items: Sequence[Graph], inputs: Inputs) -> Tensor:
        return units_at(inputs["at"], inputs["mask"], len(inputs["atoms"]))

    def _located(self, values: Sequence[str]) -> list[Located]:
        return [Located(symbols(value), molecule=value) for value in values]

    def forward(self, inputs: Inputs) -> Features:
        """Encode one batch."""
        at, mask = inputs["at"], inputs["mask"]
        found: Tensor = self.network(inputs["atoms"], inputs["edges"], inputs["bonds"])
        tokens = found.index_select(0, at.flatten()).view(*at.shape, self.width).masked_fill(~mask.unsqueeze(-1), 0.0)
        pooled = tokens.sum(1)
        if self.options.pooling == "mean":
            pooled = pooled / mask.sum(1, keepdim=True).clamp(min=1)
        return Features(pooled, tokens, mask)


class MoleculeGraph(GraphBackbone):
    """A graph network that learns from scratch, with all features of atoms and bonds, normed atom by atom."""

    options_model: ClassVar[type[MoleculeGraphOptions]] = MoleculeGraphOptions

    def __init__(self, options: MoleculeGraphOptions) -> None:
        shape = Shape(options.kind, _ATOMS, _BONDS, options.width, options.layers)
        super().__init__(MoleculeNetwork(shape, dropout=options.dropout, stored=False), options)

    @classmethod
    def create(cls, options: MoleculeGraphOptions, source: Source | None) -> Self:
        """Build it with random weights; `BackboneError` if weights are given."""
        refuse_weights(cls, source)
        return cls(options)

    @classmethod
    def restore(cls, assets: Mapping[str, Any]) -> Self:
        """Build it again, with random weights."""
        return cls(cls.options_model.model_validate(assets["options"]))

    def assets(self) -> dict[str, Any]:
        """Options."""
        return {"options": self.options.model_dump(mode="json")}


class PretrainedMolecule(GraphBackbone):
    """A graph network of Hu et al. (2020), "Strategies for Pre-training Graph Neural Networks".

    Source: a safetensors file with the names of its parameters there.
    """

    def __init__(self, shape: Shape, options: PretrainedMoleculeOptions, origin: Mapping[str, str]) -> None:
        super().__init__(MoleculeNetwork(shape, dropout=options.dropout, stored=True), options)
        self._origin = dict(origin)

    @classmethod
    def create(cls, options: PretrainedMoleculeOptions, source: Source | None) -> Self:
        """Load the weights of a lone file; `BackboneError` if they cannot be had or do not fit."""
        if source is None:
            raise BackboneError("a pretrained graph network needs weights: name a file, as backbone=./NAME.safetensors")
        file, origin = lone_file(source)
        shape, weights = read_molecule_weights(file, options.kind)
        made = cls(shape, options, origin)
        _fill(made.network, weights, file)
        return made

    @classmethod
    def restore(cls, assets: Mapping[str, Any]) -> Self:
        """Build the network that `assets` describe, with random weights."""
        shape = Shape(**{**assets["shape"], **{name: tuple(assets["shape"][name]) for name in ("atoms", "bonds")}})
        return cls(shape, PretrainedMoleculeOptions.model_validate(assets["options"]), {})

    def assets(self) -> dict[str, Any]:
        """Shape and options."""
        shape = self.network.shape
        told = {"kind": shape.kind, "atoms": list(shape.atoms), "bonds": list(shape.bonds)}
        sizes = {"width": shape.width, "layers": shape.layers}
        return {"shape": {**told, **sizes}, "options": self.options.model_dump(mode="json")}

    def provenance(self) -> dict[str, str]:
        """Where the weights came from."""
        return self._origin


def _fill(network: MoleculeNetwork, weights: dict[str, Tensor], file: Path) -> None:
    try:
        network.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        first = (str(error).strip().splitlines() or [""])[-1].strip()
        raise BackboneError(f"backbone file {file}: its weights do not fit the network they name: {first}") from None
