from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from medplug.core.data.content import JointRow
from medplug.core.plain.joint import PlainJoint
from medplug.core.plain.text import PlainText


class Numbers:
    """The numbers themselves; they are refused where there are none, as many features do."""

    def fit_transform(self, rows: Sequence[Any]) -> Any:
        return self.transform(rows)

    def transform(self, rows: Sequence[Any]) -> Any:
        assert len(rows) and None not in rows
        return np.array(rows, dtype=np.float64)


def rows(**slots: list[Any]) -> list[JointRow]:
    return [JointRow(dict(zip(slots, values, strict=True))) for values in zip(*slots.values(), strict=True)]


def test_slots_stand_side_by_side_standardised_by_the_training_rows() -> None:
    joint = PlainJoint({"a": Numbers(), "b": Numbers()})
    train = joint.fit_transform(rows(a=[[1, 10], [3, 10]], b=[[5], [9]]))
    np.testing.assert_allclose(train, [[-1, 0, -1], [1, 0, 1]])
    np.testing.assert_allclose(joint.transform(rows(a=[[5, 11]], b=[[7]])), [[3, 0, 0]])


def test_what_a_row_lacks_is_the_mean_and_is_told_in_a_column() -> None:
    joint = PlainJoint({"a": Numbers(), "b": Numbers()})
    train = joint.fit_transform(rows(a=[[1], None, [3]], b=[[5], [7], [9]]))
    np.testing.assert_allclose(train[:, :2], [[-1, 1], [0, 0], [1, 1]])
    assert train.shape == (3, 3)
    np.testing.assert_allclose(joint.transform(rows(a=[None], b=[[7]])), [[0, 0, 0]])


def test_a_slot_that_every_training_row_has_tells_of_no_presence_and_may_be_lacking_later() -> None:
    joint = PlainJoint({"a": Numbers()})
    assert joint.fit_transform(rows(a=[[1], [2]])).shape == (2, 1)
    np.testing.assert_array_equal(joint.transform(rows(a=[None, None])), [[0], [0]])


def test_a_slot_that_no_training_row_has_is_left_out_for_good() -> None:
    joint = PlainJoint({"a": Numbers(), "b": Numbers()})
    assert joint.fit_transform(rows(a=[[1], [2]], b=[None, None])).shape == (2, 1)
    assert joint.transform(rows(a=[[1]], b=[[7]])).shape == (1, 1)


def test_a_sparse_neighbour_makes_the_whole_sparse_and_changes_no_number() -> None:
    texts = ["cough and fever", None, "cough", "fever"]
    joint = PlainJoint({"text": PlainText(), "a": Numbers()})
    found = joint.fit_transform(rows(text=texts, a=[[1000], [3000], None, [2000]]))
    assert sparse.issparse(found)
    told = PlainText().fit_transform([text for text in texts if text])
    dense, width = found.toarray(), told.shape[1]
    np.testing.assert_allclose(dense[[0, 2, 3], :width], told.toarray())
    assert not dense[1, :width].any()
    assert dense[:, width].tolist() == [1, 0, 1, 1]
    np.testing.assert_allclose(dense[:, width + 1], np.array([-1, 1, 0, 0]) * 1.5**0.5)


def test_texts_may_be_lacking_in_every_later_row() -> None:
    joint = PlainJoint({"text": PlainText(), "a": Numbers()})
    width = joint.fit_transform(rows(text=["cough", "fever"], a=[[1], [2]])).shape[1]
    found = joint.transform(rows(text=[None], a=[[1]]))
    assert found.shape == (1, width) and found.nnz == 1


@pytest.mark.parametrize("order", [[2, 0, 1], [1, 2, 0]])
def test_the_order_of_the_rows_changes_nothing(order: list[int]) -> None:
    given = rows(a=[[1], None, [3]], b=[[5], [7], None])
    one, other = PlainJoint({"a": Numbers(), "b": Numbers()}), PlainJoint({"a": Numbers(), "b": Numbers()})
    np.testing.assert_allclose(
        other.fit_transform([given[i] for i in order]), np.asarray(one.fit_transform(given))[order]
    )
