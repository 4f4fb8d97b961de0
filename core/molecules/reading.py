"""SMILES into standard molecules: parsed, without salts and charges, written in one way, or refused with a reason."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import polars as pl

from medplug.core.data.entities import read_entities
from medplug.core.data.problems import Problems
from medplug.core.errors import ConfigError, DataError

MAX_ATOMS = 1_000
"""The most atoms, hydrogens not counted, of what one SMILES writes, salts and solvents included."""
MAX_CHARACTERS = 20_000
"""The longest SMILES that is parsed: 1,000 atoms are written in fewer."""
BROKEN = {
    "broken record: cut off": "this record of the SDF file is cut off: it has no line 'M  END'; export it again",
    "broken record: malformed": "the structure of this record of the SDF file is malformed; export it again",
    "broken record: no atoms": "this record of the SDF file holds no atoms; take it out or draw it",
    "broken record: impossible": "this record of the SDF file is chemically impossible; mend its bonds and charges",
}
"""What stands in place of a SMILES where a record of an SDF file is broken, and the reason that is told."""

_PROTEIN = re.compile("[A-Z]+")
_SURELY = 30
"""So many capitals, and nothing else, are no molecule."""
# Only what is written as a bond and is a salt; the bonds of a complex, as of platinum, are the drug itself.
_SALT_METALS = "[Li,Na,K,Rb,Cs,Mg,Ca,Sr,Ba]"


class MoleculeError(DataError):
    """A molecule that cannot be used. Its text is the short reason alone, without the SMILES."""


def rdkit() -> Any:
    """The module ``rdkit.Chem``; raises `ConfigError` where the package is not installed."""
    try:
        from rdkit import Chem
    except ImportError:
        raise ConfigError("reading molecules needs rdkit: pip install 'medplug[chem]'") from None
    return Chem


class _Silence:
    """RDKit's log, which quotes SMILES, silent while any thread asks for it; the log is one for all threads."""

    def __init__(self) -> None:
        self._lock, self._asking = threading.Lock(), 0
        self._block: Any = None

    def begin(self) -> None:
        from rdkit import rdBase

        with self._lock:
            self._block = self._block or rdBase.BlockLogs()
            self._asking += 1

    def end(self) -> None:
        with self._lock:
            self._asking -= 1
            if not self._asking:  # what was blocked speaks again when the last reference goes
                self._block = None


_silence = _Silence()


@contextmanager
def quiet() -> Iterator[None]:
    """Inside, RDKit logs nothing; threads may be inside at once, and it speaks again when the last has left."""
    _silence.begin()
    try:
        yield
    finally:
        _silence.end()


def read_molecules(table: pl.DataFrame, column: str, problems: Problems, *, empty_ok: bool = False) -> list[str | None]:
    """One standard SMILES a row, each distinct one standardised once; None where it is empty or bad.

    A bad SMILES is a problem of its rows, and so is an empty cell, but where
    `empty_ok`. Raises `ConfigError` where rdkit is not installed and `DataError`
    for a column of lists or bytes.
    """
    rdkit()
    return read_entities(table[column], standardise, problems, key="data.smiles", what="SMILES", empty_ok=empty_ok)


def standardise(smiles: str) -> str:
    """The canonical isomeric SMILES of a molecule without its salts, solvents and charges.

    RDKit's MolStandardize: bonds of salts to alkali and alkaline earth metals
    are cut, functional groups written in one way, the largest fragment kept (an
    organic one before any other), and charges taken away by moving protons
    where that is possible. Tautomers stay as they are written; so do isotopes,
    stereochemistry and metal complexes. Of what it gives, it gives the same again.
    Raises `MoleculeError` where the text is empty, no SMILES, chemically
    impossible, has placeholders or more than 1,000 atoms.
    """
    if smiles in BROKEN:
        raise MoleculeError(BROKEN[smiles])
    chem = rdkit()
    with quiet():
        molecule = parsed(smiles)
        try:
            written = chem.MolToSmiles(_standard(molecule))
        except Exception:  # what RDKit says may quote the molecule
            raise MoleculeError("it cannot be standardised; check its bonds and charges") from None
        # written, read and written again: aromatic rings are then found in the molecule as it became
        return str(chem.MolToSmiles(parsed(written)))


