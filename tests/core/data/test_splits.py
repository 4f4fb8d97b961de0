from __future__ import annotations

import random
import time
from collections import Counter
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from medplug.core.data.split_column import named_splits
from medplug.core.data.splits import limit_rows, split_rows
from medplug.core.errors import ConfigError, DataError

TENTHS = (0.8, 0.1, 0.1)


def drawn(seed: int, rows: int, classes: int) -> list[str]:
    """Labels with a long tail."""
    rng = random.Random(seed)
    return [f"c{int(rng.paretovariate(0.6)) % classes}" for _ in range(rows)]


def combined(seed: int, rows: int) -> list[tuple[str, ...]]:
    rng = random.Random(seed)
    return [tuple(name for name in "abcdef" if rng.random() < 0.3) for _ in range(rows)]


def test_split_names_are_known_in_any_case():
    values = ["Train", "training", "VALIDATION", "valid", "dev ", "val", "test", "Testing"]
    assert named_splits(values, key="data.split_column").tolist() == ["train"] * 2 + ["validation"] * 4 + ["test"] * 2


def test_a_row_can_be_left_out_of_every_split() -> None:
    assert named_splits(["drop", "Excluded", "train"], key="k").tolist() == ["left out", "left out", "train"]


def test_unknown_split_names_are_listed_with_their_rows():
    with pytest.raises(DataError) as caught:
        named_splits(["train", "holdout", "holdout", None, "x" * 100], key="data.split_column")
    message = str(caught.value)
    assert message.startswith("data.split_column: 4 row(s)") and "'holdout'" in message and "an empty cell" in message
    assert "x" * 41 not in message and "dev" in message


def test_many_unknown_split_names_are_counted_and_not_told_for_they_may_be_patients():
    with pytest.raises(DataError, match="holds 50 other values; is it the right one"):
        named_splits([str(i) for i in range(50)], key="k")


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fractions", [TENTHS, (0.7, 0.3, 0), (0.6, 0, 0.4), (0, 0.5, 0.5), (1, 0, 0), (0, 0, 1)])
def test_splits_have_the_asked_sizes_and_every_class_its_share(seed, fractions):
    labels = [f"c{i % 7}" for i in range(2100)]
    splits = split_rows(labels, groups=None, fractions=fractions, seed=seed)
    for name, fraction in zip(("train", "validation", "test"), fractions, strict=True):
        assert abs((splits == name).sum() - 2100 * fraction) <= 1
        for label in set(labels):
            held = sum(1 for own, split in zip(labels, splits, strict=True) if own == label and split == name)
            assert abs(held - 300 * fraction) <= 3


@pytest.mark.parametrize("seed", range(20))
def test_every_class_is_in_train_and_a_class_of_one_row_too(seed):
    labels = drawn(seed, 60 + seed, 40)
    splits = split_rows(labels, groups=None, fractions=(0.5, 0.25, 0.25), seed=seed)
    assert set(labels) == {label for label, split in zip(labels, splits, strict=True) if split == "train"}
    assert set(splits) == {"train", "validation", "test"}


@pytest.mark.parametrize("seed", range(10))
def test_every_label_of_many_is_in_train_and_combinations_are_spread(seed):
    labels = combined(seed, 600) + [("rare", "a")]
    splits = split_rows(labels, groups=None, fractions=TENTHS, seed=seed)
    taught = {name for label, split in zip(labels, splits, strict=True) if split == "train" for name in label}
    assert "rare" in taught and taught == {name for label in labels for name in label}
    share = Counter(split for label, split in zip(labels, splits, strict=True) if label == ())
    assert abs(share["test"] / share.total() - 0.1) < 0.05


