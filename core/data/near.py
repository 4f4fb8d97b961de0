"""Rows that are nearly the same by what their texts and images show, besides what a task itself can tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data import near_image, near_text
from medplug.core.data.leakage import normalised
from medplug.core.data.sketched import Sketches
from medplug.core.data.twins import Alike
from medplug.core.images.store import StoredImage
from medplug.core.specs import Modality
from medplug.core.task import Examples

Clusters = Callable[[Sequence[Any]], tuple[list[int], NDArray[np.bool_]]]
_READ: tuple[Modality, ...] = ("text", "image")


@dataclass(frozen=True, slots=True)
class Near:
    """Which rows are nearly the same in all of their texts and images, and slot by slot where there are several.

    The keys of a slot are empty where a value is too short or too plain to be told apart.
    """

    rows: Alike
    slots: Mapping[str, Mapping[str, list[str]]]


def nearly_the_same(splits: Mapping[str, Examples], slots: Mapping[str, Modality], sketches: Sketches) -> Near | None:
    """What texts and images say of the rows of all splits, by their `sketches`; None where a row has neither."""
    ends = np.cumsum([0, *map(len, splits.values())])
    whole: list[list[str]] = []
    sure: dict[str, list[str]] = {}
    means: list[str] = []
    for slot, modality in slots.items():
        if modality not in _READ:
            continue
        values = [value for each in splits.values() for value in each.inputs[slot]]
        keys, told = (_texts if modality == "text" else _images)(values, sketches)
        whole.append(keys)
        sure[slot] = [key if known else "" for key, known in zip(keys, told, strict=True)]
        means.append((near_text if modality == "text" else near_image).meaning())
    if not whole:
        return None
    joined = ["" if not any(row) else "|".join(row) for row in zip(*whole, strict=True)]

    def by_split(keys: list[str]) -> dict[str, list[str]]:
        return {name: keys[ends[i] : ends[i + 1]] for i, name in enumerate(splits)}

    each = {slot: by_split(keys) for slot, keys in sure.items()} if len(slots) > 1 else {}
    return Near(Alike(by_split(joined), "; ".join(dict.fromkeys(means))), each)


def _images(values: Sequence[Any], sketches: Sketches) -> tuple[list[str], list[bool]]:
    found = [value if isinstance(value, StoredImage) else None for value in values]
    return _keyed(found, lambda image: image.digest, lambda own: near_image.clusters(own, sketches.of_images(own)))


def _texts(values: Sequence[Any], sketches: Sketches) -> tuple[list[str], list[bool]]:
    """Keys of texts; of a question and what it is asked of both, so that one context has many questions."""

    def clusters(texts: Sequence[str]) -> tuple[list[int], NDArray[np.bool_]]:
        return near_text.clusters(texts, sketches.of_texts(texts))

    parts = [texts_of(value) for value in values]
    keys, told = ["" for _ in values], [False for _ in values]
    for place in range(max((len(each) for each in parts), default=0)):
        column = [each[place] if place < len(each) else None for each in parts]
        some, known = _keyed([text or None for text in column], lambda text: text, clusters)
        keys = [f"{a} {b}".strip() for a, b in zip(keys, some, strict=True)]
        told = [a or b for a, b in zip(told, known, strict=True)]
    return keys, told


def texts_of(value: Any) -> list[str]:
    """The texts of a raw value, normalised: of a question with its options, and then of what it is asked of."""
    if isinstance(value, str):
        return [normalised(value)]
    question, context = getattr(value, "question", None), getattr(value, "context", None)
    if not isinstance(question, str):
        return []
    asked = " ".join((question, *getattr(value, "options", ())))
    return [normalised(asked), *([normalised(context)] if isinstance(context, str) else [])]


def _keyed(
    values: Sequence[Any | None], content: Callable[[Any], Any], clusters: Clusters
) -> tuple[list[str], list[bool]]:
    """A key a value, empty where there is none, and whether it was compared; each content is looked at once."""
    first: dict[Any, int] = {}
    distinct: list[Any] = []
    for value in values:
        if value is not None and content(value) not in first:
            first[content(value)] = len(distinct)
            distinct.append(value)
    numbers, told = clusters(distinct) if distinct else ([], np.zeros(0, dtype=np.bool_))
    places = [-1 if value is None else first[content(value)] for value in values]
    keys = ["" if place < 0 else str(numbers[place]) for place in places]
    return keys, [place >= 0 and bool(told[place]) for place in places]
