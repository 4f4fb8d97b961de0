"""The built-in sample: molecules of known fragments, proteins of known motifs, and an affinity of who meets whom.

Nothing in it was measured, and nothing comes from elsewhere. Molecules are joined
from a scaffold and two fragments. Sequences are mutants of six invented
ancestors, each with two of six motifs. The affinity is 5.5, and for each fragment
and each motif 1 more where they suit each other or 0.4 less where they do not,
with noise of 0.3. So which drug and which protein a pair has tells less of it than
which fragment meets which motif: a linear model of both cannot learn that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medplug.core.proteins.reading import AMINO_ACIDS

if TYPE_CHECKING:
    import polars as pl

SCAFFOLDS = (
    *("c1ccc({0})cc1{1}", "c1cc({0})ncc1{1}", "c1nc({0})ncc1{1}", "C1CN({0})CCN1{1}", "c1ccc2c(c1{0})cc({1})[nH]2"),
    *("c1ccc2nc({0})cc({1})c2c1", "C1CC({0})CCC1{1}", "c1sc({0})cc1{1}"),
)
FRAGMENTS = (
    *("C(=O)O", "S(=O)(=O)N", "C(F)(F)F", "C#N", "C(=O)NC", "CCN(C)C", "c3ccncc3", "c3ccc(Cl)cc3"),
    *("C3CCOCC3", "C(C)(C)C", "CCO", "c3ccc(OC)cc3"),
)
MOTIFS = ("HRDLKPEN", "DFGWSRTE", "GKGTFGKV", "WCMHEYYQ", "NPPYRKCD", "CWQFHMIG")
DRUGS, PROTEINS, FAMILIES, RESIDUES = 96, 48, 6, 160
MEASURED = 0.4
"""The share of all pairs that have a label."""
_SUIT = 0.4
_MUTATIONS, _PLACES = 24, (20, 90)
_NOISE = 0.3


def sample() -> pl.DataFrame:
    """About 1,850 rows: `drug` and `target` (ids), `smiles`, `sequence` and `label`, an invented pKd."""
    import polars as pl

    rng = np.random.default_rng(5)
    smiles, fragments = _molecules(rng)
    sequences, motifs = _proteins(rng)
    meeting = np.where(rng.random((len(FRAGMENTS), len(MOTIFS))) < _SUIT, 1.0, -0.4)
    affinity = 5.5 + fragments @ meeting @ motifs.T
    drugs, proteins = np.nonzero(rng.random(affinity.shape) < MEASURED)
    order = rng.permutation(len(drugs))  # so that a prefix of the table is a fair sample too
    drugs, proteins = drugs[order], proteins[order]
    labels = affinity[drugs, proteins] + _NOISE * rng.standard_normal(len(drugs))
    return pl.DataFrame(
        {
            "drug": [f"drug {i + 1}" for i in drugs],
            "target": [f"protein {i + 1}" for i in proteins],
            "smiles": [smiles[i] for i in drugs],
            "sequence": [sequences[i] for i in proteins],
            "label": labels.round(2),
        }
    )


def _molecules(rng: np.random.Generator) -> tuple[list[str], NDArray[np.float64]]:
    """SMILES, all different, and how many of each fragment they have ``[drugs, fragments]``."""
    found: dict[str, tuple[int, int]] = {}
    while len(found) < DRUGS:
        scaffold = SCAFFOLDS[rng.integers(len(SCAFFOLDS))]
        first, second = sorted(rng.integers(len(FRAGMENTS), size=2).tolist())  # in order: most scaffolds have no side
        found[scaffold.format(FRAGMENTS[first], FRAGMENTS[second])] = first, second
    counts = np.zeros((DRUGS, len(FRAGMENTS)))
    np.add.at(counts, (np.arange(DRUGS)[:, None], np.array(list(found.values()))), 1)
    return list(found), counts


def _proteins(rng: np.random.Generator) -> tuple[list[str], NDArray[np.float64]]:
    """Sequences, and which motifs they have ``[proteins, motifs]``."""
    residues = np.array(list(AMINO_ACIDS))
    ancestors = rng.choice(residues, size=(FAMILIES, RESIDUES))
    sequences, motifs = [], np.zeros((PROTEINS, len(MOTIFS)))
    for row in range(PROTEINS):
        letters = ancestors[row % FAMILIES].copy()
        letters[rng.choice(RESIDUES, _MUTATIONS, replace=False)] = rng.choice(residues, _MUTATIONS)
        for place, motif in zip(_PLACES, rng.choice(len(MOTIFS), 2, replace=False), strict=True):
            letters[place : place + len(MOTIFS[motif])] = list(MOTIFS[motif])
            motifs[row, motif] = 1
        sequences.append("M" + "".join(letters))
    return sequences, motifs
