"""Which class answers for which kind of target."""

from __future__ import annotations

from typing import get_args

import pytest

from medplug.core.data.targets import Target
from medplug.core.kinds.kind import Kind
from medplug.core.kinds.masks import Masks
from medplug.core.kinds.rows import Rows
from medplug.core.kinds.table import kind_of
from medplug.core.specs import TargetKind


@pytest.mark.parametrize("kind", get_args(TargetKind))
def test_every_kind_of_target_has_one_that_answers_for_it(kind: TargetKind) -> None:
    assert isinstance(kind_of(Target(kind, ("a", "b"))), Kind)


def test_masks_are_no_rows() -> None:
    assert type(kind_of(Target("mask", ("a",)))) is Masks
    assert type(kind_of(Target("survival", ("death",)))) is Rows


def test_labels_of_their_own_stay_as_they_are() -> None:
    spans = [(("aspirin", 3),), ()]
    assert Target("span", ("answer",)).encode(spans).tolist() == spans
    assert Target("text", ("answer",)).encode(["a", "b"]).tolist() == ["a", "b"]


def test_numbers_of_passages_are_equal_where_their_ids_are() -> None:
    numbers = Target("ranking", ("passage",)).encode(["p1", "p2", "p1"]).tolist()
    assert numbers[0] == numbers[2] != numbers[1]


def test_which_kinds_have_logits_a_row() -> None:
    kinds = {kind: Target(kind, ("a", "b")) for kind in get_args(TargetKind)}
    assert {kind for kind, target in kinds.items() if not target.by_row} == {"mask", "span", "ranking", "text"}
