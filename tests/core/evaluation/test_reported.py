from __future__ import annotations

import pytest

from medplug.core.evaluation.metrics import metric_names
from medplug.core.evaluation.reported import reported


@pytest.mark.parametrize(
    ("kind", "first"), [("binary", "f1"), ("multiclass", "macro_f1"), ("multilabel", "macro_f1"), ("regression", "mae")]
)
def test_every_reported_metric_applies_to_its_kind_of_target(kind, first) -> None:
    names = reported(kind)
    assert names[0] == first
    assert set(names) <= set(metric_names(kind))
    assert len(set(names)) == len(names)


def test_another_first_metric_moves_to_the_front_and_leaves_the_others_in_order() -> None:
    plain, moved = reported("binary"), reported("binary", first="auroc")
    assert moved[0] == "auroc"
    assert [name for name in moved if name != "auroc"] == [name for name in plain if name != "auroc"]


def test_masks_are_judged_by_their_overlap() -> None:
    assert reported("mask") == ("dice", "iou", "hausdorff95")


def test_a_first_metric_that_the_kind_lacks_is_refused() -> None:
    with pytest.raises(ValueError):
        reported("multilabel", first="balanced_accuracy")
