"""What a run folder keeps of the rows that its model knows, so that later rows can be told from them; never content.

``seen.safetensors`` holds, of the rows that were learned from and chosen by,
digests of their inputs and groups and sketches of their texts and images, keyed
by a number of its own drawn at random, so that no two folders can be matched.
Whoever has the folder and a row can find out whether the row is in it, which is what
it is for.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data import near_image, near_text
from medplug.core.data.leakage import content_digest
from medplug.core.data.linking import few, likeness, shared
from medplug.core.data.near import texts_of
from medplug.core.data.sketched import Sketches
from medplug.core.errors import RunError
from medplug.core.images.store import StoredImage
from medplug.core.specs import Modality
from medplug.core.task import Examples

FILE = "seen.safetensors"
_BYTES = 16
_SHOWN = 20
_KNOWN = ("train", "unlabelled", "validation")
_ROWS, _GROUPS, _TEXT, _IMAGE = "rows", "groups", "text ", "image "
Arrays = dict[str, NDArray[Any]]
_Part = tuple[NDArray[Any], NDArray[np.bool_]]


@dataclass(frozen=True, slots=True)
class Seen:
    """Row numbers (first row = 1) of a table that the model knows, ascending.

    `same` have the very inputs of a row that it was learned from or chosen by, `near` nearly so (the same
    ones not among them), `group` belong to a group of such rows (None: no groups were compared). `rows` are all
    that were looked at.
    """

    rows: int
    same: list[int]
    near: list[int]
    group: list[int] | None

    def told(self) -> list[str]:
        """A line for each of them that any row is of, with the first row numbers; none where no row is known."""
        kinds = (
            (self.same, "learned from or chosen by"),
            (self.near, "nearly the same as one that was learned from or chosen by"),
            (self.group or [], "of a group that was learned from or chosen by"),
        )
        return [f"{len(rows)} of {self.rows} row(s) {what}: row {_listed(rows)}" for rows, what in kinds if rows]

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"rows": self.rows, "same": self.same, "near": self.near, "group": self.group}


def _listed(rows: Sequence[int]) -> str:
    return ", ".join(map(str, rows[:_SHOWN])) + (f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else "")


def keep_seen(folder: Path, splits: Mapping[str, Examples], slots: Mapping[str, Modality], sketches: Sketches) -> None:
    """Write ``seen.safetensors`` of these splits into a run folder: 16 bytes a row, and 256 a text, 32 an image.

    `sketches` are those made of the rows before; what is not among them is made now.
    """
    from safetensors.numpy import save_file

    key = secrets.token_bytes(_BYTES)
    known = [examples for name, examples in splits.items() if name in _KNOWN]
    parts = [_described(examples, slots, key, sketches) for examples in known]
    content: Arrays = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        arrays, there = zip(*(part[name] for part in parts if name in part), strict=True)
        rows = np.concatenate(arrays)[np.concatenate(there)]
        content[name] = rows[np.lexsort(rows.T[:8])]  # in no order of the rows
    save_file(content, folder / FILE, metadata={"key": key.hex()})


def find_seen(folder: Path, examples: Examples, slots: Mapping[str, Modality]) -> Seen | None:
    """Which rows the run of a folder knows; None where it kept nothing. Raises `RunError` for a damaged file."""
    file = folder / FILE
    if not file.exists():
        return None
    known, key = _read(file)
    mine = _described(examples, slots, key, Sketches())
    hit = {name: _among(*mine[name], known[name]) for name in mine.keys() & known.keys()}
    same, group = hit.pop(_ROWS), hit.pop(_GROUPS, None)
    near = np.any([np.zeros_like(same), *hit.values()], axis=0) & ~same

    def numbers(flags: NDArray[np.bool_]) -> list[int]:
        return [int(row) for row in examples.rows[flags]]

    return Seen(len(examples), numbers(same), numbers(near), None if group is None else numbers(group))


def _read(file: Path) -> tuple[Arrays, bytes]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="np") as opened:
            key = bytes.fromhex((opened.metadata() or {})["key"])
            return {name: opened.get_tensor(name) for name in opened.keys()}, key  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError, KeyError, ValueError):
        raise RunError(f"{file}: damaged; remove it, and rows are not compared with those of the run") from None


def _described(examples: Examples, slots: Mapping[str, Modality], key: bytes, sketches: Sketches) -> dict[str, _Part]:
    """Digests, sketches and prints of the rows, keyed, each with the rows that have one."""
    found = {_ROWS: _digested([_content(row) for row in zip(*_texted(examples, slots), strict=True)], key)}
    if examples.groups is not None:
        found[_GROUPS] = _digested([group.encode("utf-8", "surrogatepass") for group in examples.groups], key)
    for slot, modality in slots.items():
        values = examples.inputs[slot]
        if modality == "text":
            made, told = sketches.of_texts([_alone(value) for value in values])
            found[f"{_TEXT}{slot}"] = made ^ _stream(key, 2 * near_text.BINS).view(np.uint16), told
        if modality == "image":
            found[f"{_IMAGE}{slot}"] = _images(values, key, sketches)
    return found


def _texted(examples: Examples, slots: Mapping[str, Modality]) -> list[list[Any]]:
    """The values of each slot, texts normalised and questions as their texts: their answers are not asked for again."""
    return [
        ["\0".join(texts_of(value)) or value for value in values] if slots.get(slot) == "text" else values
        for slot, values in examples.inputs.items()
    ]


def _content(row: tuple[Any, ...]) -> bytes:
    """What is equal where two rows' inputs are; nothing where a row has none."""
    parts = [
        b"" if value is None or (isinstance(value, str) and not value.strip()) else content_digest(value)
        for value in row
    ]
    return b"" if not any(parts) else b"".join(part or bytes(_BYTES) for part in parts)


