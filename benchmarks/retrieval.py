"""A corpus indexed by a run's encoder and asked questions: passages a second, time to an answer, and memory.

    python benchmarks/retrieval.py [--passages 100000] [--queries 100] [--backbone minilm] [--words 64] [--k 10]

The corpus are the first words of MedQuAD's answers, repeated with a tenth of their words exchanged until there are
enough, written as a file and indexed as `medplug index` does; then its questions are asked one after another of the
loaded run, as `medplug ask` does. The run leaves its backbone as it is, and is made first, of a few pairs. Each part is
a process, so that its peak memory is its own. MEDPLUG_SHARED names the folder of the data.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from retrieval_index import Found, answers, latency, medquad

PAIRS = 60


def make(given: argparse.Namespace) -> Found:
    """A run with the encoder as it is, and the corpus as a file."""
    import medplug

    rows = medquad()[:PAIRS]
    table = {"question": [row["question"] for row in rows], "passage": [row["answer"] for row in rows]}
    keys = {"task": "medical_qa", "task.form": "retrieval", "backbone": given.backbone, "adapter": "frozen"}
    start = time.perf_counter()
    medplug.run(**keys, data={"train": table}, device="cpu", output=given.folder / "run", report={"resamples": 100})
    took = time.perf_counter() - start
    with (given.folder / "corpus.jsonl").open("w", encoding="utf-8") as file:
        for number, text in enumerate(answers(given.passages)):
            passage = " ".join(text.split()[: given.words])
            file.write(json.dumps({"passage_id": str(number), "passage": passage}) + "\n")
    return {"s": took}


def index(given: argparse.Namespace) -> Found:
    """Index the corpus; loading the run and reading the file count."""
    from medplug.core.retrieval.command import index_file

    start, computing = time.perf_counter(), time.process_time()
    corpus = given.folder / "corpus.jsonl"
    index_file(given.folder / "run", corpus, passage=None, identifier="passage_id", device="cpu")
    seconds, computed = time.perf_counter() - start, time.process_time() - computing
    return {"passages a second": given.passages / seconds, "passages a CPU second": given.passages / computed}


def ask(given: argparse.Namespace) -> Found:
    """Load the run and ask one question after another; the first one opens the index."""
    import medplug
    from medplug.core.predicting.retrieval import answered

    questions = [row["question"] for row in medquad()[: given.queries]]
    start = time.perf_counter()
    predictor = medplug.load(given.folder / "run", device="cpu")
    loaded = time.perf_counter() - start
    return {"load ms": 1000 * loaded, **latency(lambda n: answered(predictor, questions[n], given.k), len(questions))}


PARTS: dict[str, Callable[[argparse.Namespace], Found]] = {"make": make, "index": index, "ask": ask}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--backbone", default="minilm")
    parser.add_argument("--words", type=int, default=64, help="of each passage, its first words")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        found = PARTS[given.part](given)
        print("RESULT " + json.dumps({**found, "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
        return
    print("| part | measured |\n|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for part in PARTS:
            words = [sys.executable, __file__, *sys.argv[1:], "--part", part, "--folder", folder]
            done = subprocess.run(words, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"the measurement failed:\n{done.stderr}")
            measured: Found = json.loads(done.stdout.rpartition("RESULT ")[2])
            print(f"| {part} | {', '.join(f'{name} {value:,.1f}' for name, value in measured.items())} |", flush=True)


if __name__ == "__main__":
    main()