def parsed(smiles: str) -> Any:
    """An RDKit ``Mol`` with at least one atom and no placeholder; raises `MoleculeError` as `standardise` does."""
    text = smiles.strip()
    _check_text(text)
    chem = rdkit()
    with quiet():
        molecule = chem.MolFromSmiles(text)
        if molecule is None:
            raise MoleculeError(_why(text))
    atoms = molecule.GetNumAtoms()
    if not atoms:
        raise MoleculeError("it has no atoms")
    if atoms > MAX_ATOMS:
        raise MoleculeError(f"it has {atoms} atoms; at most {MAX_ATOMS} are read: this is no small molecule")
    if molecule.HasSubstructMatch(_placeholder()):  # a loop over atoms in Python takes longer than the parsing
        raise MoleculeError("it has a placeholder (* or an R group) where an atom is needed; give a whole molecule")
    return molecule


@cache
def _placeholder() -> Any:
    """The pattern of an atom that is none."""
    return rdkit().MolFromSmarts("[#0]")


def _check_text(text: str) -> None:
    if not text:
        raise MoleculeError("the SMILES is empty")
    if len(text) > MAX_CHARACTERS:
        raise MoleculeError(f"it has {len(text)} characters; at most {MAX_CHARACTERS} are read: is it a SMILES?")
    if len(text.split()) > 1:
        raise MoleculeError("it has a blank inside; give one SMILES a cell and nothing beside it")
    if not (text.isascii() and text.isprintable()):
        raise MoleculeError("it has characters that no SMILES has; write it in plain ASCII")


def _why(text: str) -> str:
    """Why RDKit does not read a text, without quoting it."""
    chem = rdkit()
    molecule = chem.MolFromSmiles(text, sanitize=False)
    if molecule is None:
        if len(text) >= _SURELY and _PROTEIN.fullmatch(text):
            return "it reads as a protein's sequence and not as SMILES; have the two columns changed places?"
        return "it cannot be parsed as SMILES; check brackets, ring numbers and letters"
    try:
        chem.SanitizeMol(molecule)
    except chem.AtomValenceException as error:
        atom = error.cause.GetAtomIdx() + 1
        return f"atom {atom} of it has more bonds than its element allows; check its bonds and charge"
    except (chem.KekulizeException, chem.AtomKekulizeException):
        return "its aromatic rings cannot be written with alternating bonds; check lower-case letters, n or [nH]"
    except Exception:  # other kinds are rare, and their words may quote the molecule
        pass
    return "it is chemically impossible; check its bonds"


def _standard(molecule: Any) -> Any:
    disconnector, normaliser, chooser, uncharger = _steps()
    molecule = normaliser.normalize(disconnector.Disconnect(molecule))
    if len(rdkit().GetMolFrags(molecule)) > 1:
        molecule = chooser.choose(molecule)
    return uncharger.uncharge(molecule)


@cache
def _steps() -> tuple[Any, Any, Any, Any]:
    """RDKit's standardisers, made once: making them takes longer than using them."""
    from rdkit.Chem.MolStandardize import rdMolStandardize

    chem, disconnector = rdkit(), rdMolStandardize.MetalDisconnector()
    disconnector.SetMetalNof(chem.MolFromSmarts(f"{_SALT_METALS}~[#8,F]"))
    disconnector.SetMetalNon(chem.MolFromSmarts(f"{_SALT_METALS}~[#16,Cl,Br,I]"))
    return (
        disconnector,
        rdMolStandardize.Normalizer(),
        rdMolStandardize.LargestFragmentChooser(preferOrganic=True),
        rdMolStandardize.Uncharger(),
    )