def _alone(value: Any) -> str:
    """The one text of a value, empty where it has none or asks something of another text, which many rows share."""
    texts = texts_of(value)
    return texts[0] if len(texts) == 1 else ""


def _digested(contents: Sequence[bytes], key: bytes) -> _Part:
    digests = [hashlib.blake2b(content, digest_size=_BYTES, key=key).digest() for content in contents]
    told = np.array([bool(content) for content in contents], dtype=np.bool_)
    return np.frombuffer(bytearray().join(digests), dtype=np.uint8).reshape(-1, _BYTES), told


def _images(values: Sequence[Any], key: bytes, sketches: Sketches) -> _Part:
    at = [i for i, value in enumerate(values) if isinstance(value, StoredImage)]
    found, told = np.zeros((len(values), near_image.BYTES), dtype=np.uint8), np.zeros(len(values), dtype=np.bool_)
    found[at], told[at] = sketches.of_images([values[i] for i in at])
    return found ^ _stream(key, near_image.BYTES), told


def _stream(key: bytes, size: int) -> NDArray[np.uint8]:
    """Bytes of the key's own: sketches mixed with them keep what they share, and share nothing with another key's."""
    return np.frombuffer(hashlib.shake_128(key).digest(size), dtype=np.uint8)


def _among(mine: NDArray[Any], told: NDArray[np.bool_], known: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows of `mine` are, as digests the same and as sketches nearly so, among those that are known."""
    found = np.zeros(len(mine), dtype=np.bool_)
    at = np.flatnonzero(told)
    if not len(at) or not len(known):
        return found
    if mine.shape[1] == _BYTES:
        ours, theirs = (np.ascontiguousarray(each).view(f"S{_BYTES}")[:, 0] for each in (mine[at], known))
        found[at] = np.isin(ours, theirs)
    else:
        found[at[_near(mine[at], known)]] = True
    return found


def _near(mine: NDArray[Any], known: NDArray[Any]) -> NDArray[np.int64]:
    """The places of the rows that are nearly the same as a known one."""
    of_text = mine.dtype == np.uint16
    measure, count = (_texts_alike, near_text.BANDS) if of_text else (_images_alike, near_image.BANDS)
    if few(mine, known):
        return np.flatnonzero([measure(row[None], known).any() for row in mine])
    pairs = shared(mine, known, count)
    return np.unique(pairs[likeness(mine, known, pairs, measure), 0])


def _texts_alike(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.bool_]:
    return near_text.agreement(first, second) >= near_text.ALIKE


def _images_alike(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.bool_]:
    return near_image.differing(first, second) <= near_image.ALIKE
