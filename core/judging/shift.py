"""What the rows of the splits are like, and how far apart they are: of training and test, of source and target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.characteristics import Feature, features, sampled
from medplug.core.data.near import texts_of
from medplug.core.data.owners import NAMED_BY, owned_by, owners_of
from medplug.core.data.revealing import words_of
from medplug.core.evaluation.shift import apart, told_apart
from medplug.core.judging.subgroups import subgroups_of
from medplug.core.specs import Modality
from medplug.core.task import Examples

_FEATURES, _CATEGORIES, _WORDS, _SAID = 200, 12, 100, 10


def rows_told(splits: Mapping[str, Examples], slots: Mapping[str, Modality], seed: int) -> dict[str, Any]:
    """The parts `characteristics` and `shift` of metrics.json, from at most 2,000 rows of each split."""
    some = {name: sampled(examples) for name, examples in splits.items()}
    found = {name: features(examples, slots) for name, examples in some.items()}
    told = {"train and test": _compared(some["train"], some["test"], found["train"], found["test"], slots, seed)}
    if (sides := _domains(some)) is not None:
        described = [features(side, slots) for side in sides]
        told["source and target"] = _compared(*sides, described[0], described[1], slots, seed)
    owned = {name: [*each, *_further(some[name])] for name, each in found.items()}
    return {
        "characteristics": _characteristics(owned, some),
        "shift": {name: each for name, each in told.items() if each is not None},
    }


def _further(examples: Examples) -> list[Feature]:
    """The site and the columns of ``report.by``."""
    return [Feature(name, names=tuple(v or None for v in values)) for name, values in subgroups_of(examples).items()]


def _domains(splits: Mapping[str, Examples]) -> tuple[Examples, Examples] | None:
    """All rows of the source domain and all of the target; None where they are not named or of one domain alone."""
    named = [each for each in splits.values() if each.of_target is not None and len(each)]
    sides: list[Examples] = []
    for target in (False, True):
        parts = [each.take(np.flatnonzero(each.of_target == target)) for each in named]
        whole = [each for each in parts if len(each)]
        if not whole:
            return None
        joined = whole[0]
        for part in whole[1:]:
            joined = joined.followed_by(part)
        sides.append(sampled(joined))
    return sides[0], sides[1]


def _compared(
    first: Examples,
    second: Examples,
    one: Sequence[Feature],
    other: Sequence[Feature],
    slots: Mapping[str, Modality],
    seed: int,
) -> dict[str, Any] | None:
    if not len(first) or not len(second):
        return None
    names = {each.name for each in one} & {each.name for each in other}
    ours, theirs = ([each for each in side if each.name in names] for side in (one, other))
    words, presence = _presence([first, second], slots)
    groups = None if first.groups is None or second.groups is None else owners_of([first, second])
    auroc = told_apart(ours, theirs, groups=groups, seed=seed, more=presence)
    sizes = sorted((apart(a, b) for a, b in zip(ours, theirs, strict=True)), key=lambda each: -each.size)
    shares = [presence[: len(first)].mean(axis=0), presence[len(first) :].mean(axis=0)]
    said = sorted(
        zip(words, *(each.tolist() for each in shares), strict=True), key=lambda each: -abs(each[1] - each[2])
    )
    return {
        "rows": [len(first), len(second)],
        "auroc": None if auroc is None else auroc.as_json(),
        "features": [each.as_json() for each in sizes[:_FEATURES]],
        **({"words": [{"word": word, "shares": [a, b]} for word, a, b in said[:_SAID]]} if words else {}),
    }


def _presence(sides: Sequence[Examples], slots: Mapping[str, Modality]) -> tuple[list[str], NDArray[np.float64]]:
    """The commonest words of the texts of both sides, but for those of nearly all rows, and which rows have them."""
    texts = [slot for slot, modality in slots.items() if modality == "text"]
    rows = [
        frozenset().union(*(words_of(text) for slot in texts for text in texts_of(side.inputs[slot][i])))
        for side in (sides if texts else ())
        for i in range(len(side))
    ]
    counts = Counter(word for row in rows for word in row)
    owners = owned_by(owners_of(sides), rows) if rows else counts
    words = [
        word
        for word, count in counts.most_common(2 * _WORDS)
        if owners[word] >= NAMED_BY and count <= 0.95 * len(rows) and word.isalpha()
    ][:_WORDS]
    matrix = np.array([[word in row for word in words] for row in rows], dtype=np.float64)
    return words, matrix.reshape(sum(map(len, sides)), -1) if rows else np.zeros((sum(map(len, sides)), 0))


def _characteristics(found: Mapping[str, Sequence[Feature]], rows: Mapping[str, Examples]) -> dict[str, Any]:
    names = list(dict.fromkeys(each.name for side in found.values() for each in side))[:_FEATURES]
    by_name = {split: {each.name: each for each in side} for split, side in found.items()}
    told = []
    for name in names:
        each = {split: side[name] for split, side in by_name.items() if name in side}
        shown = _named(each, rows)
        told.append({"name": name, "splits": {split: _told(feature, shown) for split, feature in each.items()}})
    return {"rows": {split: len(side) for split, side in rows.items()}, "features": told}


def _named(found: Mapping[str, Feature], rows: Mapping[str, Examples]) -> list[str]:
    """The commonest categories of a feature by split, of those that enough groups have."""
    names = [name for feature in found.values() for name in feature.names]
    if not names:
        return []
    owners = owners_of([rows[split] for split, feature in found.items() if feature.numbers is None])
    had = owned_by(owners, [() if name is None else (name,) for name in names])
    common = Counter(name for name in names if name is not None).most_common(_CATEGORIES)
    return [name for name, _ in common if had[name] >= NAMED_BY]


def _told(feature: Feature, shown: Sequence[str]) -> dict[str, Any]:
    missing = feature.missing
    told: dict[str, Any] = {"missing": int(missing.sum()), "rows": len(missing)}
    if feature.numbers is None:
        counts = Counter(name for name in feature.names if name is not None)
        named = {name: counts[name] for name in shown}
        return {**told, "names": named, "other": sum(counts.values()) - sum(named.values())}
    known = feature.numbers[~missing]
    if not len(known):
        return {**told, "mean": None, "deviation": None, "median": None}
    return {
        **told,
        "mean": float(known.mean()),
        "deviation": float(known.std()),
        "median": float(np.median(known)),
    }
