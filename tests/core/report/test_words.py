from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from medplug.core.data.leakage import Leak
from medplug.core.data.problems import Problem
from medplug.core.data.reading import Facts
from medplug.core.data.targets import Target
from medplug.core.report.cautions import cautions
from medplug.core.report.evidence import Evidence, SplitFacts
from medplug.core.report.formats import count, estimate, number, plain, score
from medplug.core.report.tables import by_class
from medplug.core.report.verdicts import verdict
from medplug.core.report.words import summary
from medplug.core.wording import Wording

Make = Callable[..., Evidence]
HUB = {"source": "hub", "repository": "a/b", "revision": "main"}


def with_difference(make: Make, metric: str, value: float | None, low: float | None, high: float | None) -> Evidence:
    evidence = make(metric=metric)
    evidence.scores["difference"][metric] = {"value": value, "ci95": [low, high]}
    return evidence


@pytest.mark.parametrize(
    ("metric", "interval", "kind", "wording"),
    [
        ("f1", (0.05, 0.01, 0.09), "better", "above 0"),
        ("f1", (-0.05, -0.09, -0.01), "worse", "the simpler model should be preferred"),
        ("f1", (0.05, -0.01, 0.09), "unclear", "the data do not show that transfer helped"),
        ("f1", (0.05, 0.0, 0.09), "unclear", "contains 0"),
        ("brier", (-0.05, -0.09, -0.01), "better", "+0.050 [+0.010, +0.090]"),
        ("log_loss", (0.05, 0.01, 0.09), "worse", "\N{MINUS SIGN}0.050 [\N{MINUS SIGN}0.090, \N{MINUS SIGN}0.010]"),
        ("ece", (0.05, -0.01, 0.09), "unclear", "a lower value is a gain"),
        ("auroc", (None, None, None), "undefined", "not defined"),
    ],
)
def test_verdict_follows_the_interval(make: Make, metric: str, interval: Any, kind: str, wording: str) -> None:
    found = verdict(with_difference(make, metric, *interval))
    assert found.kind == kind and wording in found.text


def test_verdict_says_who_wins(make: Make) -> None:
    headlines = {
        bounds: verdict(with_difference(make, "f1", sum(bounds) / 2, *bounds)).headline
        for bounds in ((0.01, 0.09), (-0.09, -0.01), (-0.01, 0.01))
    }
    assert list(headlines.values()) == [
        "The model is better than the simple baseline.",
        "The simple baseline wins.",
        "There is no clear difference from the simple baseline.",
    ]


def test_a_win_on_leaking_or_generated_rows_is_qualified(make: Make) -> None:
    leak = Facts(leaks=[Leak("same text", "train", "test", 2, None, 0.01)])
    assert "may not hold" in verdict(make(facts=leak)).text
    assert "no evidence for any real use" in verdict(make(facts=Facts(sample=True))).text
    assert "hold" not in verdict(make()).text


@pytest.mark.parametrize(
    ("kind", "predicted"),
    [
        ("binary", "whether a row is “sepsis” rather than “no sepsis”"),
        ("multiclass", "which one of 4 classes"),
        ("multilabel", "which of 3 labels"),
    ],
)
def test_summary_tells_what_on_how_many_and_how_well(make: Make, kind: str, predicted: str) -> None:
    evidence = make(kind)
    told = " ".join(summary(evidence))
    assert predicted in told
    assert "trained on 700 rows of 233 patients, chosen on 100 rows of 33 patients" in told
    assert "tested on 240 rows of 80 patients" in told
    assert estimate(evidence.scores["metrics"][evidence.metric]) in told


def test_summary_says_when_the_metric_is_undefined(make: Make) -> None:
    evidence = make()
    evidence.scores["metrics"]["f1"] = {"value": None, "ci95": [None, None]}
    assert "F1 is not defined" in " ".join(summary(evidence))


def test_good_evidence_needs_no_caution(make: Make) -> None:
    assert cautions(make()) == []


def test_each_weakness_is_told(make: Make) -> None:
    classes = {"no sepsis": 31, "sepsis": 9}
    facts = Facts(
        sample=True,
        rejected=[("train", Problem(3, "text", "empty")), ("train", Problem(3, "label", "empty"))],
        counts={"duplicate rows dropped": 4, "rows whose text carries several labels": 0},
        leaks=[
            Leak("same group", "train", "test", 12, 1, 0.05),
            Leak("same text", "train", "validation", 1, None, 0.5),
        ],
    )
    told = cautions(
        make(
            plain=3.0,
            skill=-1.0,
            facts=facts,
            splits={
                "train": SplitFacts(70, None, classes),
                "validation": SplitFacts(99, None, classes),
                "test": SplitFacts(40, None, classes),
            },
            census={"test": {"rows longer than the window of 256 tokens": 31, "rows cut after 16 windows": 0}},
            manifest={"weights": HUB},
        )
    )
    wanted = [
        "built-in sample (generated): the numbers say nothing about your patients",
        "the same patient is on both sides of train and test (12 rows of test, 5.0 %, 1 patient)",
        "the same text is on both sides of train and validation (1 row of validation, 50.0 %)",
        "The simple baseline is better than this model; prefer it.",
        "No patient column was given",
        "The validation split has only 99 rows; the choice of model is uncertain.",
        "The test split has only 40 rows; intervals are wide.",
        "1 class has fewer than 10 test rows (sepsis)",
        "1 row was set aside",
        "In test: 31 rows longer than the window of 256 tokens.",
        "In the training data: 4 duplicate rows dropped.",
        "not pinned to a commit",
    ]
    assert len(told) == len(wanted)
    assert all(part in sentence for part, sentence in zip(wanted, told, strict=True))


