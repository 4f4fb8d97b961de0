"""What one question costs beside the bare forward pass: `predict([...])` of a loaded run, form by form.

    python benchmarks/one_question.py RUN [RUN ...] [--repeats 50]

Each RUN is a finished run of task=medical_qa. Of its built-in sample (the runs need not be of it) so many questions are
predicted one by one, and each is also given to the network alone, prepared and collated before the clock starts. Both
are timed in turns, on one thread; the table gives medians, and the ratio of medians with the bootstrap's 95 % interval.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import medplug
from medplug.core.predictor import Predictor
from medplug.core.retrieval.model import RankingModel

DRAWS = 2000


def rows_of(predictor: Predictor, count: int) -> list[dict[str, Any]]:
    """Questions of the form's sample, as a caller gives them."""
    table = predictor.task.sample()
    needed = [name for name in predictor.task.columns(labelled=False).values() if name in table.columns]
    return table.select(needed).head(count).to_dicts()


def bare(predictor: Predictor, row: dict[str, Any]) -> Any:
    """A function that computes the forward pass of one prepared row."""
    data = predictor.task.data.model_copy(update={"group": None, "site": None})
    examples, _ = predictor.read([row], data, labelled=False, on_error="stop")
    model, values = predictor.model.eval(), examples.values
    encoder = model.backbone
    if isinstance(model, RankingModel):  # which encodes the question, and searches its index
        encoder, values = model.encoder, [value.question for value in values]
    inputs = encoder.collate(encoder.prepare(values))

    def forward() -> None:
        with torch.inference_mode():
            model.every(inputs)

    return forward


def timed(work: Any) -> float:
    """Milliseconds."""
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


def measured(folder: Path, repeats: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Milliseconds of each question by `predict` and by the network alone."""
    predictor = medplug.load(folder)
    rows = rows_of(predictor, repeats + 3)
    pairs = [(timed(lambda row=row: predictor.predict([row])), timed(bare(predictor, row))) for row in rows]
    whole, alone = np.array(pairs[3:]).T  # the first ones warm up
    return whole, alone


def ratio(whole: NDArray[np.float64], alone: NDArray[np.float64]) -> tuple[float, float, float]:
    """The ratio of medians and its interval over questions."""
    draw = np.random.default_rng(0).integers(0, len(whole), (DRAWS, len(whole)))
    drawn = np.median(whole[draw], axis=1) / np.median(alone[draw], axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(np.median(whole) / np.median(alone)), float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--repeats", type=int, default=50)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print("| run | predict | forward pass | ratio |\n|---|---|---|---|")
    for folder in given.runs:
        whole, alone = measured(folder, given.repeats)
        found, low, high = ratio(whole, alone)
        print(
            f"| {folder.name} | {np.median(whole):.1f} ms | {np.median(alone):.1f} ms "
            f"| {found:.2f} [{low:.2f}, {high:.2f}] |",
            flush=True,
        )


if __name__ == "__main__":
    main()
