"""Prepared rows, and the parts that a drawn batch of them is cut into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from medplug.core.training.rows import Collate, Part, Row, Rows

LABELLED = 30
DRAWN = [47, 3, 29, 11, 40, 0, 22, 35, 17, 8, 31, 5]
"""Some of 48 rows, labelled and unlabelled in no order."""


def domain_rows(backbone: Any, texts: list[str]) -> Rows:
    """Rows whose labels are their positions; every third labelled one is of the target."""
    return Rows(
        backbone.prepare(texts),
        np.arange(LABELLED),
        weights=np.arange(LABELLED) / 7,
        sources=np.arange(LABELLED) % 3 > 0,
        reference={"place": np.stack([np.arange(48), np.arange(48) ** 2], axis=1).astype(np.float32)},
    )


def drawn(rows: Rows, positions: list[int]) -> list[Row]:
    return [rows[i] for i in positions]


def texts_of(part: Part) -> list[str]:
    """What the part's rows say, in its order."""
    spelt = ["".join(chr(i) for i in row if i) for inputs in part.inputs for row in inputs["ids"].tolist()]
    return [spelt[place] for place in part.places.tolist()]


def in_order(positions: list[int]) -> list[int]:
    """Source rows, labelled target rows, unlabelled rows; each in the order they were drawn."""
    source = [i for i in positions if i < LABELLED and i % 3]
    labelled = [i for i in positions if i < LABELLED and not i % 3]
    return [*source, *labelled, *[i for i in positions if i >= LABELLED]]


# ---- rows


def test_a_row_has_its_label_weight_domain_and_reference(letters: Callable[..., Any], texts: list[str]) -> None:
    rows = domain_rows(letters(), texts)
    assert len(rows) == 48
    for i in range(48):
        row = rows[i]
        assert row.label == (i if i < LABELLED else None)
        assert row.weight == pytest.approx(i / 7 if i < LABELLED else 1.0)
        assert row.source == (i < LABELLED and i % 3 > 0)
        assert row.reference["place"].tolist() == [i, i**2] and len(row.item) == len(texts[i])


def test_without_weights_and_domains_rows_count_one_and_are_of_no_source(
    letters: Callable[..., Any], texts: list[str]
) -> None:
    rows = Rows(letters().prepare(texts), np.arange(48))
    assert {row.weight for row in drawn(rows, DRAWN)} == {1.0}
    assert not any(row.source or row.reference for row in drawn(rows, DRAWN))
    (part,) = Collate(letters(), 50, together=True)(drawn(rows, DRAWN))
    assert part.labels.tolist() == DRAWN and part.sources == 0 and part.reference == {} and part.weights is None


# ---- parts


def test_micro_batches_hold_each_row_once_with_its_label(letters: Callable[..., Any], texts: list[str]) -> None:
    rows = Rows(letters().prepare(texts), np.arange(48))
    parts = Collate(letters(), 50)(drawn(rows, list(range(48))))
    assert len(parts) > 3
    assert sorted(torch.cat([part.labels for part in parts]).tolist()) == list(range(48))
    assert sum(part.share for part in parts) == pytest.approx(1.0)
    for part in parts:
        (inputs,) = part.inputs
        assert inputs["ids"].numel() <= 50 and part.share == pytest.approx(len(part.labels) / 48)
        assert texts_of(part) == [texts[i] for i in part.labels.tolist()]
        assert part.places.tolist() == list(range(len(part.labels)))


@pytest.mark.parametrize("tokens", [1, 20, 50, 100_000])
def test_together_all_rows_are_one_part_of_source_then_labelled_target_then_unlabelled(
    tokens: int, letters: Callable[..., Any], texts: list[str]
) -> None:
    rows = domain_rows(letters(), texts)
    (part,) = Collate(letters(), tokens, together=True, weighted=True)(drawn(rows, DRAWN))
    order = in_order(DRAWN)
    assert order[: part.sources] == [29, 11, 22, 17, 8, 5]
    assert part.share == 1.0
    assert part.labels.tolist() == [i for i in order if i < LABELLED]
    assert part.weights is not None
    torch.testing.assert_close(part.weights, part.labels / 7)
    assert part.reference["place"].tolist() == [[i, i**2] for i in order]
    assert texts_of(part) == [texts[i] for i in order]
    assert all(inputs["ids"].numel() <= max(tokens, 30) for inputs in part.inputs)
    assert (len(part.inputs) == 1) is (tokens == 100_000) and (len(part.inputs) == len(DRAWN)) is (tokens == 1)


@pytest.mark.parametrize("seed", range(5))
def test_places_restore_the_order_whatever_the_lengths(seed: int, letters: Callable[..., Any]) -> None:
    draw = np.random.default_rng(seed)
    sizes = draw.integers(1, [3, 12, 40, 2, 90][seed], 48)
    texts = ["".join(map(chr, draw.integers(97, 123, size))) for size in sizes]
    positions = draw.choice(48, 24, replace=False).tolist()
    rows = domain_rows(letters(), texts)
    (part,) = Collate(letters(), 60, together=True)(drawn(rows, positions))
    assert texts_of(part) == [texts[i] for i in in_order(positions)]
    assert sorted(part.places.tolist()) == list(range(24))


def test_weights_follow_their_rows_into_the_parts(letters: Callable[..., Any], texts: list[str]) -> None:
    rows = Rows(letters().prepare(texts), np.arange(48), weights=np.arange(48) / 7)
    parts = Collate(letters(), 50, weighted=True)(drawn(rows, DRAWN))
    assert len(parts) > 1
    for part in parts:
        assert part.weights is not None
        torch.testing.assert_close(part.weights, part.labels / 7)
    assert all(part.weights is None for part in Collate(letters(), 50)(drawn(rows, DRAWN)))


def test_labels_of_several_classes_stay_rows_of_zeros_and_ones(letters: Callable[..., Any], texts: list[str]) -> None:
    labels = np.random.default_rng(0).integers(0, 2, (LABELLED, 3))
    (part,) = Collate(letters(), 50, together=True)(drawn(Rows(letters().prepare(texts), labels), DRAWN))
    assert part.labels.tolist() == labels[[i for i in DRAWN if i < LABELLED]].tolist()


def test_a_part_moves_whole(letters: Callable[..., Any], texts: list[str]) -> None:
    rows = domain_rows(letters(), texts)
    (part,) = Collate(letters(), 50, together=True, weighted=True)(drawn(rows, DRAWN))
    moved = part.to(torch.device("meta"))
    tensors: list[Tensor | None] = [moved.places, moved.labels, moved.weights, *moved.reference.values()]
    tensors += [tensor for inputs in moved.inputs for tensor in inputs.values()]
    assert all(tensor is not None and tensor.device.type == "meta" for tensor in tensors)
    assert (moved.sources, moved.share, len(moved.inputs)) == (part.sources, part.share, len(part.inputs))
