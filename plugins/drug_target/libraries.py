"""What is screened: libraries of molecules, as tables, SDF or SMI, against proteins, as tables or FASTA."""

from __future__ import annotations

from medplug.core.molecules.reading import read_molecules
from medplug.core.molecules.sdf import stream_sdf
from medplug.core.molecules.smi import stream_smi
from medplug.core.proteins.fasta import stream_fasta
from medplug.core.proteins.reading import read_sequences
from medplug.core.screening.sides import Format, Screened, Side
from medplug.plugins.drug_target.entities import of_id
from medplug.plugins.drug_target.options import DrugTargetData


def screened(data: DrugTargetData) -> Screened:
    """Molecules in the column of the training's SMILES, and proteins in that of its sequences."""
    drug, protein = of_id(data, "drug"), of_id(data, "target")
    sdf, smi = Format(stream_sdf, "smiles", (drug, "title")), Format(stream_smi, "smiles", ("title",))
    files = {**dict.fromkeys((".sdf", ".sd", ".mol"), sdf), ".smi": smi}
    fasta = dict.fromkeys((".fasta", ".fa", ".faa", ".fas"), Format(stream_fasta, "sequence", ("id",)))
    return Screened(
        Side("drug", "data.smiles", data.smiles, read_molecules, (drug, "id", "name"), files),
        Side("protein", "data.sequence", data.sequence, read_sequences, (protein, "id", "name"), fasta),
    )
