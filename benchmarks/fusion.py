"""Time and memory of a training step of each fusion beside a plain reference, in one run, as a Markdown table.

    python benchmarks/fusion.py
    python benchmarks/fusion.py --device cuda --batch 1024 --dtype bf16

A step is the forward and backward pass over two modalities of 128 tokens, 384 wide, up to gradients of the features,
as where backbones are trained too. Every row has both modalities; a quarter of the tokens are padding. References are
those of `fusion_references.py`; each is checked to give what the fusion gives. Times are medians, all in turn: the
processor's time of one thread, which other work on the machine does not count into, or a GPU's. Memory is what a fresh
process grew by; on a GPU the peak beyond what was held. There the share of the device's matrix throughput is of the
operations that the products need, and that of its bandwidth of reading the features twice and writing their gradients
once, each beside what a plain product or copy reaches.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import torch
from fusion_references import Batch, reference
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from medplug.core import fusion
from medplug.core.features import Features

FUSIONS: dict[str, Callable[[dict[str, int]], fusion.Fusion]] = {
    "concat": fusion.Concat,
    "gated": fusion.Gated,
    "lowrank": fusion.LowRank,
    "film": fusion.Film,
    "hybrid": lambda widths: fusion.Hybrid(widths, outputs=2),
    "late": lambda widths: fusion.Late(widths, outputs=2),
    "cross_attention": lambda widths: fusion.CrossAttention(widths, dropout=0.0),
    "bottleneck": lambda widths: fusion.Bottleneck(widths, dropout=0.0),
    "bilinear_attention": fusion.BilinearAttention,
}
NEEDS_TOKENS = ("cross_attention", "bottleneck", "bilinear_attention")
TYPES = {"float32": torch.float32, "bf16": torch.bfloat16}
PATIENCE = 10
"""Seconds that one way may take before it sits out the further rounds."""
Joined = Callable[[Batch], Tensor]


class Bench:
    """The features, the device and the arithmetic of one run."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.device, self.dtype = torch.device(given.device), TYPES[given.dtype]
        self.rounds, self.widths = given.rounds, {"text": given.width, "image": given.width}
        draw = torch.Generator().manual_seed(0)
        self.batch = {name: self._features(given.batch, given.tokens, given.width, draw) for name in self.widths}

    def _features(self, rows: int, tokens: int, width: int, draw: torch.Generator) -> Features:
        pooled, each = torch.randn(rows, width, generator=draw), torch.randn(rows, tokens, width, generator=draw)
        mask = torch.rand(rows, tokens, generator=draw) < 0.75
        mask[:, 0] = True
        kind = {"device": self.device, "dtype": self.dtype}
        return Features(pooled.to(**kind).requires_grad_(), each.to(**kind).requires_grad_(), mask.to(self.device))

    def ways(self, name: str) -> tuple[str, dict[str, Joined]]:
        """The fusion and its reference, with the reference's words; both give the same."""
        torch.manual_seed(0)
        layer = FUSIONS[name](self.widths).to(self.device)
        words, plain = reference(layer)
        found: dict[str, Joined] = {"fusion": lambda batch: layer(batch).joined, "plain": plain}
        return words, found

    def check(self, name: str) -> None:
        """AssertionError where fusion and reference differ by more than rounding."""
        _, ways = self.ways(name)
        with torch.no_grad(), self.arithmetic():
            one, two = (way(self.batch).float() for way in ways.values())
        allowed = 1e-4 if self.dtype is torch.float32 else 5e-2
        assert (one - two).abs().max() <= allowed * max(1.0, float(two.abs().max())), name

    def arithmetic(self) -> torch.autocast:
        """Autocast, where the features are of its type."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype is torch.bfloat16)

    def step(self, way: Joined) -> None:
        """Forward and backward."""
        with self.arithmetic():
            joined = way(self.batch).float()
        joined.square().mean().backward()
        for each in self.batch.values():
            each.pooled.grad = each.tokens.grad = None

    def milliseconds(self, work: Callable[[], object]) -> float:
        """How long a piece of work takes this device."""
        if self.device.type == "cpu":
            began = time.process_time()
            work()
            return 1000 * (time.process_time() - began)
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        work()
        end.record()
        torch.cuda.synchronize()
        return start.elapsed_time(end)

    def megabytes(self, name: str, which: str) -> float:
        """What one step holds at its peak beyond weights and features."""
        if self.device.type == "cuda":
            return self._allocated(self.ways(name)[1][which])
        with multiprocessing.get_context("fork").Pool(1) as pool:
            return pool.apply(_growth, (self, name, which))

    def _allocated(self, way: Joined) -> float:
        self.step(way)
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        self.step(way)
        return (torch.cuda.max_memory_allocated() - before) / 2**20


def _growth(bench: Bench, name: str, which: str) -> float:
    """MB by which a process of its own grows in one step."""
    way = bench.ways(name)[1][which]
    tiny = Bench(argparse.Namespace(**{**vars(bench.given), "batch": 2, "tokens": 4}))
    tiny.step(way)  # what a first step sets up is not the size's
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bench.step(way)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def times(bench: Bench, ways: dict[str, Joined]) -> dict[str, float]:
    """Median ms of each way, taken in turn after a first step of each."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for done in range(bench.rounds + 1):
        for name, way in ways.items():
            if done < 3 or sum(found[name]) < 1000 * PATIENCE:
                found[name].append(bench.milliseconds(partial(bench.step, way)))
    return {name: median(each[1:]) for name, each in found.items()}


