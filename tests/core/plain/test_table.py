"""What the baselines read of table rows."""

from __future__ import annotations

import numpy as np
import pytest

from medplug.core.data.encoding import Encoding
from medplug.core.data.tabular import TableColumns, TableRow
from medplug.core.plain import table
from medplug.core.plain.table import PlainTable, TreeTable

COLUMNS = TableColumns(("a",), ("c",))


def row(a, c):
    return TableRow(COLUMNS, np.array([a]), (c,))


ROWS = [row(1.0, "x"), row(2.0, "y"), row(np.nan, "x"), row(4.0, "y"), row(5.0, "x"), None]
OTHERS = [row(1e9, "new"), row(3.0, None), None]


def test_the_linear_baseline_reads_the_encoding_of_the_training_rows():
    plain = PlainTable()
    encoding = Encoding.learn(ROWS)
    assert np.array_equal(plain.fit_transform(ROWS), encoding.dense(encoding.encode(ROWS)))
    assert np.array_equal(plain.transform(OTHERS), encoding.dense(encoding.encode(OTHERS)))
    assert np.isfinite(plain.transform(OTHERS)).all()


def test_trees_read_numbers_as_written_and_codes_with_nan_where_missing():
    trees = TreeTable()
    expected = [[1, 0], [2, 1], [np.nan, 0], [4, 1], [5, 0], [np.nan, np.nan]]
    np.testing.assert_array_equal(trees.fit_transform(ROWS), expected)
    np.testing.assert_array_equal(trees.transform(OTHERS), [[1e9, np.nan], [3, np.nan], [np.nan, np.nan]])
    assert trees.categorical.tolist() == [False, True]


def test_trees_read_no_more_categories_than_they_can_tell_apart(monkeypatch):
    monkeypatch.setattr(table, "MOST_CODES", 1)
    np.testing.assert_array_equal(TreeTable().fit_transform(ROWS)[:, 1], [0, np.nan, 0, np.nan, 0, np.nan])


@pytest.mark.parametrize("features", [PlainTable(), TreeTable()])
def test_nothing_is_read_before_it_was_learned(features):
    with pytest.raises(RuntimeError, match="fit_transform"):
        features.transform(ROWS)
