"""Passages found for questions by a finished run, and the index that they are found in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.asking.answer import Answer, Passage
from medplug.core.errors import DataError, UsageError
from medplug.core.evaluation.retrieval import DEPTH, judge, score_rankings
from medplug.core.predicting.reranker import Reranker
from medplug.core.retrieval.best import Ranked
from medplug.core.retrieval.corpus import Corpus, Questions, pairs_of, relevance
from medplug.core.retrieval.index import ID, PASSAGE, Index, IndexManifest, write_index
from medplug.core.retrieval.model import RankingModel
from medplug.core.training.cache import encoder_key
from medplug.core.training.text_vectors import text_vectors

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from medplug.core.predictor import Predictor
    from medplug.core.task import Examples
    from medplug.core.training.compute import Report

INDEX = "index"
"""The folder of a run that holds its index."""
TOP = 10
"""Passages a question, unless so many are asked for."""


def opened(predictor: Predictor) -> Index:
    """The index of the run, opened once; `RunError` where there is none, or it is of another encoder."""
    model = ranking_model(predictor)
    if model.index is None:
        model.index = Index.open(index_folder(predictor), encoder=encoder_key(model.encoder))
    return model.index


def reranker_of(predictor: Predictor) -> Reranker | None:
    """The run's reranker, loaded once and onto the run's own device; None where it has none."""
    model = ranking_model(predictor)
    if model.reranker is None:
        model.reranker = Reranker.of(predictor.task.options, predictor.compute.device.type)
    return model.reranker


def ranking_model(predictor: Predictor) -> RankingModel:
    """The run's bi-encoder; `UsageError` where the run is of another kind."""
    if not isinstance(predictor.model, RankingModel):
        raise UsageError(
            f"this run of {predictor.task_name} has a {predictor.target.kind} target and finds no passages; name a run "
            "of task.form=retrieval"
        )
    return predictor.model


def index_folder(predictor: Predictor) -> Path:
    """Where the run's index lies."""
    assert predictor.folder is not None
    return predictor.folder / INDEX


def build_index(predictor: Predictor, passages: Sequence[tuple[str, str]], report: Report) -> tuple[IndexManifest, int]:
    """Index (id, text) passages with the run's encoder, in place of the index it has; equal texts once.

    Gives the manifest, and how many passages were left out because an earlier one has their text.
    """
    model, corpus = ranking_model(predictor), Corpus.of(passages)
    vectors = text_vectors(model, corpus.texts, predictor.compute, report)
    manifest = keep_index(index_folder(predictor), model, corpus, vectors)
    model.index = None
    return manifest, len(passages) - len(corpus)


def keep_index(folder: Path, model: RankingModel, corpus: Corpus, vectors: NDArray[np.float32]) -> IndexManifest:
    """Write the index of a corpus whose `vectors` ``[passages, width]`` are known."""
    return write_index(folder, corpus.table(), [vectors], encoder=encoder_key(model.encoder), width=model.feature_width)


def search(
    predictor: Predictor, questions: Sequence[str], top: int, report: Report = lambda done, total: None
) -> tuple[Ranked, NDArray[np.float64] | None]:
    """The `top` passages of each question in the run's index and, where a reranker ordered them, its probabilities."""
    index, model, reranker = opened(predictor), ranking_model(predictor), reranker_of(predictor)
    depth = top if reranker is None else max(top, reranker.first)
    ranked = index.search(text_vectors(model, questions, predictor.compute, report), depth)
    if reranker is None:
        return ranked, None
    again, shares = reranker.order(questions, lambda rows: index.passages(rows)[PASSAGE].to_list(), ranked)
    return Ranked(again.rows[:, :top], again.scores[:, :top]), shares[:, :top]


def found_frame(
    predictor: Predictor, examples: Examples, columns: Mapping[str, Any], top: int | None, report: Report
) -> pl.DataFrame:
    """The best `top` passages of each row's question, a line each: `columns`, `rank` (from 1), `passage`, `score`.

    `passage` is its id and `score` the cosine; with a reranker `probability` is what it says, null beyond what it read.
    """
    import polars as pl

    ranked, shares = search(predictor, [value.question for value in examples.values], top or TOP, report)
    rows, ranks = np.nonzero(ranked.rows >= 0)
    frame = pl.DataFrame({name: pl.Series(name, values).gather(rows) for name, values in columns.items()})
    ids = opened(predictor).passages(ranked.rows[rows, ranks])[ID]
    found = frame.with_columns(
        pl.Series("rank", ranks + 1, dtype=pl.Int64),
        ids.alias("passage"),
        pl.Series("score", ranked.scores[rows, ranks], dtype=pl.Float64),
    )
    if shares is None:
        return found
    read = np.full(ranked.rows.shape, np.nan)
    read[:, : shares.shape[1]] = shares
    return found.with_columns(pl.Series("probability", read[rows, ranks], dtype=pl.Float64).fill_nan(None))


def answered(predictor: Predictor, question: str, top: int) -> Answer:
    """The best passage for a question, with the `top` ones; its score is the cosine, or a reranker's probability."""
    (told,) = passages_for(predictor, [question], max(top, 1))
    assert told[0].score is not None  # the first is always read again
    return Answer(told[0].text, told[0].score, predictor.certain_from, told)


def passages_for(predictor: Predictor, questions: Sequence[str], top: int) -> list[tuple[Passage, ...]]:
    """The `top` passages of each question, best first.

    Their scores are the cosines or, with a reranker, its probabilities: None of a passage that it did not read.
    """
    ranked, shares = search(predictor, questions, top)
    scores: list[list[float | None]] = ranked.scores.tolist()
    if shares is not None:
        beyond: list[float | None] = [None] * (ranked.rows.shape[1] - shares.shape[1])
        scores = [[*each, *beyond] for each in shares.tolist()]
    at, ranks = np.nonzero(ranked.rows >= 0)
    table = opened(predictor).passages(ranked.rows[at, ranks])
    found: list[list[Passage]] = [[] for _ in questions]
    for row, rank, name, text in zip(at.tolist(), ranks.tolist(), table[ID], table[PASSAGE], strict=True):
        found[row].append(Passage(name, text, scores[row][rank]))
    return [tuple(each) for each in found]


def scored_rankings(
    predictor: Predictor, examples: Examples, report: Report, groups_and_draws: Mapping[str, Any]
) -> dict[str, Any]:
    """The metrics of the distinct questions of labelled rows over the run's index.

    A question whose passages are not in the index is counted and left out; `DataError` where all are.
    """
    index, pairs = opened(predictor), pairs_of(examples.values)
    questions = Questions.of_rows(examples.values)
    right = relevance(questions, pairs, index.passages(range(len(index)))[PASSAGE].to_list())
    if not any(right):
        raise DataError(
            "none of the rows' passages is in the run's index; index a corpus that has them: medplug index RUN CORPUS"
        )
    depth = max(predictor.task.options.depth, DEPTH)
    ranked, _ = search(predictor, questions.texts, depth, report)
    groups = groups_and_draws.get("groups")
    own = None if groups is None else [groups[row] for row in questions.first.tolist()]
    found = score_rankings(judge(ranked.rows, right), **{**groups_and_draws, "groups": own})
    told = {"questions": found.n, "questions without their passage in the index": found.without_relevant}
    return {"metrics": found.metrics, **told}
