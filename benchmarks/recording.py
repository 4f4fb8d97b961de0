"""One long recording cut into windows, tested on blocks of time that no training window touches, or on random windows.

    python benchmarks/recording.py --file FILE --label COLUMN --length N --rounds R --output FOLDER KEY=VALUE ...

Samples beside each other are almost the same, so that windows drawn at random for testing
lie among those that were trained on: both numbers are printed, to show what this is worth.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import medplug
from medplug.core.grammar import parse_arguments
from medplug.core.signals.table import Cutting, table_of_recording

SHARES = (0.6, 0.15, 0.25)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("keys", nargs="*", help="KEY=VALUE of every run")
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--label", required=True)
    parser.add_argument("--length", type=int, required=True, help="samples a window")
    parser.add_argument("--step", type=int, help="samples from one window's start to the next's (default: its length)")
    parser.add_argument("--rounds", type=int, default=1, help="times that train, validation and test follow each other")
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    keys = {"task": "multimodal_diagnosis", "data.signal": "signal", **parse_arguments(given.keys)}
    print("| windows | rows | metric | model | linear baseline |\n|---|---|---|---|---|")
    for name, own in (("blocks of time", _blocked(given)), ("random", _random(given))):
        folder = given.output / name.replace(" ", "-")
        if not (folder / "metrics.json").exists():
            medplug.run(output=folder, **{**keys, **own})
        _print(name, json.loads((folder / "metrics.json").read_text()))


def _blocked(given: Any) -> dict[str, Any]:
    cutting = Cutting(given.length, given.step, shares=SHARES, rounds=given.rounds)
    table = table_of_recording(given.file, "signal", cutting, label=given.label)
    return {"data.train": table, "data.label": given.label, "data.split_column": "split"}


def _random(given: Any) -> dict[str, Any]:
    table = table_of_recording(given.file, "signal", Cutting(given.length, given.step), label=given.label)
    return {"data.train": table, "data.label": given.label, "data.split": list(SHARES)}


def _print(name: str, scores: dict[str, Any]) -> None:
    metric = scores["selection"]["metric"]
    sides = (scores["metrics"][metric], scores["baseline"]["linear"][metric])
    told = [f"{each['value']:.3f} [{each['ci95'][0]:.3f}, {each['ci95'][1]:.3f}]" for each in sides]
    print(f"| {name} | {scores['n']} | {metric} | {' | '.join(told)} |")


if __name__ == "__main__":
    main()
