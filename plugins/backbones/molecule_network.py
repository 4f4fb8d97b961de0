"""Message passing over atoms and bonds, for many molecules at once and without a loop over them.

Source: Hu et al. (2020), "Strategies for Pre-training Graph Neural Networks", whose
weights load under their names. What gathers messages there is, with bonds added, that
of Xu et al. (2019, GIN), Kipf and Welling (2017, GCN) and Hamilton et al. (2017, GraphSAGE).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Kind = Literal["gin", "gcn", "graphsage"]

SELF_LOOP = 4
"""The first feature of the bond that every atom has to itself; the others are 0."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A network: what gathers messages, how many values each feature of atoms and of bonds can have, and its size."""

    kind: Kind
    atoms: tuple[int, ...]
    bonds: tuple[int, ...]
    width: int
    layers: int


@dataclass(frozen=True, slots=True)
class Messages:
    """Who sends to whom in a batch: from atom `source` to atom `target` ``[edges]``, with `weight` ``[edges]``.

    An atom's own are among them. `bonds` ``[atoms, values]`` sums, atom by atom, the weights
    of the bonds that messages come over, value by value of every feature of a bond.
    """

    source: Tensor
    target: Tensor
    weight: Tensor
    bonds: Tensor

    def gathered(self, sent: Tensor, tables: Tensor) -> Tensor:
        """Sum over edges of ``weight * (sent + bond)``: ``[atoms, width]``, the tables of bonds ``[values, width]``."""
        wide = sent if sent.dtype == torch.float64 else sent.float()
        own = self.bonds.to(tables.dtype) @ tables  # instead of a vector for every edge
        return own.to(wide.dtype).index_add(0, self.target, wide[self.source] * self.weight[:, None].to(wide.dtype))


def messages(edges: Tensor, bonds: Tensor, atoms: int, shape: Shape) -> Messages:
    """The messages of a batch of molecules.

    `edges` ``[2, edges]`` has every bond twice, source above target, and one from every atom to
    itself; `bonds` ``[edges, features]`` counts a feature's values on from those of the one before.
    """
    source, target = edges
    ones = torch.ones(len(source), device=edges.device)
    degree = torch.zeros(atoms, device=edges.device).index_add(0, target, ones)
    if shape.kind == "gcn":
        weight = (degree[source] * degree[target]).rsqrt()
    else:
        weight = ones if shape.kind == "gin" else 1 / degree[target]
    values = sum(shape.bonds)
    places = (target * values)[:, None] + bonds  # [edges, features]
    told = torch.zeros(atoms * values, device=edges.device)
    told = told.index_add(0, places.flatten(), weight.repeat_interleave(bonds.shape[1]))
    return Messages(source, target, weight, told.view(atoms, values))


class Layer(nn.Module):
    """One round of messages, from atoms ``[atoms, width]`` to the same shape."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.kind = shape.kind
        width = shape.width
        if self.kind == "gin":
            self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
        else:
            self.linear = nn.Linear(width, width)
        self._tables = [f"edge_embedding{i}" for i, _ in enumerate(shape.bonds, start=1)]
        for name, values in zip(self._tables, shape.bonds, strict=True):
            self.add_module(name, _embedding(values, width))

    def forward(self, atoms: Tensor, sent: Messages) -> Tensor:
        """Gather what every atom's neighbours and itself send."""
        tables = torch.cat([self.get_parameter(f"{name}.weight") for name in self._tables])
        if self.kind == "gin":
            mixed: Tensor = self.mlp(sent.gathered(atoms, tables))
            return mixed
        gathered = sent.gathered(self.linear(atoms), tables)
        return functional.normalize(gathered, dim=1) if self.kind == "graphsage" else gathered


class MoleculeNetwork(nn.Module):
    """Embeddings of the atoms' features, summed, and rounds of messages with a norm behind each.

    With `stored` the norms are batch norms, as the pretrained weights have; else
    layer norms, so that in training, too, no molecule depends on another.
    """

    def __init__(self, shape: Shape, *, dropout: float, stored: bool) -> None:
        super().__init__()
        self.shape, self.dropout = shape, dropout
        self._tables = [f"x_embedding{i}" for i, _ in enumerate(shape.atoms, start=1)]
        for name, values in zip(self._tables, shape.atoms, strict=True):
            self.add_module(name, _embedding(values, shape.width))
        self.embedded = nn.Identity()  # a place by which explanations take hold of the atoms
        self.gnns = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        norms = [AtomNorm(shape.width) if stored else nn.LayerNorm(shape.width) for _ in range(shape.layers)]
        self.batch_norms = nn.ModuleList(norms)

    def forward(self, atoms: Tensor, edges: Tensor, bonds: Tensor) -> Tensor:
        """Atoms ``[atoms, features]`` and their bonds to ``[atoms, width]``; both are as `messages` reads bonds."""
        sent = messages(edges, bonds, len(atoms), self.shape)
        tables = torch.cat([self.get_parameter(f"{name}.weight") for name in self._tables])
        found: Tensor = self.embedded(functional.embedding(atoms, tables).sum(1))
        last = len(self.gnns) - 1
        for i, (layer, norm) in enumerate(zip(self.gnns, self.batch_norms, strict=True)):
            found = norm(layer(found, sent))
            found = functional.dropout(found if i == last else found.relu(), self.dropout, self.training)
        return found


class AtomNorm(nn.BatchNorm1d):
    """Batch normalisation over atoms (Ioffe and Szegedy 2015), by the stored statistics where there is one atom."""

    def forward(self, atoms: Tensor) -> Tensor:
        """``[atoms, width]`` to the same shape."""
        if self.training and len(atoms) > 1:
            return super().forward(atoms)
        return functional.batch_norm(
            atoms, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
        )


def _embedding(values: int, width: int) -> nn.Embedding:
    made = nn.Embedding(values, width)
    nn.init.xavier_uniform_(made.weight)
    return made
