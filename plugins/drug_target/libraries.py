"""What is screened: libraries of molecules, as tables, SDF or SMI, against proteins, as tables or FASTA."""

from __future__ import annotations

from collections.abc import Sequence

from medplug.core.molecules.reading import read_molecules
from medplug.core.molecules.sdf import stream_sdf
from medplug.core.molecules.smi import stream_smi
from medplug.core.proteins.fasta import stream_fasta
from medplug.core.proteins.reading import read_sequences
from medplug.core.screening.sides import Format, Screened, Side
from medplug.plugins.drug_target.options import DrugTargetData

_FASTA = Format(stream_fasta, "sequence", ("id",))


def screened(data: DrugTargetData) -> Screened:
    """Molecules in the column of the training's SMILES, and proteins in that of its sequences."""
    return Screened(
        Side(
            "drug",
            "data.smiles",
            data.smiles,
            read_molecules,
            _named(data.drug, "id", "name"),
            {
                ".sdf": Format(stream_sdf, "smiles", _named(data.drug, "title")),
                ".smi": Format(stream_smi, "smiles", ("title",)),
            },
        ),
        Side(
            "protein",
            "data.sequence",
            data.sequence,
            read_sequences,
            _named(data.target, "id", "name"),
            dict.fromkeys((".fasta", ".fa", ".faa", ".fas"), _FASTA),
        ),
    )


def _named(given: str | None, *others: str) -> tuple[str, ...]:
    """The columns that may hold ids, the one that training named first."""
    names: Sequence[str] = [given] if given else []
    return tuple(dict.fromkeys([*names, *others]))
