"""What one split knows of another: shared groups and shared inputs, counted and never shown."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.content import Digested

if TYPE_CHECKING:
    from medplug.core.task import Examples

_LEARNED = {"train", "unlabelled"}
"""Both are learned from, so that what they share leaks nowhere."""
_BYTES = 16
_BLANK = bytes(_BYTES)
Digests = NDArray[np.bytes_]


@dataclass(frozen=True, slots=True)
class Leak:
    """Rows of split `second` that split `first` also knows.

    `kind` is ``same group``, or ``same`` and the slot (``same text``), or
    ``same inputs`` where rows have several slots, all of which agree. `rows`
    counts the rows of `second`, `share` is their share of it (0 to 1), `groups`
    the shared groups (None where the kind is not about groups).
    """

    kind: str
    first: str
    second: str
    rows: int
    groups: int | None
    share: float


def check(splits: Mapping[str, Examples]) -> list[Leak]:
    """Every leak between every pair of splits, in the mapping's order; no leak, no entry.

    Labelled and unlabelled training rows (``train``, ``unlabelled``) are no such pair.

    Texts count as the same when they agree after NFKC, case folding and
    collapsing of white space; arrays, bytes and images when their contents do.
    Rows without a group, or without any input, match nothing. Takes 16 bytes a row.
    """
    digests = {name: _digests(examples) for name, examples in splits.items()}
    leaks = []
    for first, second in combinations(splits, 2):
        if {first, second} == _LEARNED:
            continue
        leaks.append(_same_group(first, splits[first].groups, second, splits[second].groups))
        shared = _known(digests[second]) & np.isin(digests[second], digests[first])
        leaks.append(_leak(_kind(splits[second]), first, second, shared))
    return [leak for leak in leaks if leak.rows]


def _kind(examples: Examples) -> str:
    return f"same {next(iter(examples.inputs))}" if len(examples.inputs) == 1 else "same inputs"


def _same_group(first: str, known: list[str] | None, second: str, groups: list[str] | None) -> Leak:
    shared = (set(known or ()) & set(groups or ())) - {None, ""}
    hit = np.array([group in shared for group in groups or ()], dtype=bool)
    return _leak("same group", first, second, hit, len(shared))


def _leak(kind: str, first: str, second: str, hit: NDArray[np.bool_], groups: int | None = None) -> Leak:
    rows = int(hit.sum())
    return Leak(kind, first, second, rows, groups, rows / max(1, len(hit)))


def _digests(examples: Examples) -> Digests:
    """One 16-byte digest a row ``[rows]``; all zeros where the row has no input at all."""
    slots = [_column(values) for values in examples.inputs.values()]
    rows = slots[0] if len(slots) == 1 else _joined(zip(*slots, strict=True))
    return np.frombuffer(bytearray().join(rows), dtype=f"S{_BYTES}")


def _joined(rows: Iterable[tuple[bytes, ...]]) -> Iterable[bytes]:
    return (_BLANK if all(part == _BLANK for part in row) else _hash(b"".join(row)) for row in rows)


def _known(digests: Digests) -> NDArray[np.bool_]:
    return np.not_equal(digests, b"").astype(np.bool_)  # numpy drops trailing zeros, so this is the digest of nothing


def _column(values: Iterable[Any]) -> Iterable[bytes]:
    return (_digest(value) for value in values)


def _digest(value: Any) -> bytes:
    if value is None:
        return _BLANK
    if isinstance(value, str):
        text = _normal(value)
        return _hash(text.encode("utf-8", "surrogatepass")) if text else _BLANK
    if isinstance(value, Digested):
        return value.digest
    return _hash(_content(value))


def _normal(text: str) -> str:
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
