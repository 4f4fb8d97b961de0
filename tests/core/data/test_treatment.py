from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl
import pytest

from medplug.core.data.arms import MOST_ARMS, Treated, control_first
from medplug.core.data.bins import binned, stratified_by
from medplug.core.data.problems import Problems
from medplug.core.data.splits import limit_rows, split_rows
from medplug.core.data.targets import Target
from medplug.core.data.treatment import outcome_of, treatment_column, treatment_target
from medplug.core.errors import ConfigError, DataError

NUMBERS = [Treated("drug", 3.0), Treated("placebo", 1.0), Treated("drug", 5.0), Treated("placebo", 3.0)]
CLASSES = [Treated("b", "dead"), Treated("a", "alive"), Treated("none", "dead"), Treated("a", "dead")]


def test_the_control_comes_first_by_its_usual_names_and_others_keep_their_order() -> None:
    assert control_first(["drug", "surgery", "Placebo"]) == ("Placebo", "drug", "surgery")
    assert control_first(["0", "1", "2"]) == ("0", "1", "2")
    assert control_first(["metformin", "sulfonylurea"]) == ("metformin", "sulfonylurea")


@pytest.mark.parametrize(
    ("arms", "word"),
    [
        (["drug"], "1 treatment"),
        ([str(i) for i in range(MOST_ARMS + 1)], "is data.treatment the right column"),
        (["a", "b" * 101], "longer than 100 characters"),
    ],
)
def test_arms_that_are_no_arms_are_refused(arms: list[str], word: str) -> None:
    with pytest.raises(DataError, match=word):
        control_first(arms)


def test_a_number_is_standardised_over_all_arms_and_encoded_beside_the_arm() -> None:
    target = treatment_target(NUMBERS, "score", higher_is_better=False)
    assert target.classes == ("placebo", "drug") and target.outcomes == ("score",) and not target.binary_outcome
    assert (target.centre, target.scale) == (3.0, pytest.approx(np.sqrt(2.0)))
    np.testing.assert_array_equal(target.encode(NUMBERS), [[1, 3], [0, 1], [1, 5], [0, 3]])
    assert target.outputs == target.columns == 4 and not target.has_classes
    assert target.unknown([Treated("drug", 99.0), Treated("other", 1.0)]) == [1]


def test_a_binary_outcome_has_its_positive_class_second() -> None:
    target = treatment_target(CLASSES, "end", positive="alive", higher_is_better=True)
    assert target.classes == ("none", "a", "b") and target.outcomes == ("dead", "alive") and target.binary_outcome
    np.testing.assert_array_equal(target.encode(CLASSES), [[2, 0], [1, 1], [0, 0], [1, 0]])
    assert target.unknown([Treated("a", "lost"), Treated("b", "dead")]) == [0]
    with pytest.raises(ConfigError, match="task.positive=cured is not among the classes"):
        treatment_target(CLASSES, "end", positive="cured", higher_is_better=True)


@pytest.mark.parametrize(("higher", "best"), [(True, ["a", "none"]), (False, ["none", "b"])])
def test_the_advice_is_the_arm_of_the_best_predicted_outcome(higher: bool, best: list[str]) -> None:
    target = treatment_target(CLASSES, "end", positive="alive", higher_is_better=higher)
    logits = np.array([[-1.0, 2.0, 1.0, 9.0, 0.0, 0.0], [3.0, 2.0, -800.0, 0.0, 0.0, 0.0]])
    predicted = target.probabilities(logits)
    assert target.decode(target.decide(predicted)) == best
    np.testing.assert_allclose(predicted[0, :3], 1 / (1 + np.exp([1.0, -2.0, -1.0])))
    np.testing.assert_allclose(predicted[:, 3:].sum(axis=1), 1.0)
    assert predicted[1, 3:].tolist() == pytest.approx([1 / 3] * 3)


def test_predicted_numbers_are_in_their_own_unit() -> None:
    target = Target("treatment", ("0", "1"), 10.0, 2.0, outcomes=("y",))
    np.testing.assert_allclose(target.probabilities(np.array([[-1.0, 0.5, 0.0, 0.0]])), [[8.0, 11.0, 0.5, 0.5]])


def test_rows_are_read_and_bad_cells_are_told_without_their_content() -> None:
    table = pl.DataFrame({"arm": ["a", None, "b", "a"], "y": ["1.5", "2", "secret", None]})
    problems = Problems("table")
    assert treatment_column(table, "arm", "y", "regression", problems)[0] == Treated("a", 1.5)
    told = [(each.row, each.column, each.reason) for each in problems.in_order()]
    assert told == [
        (2, "arm", "the treatment is empty"),
        (3, "y", "the cell is not a number"),
        (4, "y", "the outcome is empty"),
    ]
    read = treatment_column(pl.DataFrame({"arm": [0, 1], "y": [1.0, 0.0]}), "arm", "y", "binary", Problems("table"))
    assert read == [Treated("0", "1"), Treated("1", "0")]


def test_the_outcome_is_binary_where_it_has_two_values_and_a_number_where_most_are() -> None:
    assert outcome_of(pl.Series("y", [0, 1, 1, None])) == "binary"
    assert outcome_of(pl.Series("y", ["yes", "no"])) == "binary"
    assert outcome_of(pl.Series("y", ["1.5", "2", "3", "?"])) == "regression"
    with pytest.raises(DataError, match="column 'y' has 3 different values, most of which are no numbers"):
        outcome_of(pl.Series("y", ["good", "fair", "bad"]))


def drawn(rows: int) -> list[Treated]:
    rng = np.random.default_rng(0)
    return [Treated("drug" if each < 0.3 else "none", float(rng.normal())) for each in rng.random(rows)]


def test_splits_hold_each_arm_and_its_outcomes_in_their_shares() -> None:
    labels = drawn(1000)
    where = split_rows(labels, groups=None, fractions=(0.6, 0.2, 0.2), seed=1)
    assert stratified_by(labels) == "treatment and outcome"
    for name in ("train", "validation", "test"):
        part = [label for label, split in zip(labels, where, strict=True) if split == name]
        for arm in ("drug", "none"):
            own, every = ([each.outcome for each in rows if each.arm == arm] for rows in (part, labels))
            assert len(own) / len(part) == pytest.approx(len(every) / len(labels), abs=0.02)
            assert np.mean(own) == pytest.approx(np.mean(every), abs=0.12)
    assert len(set(binned(labels))) == 20


def test_a_limit_is_of_each_arm_and_spread_over_its_outcomes() -> None:
    labels = drawn(400)
    kept = [labels[i] for i in limit_rows(labels, 20, seed=0)]
    assert Counter(label.arm for label in kept) == {"drug": 20, "none": 20}
    own = np.sort([label.outcome for label in kept if label.arm == "none"])
    assert own[0] < -0.8 and own[-1] > 0.8
