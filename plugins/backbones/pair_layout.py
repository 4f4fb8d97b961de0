"""How a tokenizer writes two texts as one sequence, and pairs that are longer than the window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from medplug.plugins.backbones.windows import Ids, Windows, cut_windows

_BREAK = "\n"


@dataclass(frozen=True, slots=True)
class Specials:
    """The ids that stand in one place of a pair, and the token type of each."""

    ids: tuple[int, ...]
    types: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PairLayout:
    """What stands before, between and behind two texts, and the token type of each text."""

    before: Specials
    between: Specials
    behind: Specials
    types: tuple[int, int]

    @classmethod
    def of(cls, tokenizer: Any, probe: str, prefix: Sequence[int], suffix: Sequence[int]) -> Self:
        """That of a tokenizer, seen by a pair of `probe`, a text of one token or more.

        One that was never told of pairs closes each text with the `suffix` of a single one,
        behind its `prefix`. One that puts nothing between (GPT-2's) is given a line break
        there: the texts would else run into one another.
        """
        seen = tokenizer.encode(probe, probe, add_special_tokens=True)
        sides = seen.sequence_ids
        first, second = sides.index(0), sides.index(1)
        end, last = second - sides[:second][::-1].index(0), len(sides) - sides[::-1].index(1)
        types = seen.type_ids[first], seen.type_ids[second]

        def specials(start: int, stop: int) -> Specials:
            return Specials(tuple(seen.ids[start:stop]), tuple(seen.type_ids[start:stop]))

        found = cls(specials(0, first), specials(end, second), specials(last, len(sides)), types)
        if found.between.ids:
            return found
        if suffix and not found.behind.ids:
            return cls(_of_type(prefix, types[0]), _of_type(suffix, types[0]), _of_type(suffix, types[1]), types)
        broken = tokenizer.encode(_BREAK, add_special_tokens=False).ids
        return replace(found, between=_of_type(broken, types[0]))

    def windows(
        self, question: Sequence[int], context: Sequence[int], *, window: int, overlap: int, most: int
    ) -> Windows:
        """The pair as windows of at most `window` ids, each with the question; only the context is divided.

        A question is cut where it would have more than half of the room that special
        tokens leave, and the context needs the rest. Windows of the context share `overlap` ids.
        """
        room = window - sum(len(each.ids) for each in (self.before, self.between, self.behind))
        asked = question[: max(room // 2, room - len(context))]
        left = room - len(asked)
        prefix = [*self.before.ids, *asked, *self.between.ids]
        found = cut_windows(
            context, room=left, overlap=min(overlap, left // 2), most=most, prefix=prefix, suffix=self.behind.ids
        )
        start = [*self.before.types, *[self.types[0]] * len(asked), *self.between.types]
        types = tuple(self._types(start, len(part)) for part in found.parts)
        return replace(
            found, tokens=len(question) + len(context), cut=found.cut or len(asked) < len(question), types=types
        )

    def _types(self, start: Sequence[int], length: int) -> Ids:
        body = length - len(start) - len(self.behind.ids)
        return np.array([*start, *[self.types[1]] * body, *self.behind.types], dtype=np.int32)


def _of_type(ids: Sequence[int], kind: int) -> Specials:
    return Specials(tuple(ids), (kind,) * len(ids))
