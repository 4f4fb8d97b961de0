"""SMILES: one way to write a molecule, whatever its salt, charge or order of atoms; bad ones told without quoting."""

from __future__ import annotations

import builtins
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from medplug.core.data.problems import Problems
from medplug.core.errors import ConfigError
from medplug.core.molecules.reading import MAX_ATOMS, MoleculeError, parsed, quiet, read_molecules, standardise

pytest.importorskip("rdkit", reason="rdkit is an extra: pip install 'medplug[chem]'")
SHARED = Path(os.environ.get("MEDPLUG_SHARED") or Path(__file__).parents[4] / "shared") / "data"
DAVIS = SHARED / "dti_davis" / "davis.csv.gz"
needs_davis = pytest.mark.skipif(not DAVIS.is_file(), reason="no shared data: set MEDPLUG_SHARED")
ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"


@pytest.mark.parametrize(
    "written",
    [
        "OC(=O)c1ccccc1OC(C)=O",
        "CC(=O)OC1=CC=CC=C1C(=O)O",
        "CC(=O)Oc1ccccc1C(=O)[O-].[Na+]",
        "CC(=O)Oc1ccccc1C(=O)O[Na]",
        "CC(=O)Oc1ccccc1C(=O)O.CO.Cl",
        f"  {ASPIRIN}\n",
    ],
)
def test_salts_charges_solvents_and_the_order_of_atoms_change_nothing(written: str) -> None:
    assert standardise(written) == standardise(ASPIRIN)


def test_functional_groups_are_written_in_one_way() -> None:
    assert standardise("CN(=O)=O") == standardise("C[N+](=O)[O-]")
    assert standardise("[NH3+]CC(=O)[O-]") == standardise("NCC(=O)O")


def test_a_charge_that_no_proton_takes_away_stays() -> None:
    assert "[N+]" in standardise("C[N+](C)(C)CCO.[Cl-]")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"),
        ("F/C=C/F", "F/C=C\\F"),
        ("[2H]OC", "OC"),
        ("Oc1ccccn1", "O=c1cccc[nH]1"),
    ],
)
def test_stereochemistry_isotopes_and_tautomers_tell_molecules_apart(one: str, other: str) -> None:
    assert standardise(one) != standardise(other)


def test_a_metal_complex_keeps_its_metal() -> None:
    assert "Pt" in standardise("[NH3][Pt]([NH3])(Cl)Cl") and "Pt" in standardise("N[Pt](N)(Cl)Cl")
    assert "Mg" in standardise("CN(C)[Mg]N(C)C"), "nitrogen holds magnesium in chlorophyll"


def test_an_organic_drug_outlives_a_larger_inorganic_ion() -> None:
    assert standardise("CCN.O[W](=O)(=O)O[W](=O)(=O)O") == standardise("CCN")


@pytest.mark.parametrize("smiles", [ASPIRIN, "N[Pt](N)(Cl)Cl", "C[N+](C)(C)C.[I-]", "[Na+].[Cl-]", "c1ccc2[nH]ccc2c1"])
def test_standardising_twice_is_standardising_once(smiles: str) -> None:
    assert standardise(standardise(smiles)) == standardise(smiles)


BAD = {
    "c1ccccc": "cannot be parsed",
    "CC(": "cannot be parsed",
    "CC(C)(C)(C)C": "atom 2 of it has more bonds",
    "c1cccc1": "aromatic rings",
    "": "empty",
    "   ": "empty",
    "C*": "placeholder",
    "C[1*]": "placeholder",
    "CCO ethanol": "blank inside",
    "CCÖ": "plain ASCII",
    "C\0C": "plain ASCII",
    "C" * (MAX_ATOMS + 1): f"at most {MAX_ATOMS}",
    "C(" * 100_000: "at most 20000",
}


@pytest.mark.parametrize("smiles", BAD, ids=lambda smiles: repr(smiles[:12]))
def test_a_bad_smiles_is_refused_with_a_reason_that_does_not_quote_it(
    smiles: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(MoleculeError) as caught:
        standardise(smiles)
    reason = str(caught.value)
    assert BAD[smiles] in reason
    assert len(smiles.strip()) < 3 or smiles.strip() not in reason
    assert caught.value.__cause__ is None
    assert capfd.readouterr() == ("", ""), "RDKit's log quotes the SMILES"


def test_so_many_atoms_are_read() -> None:
    assert standardise("C" * MAX_ATOMS) == "C" * MAX_ATOMS


def test_rdkit_speaks_again_when_the_last_thread_has_left(capfd: pytest.CaptureFixture[str]) -> None:
    from rdkit import Chem

    entered, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with quiet():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=stay)
    thread.start()
    entered.wait(10)
    with quiet():
        Chem.MolFromSmiles("inside")
    Chem.MolFromSmiles("another")
    assert capfd.readouterr().err == "", "a thread is still inside"
    leave.set()
    thread.join()
    Chem.MolFromSmiles("outside")
    assert "outside" in capfd.readouterr().err


def test_a_column_is_read_and_its_bad_rows_are_told() -> None:
    table = pl.DataFrame({"drug": ["OCC", "CCO", "secret(", None, "[Na+].CC[O-]"]})
    problems = Problems("t.csv")
    assert read_molecules(table, "drug", problems) == ["CCO", "CCO", None, None, "CCO"]
    assert [(problem.row, problem.column) for problem in problems.in_order()] == [(3, "drug"), (4, "drug")]
    with pytest.raises(Exception, match="row 3, column drug: it cannot be parsed") as caught:
        problems.stop()
    assert "secret" not in str(caught.value)


def test_empty_cells_may_be_allowed() -> None:
    problems = Problems("t.csv")
    assert read_molecules(pl.DataFrame({"drug": ["C", None]}), "drug", problems, empty_ok=True) == ["C", None]
    assert not problems.found


def test_without_rdkit_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "rdkit":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ConfigError, match=r"pip install 'medplug\[chem\]'"):
        read_molecules(pl.DataFrame({"drug": [None]}), "drug", Problems("t"))


def test_neither_torch_nor_rdkit_is_imported_before_a_molecule_is_read() -> None:
    code = (
        "import sys\n"
        "from medplug.core.molecules import features, graph, reading, sdf\n"
        "from medplug.core.plain import molecule, protein\n"
        "from medplug.core.proteins import fasta, kmers, reading as sequences\n"
        "print([n for n in ('torch', 'rdkit', 'scipy', 'sklearn') if n in sys.modules])\n"
        "reading.standardise('C'), molecule.PlainMolecule().transform(['C']), protein.PlainProtein().transform(['M'])\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


@pytest.mark.shared
@needs_davis
def test_davis_has_68_molecules_and_each_is_standardised_once() -> None:
    table = pl.read_csv(DAVIS, columns=["smiles"])
    problems = Problems("davis")
    parsed("C")
    began = time.perf_counter()
    found = read_molecules(table, "smiles", problems)
    assert time.perf_counter() - began < 2, "30,056 rows take as long as 68 molecules"
    assert not problems.found and len(found) == 30_056 and len(set(found)) == 68
    assert all(standardise(smiles) == smiles for smiles in set(found) if smiles)


def test_a_sequence_in_place_of_a_molecule_is_told_as_what_it_is() -> None:
    with pytest.raises(MoleculeError, match="have the two columns changed places"):
        standardise("MKKFFDSRREQGGSGLGSGSSGGGGSTSGLGSGYIGRV")
    with pytest.raises(MoleculeError, match="cannot be parsed as SMILES"):
        standardise("MKV")
