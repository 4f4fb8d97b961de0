"""The test rows that a model fails on worst, by their numbers alone: what is in them, their owner can look up."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import count, number, score, share
from medplug.core.report.language import joined, say
from medplug.core.report.names import metric_name
from medplug.core.report.tables import Table

MOST = 10
"""So many rows are listed."""
SURE = 0.9
"""From this probability on a wrong decision is called sure."""
_LOWEST = 1 / 3
_NUMBERS_ALONE = ("regression", "survival", "ranking", "span", "text")

Rows = NDArray[np.int64]


def failures(evidence: Evidence) -> tuple[str, Table] | None:
    """What went wrong in a sentence, and the worst rows; None where no row tells whether it was right."""
    if evidence.row_numbers is None or not len(evidence.row_numbers):
        return None
    kind = evidence.target.kind
    if kind in ("binary", "multiclass", "choice"):
        return _decided_wrongly(evidence, evidence.row_numbers)
    if kind == "multilabel":
        return _labels_wrong(evidence, evidence.row_numbers)
    if kind == "regression":
        return _far_off(evidence, evidence.row_numbers)
    if kind == "survival":
        return _low_risk_event(evidence, evidence.row_numbers)
    if kind == "ranking":
        return _found_late(evidence, evidence.row_numbers)
    return _low_scores(evidence, evidence.row_numbers) if kind in ("mask", "span", "text") else None


def _decided_wrongly(evidence: Evidence, numbers: Rows) -> tuple[str, Table]:
    target, chances, truth = evidence.target, evidence.probabilities, evidence.labels
    decided = target.decide(chances)
    of_decided = chances[np.arange(len(truth)), decided]
    wrong = np.flatnonzero(decided != truth)
    worst = wrong[np.argsort(-of_decided[wrong], kind="stable")][:MOST]
    sure = int((of_decided[wrong] >= SURE).sum())
    told = say(
        "{wrong} of {rows} were decided wrongly ({share}), {sure} of them with a probability of {least} or more.",
        wrong=f"{len(wrong):,}",
        rows=_tested(len(truth)),
        share=share(len(wrong), len(truth)),
        sure=f"{sure:,}",
        least=f"{SURE:g}",
    )
    header = [say("row"), say("true"), say("decided"), say("its probability"), say("that of the true one")]
    cells = [
        [target.classes[truth[i]], target.classes[decided[i]], number(of_decided[i]), number(chances[i, truth[i]])]
        for i in worst
    ]
    return told, _listed(evidence, say("The surest of the wrong decisions"), header, numbers[worst], cells)


def _labels_wrong(evidence: Evidence, numbers: Rows) -> tuple[str, Table]:
    target, chances, truth = evidence.target, evidence.probabilities, evidence.labels
    wrong = target.decide(chances) != truth
    gap = np.where(wrong, np.abs(truth - chances), -1.0)
    places = np.argsort(-gap, axis=None, kind="stable")[: min(MOST, int(wrong.sum()))]
    at = np.column_stack(np.unravel_index(places, gap.shape))
    told = say(
        "{wrong} of {rows} have a label that was decided wrongly ({share}).",
        wrong=f"{int(wrong.any(axis=1).sum()):,}",
        rows=_tested(len(truth)),
        share=share(int(wrong.any(axis=1).sum()), len(truth)),
    )
    header = [say("row"), say("label"), say("true"), say("its probability")]
    cells = [
        [target.classes[j], say("present") if truth[i, j] else say("absent"), number(chances[i, j])] for i, j in at
    ]
    return told, _listed(evidence, say("The surest of the wrong decisions"), header, numbers[at[:, 0]], cells)


def _far_off(evidence: Evidence, numbers: Rows) -> tuple[str, Table]:
    error = evidence.probabilities[:, 0] - evidence.labels
    worst = np.argsort(-np.abs(error), kind="stable")[:MOST]
    spread = float(evidence.labels.std())
    told = say(
        "Half of {rows} are predicted to within {middle}, nine in ten to within {most}.",
        rows=_tested(len(error)),
        middle=score(float(np.quantile(np.abs(error), 0.5)), "mae"),
        most=score(float(np.quantile(np.abs(error), 0.9)), "mae"),
    )
    header = [say("row"), say("predicted less measured"), say("in standard deviations of the labels")]
    cells = [[score(error[i], "mae"), number(error[i] / spread if spread else None, decimals=1)] for i in worst]
    return told, _listed(evidence, say("The predictions that are farthest off"), header, numbers[worst], cells)


def _low_risk_event(evidence: Evidence, numbers: Rows) -> tuple[str, Table]:
    """Rows of low predicted risk whose event came first; times stay out, as an event's own would tell of a patient."""
    times, event = evidence.labels[:, 0], evidence.labels[:, 1] == 1
    standing = np.argsort(np.argsort(evidence.probabilities[:, 0], kind="stable")) / len(times)
    missed = np.flatnonzero(event & (standing < _LOWEST))
    worst = missed[np.argsort(times[missed], kind="stable")][:MOST]
    told = say(
        "{missed} of {events} came in the third of the test rows with the lowest predicted risk.",
        missed=f"{len(missed):,}",
        events=count(int(event.sum()), "event"),
    )
    header = [say("row"), say("test rows of a lower predicted risk")]
    cells = [[share(round(1000 * standing[i]), 1000)] for i in worst]
    caption = say("The earliest events among rows of low predicted risk, the earliest first")
    return told, _listed(evidence, caption, header, numbers[worst], cells)


