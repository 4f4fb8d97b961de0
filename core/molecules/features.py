"""What is computed of molecules without learning: scaffolds, fingerprints and descriptors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.entities import distinct
from medplug.core.molecules.reading import parsed, quiet, rdkit

RADIUS = 2
BITS = 2048
DESCRIPTORS = (
    "weight",
    "logp",
    "refractivity",
    "polar_surface",
    "surface",
    "heavy_atoms",
    "heteroatoms",
    "donors",
    "acceptors",
    "rotatable_bonds",
    "rings",
    "aromatic_rings",
    "aliphatic_rings",
    "heterocycles",
    "sp3_carbons",
    "stereo_centres",
    "amide_bonds",
    "spiro_atoms",
    "bridgeheads",
    "flexibility",
)
"""The columns of `descriptors`."""


def scaffold(smiles: str) -> str:
    """The Bemis-Murcko scaffold as SMILES: ring systems and what links them; empty where there is no ring.

    Without stereochemistry, so that enantiomers have one scaffold. Bemis and
    Murcko, The Properties of Known Drugs. 1. Molecular Frameworks, J Med Chem
    1996. Raises `MoleculeError` where the SMILES cannot be read.
    """
    molecule = parsed(smiles)
    from rdkit.Chem.Scaffolds import MurckoScaffold

    framework: Any = MurckoScaffold.GetScaffoldForMol  # it has no types
    with quiet():
        return str(rdkit().MolToSmiles(framework(molecule), isomericSmiles=False))


def morgan(smiles: Sequence[str], radius: int = RADIUS, bits: int = BITS, *, counts: bool = False) -> NDArray[np.uint8]:
    """Morgan fingerprints ``[molecules, bits]``: 1 where a neighbourhood of up to `radius` bonds is there, else 0.

    With `counts` how often it is there, at most 255. Each distinct SMILES is
    computed once. Radius 2 is known as ECFP4: Rogers and Hahn,
    Extended-Connectivity Fingerprints, J Chem Inf Model 2010. Raises
    `MoleculeError` where a SMILES cannot be read.
    """
    rdkit()
    from rdkit.Chem import rdFingerprintGenerator

    generator: Any = rdFingerprintGenerator.GetMorganGenerator(radius=radius, fpSize=bits)
    once, at = distinct(smiles)
    found = np.zeros((len(once), bits), dtype=np.uint8)
    with quiet():
        for row, each in zip(found, once, strict=True):
            molecule = parsed(each)
            if counts:
                row[:] = np.minimum(generator.GetCountFingerprintAsNumPy(molecule), 255)
            else:
                row[:] = generator.GetFingerprintAsNumPy(molecule)
    return found[at]


def descriptors(smiles: Sequence[str]) -> NDArray[np.float64]:
    """Twenty plain numbers of each molecule ``[molecules, 20]``, named by `DESCRIPTORS`.

    The weight is the monoisotopic one in dalton, logP and molar refractivity
    are Wildman and Crippen's (J Chem Inf Comput Sci 1999), the polar surface is
    the topological one (Ertl et al., J Med Chem 2000) and the surface Labute's
    approximation, both in square ångström; sp3 carbons are a share of the
    carbons, flexibility is Kier's phi, and the rest are counts. Each distinct
    SMILES is computed once. Raises `MoleculeError` where a SMILES cannot be read.
    """
    columns, (once, at) = _columns(), distinct(smiles)
    found = np.zeros((len(once), len(DESCRIPTORS)))
    with quiet():
        for row, each in zip(found, once, strict=True):
            molecule = parsed(each)
            row[:] = [column(molecule) for column in columns]
    return found[at]


def _columns() -> list[Callable[[Any], float]]:
    """What computes each of `DESCRIPTORS`, in their order."""
    rdkit()
    from rdkit.Chem import rdMolDescriptors as of

    return [
        of.CalcExactMolWt,
        lambda molecule: of.CalcCrippenDescriptors(molecule)[0],
        lambda molecule: of.CalcCrippenDescriptors(molecule)[1],
        of.CalcTPSA,
        of.CalcLabuteASA,
        of.CalcNumHeavyAtoms,
        of.CalcNumHeteroatoms,
        of.CalcNumHBD,
        of.CalcNumHBA,
        of.CalcNumRotatableBonds,
        of.CalcNumRings,
        of.CalcNumAromaticRings,
        of.CalcNumAliphaticRings,
        of.CalcNumHeterocycles,
        of.CalcFractionCSP3,
        of.CalcNumAtomStereoCenters,
        of.CalcNumAmideBonds,
        of.CalcNumSpiroAtoms,
        of.CalcNumBridgeheadAtoms,
        of.CalcPhi,
    ]
