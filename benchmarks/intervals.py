"""Processor seconds of bootstrap intervals of many rows, as a Markdown table.

    python benchmarks/intervals.py
    python benchmarks/intervals.py --rows 10000 --resamples 200

Rows are drawn with a truth in thirty of a hundred and distinct probabilities; with groups four rows
belong to a patient, who is drawn whole. Each time includes drawing the resamples. The plain reference is
scikit-learn's AUROC, timed on few resamples and told for as many. Times are of one thread of the processor, which other
work on the machine does not count into.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from medplug.core.data.targets import Target
from medplug.core.evaluation.calibration import error_by_count, of_probabilities
from medplug.core.evaluation.metrics import prepare
from medplug.core.evaluation.scores import estimates
from medplug.core.evaluation.statistic import Statistic
from medplug.core.evaluation.utility import net_benefit

SEPSIS = Target("binary", ("no", "yes"))
_PLAIN = 5


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--resamples", type=int, default=1000)
    asked = parser.parse_args()
    labels, chances = _rows(asked.rows)
    patients = np.arange(asked.rows) // 4
    print(f"{asked.resamples:,} resamples of {asked.rows:,} rows\n")
    print("| interval | seconds, rows drawn | seconds, patients drawn |\n|---|---|---|")
    for name, statistic in _statistics(labels, chances).items():
        times = [
            _timed(lambda s=statistic, g=groups: estimates({"": s}, asked.rows, g, asked.resamples, 0))  # type: ignore[misc]
            for groups in (None, patients)
        ]
        print(f"| {name} | {times[0]:.1f} | {times[1]:.1f} |")
    plain = _timed(lambda: _plain(labels, chances[:, 1])) * asked.resamples / _PLAIN
    print(f"| AUROC by scikit-learn | {plain:.1f} | |")


def _rows(rows: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    draw = np.random.default_rng(0)
    labels = (draw.random(rows) < 0.3).astype(np.int64)
    positive = 1 / (1 + np.exp(-(draw.normal(size=rows) + 1.5 * labels - 1)))
    return labels, np.column_stack([1 - positive, positive])


def _statistics(labels: NDArray[np.int64], chances: NDArray[np.float64]) -> dict[str, Statistic]:
    positive = labels == 1
    return {
        "AUROC": prepare(SEPSIS, "auroc", labels, chances),
        "F1": prepare(SEPSIS, "f1", labels, chances),
        "calibration slope, intercept and curve": of_probabilities(positive, chances[:, 1]).statistic,
        "ECE of equal count": error_by_count(chances[:, 1], positive)[1],
        "decision curve": net_benefit(positive, chances[:, 1]),
    }


def _plain(labels: NDArray[np.int64], positive: NDArray[np.float64]) -> None:
    draw = np.random.default_rng(0)
    for _ in range(_PLAIN):
        some = draw.integers(0, len(labels), len(labels))
        roc_auc_score(labels[some], positive[some])


def _timed(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