def _found_late(evidence: Evidence, numbers: Rows) -> tuple[str, Table]:
    ranks = evidence.probabilities[:, 0]
    order = np.where(ranks == 0, np.inf, ranks)
    worst = np.argsort(-order, kind="stable")[:MOST]
    worst = worst[order[worst] > 1]
    told = say(
        "Of {questions} {missed} have no right passage among the first {depth}.",
        questions=count(len(ranks), "test question"),
        missed=f"{int((ranks == 0).sum()):,}",
        depth=f"{int(evidence.labels.max()):,}",
    )
    header = [say("row"), say("rank of the first right passage")]
    cells = [[say("not found") if ranks[i] == 0 else f"{ranks[i]:,.0f}"] for i in worst]
    return told, _listed(evidence, say("The questions answered worst"), header, numbers[worst], cells)


def _low_scores(evidence: Evidence, numbers: Rows) -> tuple[str, Table]:
    """Rows of the lowest scores; of masks every class that is in the image or was found in it counts by itself."""
    scores, several = evidence.probabilities, evidence.target.kind == "mask"
    metric = {"mask": "dice", "text": "token_f1"}.get(evidence.target.kind, evidence.metric)
    named = metric_name(metric)
    defined = np.flatnonzero(~np.isnan(scores.ravel()))
    places = defined[np.argsort(scores.ravel()[defined], kind="stable")][:MOST]
    at = np.column_stack(np.unravel_index(places, scores.shape))
    told = say(
        "{nothing} of {scored} have a {metric} of 0.",
        nothing=f"{int((scores == 0).sum()):,}",
        scored=say("{n} images and classes", n=f"{len(defined):,}") if several else _tested(len(scores)),
        metric=named,
    )
    header = [say("row"), *([say("class")] if several else []), named]
    cells = [[*([evidence.target.classes[j]] if several else []), number(scores[i, j])] for i, j in at]
    return told, _listed(evidence, say("The rows of the lowest scores"), header, numbers[at[:, 0]], cells)


def _listed(
    evidence: Evidence, caption: str, header: list[str], numbers: Iterable[int], cells: list[list[str]]
) -> Table:
    rows = [[f"{row}", *told] for row, told in zip(numbers, cells, strict=True)]
    digits = evidence.target.kind in _NUMBERS_ALONE
    return Table(caption, header, rows, digits=digits, notes=[_whose(evidence)] if rows else [])


def _whose(evidence: Evidence) -> str:
    """Which table the numbers count in."""
    table = next((name for name in ("test", "train", "source") if name in evidence.facts.tables), None)
    more = say("predictions.parquet has every row.")
    if table is None:
        return joined(say("Rows are numbered as in the table that was read, the first one 1."), more)
    name = str(evidence.facts.tables[table]["name"])
    told = say("Rows are numbered as in {name} (data.{table}), the first one 1.", name=name, table=table)
    return joined(told, more)


def _tested(rows: int) -> str:
    return count(rows, "test row")