def rates(bench: Bench) -> tuple[float, float]:
    """What a plain product (operations a ms) and a plain copy (bytes a ms) reach on this device."""
    square = torch.randn(8192, 8192, device=bench.device, dtype=bench.dtype)
    long = torch.empty(2**30, device=bench.device, dtype=torch.uint8)
    product = median(bench.milliseconds(lambda: square @ square) for _ in range(10))
    copied = median(bench.milliseconds(long.clone) for _ in range(10))
    return 2 * 8192**3 / product, 2 * 2**30 / copied


def reached(bench: Bench, name: str, way: Joined, ms: float, best: tuple[float, float]) -> str:
    """The shares of the device's matrix throughput and bandwidth that a step reaches."""
    with FlopCounterMode(display=False) as counted:
        bench.step(way)
    read = [each.tokens if name in NEEDS_TOKENS else each.pooled for each in bench.batch.values()]
    moved = 3 * sum(each.numel() * each.element_size() for each in read)
    return f" {counted.get_total_flops() / ms / best[0]:.1%} | {moved / ms / best[1]:.1%} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--dtype", choices=list(TYPES), default="float32")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    torch.set_num_threads(1)
    bench = Bench(given)
    print(f"{given.batch} rows, 2 modalities of {given.tokens} tokens, {given.width} wide, {given.dtype}\n")
    best = rates(bench) if given.device == "cuda" else None
    more = " of matrix throughput | of bandwidth |" if best else ""
    print(f"| fusion | ms | MB | reference | ms | MB | reference / fusion |{more}")
    print("|---" * (9 if best else 7) + "|")
    # before anything is computed here: what this process holds then, its copies would use again
    memories = {name: [bench.megabytes(name, which) for which in ("fusion", "plain")] for name in FUSIONS}
    for name, (own, plain) in memories.items():
        bench.check(name)
        words, ways = bench.ways(name)
        found = times(bench, ways)
        shares = reached(bench, name, ways["fusion"], found["fusion"], best) if best else ""
        cells = f"{found['fusion']:.3g} | {own:.0f} | {words} | {found['plain']:.3g} | {plain:.0f}"
        print(f"| `{name}` | {cells} | {found['plain'] / found['fusion']:.2f} |{shares}", flush=True)


if __name__ == "__main__":
    main()
