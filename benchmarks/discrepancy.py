"""MMD and CORAL with their gradients beside plain formulas, in one run, as Markdown tables.

    python benchmarks/discrepancy.py

Times are medians on one thread, all ways in turn, so that other work on the machine slows them alike. The
formulas are those in common use: five Gaussian kernels around the mean squared distance, differentiated by autograd,
from distances that are broadcast (rows x rows x width), made by `torch.cdist`, or by one Gram matrix. The products are
what no way does without: the Gram blocks xx, xy and yy for the value, and all kernels times all rows for the gradient.
Memory is what a fresh process grew by. With a GPU, the largest case is run there too.
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
from torch import Tensor

from medplug.core.transfer import covariance, mmd

SIZES = [(64, 384), (256, 768), (1024, 768), (1024, 2048)]
CORAL_SIZES = [(32, 2048), (64, 2048), (256, 768), (1024, 384)]
LARGEST = 8e9
"""Bytes beyond which the broadcast is left out."""
PATIENCE = 3
"""Seconds that one way may take at one size before it sits out."""
Way = Callable[[Tensor, Tensor], object]


def broadcast(joint: Tensor) -> Tensor:
    return (joint[:, None] - joint).square().sum(2)


def cdist(joint: Tensor) -> Tensor:
    return torch.cdist(joint, joint).square()


def gram(joint: Tensor) -> Tensor:
    squares = joint.square().sum(1)
    return (squares[:, None] + squares - 2 * joint @ joint.T).clamp(min=0)


def formula(distances: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> Tensor:
    n, found = len(x), distances(torch.cat([x, y]))
    width = found.detach().mean()
    kernel = torch.stack([torch.exp(-found / (width * 2.0**k)) for k in range(-2, 3)]).sum(0)
    return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()


def with_backward(value: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor) -> None:
    value(x, y).backward()
    x.grad = y.grad = None


def products(x: Tensor, y: Tensor) -> None:
    with torch.no_grad():
        x @ x.T, x @ y.T, y @ y.T


def products_with_gradient(kernel: Tensor, x: Tensor, y: Tensor) -> None:
    products(x, y)
    with torch.no_grad():
        kernel @ torch.cat([x, y])


def ways(n: int, width: int) -> dict[str, Way]:
    """What is timed at a size."""
    formulas = {"broadcast": broadcast, "cdist": cdist, "Gram": gram}
    if 4 * 4 * (2 * n) ** 2 * width > LARGEST:  # four such tensors at a time, of 4 bytes an entry
        del formulas["broadcast"]
    found: dict[str, Way] = {"mmd": partial(with_backward, mmd)}
    found |= {name: partial(with_backward, partial(formula, distances)) for name, distances in formulas.items()}
    if skada := _skada():
        found["skada"] = partial(with_backward, skada)
    return found | {
        "value's products": products,
        "all products": partial(products_with_gradient, torch.ones(2 * n, 2 * n)),
    }


def _skada() -> Callable[[Tensor, Tensor], Tensor] | None:
    try:
        from skada.deep.losses import dan_loss
    except ImportError:
        return None
    return dan_loss


def pair(n: int, width: int, **kind: object) -> tuple[Tensor, Tensor]:
    x, y = torch.randn(2, n, width)
    return tuple(sample.to(**kind).requires_grad_() for sample in (x, y + 0.1))


def times(given: dict[str, Way], x: Tensor, y: Tensor, repeats: int) -> dict[str, float]:
    """Median ms of each way, taken in turn: up to so many rounds after the first, slow ways in three of them."""
    seconds: dict[str, list[float]] = {name: [] for name in given}
    for done in range(repeats + 1):
        for name, way in given.items():
            if done > 3 and sum(seconds[name]) > PATIENCE:
                continue
            began = time.perf_counter()
            way(x, y)
            seconds[name].append(time.perf_counter() - began)
    return {name: 1000 * median(each[1:]) for name, each in seconds.items()}


def peak(name: str, n: int, width: int) -> float:
    """MB by which a process of its own grows in one call."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(_growth, (name, n, width))


