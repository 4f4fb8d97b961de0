"""An index of many passages: how fast it is built and searched, and how much memory it takes.

    python benchmarks/retrieval_index.py [--passages 100000] [--width 384] [--queries 100] [--numbers float32] [--k 10]

Vectors are random. BM25 indexes the answers of MedQuAD, repeated with a share of their words exchanged until there are
enough, and is asked its questions; they are read from the folder MEDPLUG_SHARED, and left out where it is not set. Each
part is a process of its own, so that its peak memory is its own: that of the first line is what the libraries take, and
what is mapped from disk counts as memory while the system has room for it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

BLOCK = 4096
EXCHANGED = 0.1
Found = dict[str, float]


def blocks(given: argparse.Namespace) -> Iterator[Any]:
    """Random vectors as an encoder would give them."""
    draw = np.random.default_rng(0)
    for start in range(0, given.passages, BLOCK):
        yield draw.standard_normal((min(BLOCK, given.passages - start), given.width), dtype=np.float32)


def answers(number: int) -> Iterator[str]:
    """So many answers, a tenth of the words of each exchanged for others of the corpus once they repeat."""
    draw, texts = random.Random(0), [row["answer"] for row in medquad()]
    words = " ".join(texts[:500]).split()
    for row in range(number):
        text = texts[row % len(texts)]
        yield text if row < len(texts) else _noisy(text.split(), words, draw)


def _noisy(text: list[str], words: list[str], draw: random.Random) -> str:
    for at in draw.sample(range(len(text)), int(EXCHANGED * len(text))):
        text[at] = words[int(draw.random() * len(words))]
    return " ".join(text)


def medquad() -> list[dict[str, str]]:
    """The rows of the file."""
    file = Path(os.environ["MEDPLUG_SHARED"]) / "data" / "medquad" / "medquad_answered_8000.jsonl.gz"
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def nothing(given: argparse.Namespace) -> Found:
    """The libraries alone."""
    import polars  # noqa: F401

    import medplug.core.retrieval.index  # noqa: F401

    return {}


def build(given: argparse.Namespace) -> Found:
    """Write the index."""
    import polars as pl

    from medplug.core.retrieval.index import write_index

    ids = [str(row) for row in range(given.passages)]
    start = time.perf_counter()
    table = pl.DataFrame({"id": ids, "passage": [f"passage {row}" for row in ids]})
    write_index(given.folder, table, blocks(given), encoder="none", width=given.width, numbers=given.numbers)
    return {"passages a second": given.passages / (time.perf_counter() - start)}


def search(given: argparse.Namespace) -> Found:
    """Open the index and ask one query after another."""
    from medplug.core.retrieval.index import Index

    start = time.perf_counter()
    index = Index.open(given.folder, encoder="none")
    opened = time.perf_counter() - start
    asked = np.random.default_rng(1).standard_normal((given.queries, given.width), dtype=np.float32)
    return {"open ms": 1000 * opened, **latency(lambda n: index.search(asked[n : n + 1], given.k), given.queries)}


def index_words(given: argparse.Namespace) -> Found:
    """Fit BM25 and save it; the making of the noisy answers does not count."""
    from medplug.core.retrieval.bm25 import BM25

    texts = list(answers(given.passages))
    start, computing = time.perf_counter(), time.process_time()
    BM25.fit(texts).save(given.folder)
    seconds, computed = time.perf_counter() - start, time.process_time() - computing
    return {"passages a second": given.passages / seconds, "passages a CPU second": given.passages / computed}


def search_words(given: argparse.Namespace) -> Found:
    """Load BM25 and ask one question after another."""
    from medplug.core.retrieval.bm25 import BM25

    questions = [row["question"] for row in medquad()[: given.queries]]
    start = time.perf_counter()
    bm25 = BM25.load(given.folder)
    opened = time.perf_counter() - start
    return {"open ms": 1000 * opened, **latency(lambda n: bm25.top([questions[n]], given.k), len(questions))}


def latency(ask: Callable[[int], object], queries: int) -> Found:
    """The first query, which reads from disk, and the quantiles of all once everything is in memory."""
    start = time.perf_counter()
    ask(0)
    first, took, computing = time.perf_counter() - start, np.empty(queries), time.process_time()
    for query in range(queries):
        start = time.perf_counter()
        ask(query)
        took[query] = time.perf_counter() - start
    computed = 1000 * (time.process_time() - computing) / queries
    p50, p99 = 1000 * np.quantile(took, [0.5, 0.99])
    return {"first ms": 1000 * first, "p50 ms": p50, "p99 ms": p99, "CPU ms": computed}


PARTS = {"nothing": nothing, "build": build, "search": search, "BM25 build": index_words, "BM25 search": search_words}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--numbers", choices=["float32", "float16"], default="float32")
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
            if "BM25" in part and "MEDPLUG_SHARED" not in os.environ:
                continue
            place = Path(folder) if "BM25" in part else Path(folder) / "index"
            found = _apart(["--part", part, "--folder", str(place)])
            print(f"| {part} | {', '.join(f'{name} {value:,.1f}' for name, value in found.items())} |", flush=True)


def _apart(words: list[str]) -> Found:
    """Measure in a new process."""
    done = subprocess.run([sys.executable, __file__, *sys.argv[1:], *words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"the measurement failed:\n{done.stderr}")
    found: Found = json.loads(done.stdout.rpartition("RESULT ")[2])
    return found


if __name__ == "__main__":
    main()
