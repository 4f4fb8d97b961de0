"""The likeliest answers as a model of spans finds them, in characters of the contexts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medplug.core.answers.found import FoundSpans, whole_characters
from medplug.core.answers.windows import NONE, Integers, best_spans, best_windows, character_span, no_answer_scores
from medplug.core.readers.span import SpanReader, Windows, each_window
from medplug.core.span_model import END, NULL, START, SpanModel
from medplug.core.training.compute import Compute, Report, to_device

Logs = NDArray[np.float32]


def find_spans(
    model: SpanModel,
    items: Sequence[Windows],
    contexts: Sequence[str],
    compute: Compute,
    report: Report = lambda done, total: None,
) -> FoundSpans:
    """The likeliest span of each prepared row, over all of its windows; equal rows are computed once.

    A window's logits become log probabilities, so that windows compare. The score is the
    best span's over the windows, less the least of no answer over them (Devlin et al., 2019, section 4.3);
    the threshold is the model's.
    """
    reader = model.ready().backbone
    assert isinstance(reader, SpanReader)
    distinct = {id(item): item for item in items}
    windows = [window for item in distinct.values() for window in item]
    owner = np.repeat(np.arange(len(distinct)), [len(item) for item in distinct.values()])
    table = _every_window(
        model, reader, [row for item in distinct.values() for row in each_window(item)], compute, report
    )
    best = best_windows(table[:, 0], owner, len(distinct))
    score = np.where(best == NONE, -np.inf, table[best, 0]) - no_answer_scores(table[:, 1], owner, len(distinct))
    place = {key: i for i, key in enumerate(distinct)}
    rows = np.array([place[id(item)] for item in items], dtype=np.int64)
    spans = np.full((len(items), 2), NONE, dtype=np.int64)
    for row, context in enumerate(contexts):
        window = best[rows[row]]
        if window != NONE:
            first, last = table[window, 2:].astype(np.int64).tolist()
            spans[row] = whole_characters(context, *character_span(windows[window].offsets, first, last))
    spans[spans[:, 0] == spans[:, 1]] = NONE
    found = np.where(spans[:, 0] == NONE, -np.inf, score[rows]).astype(np.float32)
    return FoundSpans(spans[:, 0], spans[:, 1], found, float(model.threshold))


def _every_window(
    model: SpanModel, reader: SpanReader, rows: Sequence[Windows], compute: Compute, report: Report
) -> NDArray[np.float64]:
    """Of each window the log probabilities of its best span and of null, and the span's tokens ``[windows, 4]``."""
    batches = reader.batches(rows, compute.tokens)
    parts: list[tuple[Integers, NDArray[np.float64]]] = []
    done = 0
    with torch.inference_mode(), compute.autocast():
        for batch in batches[compute.processes.rank :: compute.processes.world]:
            inputs = to_device(reader.collate([rows[i] for i in batch]), compute.device)
            logs = model(inputs).log_softmax(-1).cpu().numpy()
            parts.append((batch, _best(logs, inputs["context"].cpu().numpy(), reader.longest)))
            done += len(batch) * compute.processes.world
            report(min(done, len(rows)), len(rows))
    table = np.empty((len(rows), 4))
    for batch, values in (part for shared in compute.processes.gather(parts) for part in shared):
        table[batch] = values
    return table


def _best(logs: Logs, context: NDArray[np.bool_], longest: int) -> NDArray[np.float64]:
    """The rows of the table for a batch of log probabilities ``[windows, 2, 1 + tokens]``."""
    every: Any = np.arange(len(logs))
    tokens = logs[:, :, NULL + 1 :]
    best = best_spans(tokens[:, START], tokens[:, END], context, every, len(logs), longest=longest)
    null = logs[:, :, NULL].astype(np.float64).sum(axis=1)
    return np.stack([best.score, null, best.first, best.last], axis=1)