def _growth(name: str, n: int, width: int) -> float:
    x, y = pair(n, width)
    way = ways(n, width)[name]
    way(*pair(8, width))  # what a first call sets up is not the size's
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    way(x, y)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def mmd_table(sizes: list[tuple[int, int]], repeats: int) -> None:
    names = ["mmd", "broadcast", "cdist", "Gram", "skada", "value's products", "all products"]
    print(f"| n, width | {' | '.join(names)} | best formula / mmd | mmd / all products |")
    print("|---" * (len(names) + 3) + "|")
    # before anything is timed: what this process holds then, its copies would use again
    memories = [{name: peak(name, *size) for name in ways(*size) if "products" not in name} for size in sizes]
    for (n, width), memory in zip(sizes, memories, strict=True):
        given = ways(n, width)
        found = times(given, *pair(n, width), repeats)
        cells = [_cell(found.get(name), memory.get(name)) for name in names]
        best = min(ms for name, ms in found.items() if name != "mmd" and "products" not in name)
        ratios = f"{best / found['mmd']:.2f} | {found['mmd'] / found['all products']:.2f}"
        print(f"| {n}, {width} | {' | '.join(cells)} | {ratios} |", flush=True)
    print(
        f"\nms (MB beyond the samples); -: skada is not installed, or a broadcast of more than {LARGEST / 1e9:.0f} GB"
    )


def _cell(ms: float | None, memory: float | None) -> str:
    return "-" if ms is None else f"{ms:.3g}" + ("" if memory is None else f" ({memory:.0f})")


def coral_table(sizes: list[tuple[int, int]], repeats: int) -> None:
    print("\n| n, width | CORAL dual | primal | primal / dual | chosen |\n|---|---|---|---|---|")
    for n, width in sizes:
        x, y = (((sample - sample.mean(0)) / (n - 1) ** 0.5).detach() for sample in pair(n, width))
        given: dict[str, Way] = {
            "dual": partial(_solved, covariance._dual),
            "primal": partial(_solved, covariance._primal),
        }
        found = times(given, x, y, repeats)
        chosen = "dual" if covariance.dual_is_cheaper(n, n, width) else "primal"
        ratio = found["primal"] / found["dual"]
        print(f"| {n}, {width} | {found['dual']:.3g} | {found['primal']:.3g} | {ratio:.2f} | {chosen} |", flush=True)


def _solved(solve: Callable[[Tensor, Tensor, bool], object], x: Tensor, y: Tensor) -> object:
    return solve(x, y, True)


def gpu_table(n: int, width: int, repeats: int) -> None:
    """MMD in bfloat16 on a GPU beside the device's own large product."""
    x, y = pair(n, width, device="cuda", dtype=torch.bfloat16)
    with_backward(mmd, x, y)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    with_backward(mmd, x, y)
    memory = (torch.cuda.max_memory_allocated() - before) / 2**20
    square = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    rate = 2 * 8192**3 / _gpu_ms(lambda: square @ square, repeats)
    ms = _gpu_ms(lambda: with_backward(mmd, x, y), repeats)
    share = 2 * 2 * (2 * n) ** 2 * width / ms / rate  # two products of all rows with all rows
    print(f"\n| {torch.cuda.get_device_name()} | ms | MB | share of its {rate / 1e9:.0f} TFLOP/s |\n|---|---|---|---|")
    print(f"| mmd, n = {n}, width = {width}, bfloat16 | {ms:.3g} | {memory:.0f} | {share:.0%} |")


def _gpu_ms(call: Callable[[], object], repeats: int) -> float:
    found = []
    for _ in range(repeats + 1):
        began, ended = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        began.record()
        call()
        ended.record()
        torch.cuda.synchronize()
        found.append(began.elapsed_time(ended))
    return median(found[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, a few repeats: whether it runs")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    torch.manual_seed(0)
    mmd_table([(16, 32)] if quick else SIZES, 3 if quick else 200)
    coral_table([(8, 64)] if quick else CORAL_SIZES, 3 if quick else 20)
    if torch.cuda.is_available():
        gpu_table(*(2048, 64) if quick else (16_384, 768), 3 if quick else 20)
    else:
        print("\nNo GPU: MMD at n = 16,384 was not run.")


if __name__ == "__main__":
    main()
