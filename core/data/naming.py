"""Texts that name the label: a note written after the diagnosis may hold it, and then nothing has to be found out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from medplug.core.data.classes import NEGATIVE, POSITIVE
from medplug.core.data.targets import Target
from medplug.core.task import Examples

_LEAST = 3
"""Shorter names ("A", "II") stand in texts for much else."""
_OFTEN, _FAR = 3, 3.0
"""Fewer rows, or a share less than so many times that of other rows, is chance, or a class that notes rule out."""
_PLAIN = frozenset(
    ("label", "target", "class", "diagnosis", "finding", "outcome", "result", "status", "disease", "code")
)
_NUMBER = re.compile(r"[\d.,]+")


@dataclass(frozen=True, slots=True)
class Named:
    """How often the texts of one input name a class: of the `rows` that have it, and of the `others` that do not."""

    slot: str
    label: str
    rows: int
    naming: int
    others: int
    others_naming: int

    @property
    def tells(self) -> bool:
        """Whether a text that names the class is likelier of it: named often, and far oftener than elsewhere."""
        own, other = (self.naming + 0.5) / (self.rows + 1), (self.others_naming + 0.5) / (self.others + 1)
        return self.naming >= _OFTEN and own > _FAR * other


def named_labels(splits: Mapping[str, Examples], target: Target, column: str | Sequence[str] | None) -> list[Named]:
    """Count the labelled rows of all splits whose texts name a class; classes that no text names are left out.

    A class goes by its name, the positive one of a label of 0 and 1 (or yes and no) by
    the words in the name of its `column`. Upper and lower case are the same.
    """
    wanted = {name: pattern for name, pattern in _patterns(target, column).items() if pattern is not None}
    labelled = [examples for examples in splits.values() if examples.labels is not None]
    found: list[Named] = []
    for slot in dict.fromkeys(slot for examples in labelled for slot in examples.inputs):
        texts = [value for examples in labelled for value in examples.inputs[slot]]
        if not wanted or not any(isinstance(text, str) for text in texts):
            continue
        labels = [label for examples in labelled for label in examples.labels or []]
        found += [_counted(slot, name, pattern, texts, labels) for name, pattern in wanted.items()]
    return [each for each in found if each.naming or each.others_naming]


def _counted(
    slot: str, name: str, pattern: re.Pattern[str], texts: Sequence[object], labels: Sequence[object]
) -> Named:
    has = [name in label if isinstance(label, tuple) else label == name for label in labels]
    says = [isinstance(text, str) and pattern.search(text) is not None for text in texts]
    both = sum(a and b for a, b in zip(has, says, strict=True))
    return Named(slot, name, sum(has), both, len(has) - sum(has), sum(says) - both)


def _patterns(target: Target, column: str | Sequence[str] | None) -> dict[str, re.Pattern[str] | None]:
    if not target.has_classes or target.kind in ("mask", "choice"):
        return {}
    if target.kind == "binary" and all(_says_nothing(name) for name in target.classes):
        words = re.split(r"[\W_]+", column) if isinstance(column, str) else []
        return {target.classes[1]: _any_of(word for word in words if word.casefold() not in _PLAIN)}
    return {name: None if _says_nothing(name) else _any_of([name]) for name in target.classes}


def _says_nothing(name: str) -> bool:
    folded = name.casefold()
    return folded in POSITIVE | NEGATIVE or _NUMBER.fullmatch(folded) is not None


def _any_of(names: Iterable[str]) -> re.Pattern[str] | None:
    """What finds any of these as whole words; scripts without spaces between words as they stand."""
    usable = [name for name in names if len(name) >= _LEAST or not name.isascii()]
    if not usable:
        return None
    forms = []
    for name in usable:
        form = r"[\W_]+".join(re.escape(part) for part in re.split(r"[\W_]+", name) if part)
        forms.append(rf"\b{form}" if name.isascii() else form)
    return re.compile("|".join(forms), re.IGNORECASE)
