"""Passages found by a finished run: held to brute force, in an index that is its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from medplug.core.answers.questions import Pair
from medplug.core.errors import DataError, RunError, UsageError
from medplug.core.predicting import retrieval
from medplug.core.predicting.retrieval import answered, build_index, found_frame, opened, scored_rankings
from medplug.core.task import Examples

DRAW = np.random.default_rng(0)
PASSAGES = [(f"p{i}", "".join(DRAW.choice(list("abcdef"), 12))) for i in range(30)]
QUESTIONS = ["aab", "cdef", "ffa", "bdbd"]


def silent(done: int, total: int) -> None:
    """Report to nobody."""


def examples(questions: list[str], passages: list[str] | None = None) -> Examples:
    texts = passages or [""] * len(questions)
    values = [Pair(*each) for each in zip(questions, texts, strict=True)]
    return Examples(np.arange(1, len(values) + 1), {"text": values}, texts if passages else None)


def frame(predictor: Any, questions: list[str], top: int | None = None) -> Any:
    asked = examples(questions)
    return found_frame(predictor, asked, {"row": asked.rows}, top, silent)


def test_the_best_passages_are_those_of_brute_force_a_line_each(
    finished: Callable[..., Any], cosines: Callable[..., Any]
) -> None:
    predictor = finished()
    build_index(predictor, PASSAGES, silent)
    found, wanted = frame(predictor, QUESTIONS, 7), cosines(QUESTIONS, [text for _, text in PASSAGES])
    assert found.columns == ["row", "rank", "passage", "score"] and len(found) == 4 * 7
    assert found["rank"].to_list() == [*range(1, 8)] * 4
    for row in range(4):
        own = found.filter(row=row + 1)
        np.testing.assert_allclose(own["score"], -np.sort(-wanted[row])[:7], atol=1e-6)
        at = [int(name.removeprefix("p")) for name in own["passage"]]
        np.testing.assert_allclose(wanted[row, at], own["score"], atol=1e-6)


def test_ten_passages_are_given_where_none_are_asked_for_and_all_where_there_are_fewer(
    finished: Callable[..., Any],
) -> None:
    predictor = finished()
    build_index(predictor, PASSAGES, silent)
    assert len(frame(predictor, ["ab"])) == 10
    build_index(predictor, PASSAGES[:3], silent)
    assert frame(predictor, ["ab", "cd"])["row"].to_list() == [1, 1, 1, 2, 2, 2]


def test_equal_passages_are_encoded_once_and_left_out_of_the_index(finished: Callable[..., Any]) -> None:
    predictor = finished()
    manifest, repeated = build_index(predictor, [*PASSAGES, ("again", PASSAGES[4][1].upper())], silent)
    assert (manifest.passages, repeated) == (30, 1)
    assert sorted(predictor.model.encoder.prepared) == sorted(text for _, text in PASSAGES)


def test_an_index_of_another_runs_encoder_is_refused_with_the_next_step(finished: Callable[..., Any]) -> None:
    one, other = finished("one"), finished("other", scale=2.0)
    build_index(one, PASSAGES, silent)
    (other.folder / "index").symlink_to(one.folder / "index")
    with pytest.raises(RunError, match="built with another encoder.*medplug index RUN CORPUS"):
        opened(other)
    again = finished("one")
    assert len(opened(again)) == 30  # the same weights, read again
    again.model.index = None
    again.model.encoder.weight.data[3] += 1e-3
    with pytest.raises(RunError, match="another encoder"):
        opened(again)


def test_a_run_without_an_index_says_how_to_build_one(finished: Callable[..., Any]) -> None:
    with pytest.raises(RunError, match="there is no index here.*medplug index RUN CORPUS"):
        frame(finished(), ["ab"])


def test_a_new_index_is_searched_at_once(finished: Callable[..., Any]) -> None:
    predictor = finished()
    build_index(predictor, PASSAGES, silent)
    frame(predictor, ["ab"])
    build_index(predictor, [("only", "ab")], silent)
    assert frame(predictor, ["ab"])["passage"].to_list() == ["only"]


def test_a_question_is_answered_by_its_best_passage_with_the_others_behind(
    finished: Callable[..., Any], cosines: Callable[..., Any]
) -> None:
    predictor = finished()
    build_index(predictor, PASSAGES, silent)
    answer = answered(predictor, "aab", 3)
    wanted = np.sort(cosines(["aab"], [text for _, text in PASSAGES])[0])[::-1][:3]
    assert [passage.score for passage in answer.passages] == pytest.approx(wanted.tolist())
    assert answer.text == answer.passages[0].text == dict(PASSAGES)[answer.passages[0].id]
    assert answer.score == answer.passages[0].score and answer.sure


class Again:
    """In place of a cross-encoder: of the first passages the one of the most f is the most probable."""

    first, name = 5, "fake"

    def order(self, questions: Any, passages: Any, ranked: Any) -> Any:
        from medplug.core.retrieval.retrieved import reordered

        shares = np.array([[text.count("f") / 12 for text in passages(rows[:5].tolist())] for rows in ranked.rows])
        return reordered(ranked, shares)


def test_a_reranker_orders_the_first_passages_and_leaves_the_others(
    finished: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = finished()
    build_index(predictor, PASSAGES, silent)
    before, loaded = frame(predictor, ["aab"], 8), list[Any]()
    monkeypatch.setattr(retrieval.Reranker, "of", lambda *told: loaded.append(told) or Again())
    after = frame(predictor, ["aab"], 8)
    assert set(before["passage"][:5]) == set(after["passage"][:5])
    assert before["passage"][5:].to_list() == after["passage"][5:].to_list()
    shares = after["probability"].to_list()
    assert shares[:5] == sorted(shares[:5], reverse=True) and shares[5:] == [None] * 3
    own = dict(zip(before["passage"], before["score"], strict=True))
    assert after["score"].to_list() == pytest.approx([own[name] for name in after["passage"]])
    assert len(frame(predictor, ["aab"], 2)) == 2  # five are read again, and the best two shown
    answer = answered(predictor, "aab", 7)
    assert [passage.id for passage in answer.passages] == after["passage"][:7].to_list()
    assert [passage.score for passage in answer.passages] == [*shares[:5], None, None]
    assert answer.score == shares[0]  # as its threshold was set
    assert loaded == [(predictor.task.options, "cpu")]  # once, and onto the run's device


def test_labelled_questions_are_scored_over_the_index_and_those_that_it_cannot_answer_counted(
    finished: Callable[..., Any], cosines: Callable[..., Any]
) -> None:
    predictor = finished()
    build_index(predictor, PASSAGES, silent)
    texts = [text for _, text in PASSAGES]
    rows = examples(["aab", "AAB", "cdef", "ffa"], [texts[0], texts[7], texts[3], "not there"])
    found = scored_rankings(predictor, rows, silent, {"groups": None, "resamples": 100, "seed": 0})
    assert found["questions"] == 2 and found["questions without their passage in the index"] == 1
    orders = np.argsort(-cosines(["aab", "cdef"], texts), axis=1, kind="stable").tolist()
    ranks = [1 + min(orders[0].index(0), orders[0].index(7)), 1 + orders[1].index(3)]
    wanted = np.mean([1 / rank if rank <= 20 else 0 for rank in ranks])
    assert found["metrics"]["mrr"].value == pytest.approx(wanted)


def test_rows_of_another_corpus_are_refused_with_the_next_step(finished: Callable[..., Any]) -> None:
    predictor = finished()
    build_index(predictor, PASSAGES, silent)
    with pytest.raises(DataError, match="none of the rows' passages is in the run's index.*medplug index RUN CORPUS"):
        scored_rankings(predictor, examples(["aab"], ["zzz"]), silent, {"groups": None, "resamples": 100, "seed": 0})


def test_a_run_of_another_kind_finds_no_passages(finished: Callable[..., Any]) -> None:
    predictor = finished()
    predictor.model = None
    with pytest.raises(UsageError, match="finds no passages; name a run of task.form=retrieval"):
        build_index(predictor, PASSAGES, silent)