def test_a_model_no_better_than_the_majority_is_told(make: Make) -> None:
    evidence = make(metric="brier")
    evidence.scores["metrics"]["brier"]["value"] = evidence.scores["baseline"]["majority"]["brier"]["value"]
    assert any("no better than giving every row the training majority" in each for each in cautions(evidence))


def test_a_model_no_better_than_the_training_mean_is_told(make: Make) -> None:
    evidence = make("regression")
    evidence.scores["metrics"]["mae"]["value"] = evidence.scores["baseline"]["majority"]["mae"]["value"]
    assert any("no better than giving every row the training mean" in each for each in cautions(evidence))
    assert "Giving every row the training mean has" in summary(evidence)[2]


def test_an_error_in_a_unit_has_four_digits_whatever_its_size() -> None:
    sizes = {
        1234.56: "1235 [1100, 1300]",
        12.3456: "12.35 [11.00, 13.00]",
        0.000123456: "0.0001235 [0.0001100, 0.0001300]",
    }
    for value, text in sizes.items():
        power = 10.0 ** np.floor(np.log10(value))
        assert estimate({"value": value, "ci95": [1.1 * power, 1.3 * power]}, "mae") == text
        assert score(value, "mse") == text.partition(" ")[0]
    assert estimate({"value": 0.0, "ci95": [0.0, 0.0]}, "mae") == "0.000 [0.000, 0.000]"
    assert estimate({"value": None, "ci95": [None, None]}, "mae") == "not defined"
    assert estimate({"value": 0.000123456, "ci95": [0.0, 0.001]}, "r2") == "0.000 [0.000, 0.001]"


def test_weights_from_a_folder_prove_nothing(make: Make) -> None:
    manifest = {"weights": {"source": "folder", "path": "model"}}
    assert any("read from a folder" in each for each in cautions(make(manifest=manifest)))


def test_numbers_are_written_one_way() -> None:
    assert [number(each) for each in (0.6124, -0.0001, None, float("nan"), -1.5)] == [
        *("0.612", "0.000", "not defined", "not defined", "\N{MINUS SIGN}1.500"),
    ]
    assert number(0.5, signed=True) == "+0.500" and number(0.0001, signed=True) == "0.000"
    assert estimate({"value": 0.6121, "ci95": [0.58, 0.643]}) == "0.612 [0.580, 0.643]"
    assert estimate({"value": 0.5, "ci95": [None, None]}) == "0.500 [not defined]"
    assert estimate({"value": None, "ci95": [None, None]}) == "not defined"
    assert count(1, "row") == "1 row" and count(2310, "row") == "2,310 rows"


def test_values_are_written_plainly() -> None:
    values = (None, True, 5e-5, 0.1 + 0.2, (), {"a": [1, 2.5]}, "1E50", float("nan"))
    assert [plain(each) for each in values] == [
        *("not set", "yes", "5e-05", "0.3", "none", "a: 1, 2.5", "1E50", "not defined"),
    ]
    assert plain(list(range(30))).endswith("19 and 10 more")


def test_a_task_says_what_its_rows_are_about_and_its_groups_are_called(make: Make) -> None:
    wording = Wording(
        group="series", groups="series", subjects="your compounds", ungrouped="nothing keeps series apart"
    )
    facts = Facts(sample=True, wording=wording, leaks=[Leak("same group", "train", "test", 12, 3, 0.05)])
    splits = {name: SplitFacts(500, None, {}) for name in ("train", "validation", "test")}
    told = " ".join(cautions(make(facts=facts, splits=splits)))
    assert "say nothing about your compounds" in told and "the same series is on both sides" in told
    assert "No series column was given (data.group): nothing keeps series apart." in told
    assert "patient" not in told


def test_an_ensemble_is_told_to_be_one(make: Make) -> None:
    assert "It is an ensemble: 4 models" in summary(make(notes={"members": 4, "baseline": {}}))[1]
    assert "ensemble" not in summary(make())[1]


def test_letters_of_options_are_not_called_classes_and_those_never_seen_are_not_few(make: Make) -> None:
    seen = {"A": 30, "B": 30, "C": 3, **dict.fromkeys("DEFGH", 0)}
    split = SplitFacts(63, None, classes=seen)
    splits = dict.fromkeys(("train", "validation", "test"), split)
    evidence = make("multiclass", target=Target("choice", tuple("ABCDEFGH")), splits=splits)
    told = list(cautions(evidence))
    assert by_class(evidence).header[0] == "letter"
    assert [line for line in told if "fewer than" in line] == [
        "1 letter has fewer than 10 test rows (C); their intervals are wide."
    ]
