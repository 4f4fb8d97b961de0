"""How pairs are kept apart: by their drug, their protein or both, by what these have in common, and across domains."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from medplug.core.data.entities import distinct
from medplug.core.data.twins import Alike
from medplug.core.errors import DataError
from medplug.core.molecules import clusters as molecules
from medplug.core.molecules.features import scaffold
from medplug.core.proteins import kmers
from medplug.core.task import Examples

NEAR_DRUG, NEAR_PROTEIN = 0.9, 0.6
"""From which share of neighbourhoods two drugs, and of words two proteins, are nearly the same."""
DOMAIN_DRUG = 0.5
"""From which share of neighbourhoods two drugs are of one cluster, where clusters make domains."""
SOURCE = 0.6
"""The share of the clusters that make the source."""


def units(drugs: Sequence[str], proteins: Sequence[str], rule: str, likeness: float) -> dict[str, list[str]]:
    """One key a row, by what it is a key of: pairs that share one are never in different splits.

    `rule` is one that ``data.split`` takes; `likeness` is the share of words from which
    ``cluster`` joins proteins, as `medplug.core.proteins.kmers.clusters` counts it.
    """
    made: dict[str, Callable[[], dict[str, list[str]]]] = {
        "cold_drug": lambda: {"drug": list(drugs)},
        "cold_target": lambda: {"protein": list(proteins)},
        "cold_pair": lambda: {"drug": list(drugs), "protein": list(proteins)},
        "scaffold": lambda: {"scaffold": scaffolds(drugs)},
        "cluster": lambda: {"protein cluster": [str(number) for number in kmers.clusters(proteins, likeness)]},
    }
    return made[rule]()


def scaffolds(drugs: Sequence[str]) -> list[str]:
    """The Bemis-Murcko scaffold of each drug; one without rings has none and stands for itself."""
    once, at = distinct(drugs)
    found = [scaffold(each) or each for each in once]
    return [found[place] for place in at]


def alike(splits: Mapping[str, Examples]) -> Alike:
    """Which pairs are nearly the same: nearly the same drug with nearly the same protein.

    Drugs are where they differ in stereochemistry, isotopes, protons or the
    tautomers of InChI alone, or share `NEAR_DRUG` of their Morgan
    neighbourhoods; proteins where a cluster of `NEAR_PROTEIN`, about 90 %
    identical residues, holds both.
    """
    ends = np.cumsum([0, *map(len, splits.values())])
    drugs, proteins = ([v for each in splits.values() for v in each.inputs[slot]] for slot in ("drug", "protein"))
    both = zip(_near_drugs(drugs), kmers.clusters(proteins, NEAR_PROTEIN), strict=True)
    keys = [f"{drug} {protein}" for drug, protein in both]
    return Alike(
        {name: keys[ends[i] : ends[i + 1]] for i, name in enumerate(splits)},
        "drugs that differ in stereochemistry, isotopes, protons or mobile hydrogens alone, or that a chain of pairs "
        f"with {100 * NEAR_DRUG:.0f} % of their Morgan neighbourhoods in common (Tanimoto) links, on proteins of about "
        f"90 % identical residues ({100 * NEAR_PROTEIN:.0f} % of the words of five in common)",
    )


def _near_drugs(drugs: Sequence[str]) -> list[int]:
    """One number a drug, equal where two are nearly the same: the clusters of one drug a skeleton."""
    once, at = distinct(drugs)
    skeletons = molecules.skeletons(once)
    first: dict[str, str] = {}
    for skeleton, drug in sorted(zip(skeletons, once, strict=True)):
        first.setdefault(skeleton, drug)
    cluster = dict(zip(first, molecules.clusters(list(first.values()), NEAR_DRUG), strict=True))
    found = [cluster[skeleton] for skeleton in skeletons]
    return [found[place] for place in at]


def domains(drugs: Sequence[str], proteins: Sequence[str], likeness: float, seed: int) -> list[str]:
    """Of each pair ``source``, ``target``, or an empty text where its drug and its protein are of different domains.

    The clusters of drugs, and those of proteins, are divided at random: of 60 %
    pairs are the source's, of the others the target's, so that neither a drug
    nor a protein of the target is like one of the source. After Bai et al.,
    Interpretable bilinear attention network with domain adaptation improves
    drug-target prediction, Nature Machine Intelligence 2023, who cluster both by
    single linkage, proteins by their pseudo-amino-acid composition. Raises
    `DataError` where all drugs, or all proteins, are of one cluster.
    """
    draw = np.random.default_rng(seed)
    ours = [
        _of_source(numbers, what, draw)
        for what, numbers in (
            ("drugs", molecules.clusters(drugs, DOMAIN_DRUG)),
            ("proteins", kmers.clusters(proteins, likeness)),
        )
    ]
    told = {(True, True): "source", (False, False): "target"}
    return [told.get(pair, "") for pair in zip(*ours, strict=True)]


def _of_source(numbers: Sequence[int], what: str, draw: np.random.Generator) -> list[bool]:
    count = len(set(numbers))
    if count < 2:
        raise DataError(
            f"data.domains=cluster: all {what} are of one cluster, so that none is left for the target; give more "
            "unlike ones, or name domains by a column (data.site, data.source_sites, data.target_sites)"
        )
    chosen = draw.permutation(count)[: min(max(round(SOURCE * count), 1), count - 1)]
    source = np.isin(np.asarray(numbers), chosen)
    return [bool(each) for each in source]
