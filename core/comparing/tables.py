"""The tables of a comparison, for the page and the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from medplug.core.comparing.comparison import Comparison
from medplug.core.comparing.words import way
from medplug.core.report.formats import estimate, plain
from medplug.core.report.language import say
from medplug.core.report.names import gain, greater_is_better, metric_name
from medplug.core.report.tables import Table

SIDE_BY_SIDE = 3
"""Of more runs than this each is a row, so that pages stay narrow."""
_COLUMNS = 3
_MIB = 2**20


def values(comparison: Comparison) -> list[Table]:
    """Every metric of every run with its interval, the best one marked."""
    caption = say("Scores with 95 % intervals")
    cells = [
        [estimate(scores.metrics[name].as_json(), name) for name in comparison.metrics] for scores in comparison.scores
    ]
    best = {
        (run, column)
        for column, name in enumerate(comparison.metrics)
        for run in _best([scores.metrics[name].value for scores in comparison.scores], name)
    }
    return _tables(comparison, caption, _names(comparison), cells, best)


def gains(comparison: Comparison) -> list[Table]:
    """What every run gains over the first, the sign turned where lower is better."""
    if not comparison.paired:
        return []
    first = comparison.runs[0].name
    caption = say("Gain over {first} with 95 % intervals (above 0 the run is better)", first=first)
    cells = [
        [estimate(gain(scores.difference[name].as_json(), name), name, signed=True) for name in comparison.metrics]
        for scores in comparison.scores[1:]
    ]
    return _tables(comparison, caption, _names(comparison)[1:], cells, set())


def costs(comparison: Comparison) -> Table:
    """Time, parameters, size and memory of each run."""
    header = [say("run"), say("seconds in all"), say("of these learning"), say("parameters trained"), say("parameters"),
              say("model (MiB)"), say("peak memory (MiB)"), say("device")]  # fmt: skip
    rows = [[run.name, *_costs(each)] for run, each in zip(comparison.runs, comparison.costs, strict=True)]
    notes = [say("Learning is the run without reading its tables and judging the model. Memory is the most that the "
                 "process held, with what it did before.")]  # fmt: skip
    return Table(say("What the runs cost"), header, rows, notes=notes)


def keys(comparison: Comparison) -> Table:
    """The keys that differ."""
    rows = [[key, *(plain(value) for value in values)] for key, values in comparison.keys.items()]
    return Table(say("Keys that differ"), [say("key"), *_names(comparison)], rows, digits=False)


def means(comparison: Comparison) -> Table:
    """The versions and the hardware that differ."""
    rows = [[name, *(plain(value) for value in values)] for name, values in comparison.means.items()]
    return Table(say("Versions and hardware that differ"), [say("part"), *_names(comparison)], rows, digits=False)


def origins(comparison: Comparison) -> Table:
    """Where each run is, and what it was tested on."""
    header = [say("run"), say("folder"), say("task"), say("made"), say("table tested on"), say("test rows")]
    rows = []
    for run in comparison.runs:
        key, table = run.table
        where = f"data.{key}={table['name']}"
        rows.append(
            [run.name, str(run.folder), run.task, str(run.manifest.get("made", "")), where, f"{run.rows.height:,}"]
        )
    return Table(say("The runs"), header, rows, digits=False)


def overview(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Header and a row a run, as a terminal shows them."""
    metric = comparison.metric
    header = ["run", metric + ("" if greater_is_better(metric) else " (lower is better)")]
    header += [f"gain over {comparison.runs[0].name}", "stands"] if comparison.paired else []
    header += ["seconds", "trained parameters", "MiB"]
    rows = []
    for position, (run, scores, cost) in enumerate(
        zip(comparison.runs, comparison.scores, comparison.costs, strict=True)
    ):
        told = [run.name, estimate(scores.metrics[metric].as_json(), metric)]
        if comparison.paired:
            more = scores.difference.get(metric)
            told += ["", "reference"] if more is None else [
                estimate(gain(more.as_json(), metric), metric, signed=True), comparison.sign(position)
            ]  # fmt: skip
        seconds, _, trained, _, size, *_ = _costs(cost)
        rows.append([*told, seconds, trained, size])
    return header, rows


def _tables(
    comparison: Comparison,
    caption: str,
    names: Sequence[str],
    cells: Sequence[Sequence[str]],
    best: set[tuple[int, int]],
) -> list[Table]:
    """Cells by run and metric: metrics below each other for a few runs, else runs, some metrics a table."""
    kind = comparison.runs[0].target.kind
    metrics = [metric_name(name, kind) + way(name) for name in comparison.metrics]
    if len(comparison.runs) <= SIDE_BY_SIDE:
        rows = [[metric, *(own[column] for own in cells)] for column, metric in enumerate(metrics)]
        marked = frozenset((column, run + 1) for run, column in best)
        return [Table(caption, [say("metric"), *names], rows, marked)]
    found = []
    for start in range(0, len(metrics), _COLUMNS):
        shown = metrics[start : start + _COLUMNS]
        rows = [[name, *own[start : start + _COLUMNS]] for name, own in zip(names, cells, strict=True)]
        marked = frozenset((run, column - start + 1) for run, column in best if 0 <= column - start < _COLUMNS)
        found.append(Table(f"{caption}: {', '.join(shown)}", [say("run"), *shown], rows, marked))
    return found


def _best(values: Sequence[float], metric: str) -> list[int]:
    defined = [value for value in values if value == value]
    top = (max if greater_is_better(metric) else min)(defined, default=None)
    return [run for run, value in enumerate(values) if value == top]


def _costs(cost: dict[str, Any]) -> list[str]:
    memory = cost["peak_memory_mib"] or {}
    held = [f"{memory[name]:,}" + ("" if name == "process" else f" ({name})") for name in memory if memory[name]]
    trained, total = (cost["parameters"][name] for name in ("trained", "total"))
    return [
        f"{cost['seconds']['all']:,.1f}",
        f"{cost['seconds']['learning']:,.1f}",
        say("not kept") if trained is None else f"{trained:,}",
        f"{total:,}",
        f"{cost['bytes'] / _MIB:,.1f}",
        ", ".join(held) or say("not kept"),
        str(cost["device"]),
    ]


def _names(comparison: Comparison) -> list[str]:
    return [run.name for run in comparison.runs]
