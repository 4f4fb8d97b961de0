"""Rows of runs explained by gradients: what speaks for a prediction, and that it comes from what was learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import medplug
from medplug.core.errors import UsageError
from medplug.core.explaining.sanity import likeness

pytestmark = pytest.mark.usefixtures("one_thread")

FILLER = ["the", "patient", "came", "in", "the", "morning", "and", "was", "seen", "on", "the", "ward"]


def notes(rows: int = 96) -> pl.DataFrame:
    """Of which one word alone, at any place, tells who is ill."""
    draw, texts, labels = np.random.default_rng(0), [], []
    for row in range(rows):
        words = draw.permutation(FILLER)[: draw.integers(4, 10)].tolist()
        words.insert(int(draw.integers(len(words))), "stridor" if row % 2 else "smiling")
        texts.append(" ".join(words))
        labels.append("ill" if row % 2 else "well")
    return pl.DataFrame({"text": texts, "label": labels})


@pytest.fixture(scope="module", params=["text_cnn", "text_gru"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return medplug.run(
        task="text_diagnosis",
        backbone=request.param,
        data={"train": notes()},
        train={"epochs": 12, "batch_size": 16, "learning_rate": 0.01},
        report={"resamples": 100},
        device="cpu",
        output=tmp_path_factory.mktemp("runs") / request.param,
    )


def test_the_word_that_tells_has_the_largest_score(run: Any) -> None:
    texts = ["the stridor was seen in the morning", "on the ward and smiling"]
    ill, well = run.predictor.explain([{"text": text} for text in texts], show_examples=True)
    assert (ill.predicted, well.predicted) == ("ill", "well")
    assert ill.content.words[int(ill.scores.argmax())] == "stridor"
    assert well.content.words[int(well.scores.argmax())] == "smiling"
    assert ill.places is not None and texts[0][slice(*ill.places[1])] == "stridor"


def test_scores_sum_to_the_change_of_the_output(run: Any) -> None:
    for each in run.predictor.explain(notes(12), only=range(1, 13)):
        assert each.gap is not None and each.gap < 0.05


def test_random_weights_change_the_scores(run: Any) -> None:
    found = [each.sanity for each in run.predictor.explain(notes(40), only=range(1, 41))]
    assert np.mean(found) < 0.5


def test_a_row_explained_alone_has_the_same_scores(run: Any) -> None:
    rows = notes(6)
    together = run.predictor.explain(rows, only=[5])
    (alone,) = run.predictor.explain(rows[4:5])
    np.testing.assert_allclose(together[0].scores, alone.scores, rtol=1e-3, atol=1e-6)
    assert (together[0].row, alone.row) == (5, 1)


def test_nothing_of_a_row_is_in_it_unless_asked_for(run: Any) -> None:
    (each, *_) = run.predictor.explain(notes(3))
    assert not each.shows and "words" not in each.as_json()
    (shown, *_) = run.predictor.explain(notes(3), show_examples=True)
    assert shown.shows and not shown.without_content().shows
    np.testing.assert_array_equal(shown.scores, each.scores)


def test_the_run_explains_its_first_test_rows_and_tells_of_the_check(run: Any) -> None:
    told = run.metrics["explanations"]
    assert len(told["rows"]) == 3 and told["methods"] == ["integrated_gradients"]
    page = (Path(run.folder) / "report.html").read_text(encoding="utf-8")
    assert "Explanations of single rows" in page and "Check with random weights" in page
    assert "background:rgba" not in page  # the report may name words that many rows share; none is shown where it stood


def test_a_row_that_is_not_there_is_named(run: Any) -> None:
    with pytest.raises(UsageError, match=r"row\(s\) 9 cannot be explained: the input has 4 readable"):
        run.predictor.explain(notes(4), only=[2, 9])


def test_a_method_that_is_not_there_is_refused(run: Any) -> None:
    with pytest.raises(UsageError, match="choose one of auto, gradient, replacing"):
        run.predictor.explain(notes(4), method="gradients")


def test_examples_are_shown_only_where_the_run_was_asked_to(tmp_path: Path) -> None:
    shown = medplug.run(
        task="text_diagnosis",
        backbone="text_cnn",
        data={"train": notes(48)},
        train={"epochs": 1},
        report={"resamples": 100, "show_examples": True, "explain": 1},
        device="cpu",
        output=tmp_path / "run",
    )
    page = (Path(shown.folder) / "report.html").read_text(encoding="utf-8")
    assert ">stridor</span>" in page or ">smiling</span>" in page
    assert "treat it as you treat them" in page and "no row's content" not in page.split("<footer>")[1]
    assert "morning" not in (Path(shown.folder) / "metrics.json").read_text(encoding="utf-8")


def test_likeness_is_one_where_the_weights_change_nothing() -> None:
    scores = np.array([0.1, -3.0, 2.0, 0.5])
    assert likeness(scores, 7 * scores) == pytest.approx(1.0)
    assert likeness(scores, np.array([3.0, 0.1, 0.2, -1.0])) == pytest.approx(-1.0)
    assert likeness(scores, np.ones(4)) is None
    assert likeness(scores[:2], scores[:2]) is None
