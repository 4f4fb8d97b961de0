"""Screening of a library of distinct molecules: pairs a second and peak memory, by how many molecules and targets.

    python benchmarks/screening.py RUN [--molecules 1000 10000 100000] [--targets 1 10] [--workers N] [--draws N]

RUN is a finished run of the task drug_target; where it is not there, a small one is trained on the built-in sample
and left there. Molecules are made by joining fragments to scaffolds in every way, so that no two are alike; targets are
random sequences of 300 to 700 residues. Each measurement is a process of its own, so that its peak memory is its own;
that of the smallest library stands for the model and the code, and what more a large one needs is its own.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SCAFFOLDS = (
    *("c1ccc({0})c({1})c1{2}", "c1cc({0})nc({1})c1{2}", "c1nc({0})nc({1})c1{2}", "C1CN({0})C({1})CN1{2}"),
    *("c1cc({0})c2c(c1{1})cc({2})[nH]2", "c1ccc2nc({0})c({1})c({2})c2c1", "C1CC({0})C({1})C1{2}"),
    *("c1sc({0})c({1})c1{2}", "O=C1NC({0})=C({1})C1{2}", "c1nn({0})c({1})c1{2}", "c1oc({0})c({1})c1{2}"),
)
FRAGMENTS = (
    *("C(=O)O", "S(=O)(=O)N", "C(F)(F)F", "C#N", "C(=O)NC", "CCN(C)C", "c5ccncc5", "c5ccc(Cl)cc5", "C5CCOCC5"),
    *("C(C)(C)C", "CCO", "c5ccc(OC)cc5", "C(=O)N5CCCC5", "CC(=O)OC", "c5cnn(C)c5", "CCCC", "C5CC5", "CSC", "CCF"),
    *("C(=O)Nc5ccccc5", "Cc5ccco5", "CN5CCN(C)CC5", "c5ccc(F)cc5", "CC(N)C(=O)N", "C=CC", "CC#C"),
)


def molecules(number: int) -> Iterator[str]:
    """So many SMILES, no two of one molecule, in an order that mixes scaffolds and fragments."""
    from medplug.core.molecules.reading import standardise

    ways = list(itertools.product(SCAFFOLDS, *[FRAGMENTS] * 3))
    random.Random(0).shuffle(ways)
    seen: set[str] = set()
    for scaffold, *fragments in ways:
        # ring numbers of a fragment are closed before the next begins
        smiles = scaffold.format(*fragments)
        known = standardise(smiles)
        if known not in seen:
            seen.add(known)
            yield smiles
        if len(seen) == number:
            return
    sys.exit(f"these fragments make {len(seen)} molecules; ask for fewer than {number}")


def write_library(file: Path, number: int) -> None:
    """A table of so many molecules with an id each."""
    with file.open("w") as out:
        out.write("id,smiles\n")
        out.writelines(f"M{i},{smiles}\n" for i, smiles in enumerate(molecules(number), 1))


def write_targets(file: Path, number: int) -> None:
    """A FASTA file of so many random sequences."""
    draw = random.Random(1)
    with file.open("w") as out:
        for i in range(number):
            sequence = "".join(draw.choices("ACDEFGHIKLMNPQRSTVWY", k=draw.randint(300, 700)))
            out.write(f">T{i + 1}\n{sequence}\n")


def measured(given: argparse.Namespace) -> dict[str, float]:
    """One screening: pairs a second with the reading of files, and the peak memory of this process."""
    import medplug
    from medplug.core.screening.options import Screen
    from medplug.core.screening.screen import screen

    model = medplug.load(given.run)
    how = Screen(draws=given.draws, workers=given.workers)
    start, computing = time.perf_counter(), time.process_time()
    screen([model], given.library, given.against, how, lambda done, total: None)
    return {
        "seconds": time.perf_counter() - start,
        "CPU": time.process_time() - computing,
        "MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--molecules", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--targets", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--library", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--against", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.library:
        print("RESULT " + json.dumps(measured(given)))
        return
    if not given.run.exists():
        import medplug

        medplug.run(task="drug_target", output=given.run, train={"epochs": 2})
    print("| molecules | targets | seconds | pairs a second | CPU seconds | peak MB |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for number in given.molecules:
            library = Path(folder) / f"{number}.csv"
            write_library(library, number)
            for targets in given.targets:
                against = Path(folder) / f"{targets}.fasta"
                write_targets(against, targets)
                found = _apart(["--library", str(library), "--against", str(against)])
                speed = number * targets / found["seconds"]
                told = f"{found['seconds']:.1f} | {speed:,.0f} | {found['CPU']:.1f} | {found['MB']:.0f}"
                print(f"| {number:,} | {targets} | {told} |", flush=True)


def _apart(words: list[str]) -> dict[str, Any]:
    """Measure in a new process."""
    done = subprocess.run([sys.executable, __file__, *sys.argv[1:], *words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"the screening failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.rpartition("RESULT ")[2])
    return found


if __name__ == "__main__":
    main()
