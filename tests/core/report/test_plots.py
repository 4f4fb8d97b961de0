from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import matplotlib
import numpy as np
import pytest
from sklearn.metrics import auc, roc_auc_score

from medplug.core.data.targets import Target
from medplug.core.evaluation.scores import point
from medplug.core.report.curves import MOST_POINTS, calibration, precision_recall, roc
from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import score
from medplug.core.report.plots import MOST_CELLS, pictures
from medplug.core.report.scatter import MOST_POINTS as MOST_DOTS

Make = Callable[..., Evidence]

HISTORY = [{"epoch": float(i), "loss": 1.0 / i, "f1": 0.1 * i, "macro_f1": 0.1 * i} for i in (1, 2, 3)]


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("binary", ["confusion", "roc", "precision-recall", "reliability", "history"]),
        ("multiclass", ["confusion", "classes", "reliability", "history"]),
        ("multilabel", ["classes", "reliability", "history"]),
        ("regression", ["predicted", "agreement", "history"]),
    ],
)
def test_each_kind_of_target_has_its_figures(make: Make, kind: str, names: list[str]) -> None:
    found = pictures(make(kind, history=HISTORY, notes={"best epoch": 2.0}))
    assert [each.name for each in found] == names
    assert "the epoch kept, 2, chosen on validation" in found[-1].caption
    for each in found:
        assert each.svg is not None
        assert re.fullmatch(r'<svg role="img" aria-label="[^"]+" [^>]*><title>.*</svg>', each.svg, flags=re.DOTALL)
        assert all(found.startswith(f"{each.name}-") for found in re.findall(r'\bid="([^"]*)"', each.svg))
        assert "<text" in each.svg and "currentColor" in each.svg
        assert not re.search(r"#[0-9a-f]{6}\b", each.svg), "a colour that the page cannot turn dark"


def test_matplotlib_is_left_as_it_was(make: Make) -> None:
    before = dict(matplotlib.rcParams)
    pictures(make())
    assert dict(matplotlib.rcParams) == before


def test_confusion_counts_every_test_row(make: Make) -> None:
    evidence = make("multiclass")
    svg = pictures(evidence)[0].svg
    right = int((evidence.probabilities.argmax(axis=1) == evidence.labels).sum())
    assert svg is not None and f"{right:,} of 240 test rows are on the diagonal" in svg


def test_confusion_of_many_classes_is_only_noted(make: Make) -> None:
    names = tuple(f"class {i}" for i in range(MOST_CELLS + 1))
    first = pictures(make("multiclass", classes=names, rows=100))[0]
    assert first.svg is None and "21 x 21" in first.caption


def test_curves_of_one_class_are_noted_not_drawn(make: Make) -> None:
    evidence = make()
    by_name = {each.name: each for each in pictures(replace(evidence, labels=np.zeros_like(evidence.labels)))}
    assert by_name["roc"].svg is None and "all of one class" in by_name["roc"].caption
    assert by_name["precision-recall"].svg is None and "no test row is positive" in by_name["precision-recall"].caption


def test_an_epoch_without_a_score_and_a_missing_loss_are_drawn_around(make: Make) -> None:
    history = [{"epoch": 1.0, "loss": float("nan")}, {"epoch": 2.0, "f1": 0.5}]
    assert pictures(make(history=history, notes={}))[-1].svg is not None


def test_every_number_is_a_dot_until_they_are_too_many(make: Make) -> None:
    for rows, dots in ((50, 50), (5000, MOST_DOTS)):
        for each in pictures(make("regression", rows=rows)):
            assert each.svg is not None and each.svg.count("<use") >= dots
            assert each.svg.count("<use") < dots + 60  # the axes' ticks
            assert f"{dots:,} dots for {rows:,} rows" in each.caption


def test_limits_of_agreement_are_those_of_all_differences(make: Make) -> None:
    evidence = make("regression")
    differences = evidence.probabilities[:, 0] - evidence.labels
    spread = 1.96 * differences.std(ddof=1)
    caption = pictures(evidence)[1].caption
    for value in (differences.mean(), differences.mean() - spread, differences.mean() + spread):
        assert score(value, "mae")[:5] in caption


def test_undefined_f1_of_a_class_is_told(make: Make) -> None:
    evidence = make("multiclass")
    evidence.scores["by_class"]["asthma"]["metrics"]["f1"] = {"value": None, "ci95": [None, None]}
    assert "not defined for 1 class" in pictures(evidence)[1].caption


def test_thinned_curve_keeps_its_ends_and_its_area() -> None:
    draw = np.random.default_rng(0)
    positive = draw.random(20_000) < 0.3
    scores = draw.normal(size=20_000) + positive
    x, y = roc(positive, scores)
    assert len(x) <= MOST_POINTS and (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert auc(x, y) == pytest.approx(roc_auc_score(positive, scores), abs=1e-4)
    recall, precision = precision_recall(positive, scores)
    assert len(recall) <= MOST_POINTS and (np.diff(recall) >= 0).all() and precision[0] == 1


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_reliability_bins_agree_with_the_calibration_error(make: Make, kind: str) -> None:
    evidence = make(kind)
    bins = calibration(evidence.target, evidence.labels, evidence.probabilities)
    error = np.average(np.abs(bins.confidence - bins.observed), weights=bins.rows)
    assert error == pytest.approx(point(evidence.target, evidence.labels, evidence.probabilities, "ece"))


def test_reliability_interval_is_wilsons() -> None:
    probabilities = np.array([[0.45, 0.55]] * 10)
    labels = np.array([1] * 8 + [0] * 2)
    bins = calibration(Target("binary", ("no", "yes")), labels, probabilities)
    # Wilson, 8 of 10 (Newcombe, 1998): 0.490 to 0.943
    assert bins.rows.tolist() == [10]
    assert bins.interval.ravel() == pytest.approx([0.4902, 0.9433], abs=1e-4)
