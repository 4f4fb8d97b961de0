"""How rows become numbers: what is learned, from whom, and what is done with what is missing or unknown."""

from __future__ import annotations

import json

import numpy as np
import pytest

from medplug.core.data.encoding import BOUND, FIRST, MISSING, UNKNOWN, Encoded, Encoding
from medplug.core.data.tabular import TableColumns, TableRow
from medplug.core.errors import DataError

COLUMNS = TableColumns(("a", "b"), ("c",))


def row(a, b=1.0, c="x"):
    return TableRow(COLUMNS, np.array([a, b], dtype=np.float64), (c,))


def sample(rows=40, seed=0):
    generator = np.random.default_rng(seed)
    made = []
    for _ in range(rows):
        a, b = generator.normal(50, 9), generator.lognormal()
        made.append(row(a, np.nan if generator.random() < 0.2 else b, generator.choice(["x", "y", "z"])))
    return made


def dense(encoding, rows):
    return encoding.dense(encoding.encode(rows))


def test_numbers_are_standardised_by_the_values_that_are_there():
    rows = sample()
    encoded = Encoding.learn(rows).encode(rows)
    values = np.stack([each.numbers for each in rows])
    expected = (values - np.nanmean(values, axis=0)) / np.nanstd(values, axis=0)
    np.testing.assert_allclose(encoded.numbers, expected, rtol=1e-5)


def test_the_dense_matrix_is_numbers_then_categories_then_what_is_missing():
    rows = sample()
    encoding = Encoding.learn(rows)
    matrix = dense(encoding, rows)
    values = np.stack([each.numbers for each in rows])
    (known,) = encoding.entries
    assert sorted(known) == ["x", "y", "z"] and matrix.shape == (40, encoding.width) == (40, 6)
    gaps = np.isnan(values[:, 1])
    assert (matrix[gaps, 1] == 0).all() and (matrix[:, 5] == gaps).all() and matrix.dtype == np.float32
    for i, name in enumerate(known):
        assert (matrix[:, 2 + i] == [each.names[0] == name for each in rows]).all()


def test_missing_and_unknown_categories_are_no_category_and_flagged_where_training_had_such():
    rows = [row(1.0, c="x"), row(2.0, c="x"), row(3.0, c="once"), row(4.0, c="x")]
    encoding = Encoding.learn(rows)
    assert encoding.entries == (("x",),)
    codes = encoding.encode([row(1.0, c=None), row(1.0, c="new"), row(1.0, c="x")]).codes
    assert codes.tolist() == [[MISSING], [UNKNOWN], [FIRST]]
    assert dense(encoding, [row(2.5, c=None), row(2.5, c="new"), row(2.5)])[:, 2:].tolist() == [[0, 1], [0, 1], [1, 0]]
    complete = Encoding.learn([row(1.0), row(2.0)])
    assert complete.width == 3 and dense(complete, [row(1.5, c="new")])[0, 2] == 0


def test_a_row_of_none_is_missing_throughout_and_teaches_nothing():
    rows = sample()
    encoding = Encoding.learn([None, *rows, None])
    assert encoding.to_json() == Encoding.learn(rows).to_json()
    encoded = encoding.encode([None])
    assert np.isnan(encoded.numbers).all() and (encoded.codes == MISSING).all()
    assert np.isfinite(dense(encoding, [None])).all()
    with pytest.raises(DataError, match="no training row has a value"):
        Encoding.learn([None])


def test_what_one_patient_alone_has_is_not_kept():
    rows = [row(1.0, 7.5, "rare"), row(2.0, 7.25, "rare"), *(row(a, np.nan, "x") for a in (3.0, 4.0))]
    by_row = Encoding.learn(rows)
    assert by_row.entries == (("rare", "x"),) and by_row.mean[1] == 7.375
    by_patient = Encoding.learn(rows, ["one", "one", "two", "three"])
    assert by_patient.entries == (("x",),)
    assert by_patient.mean[1] == 0 and by_patient.factor[1] == 0
    assert "rare" not in json.dumps(by_patient.to_json()) and "7.375" not in json.dumps(by_patient.to_json())
    assert Encoding.learn(rows, ["", "", "", ""]).to_json() == by_row.to_json()


def test_a_constant_column_is_nought_whatever_comes():
    encoding = Encoding.learn([row(a, 0.1) for a in (1.0, 2.0, 3.0)])
    assert encoding.encode([row(1.0, 0.1), row(1.0, 500.0)]).numbers[:, 1].tolist() == [0, 0]


def test_a_typing_error_is_held_within_the_bound():
    encoding = Encoding.learn(sample())
    assert encoding.encode([row(1e6), row(-1e300)]).numbers[:, 0].tolist() == [BOUND, -BOUND]
    tiny = Encoding.learn([row(a) for a in (1e-20, 2e-20, 3e-20)])
    assert tiny.encode([row(1e300), row(-1e300)]).numbers[:, 0].tolist() == [BOUND, -BOUND]


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e160, 1e300])
def test_no_size_of_numbers_leaves_the_range_of_floats(size):
    rows = [row(size * a) for a in (1.0, 2.0, 4.0)]
    np.testing.assert_allclose(
        Encoding.learn(rows).encode(rows).numbers[:, 0], (np.array([1, 2, 4]) - 7 / 3) / np.std([1, 2, 4]), rtol=1e-5
    )


def test_logarithms_are_odd_and_scaled_like_numbers():
    rows = [row(a) for a in (-3.0, 0.0, 10.0, 1000.0)]
    written = np.sign([-3, 0, 10, 1000]) * np.log([4.0, 1, 11, 1001])
    found = Encoding.learn(rows, log=True).encode(rows).numbers[:, 0]
    np.testing.assert_allclose(found, (written - written.mean()) / written.std(), rtol=1e-5)


def test_json_keeps_every_bit():
    rows = sample()
    for log in (False, True):
        encoding = Encoding.learn(rows, log=log)
        again = Encoding.from_json(json.loads(json.dumps(encoding.to_json())))
        assert np.array_equal(dense(encoding, rows), dense(again, rows))
        assert again.mean.tobytes() == encoding.mean.tobytes() and again.factor.tobytes() == encoding.factor.tobytes()
        assert again.to_json() == encoding.to_json()
    assert Encoding.from_json(Encoding.empty().to_json()).width == 0


def test_a_row_is_encoded_alike_alone_and_among_others():
    rows = [*sample(), None]
    encoding = Encoding.learn(rows)
    together = encoding.encode(rows)
    assert np.array_equal(encoding.dense(Encoded.stacked(together.rows())), encoding.dense(together))
    for i, each in enumerate(rows):
        assert np.array_equal(dense(encoding, [each])[0], encoding.dense(together)[i])


def test_wide_tables_are_learned_as_narrow_ones_are():
    columns = TableColumns(tuple(f"g{i}" for i in range(600)), ())
    values = np.random.default_rng(0).normal(3, 2, size=(9, 600))
    encoding = Encoding.learn([TableRow(columns, each, ()) for each in values])
    np.testing.assert_allclose(encoding.mean, values.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(1 / encoding.factor, values.std(axis=0), rtol=1e-12)


def test_rows_of_other_columns_are_refused():
    other = TableRow(TableColumns(("a", "z"), ("c",)), np.zeros(2), ("x",))
    with pytest.raises(DataError, match="other columns"):
        Encoding.learn(sample()).encode([other])
    with pytest.raises(DataError, match="different columns"):
        Encoding.learn([row(1.0), other])