def test_the_order_of_labels_within_a_row_changes_nothing():
    labels = combined(1, 300)
    turned = [label[::-1] for label in labels]
    one, two = (split_rows(each, groups=None, fractions=TENTHS, seed=3) for each in (labels, turned))
    assert (one == two).all()


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("fractions", [TENTHS, (0.9, 0.1, 0), (0.34, 0.33, 0.33), (0, 0.5, 0.5)])
def test_groups_stay_whole_and_no_asked_split_is_empty(seed, fractions):
    rng = random.Random(seed)
    count = rng.choice([3, 4, 5, 8, 40, 400])
    labels = drawn(seed, 500, 6)
    groups = [f"p{min(int(rng.paretovariate(0.5)), count) if seed % 2 else rng.randrange(count)}" for _ in range(497)]
    groups += ["p1", "p2", "p3"]
    splits = split_rows(labels, groups=groups, fractions=fractions, seed=seed)
    homes = {(group, split) for group, split in zip(groups, splits, strict=True)}
    assert len(homes) == len(set(groups))
    asked = zip(("train", "validation", "test"), fractions, strict=True)
    assert set(splits) == {name for name, part in asked if part}


@pytest.mark.parametrize("seed", range(5))
def test_grouped_splits_are_near_the_asked_sizes_and_stratified(seed):
    rng = random.Random(seed)
    sick = [rng.random() < 0.2 for _ in range(300)]
    groups = [f"p{i}" for i in range(300) for _ in range(rng.randrange(1, 9))]
    labels = ["sick" if sick[int(group[1:])] else "well" for group in groups]
    splits = split_rows(labels, groups=groups, fractions=TENTHS, seed=seed)
    overall = labels.count("sick") / len(labels)
    for name, fraction in zip(("train", "validation", "test"), TENTHS, strict=True):
        own = [label for label, split in zip(labels, splits, strict=True) if split == name]
        assert abs(len(own) / len(labels) - fraction) < 0.05
        assert abs(own.count("sick") / len(own) - overall) < 0.08


@pytest.mark.parametrize("seed", range(10))
def test_a_label_of_one_group_is_taught(seed):
    groups = [f"p{i % 40}" for i in range(400)]
    labels = ["rare" if group == "p7" else f"c{i % 3}" for i, group in enumerate(groups)]
    splits = split_rows(labels, groups=groups, fractions=(0.4, 0.3, 0.3), seed=seed)
    assert {split for label, split in zip(labels, splits, strict=True) if label == "rare"} == {"train"}


def test_no_asked_split_is_emptied_to_teach_a_label():
    splits = split_rows(["a", "b", "c"] * 4, groups=["p", "q", "r"] * 4, fractions=(0.34, 0.33, 0.33), seed=0)
    assert Counter(splits.tolist()) == {"train": 4, "validation": 4, "test": 4}


def test_rare_classes_do_not_shrink_the_held_out_splits():
    labels = [f"c{max(0, i - 60)}" for i in range(100)]
    splits = split_rows(labels, groups=None, fractions=(0.6, 0.2, 0.2), seed=0)
    assert Counter(splits.tolist()) == {"train": 60, "validation": 20, "test": 20}


def test_rare_combinations_do_not_shrink_the_held_out_splits():
    labels = [tuple(name for bit, name in enumerate("abcdefghij") if i >> bit & 1) for i in range(1000)]
    splits = split_rows(labels, groups=None, fractions=TENTHS, seed=0)
    assert Counter(splits.tolist()) == {"train": 800, "validation": 100, "test": 100}


@pytest.mark.parametrize("seed", range(5))
def test_no_more_rows_than_needed_are_moved_to_teach_a_label(seed):
    labels: list[tuple[str, ...]] = [("r", name) for name in "abcde"]
    labels += [pick for size in (2, 3, 4) for pick in combinations("abcde", size)]
    labels += [(name,) for name in "abcde"] * 40
    splits = split_rows(labels, groups=None, fractions=(0.05, 0.475, 0.475), seed=seed)
    assert 1 <= (splits[:5] == "train").sum() < 5


@pytest.mark.parametrize("seed", range(5))
def test_a_giant_group_is_trained_on(seed):
    groups = ["giant"] * 200 + [f"p{i}" for i in range(200)]
    splits = split_rows(["a", "b"] * 200, groups=groups, fractions=TENTHS, seed=seed)
    assert set(splits[:200]) == {"train"}


