"""Labels that are numbers: how they are read, standardised, split and drawn."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from medplug.core.data.bins import binned, even_rows, numeric
from medplug.core.data.cells import number_column
from medplug.core.data.problems import Problems
from medplug.core.data.splits import limit_rows, split_rows
from medplug.core.data.targets import Target
from medplug.core.errors import DataError

SHARES = (0.6, 0.2, 0.2)


def skewed(rows=200, seed=0):
    return np.random.default_rng(seed).lognormal(size=rows).tolist()


def read(column):
    problems = Problems("table")
    found = number_column(column, problems)
    return found, [(each.row, each.reason) for each in problems.found]


# ---- cells


@pytest.mark.parametrize(
    "column",
    [
        pl.Series("n", [1.0, -2.5, 1e-7]),
        pl.Series("n", ["1", " -2.5 ", "1E-7"]),
        pl.Series("n", ["+1.", "-2.50", ".0000001"]),
        pl.Series("n", ["1", "-2.5", "0.0000001"]).cast(pl.Decimal(12, 7)),
    ],
)
def test_numbers_are_read_from_texts_and_numbers_alike(column):
    assert read(column) == ([1.0, -2.5, 1e-7], [])
    assert all(type(value) is float for value in read(column)[0])
    assert read(pl.Series("n", [3, 0, -7])) == ([3.0, 0.0, -7.0], [])


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (None, "the label is empty"),
        ("  ", "the label is empty"),
        *(
            (text, "the cell is not a number")
            for text in ("high", "<5", "1 2", "1_000", "0x1A", "١", "1e", ".", "true")
        ),
        *((text, "the number has a comma; write decimals with a point") for text in ("3,5", "1,234.5", "-1.234,5")),
        *((text, "the number is not finite") for text in ("NaN", "-inf", "Infinity", "1e999")),
    ],
)
def test_a_cell_that_holds_no_number_is_a_problem_told_without_it(cell, reason):
    found, problems = read(pl.Series("n", ["1", cell, "2"], dtype=pl.String))
    assert [found[0], found[2]] == [1.0, 2.0] and not math.isfinite(found[1])
    ((row, told),) = problems
    assert row == 2 and told.startswith(reason)
    assert not cell or not cell.strip() or cell not in told


@pytest.mark.parametrize(("value", "reason"), [(None, "empty"), (math.nan, "not finite"), (math.inf, "not finite")])
def test_a_column_of_numbers_may_hold_none(value, reason):
    _, ((row, told),) = read(pl.Series("n", [1.0, value], dtype=pl.Float64))
    assert row == 2 and reason in told


# ---- target


def test_a_number_is_standardised_by_the_training_labels_and_back():
    labels = skewed()
    target = Target.numeric("los", labels)
    assert (target.kind, target.classes, target.outputs) == ("regression", ("los",), 1)
    assert (target.centre, target.scale) == (pytest.approx(np.mean(labels)), pytest.approx(np.std(labels)))
    encoded = target.encode(labels)
    assert encoded.dtype == np.float64 and encoded.tolist() == labels
    logits = target.standardised(encoded)
    assert logits.mean() == pytest.approx(0, abs=1e-12) and logits.std() == pytest.approx(1)
    predicted = target.probabilities(logits[:, None].astype(np.float32))
    assert predicted.shape == (200, 1) and predicted.dtype == np.float64
    np.testing.assert_allclose(target.decide(predicted), labels, rtol=1e-5)
    decoded = target.decode(target.decide(predicted))
    assert all(type(value) is float for value in decoded)
    assert target.unknown([*labels, 1e9]) == []


def test_labels_that_do_not_vary_cannot_be_learned_from():
    for labels in ([], [2.0, 2.0]):
        with pytest.raises(DataError, match=r"value\(s\) of los; a model needs two"):
            Target.numeric("los", labels)


def test_numbers_whose_deviation_is_none_are_refused() -> None:
    with pytest.raises(DataError, match="the training values of los are too large to be squared"):
        Target.numeric("los", [1e300, -1e308, 3.0])


# ---- splits


def test_numbers_alone_are_binned():
    assert numeric([1.0, 2.0]) and not numeric(["1", "2"]) and not numeric([]) and not numeric([("a",)])
    names = ["a", "b"]
    assert binned(names) is names


def test_bins_hold_as_many_rows_each_and_keep_the_order():
    labels = skewed()
    bins = np.array(binned(labels))
    assert np.bincount(bins).tolist() == [20] * 10
    order = np.argsort(labels)
    assert (np.diff(bins[order]) >= 0).all()


def test_few_rows_make_few_bins_and_equal_numbers_one():
    assert set(binned(skewed(25))) == {0, 1} and set(binned(skewed(9))) == {0}
    mostly_zero = [0.0] * 70 + skewed(30)
    bins = np.array(binned(mostly_zero))
    assert len(set(bins[:70])) == 1 and len(set(bins[70:])) >= 2


@pytest.mark.parametrize("grouped", [False, True])
def test_every_split_has_its_share_of_high_and_low_numbers(grouped):
    labels = skewed(400)
    groups = [str(i // 2) for i in range(400)] if grouped else None
    splits = split_rows(labels, groups=groups, fractions=SHARES, seed=0)
    values, all_of_them = np.array(labels), np.quantile(labels, [0.1, 0.5, 0.9])
    for name, share in zip(("train", "validation", "test"), SHARES, strict=True):
        here = values[splits == name]
        assert len(here) == pytest.approx(400 * share, rel=0.1)
        below = (here[:, None] < all_of_them).mean(axis=0)
        np.testing.assert_allclose(below, [0.1, 0.5, 0.9], atol=0.08 if grouped else 0.03)


def test_small_tables_of_numbers_fill_every_split():
    for rows in range(3, 30):
        splits = split_rows(skewed(rows), groups=None, fractions=SHARES, seed=rows)
        assert set(splits) == {"train", "validation", "test"}, rows


def test_a_limit_counts_all_rows_and_takes_of_every_bin():
    labels = skewed()
    taken = limit_rows(labels, 30, seed=1)
    assert len(taken) == 30 and (np.diff(taken) > 0).all()
    assert np.bincount(np.array(binned(labels))[taken]).tolist() == [3] * 10
    assert limit_rows(labels, 1000, seed=1).tolist() == list(range(200))
    assert taken.tolist() == even_rows(labels, 200, 30, seed=1).tolist() != limit_rows(labels, 30, seed=2).tolist()
