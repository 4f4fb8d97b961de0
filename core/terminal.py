"""What a person sees in a terminal: progress while it works, then tables. Quiet when not a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, TextIO

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from medplug.core import progress
from medplug.core.errors import printable
from medplug.core.report.formats import decimals_of, plain_baseline

_WIDE = 96
"""Fewer columns of text than this cannot hold the difference beside the two models."""

_GAP = 3
"""What stands between two columns of a table."""


@contextmanager
def watching(stream: TextIO, *, quiet: bool = False) -> Iterator[progress.Watch | None]:
    """A progress display on `stream`, or None where it is not a terminal or `quiet` is asked for."""
    if quiet or not stream.isatty():
        yield None
        return
    console = Console(file=stream)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        bar = bars.add_task("starting", total=None)

        def watch(sign: progress.Progress) -> None:
            if sign.facts:
                numbers = "  ".join(f"{name} {value:.4g}" for name, value in sign.facts.items())
                console.print(numbers, highlight=False)
            elif sign.total:
                bars.update(bar, description=sign.stage, completed=sign.done, total=sign.total)
            else:
                bars.reset(bar, description=sign.stage, total=None)

        yield watch


@contextmanager
def counting(stream: TextIO, what: str) -> Iterator[Callable[[int, int], None]]:
    """A single bar for `what`, as a function of (done, total); where the total is 0 nobody knows it."""
    with watching(stream) as watch:

        def report(done: int, total: int) -> None:
            if watch:
                watch(progress.Progress(what if total else f"{what}: {done:,}", done, total))

        yield report


def show_run(folder: Path, scores: dict[str, Any]) -> None:
    """The end of a run: its numbers beside the baseline's, and where everything is."""
    show_scores(scores)
    console = _console()
    if "input" in scores:
        console.print(f"the network is given: {scores['input']}", highlight=False)
    if "by_modality" in scores:
        told = scores["by_modality"]
        parts = (f"{slot} {interval(each, told['metric'])}" for slot, each in told["shapley"].items())
        console.print(f"what each modality adds to {told['metric']}: {', '.join(parts)}", highlight=False)
    console.print(f"{scores['verdict']} (by {scores['selection']['metric']})", highlight=False, markup=False)
    for name in ("transfer_verdict", "pretraining_verdict"):
        if name in scores:
            console.print(scores[name], highlight=False)
    for sentence in scores.get("leakage", {}).get("told", ()):
        console.print(sentence, highlight=False, markup=False)
    console.print(f"report: {folder / 'report.html'}", highlight=False, soft_wrap=True)
    console.print(f"predict with: medplug predict {folder} INPUT", highlight=False, soft_wrap=True)
    if "certain" in scores:
        console.print(f'ask with: medplug ask {folder} "QUESTION"', highlight=False, soft_wrap=True)


def show_scores(scores: dict[str, Any]) -> None:
    """One row a metric, with its 95 % interval."""
    columns = {"model": scores["metrics"]}
    if "baseline" in scores:
        plain, name = plain_baseline(scores["baseline"])
        columns |= {name.replace("linear", "plain"): scores["baseline"][plain], "difference": scores["difference"]}
    if _console().width < _WIDE:
        columns.pop("difference", None)
    rows = [(name, *(interval(column[name], name) for column in columns.values())) for name in scores["metrics"]]
    of = f" of the built-in sample: {scores['sample_is']}" if scores.get("sample") else ""
    show_table(("metric", *columns), rows, title=f"{scores['task']}, {scores['split']} ({scores['n']} rows{of})")
    for name, each in scores.get("also", {}).items():
        metric, found = next(iter(each["metrics"].items()))
        _console().print(
            f"also {name} ({each['n']} rows): {metric} {interval(found, metric)}", highlight=False, markup=False
        )
    if "treatment" in scores:
        _show_policies(scores["treatment"])
    if "seen" in scores:
        from medplug.core.data.seen import Seen

        for line in Seen(**scores["seen"]).told():
            _console().print(line, highlight=False, markup=False, soft_wrap=True)


def _show_policies(found: dict[str, Any]) -> None:
    """What policies are worth, and the warning that goes with it."""
    rows = [(policy, interval(each)) for policy, each in found["policies"].items()]
    title = f"outcome {found['outcome']} by policy ({found['better']} is better)"
    show_table(("policy", "mean outcome"), rows, title=title)
    _console().print(found["warning"], highlight=False)


def interval(found: dict[str, Any], metric: str = "") -> str:
    """``0.612 [0.580, 0.643]``."""
    if found["value"] is None:
        return "not defined"
    low, high = found["ci95"]
    decimals = decimals_of(found["value"], metric)
    bounds = "" if low is None or high is None else f" [{low:.{decimals}f}, {high:.{decimals}f}]"
    return f"{found['value']:.{decimals}f}{bounds}"


def show_table(header: Sequence[str], rows: Sequence[Sequence[str]], title: str | None = None) -> None:
    """A plain table on standard output, each cell as it is; never cut where output goes to a file."""
    console = _console()
    if title:
        console.print(title, highlight=False, markup=False)
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, highlight=False, pad_edge=False)
    widths = _widths(list(zip(header, *rows, strict=True)), console.width - _GAP * len(header) + 1)
    for name, width in zip(header, widths, strict=True):
        table.add_column(name, overflow="fold", width=width)
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    console.print(table)


def _widths(columns: Sequence[Sequence[str]], room: int) -> Sequence[int | None]:
    """Widths of columns that do not fit into the `room`: what it has beyond the longest word of each is shared.

    None where the columns fit as they are, and where even the words do not.
    """
    least = [max(cell_len(word) for cell in column for word in cell.split() or [""]) for column in columns]
    more = [max(map(cell_len, column)) - width for column, width in zip(columns, least, strict=True)]
    spare = room - sum(least)
    if spare < 0 or spare >= sum(more):
        return [None] * len(columns)
    ends = [spare * end // sum(more) for end in accumulate(more, initial=0)]
    return [width + end - begin for width, (begin, end) in zip(least, pairwise(ends), strict=True)]


def show_lines(lines: Iterable[str], *, fold: bool = True) -> None:
    """Lines on standard output; in a terminal folded at words, the rest of each under its beginning."""
    console = _console()
    for line in lines:
        text = line.lstrip(" ")
        told = Padding(_plain(text), (0, 0, 0, len(line) - len(text)), expand=False) if fold else _plain(line)
        console.print(told, soft_wrap=not fold)


def _plain(text: str) -> Text:
    """Text in which nothing is markup."""
    return Text(printable(text))


def _console() -> Console:
    console = Console()
    if not console.is_terminal:
        console.width = 4096
    return console
