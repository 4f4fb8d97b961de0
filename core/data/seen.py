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
from medplug.core.data.leakage import row_digests
from medplug.core.data.linking import bands, likeness
from medplug.core.data.near import texts_of
from medplug.core.errors import RunError
from medplug.core.images.store import StoredImage
from medplug.core.specs import Modality
from medplug.core.task import Examples

FILE = "seen.safetensors"
_BYTES = 16
_KNOWN = ("train", "unlabelled", "validation")
Arrays = dict[str, NDArray[Any]]


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

    @property
    def any(self) -> bool:
        """Whether there is something to tell."""
        return bool(self.same or self.near or self.group)

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"rows": self.rows, "same": self.same, "near": self.near, "group": self.group}


def keep_seen(folder: Path, splits: Mapping[str, Examples], slots: Mapping[str, Modality]) -> None:
    """Write ``seen.safetensors`` of these splits into a run folder; about 170 bytes a row, and more with several slots."""
    from safetensors.numpy import save_file

    key = secrets.token_bytes(_BYTES)
    known = [examples for name, examples in splits.items() if name in _KNOWN]
    parts = [_described(examples, slots, key) for examples in known]
    groups = {_keyed(group.encode("utf-8", "surrogatepass"), key) for each in known for group in each.groups or () if group}
    content: Arrays = {name: np.unique(np.concatenate([each[name] for each in parts]), axis=0) for name in parts[0]}
    content["groups"] = _bytes(sorted(groups))
    save_file(content, folder / FILE, metadata={"key": key.hex()})


def find_seen(folder: Path, examples: Examples, slots: Mapping[str, Modality]) -> Seen | None:
    """Which rows the run of a folder knows; None where it kept nothing. Raises `RunError` for a damaged file."""
    file = folder / FILE
    if not file.exists():
        return None
    known, key = _read(file)
    mine = _described(examples, slots, key)
    same = _among(mine["rows"], known["rows"])
    near = np.zeros(len(examples), dtype=np.bool_)
    for name in known.keys() & mine.keys():
        if name.startswith("text "):
            near |= _near(mine[name], known[name], near_text.BANDS, near_text.agreement, at_least=near_text.ALIKE)
        if name.startswith("image "):
            near |= _near(mine[name], known[name], near_image.BANDS, near_image.differing, at_most=near_image.ALIKE)
    group = None
    if examples.groups and len(known["groups"]):
        owners = [_keyed(each.encode("utf-8", "surrogatepass"), key) if each else bytes(_BYTES) for each in examples.groups]
        group = _numbers(examples, _among(_bytes(owners), known["groups"]))
    return Seen(len(examples), _numbers(examples, same), _numbers(examples, near & ~same), group)


def _numbers(examples: Examples, flags: NDArray[np.bool_]) -> list[int]:
    return [int(row) for row in examples.rows[flags]]


def _read(file: Path) -> tuple[Arrays, bytes]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="np") as opened:
            key = bytes.fromhex((opened.metadata() or {})["key"])
            return {name: opened.get_tensor(name) for name in opened.keys()}, key  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError, KeyError, ValueError):
        raise RunError(f"{file}: damaged; remove it (rows are then not compared with those of the run)") from None


def _described(examples: Examples, slots: Mapping[str, Modality], key: bytes) -> Arrays:
    """Keyed digests of the rows ``[rows, 16]``, and by slot keyed sketches; all zeros where there is nothing to compare."""
    found: Arrays = {"rows": _bytes([_keyed(each, key) if any(each) else each for each in row_digests(examples, slots)])}
    for slot, modality in slots.items():
        values = examples.inputs[slot]
        if modality == "text":
            for place, texts in enumerate(_columns([texts_of(value) for value in values])):
                found[f"text {slot} {place}"] = _texts(texts, key)
        if modality == "image":
            found[f"image {slot}"] = _images(values, key)
    return found