def test_too_few_groups_are_told_by_number():
    with pytest.raises(DataError, match=r"only 2 group\(s\), too few for 3 splits"):
        split_rows(["a"] * 10, groups=["p", "q"] * 5, fractions=TENTHS, seed=0)
    split_rows(["a"] * 10, groups=["p", "q"] * 5, fractions=(0.9, 0.1, 0), seed=0)


def test_too_few_rows_are_told_by_number():
    with pytest.raises(DataError, match=r"2 row\(s\) cannot fill 3 splits"):
        split_rows(["a", "b"], groups=None, fractions=TENTHS, seed=0)


@pytest.mark.parametrize("fractions", [(0.8, 0.1, 0.2), (0.5, 0.1, 0.1), (1.1, -0.1, 0)])
def test_fractions_that_are_no_parts_of_a_whole_are_refused(fractions):
    with pytest.raises(ConfigError, match="data.split"):
        split_rows(["a"] * 10, groups=None, fractions=fractions, seed=0)
    split_rows(["a"] * 10, groups=None, fractions=(1 / 3, 1 / 3, 0.333333), seed=0)


@pytest.mark.parametrize("grouped", [False, True])
def test_the_seed_alone_decides(grouped):
    labels: list[Any] = drawn(0, 400, 5)
    groups = [f"p{i % 50}" for i in range(400)] if grouped else None

    def split(seed: int) -> list[str]:
        np.random.seed(len(calls))  # the global state must not matter
        random.seed(len(calls))
        calls.append(seed)
        return split_rows(labels, groups=groups, fractions=TENTHS, seed=seed).tolist()

    calls: list[int] = []
    assert split(1) == split(1) != split(2)


def test_what_the_labels_are_called_changes_nothing():
    labels = drawn(0, 400, 5)
    renamed = [label.replace("c", "other ") for label in labels]
    one, two = (split_rows(each, groups=None, fractions=TENTHS, seed=1) for each in (labels, renamed))
    assert (one == two).all()


def test_unlabelled_rows_are_split_too():
    splits = split_rows([None] * 100, groups=None, fractions=TENTHS, seed=0)
    assert Counter(splits.tolist()) == {"train": 80, "validation": 10, "test": 10}


def test_half_a_million_rows_are_split_in_seconds():
    labels = [f"c{i}" for i in np.random.default_rng(0).integers(0, 100, 500_000)]
    start = time.process_time()
    splits = split_rows(labels, groups=None, fractions=TENTHS, seed=0)
    assert time.process_time() - start < 5
    assert (splits == "test").sum() == 50_000


@pytest.mark.parametrize("seed", range(5))
def test_the_limit_holds_for_each_class_and_takes_all_it_may(seed):
    labels = drawn(seed, 500, 9)
    taken = limit_rows(labels, 7, seed)
    assert (np.diff(taken) > 0).all() and taken.dtype == np.int64
    assert Counter(labels[i] for i in taken) == {label: min(7, n) for label, n in Counter(labels).items()}


@pytest.mark.parametrize("seed", range(5))
def test_the_limit_holds_for_each_label_of_many_and_none_is_left_out(seed):
    labels = [*combined(seed, 300), ("rare", "a", "b", "c")]
    taken = limit_rows(labels, 5, seed)
    counts = Counter(name for i in taken for name in labels[i])
    assert set(counts) == set("abcdef") | {"rare"} and max(counts.values()) <= 5
    assert sum(labels[i] == () for i in taken) == 5
    room = {name for name in "abcdef" if counts[name] < 5}
    assert not any(label and set(label) <= room for i, label in enumerate(labels) if i not in set(taken.tolist()))


def test_the_limit_is_random_by_seed_and_at_least_one():
    labels = ["a"] * 1000
    assert limit_rows(labels, 5, 0).tolist() == limit_rows(labels, 5, 0).tolist() != limit_rows(labels, 5, 1).tolist()
    with pytest.raises(ConfigError, match="data.limit=0"):
        limit_rows(labels, 0, 0)
