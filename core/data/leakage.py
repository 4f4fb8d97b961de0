"""What one split knows of another: shared groups and inputs, the same or nearly, counted and never shown."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.content import Digested
from medplug.core.data.twins import Alike, Flags, Twins

if TYPE_CHECKING:
    from medplug.core.specs import Modality
    from medplug.core.task import Examples

_CHOSEN_BY = ("train", "validation")
_LEARNED = {"train", "unlabelled"}
"""Both are learned from, so that what they share leaks nowhere."""
_CASED: tuple[Modality, ...] = ("molecule", "protein")
"""In texts of these each letter counts as it is: ``c`` and ``C`` are different atoms."""
_BYTES = 16
_BLANK = bytes(_BYTES)
Digests = NDArray[np.bytes_]
NEAR_SLOT = "near-identical "
NEAR = f"{NEAR_SLOT}inputs"
"""Before the name of one slot of several."""


@dataclass(frozen=True, slots=True)
class Leak:
    """Rows of split `second` that split `first` also knows.

    `kind` is ``same group``, or ``same`` and the slot (``same text``), or
    ``same inputs`` where rows have several slots, all of which agree, or
    ``near-identical inputs``, the same ones among them, or ``near-identical``
    and a slot (``near-identical image``), the only one or one of several. `rows`
    counts the rows of `second`, `share` is their share of it (0 to 1), `groups`
    the shared groups (None where the kind is not about groups).
    """

    kind: str
    first: str
    second: str
    rows: int
    groups: int | None
    share: float


def compare(
    splits: Mapping[str, Examples],
    slots: Mapping[str, Modality] | None = None,
    alike: Alike | None = None,
    by_slot: Mapping[str, Mapping[str, list[str]]] | None = None,
) -> tuple[list[Leak], Twins | None]:
    """Every leak between every pair of splits, in the mapping's order, and the test rows' twins; no leak, no entry.

    `slots` tell the inputs' modality (else texts are plain texts), `alike` which rows are nearly the same, and
    `by_slot` the same of single slots, by slot and split one key a row. What nearly the same adds to the same
    is a leak of its own; where it adds nothing there is no second entry.

    Labelled and unlabelled training rows (``train``, ``unlabelled``) are no such pair.

    Texts count as the same when they agree after NFKC, case folding and
    collapsing of white space, those of molecules and proteins when each letter does;
    arrays, bytes and images when their contents do. Rows without a group, or
    without any input, match nothing. Takes 16 bytes a row.
    """
    cased = {slot for slot, modality in (slots or {}).items() if modality in _CASED}
    digests = {name: _digests(examples, cased) for name, examples in splits.items()}
    near = None if alike is None else _arrays(alike.keys)
    single = {slot: _arrays(keys) for slot, keys in (by_slot or {}).items()}
    leaks = []
    for first, second in combinations(splits, 2):
        if {first, second} == _LEARNED:
            continue
        leaks.append(_same_group(first, splits[first].groups, second, splits[second].groups))
        same = _same(digests, second, [first])
        leaks.append(_leak(_kind(splits[second]), first, second, same))
        if near is not None and ((both := same | _near(near, second, [first])) != same).any():
            leaks.append(_leak(_kind(splits[second], NEAR_SLOT), first, second, both))
        for slot, keys in single.items():
            if (hit := _near(keys, second, [first])).any():
                leaks.append(_leak(f"{NEAR_SLOT}{slot}", first, second, hit))
    return [leak for leak in leaks if leak.rows], _twins(digests, near, alike)


def _arrays(keys: Mapping[str, list[str]]) -> dict[str, NDArray[np.str_]]:
    return {name: np.array(each, dtype=np.str_) for name, each in keys.items()}


def _twins(
    digests: Mapping[str, Digests], near: Mapping[str, NDArray[np.str_]] | None, alike: Alike | None
) -> Twins | None:
    """Those of the test rows among what the model is learned from and chosen by; None without such splits."""
    held = [name for name in _CHOSEN_BY if name in digests]
    if "test" not in digests or not held:
        return None
    same = _same(digests, "test", held)
    if near is None or alike is None:
        return Twins(same)
    return Twins(same, same | _near(near, "test", held), alike.means)


def _same(digests: Mapping[str, Digests], split: str, others: Sequence[str]) -> Flags:
    return _known(digests[split]) & np.isin(digests[split], np.concatenate([digests[name] for name in others]))


def _near(keys: Mapping[str, NDArray[np.str_]], split: str, others: Sequence[str]) -> Flags:
    told: Flags = keys[split] != ""
    return told & np.isin(keys[split], np.concatenate([keys[name] for name in others]))


def _kind(examples: Examples, likeness: str = "same ") -> str:
    """What is alike: the only slot, or all of the inputs."""
    return likeness + (next(iter(examples.inputs)) if len(examples.inputs) == 1 else "inputs")


def _same_group(first: str, known: list[str] | None, second: str, groups: list[str] | None) -> Leak:
    shared = (set(known or ()) & set(groups or ())) - {None, ""}
    hit = np.array([group in shared for group in groups or ()], dtype=bool)
    return _leak("same group", first, second, hit, len(shared))


def _leak(kind: str, first: str, second: str, hit: NDArray[np.bool_], groups: int | None = None) -> Leak:
    rows = int(hit.sum())
    return Leak(kind, first, second, rows, groups, rows / max(1, len(hit)))


def _digests(examples: Examples, cased: Collection[str]) -> Digests:
    """One 16-byte digest a row ``[rows]``; all zeros where the row has no input at all."""
    slots = [_column(values, cased=slot in cased) for slot, values in examples.inputs.items()]
    rows = slots[0] if len(slots) == 1 else _joined(zip(*slots, strict=True))
    return np.frombuffer(bytearray().join(rows), dtype=f"S{_BYTES}")


def _joined(rows: Iterable[tuple[bytes, ...]]) -> Iterable[bytes]:
    return (_BLANK if all(part == _BLANK for part in row) else _hash(b"".join(row)) for row in rows)


def _known(digests: Digests) -> NDArray[np.bool_]:
    return np.not_equal(digests, b"").astype(np.bool_)  # numpy drops trailing zeros, so this is the digest of nothing


def _column(values: Iterable[Any], *, cased: bool) -> Iterable[bytes]:
    return (_digest(value, cased=cased) for value in values)


def _digest(value: Any, *, cased: bool = False) -> bytes:
    if value is None:
        return _BLANK
    if isinstance(value, str):
        text = value if cased else normalised(value)
        return _hash(text.encode("utf-8", "surrogatepass")) if text else _BLANK
    if isinstance(value, Digested):
        return value.digest
    return _hash(_content(value))


def content_digest(value: Any) -> bytes:
    """Sixteen bytes that are equal where the contents of two values are; texts letter by letter."""
    return _digest(value, cased=True)


def normalised(text: str) -> str:
    """A text after NFKC, case folding and collapsing of white space."""
    folded = text.casefold() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.split())


def _content(value: Any) -> bytes:
    """Bytes that are equal where the contents of two values (arrays, images, bytes, sequences) are."""
    if isinstance(value, bytes | bytearray | memoryview):
        return b"bytes" + bytes(value)
    if isinstance(value, list | tuple):
        return b"list" + b"".join(_digest(part) for part in value)
    if hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
        array = np.asarray(value)
        return f"array {array.dtype.str} {array.shape}".encode() + array.tobytes()
    return f"{type(value).__name__} {value!r}".encode("utf-8", "surrogatepass")


def _hash(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_BYTES).digest()
