"""Metrics of rankings against their definitions in plain numbers, and scikit-learn's nDCG."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, ndcg_score

from medplug.core.errors import DataError
from medplug.core.evaluation.retrieval import METRICS, judge, ranking_difference, score_rankings

CORPUS, QUERIES = 40, 30


def rankings(depth=CORPUS, queries=QUERIES, seed=0):
    """Random rankings ``[queries, depth]``, and up to fourteen graded passages a query, the first five without any."""
    draw = np.random.default_rng(seed)
    rows = np.array([draw.permutation(CORPUS)[:depth] for _ in range(queries)])
    counts = draw.integers(1, 15, size=queries)
    picked = [draw.choice(CORPUS, size=0 if query < 5 else n, replace=False) for query, n in enumerate(counts)]
    return rows, [{int(row): float(draw.integers(1, 4)) for row in each} for each in picked]


def written_out(ranking, grades):
    """The five metrics of one query, from their definitions."""
    ranks = [rank for rank, row in enumerate(ranking, 1) if row in grades]
    best = sorted(grades.values(), reverse=True)[:10]
    dcg = sum(grades.get(row, 0) / math.log2(rank + 1) for rank, row in enumerate(ranking[:10], 1))
    return {
        "mrr": 1 / ranks[0] if ranks else 0.0,
        "recall_at_1": sum(rank <= 1 for rank in ranks) / len(grades),
        "recall_at_10": sum(rank <= 10 for rank in ranks) / len(grades),
        "ndcg_at_10": dcg / sum(grade / math.log2(rank + 1) for rank, grade in enumerate(best, 1)),
        "map": sum(n / rank for n, rank in enumerate(ranks, 1)) / len(grades),
    }


@pytest.mark.parametrize("depth", [10, 17, CORPUS])
@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_its_definition(name, depth):
    rows, relevance = rankings(depth)
    found = METRICS[name](judge(rows, relevance))
    assert np.isnan(found[:5]).all()
    wanted = [written_out(ranking, grades)[name] for ranking, grades in zip(rows[5:], relevance[5:], strict=True)]
    np.testing.assert_allclose(found[5:], wanted, rtol=1e-12)


def test_of_whole_rankings_scikit_learn_says_the_same():
    rows, relevance = rankings()
    judged = judge(rows, relevance)
    grades, scores = np.zeros((QUERIES, CORPUS)), np.empty((QUERIES, CORPUS))
    for query, (ranking, known) in enumerate(zip(rows, relevance, strict=True)):
        scores[query, ranking] = -np.arange(CORPUS)
        grades[query, list(known)] = list(known.values())
    ndcg = [ndcg_score(grades[[q]], scores[[q]], k=10) for q in range(5, QUERIES)]
    precision = [average_precision_score(grades[q] > 0, scores[q]) for q in range(5, QUERIES)]
    np.testing.assert_allclose(METRICS["ndcg_at_10"](judged)[5:], ndcg)
    np.testing.assert_allclose(METRICS["map"](judged)[5:], precision)


def test_the_best_order_scores_one_wherever_it_can():
    grades = {row: float(grade) for row, grade in zip(range(4), (3, 2, 2, 1), strict=True)}
    found = {name: metric(judge(np.arange(12)[None], [grades]))[0] for name, metric in METRICS.items()}
    assert found.pop("recall_at_1") == 0.25
    assert all(value == pytest.approx(1) for value in found.values())


def test_what_was_not_found_is_no_hit():
    rows = np.array([[3, *[-1] * 9], [-1] * 10])
    judged = judge(rows, [{5: 1.0, 3: 1.0}, {0: 1.0}])
    assert METRICS["mrr"](judged).tolist() == [1.0, 0.0]
    assert METRICS["recall_at_10"](judged).tolist() == [0.5, 0.0]
    assert METRICS["map"](judged).tolist() == [0.5, 0.0]


def test_a_grade_of_zero_is_not_relevant():
    rows, relevance = rankings()
    same = judge(rows, [{**grades, 39: grades.get(39, 0.0)} for grades in relevance])
    np.testing.assert_array_equal(same.relevant, judge(rows, relevance).relevant)
    np.testing.assert_array_equal(same.gains, judge(rows, relevance).gains)


def test_queries_without_relevant_passages_are_counted_and_change_nothing():
    rows, relevance = rankings()
    whole, kept = score_rankings(judge(rows, relevance)), score_rankings(judge(rows[5:], relevance[5:]))
    assert (whole.n, whole.without_relevant) == (25, 5) and (kept.n, kept.without_relevant) == (25, 0)
    assert whole.metrics == kept.metrics and set(whole.metrics) == set(METRICS)


def test_a_score_is_the_mean_over_queries_inside_its_interval():
    rows, relevance = rankings()
    judged = judge(rows, relevance)
    for name, found in score_rankings(judged, resamples=200).metrics.items():
        assert found.value == pytest.approx(np.nanmean(METRICS[name](judged)))
        assert found.low < found.value < found.high


def test_groups_are_drawn_as_wholes():
    rows, relevance = rankings()
    rows, relevance = np.repeat(rows[5:], 8, axis=0), [grades for grades in relevance[5:] for _ in range(8)]
    judged, disease = judge(rows, relevance), [str(n // 8) for n in range(len(rows))]
    by_group = score_rankings(judged, groups=disease).metrics["mrr"]
    once = score_rankings(judge(rows[::8], relevance[::8])).metrics["mrr"]
    assert (by_group.low, by_group.high) == pytest.approx((once.low, once.high))
    by_query = score_rankings(judged).metrics["mrr"]
    assert by_query.high - by_query.low < 0.6 * (by_group.high - by_group.low)


def test_groups_of_queries_left_out_go_with_them():
    rows, relevance = rankings()
    disease = np.array([str(n // 3) for n in range(QUERIES)])
    whole = score_rankings(judge(rows, relevance), groups=disease)
    assert whole.metrics == score_rankings(judge(rows[5:], relevance[5:]), groups=disease[5:]).metrics


def test_a_difference_is_taken_query_by_query():
    rows, relevance = rankings()
    better = np.array([sorted(row, key=lambda at: at not in known) for row, known in zip(rows, relevance, strict=True)])
    model, baseline = judge(better, relevance), judge(rows, relevance)
    found = ranking_difference(model, baseline)
    for name, metric in METRICS.items():
        assert found.metrics[name].value == pytest.approx(np.nanmean(metric(model) - metric(baseline)))
        assert found.metrics[name].low > 0
    assert {each.as_json()["value"] for each in ranking_difference(model, model).metrics.values()} == {0.0}
    with pytest.raises(DataError, match="not of the same queries"):
        ranking_difference(model, judge(rows[:, ::-1], relevance[::-1]))


@pytest.mark.parametrize(
    ("rows", "relevance", "said"),
    [
        (np.arange(9)[None], [{0: 1.0}], r"shape \[1, 9\]; it must be \[queries, 10 ranks or more\]"),
        (np.arange(10)[None], [], "1 rankings, but relevant passages of 0 queries"),
        (np.array([[3, *range(9)]]), [{0: 1.0}], "1 of 1 rankings name a passage twice"),
        (np.arange(10)[None], [{0: -1.0}], "finite and 0 or more"),
        (np.arange(10)[None], [{0: math.nan}], "finite and 0 or more"),
    ],
)
def test_what_cannot_be_judged_is_refused(rows, relevance, said):
    with pytest.raises(DataError, match=said):
        judge(rows, relevance)


def test_what_cannot_be_scored_is_refused():
    rows, relevance = rankings()
    with pytest.raises(DataError, match="none of 5 queries has a relevant passage"):
        score_rankings(judge(rows[:5], relevance[:5]))
    with pytest.raises(DataError, match="2 groups for 30 queries"):
        score_rankings(judge(rows, relevance), groups=["a", "b"])
