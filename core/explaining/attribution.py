"""One explanation: how much each part of a row speaks for what the model says of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]

Unit = Literal["token", "character", "residue", "atom", "pixel", "column", "segment", "modality"]
"""What one score belongs to. Of pixels it is a cell of a coarse map over the picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """What a row itself says, for those who may see it: never part of a report unless it was asked for.

    `words` holds each unit's own text (or value), `picture` what an image network was
    given, uint8 ``[frames, height, width]`` or ``[frames, height, width, 3]``, and `molecule` the
    SMILES whose atoms the units are.
    """

    words: tuple[str, ...] = ()
    picture: NDArray[np.uint8] | None = None
    molecule: str = ""


@dataclass(frozen=True, slots=True)
class Attribution:
    """The scores of one input of one row: above 0 what speaks for `predicted`, below 0 what speaks against it.

    `row` is its number in its table (first data row = 1), `slot` the input that is explained
    (empty: the slots themselves are the units) and `modality` what kind of input that is (empty as well).
    `predicted` says what the scores speak of: the decided class, or the name of the number.
    `scores` is ``[units]``, or of a map ``[frames, height, width]`` on a grid over the picture.
    `names` are the units' names where these are nobody's content (columns, slots), and `places`
    ``[units, 2]`` where in the row's text each begins and ends, in characters; without both, units are
    counted from 1. `total` is what the scores are to sum to where the method says so (the
    output less that of the baseline), None else. `sanity` is the rank correlation, between -1 and 1, of the
    scores' sizes with those of the same network with random weights, None where there is none.
    `content` is empty unless examples may be shown.
    """

    row: int
    slot: str
    modality: str
    method: str
    predicted: str
    unit: Unit
    scores: Scores
    names: tuple[str, ...] = ()
    places: NDArray[np.int64] | None = None
    total: float | None = None
    sanity: float | None = None
    content: Content = Content()

    @property
    def gap(self) -> float | None:
        """How far the scores' sum is from what it is to be, as a share of that; None where nothing is to be."""
        if self.total is None:
            return None
        return abs(float(self.scores.sum()) - self.total) / max(abs(self.total), 1e-12)

    @property
    def shows(self) -> bool:
        """Whether it holds something that the row says."""
        return bool(self.content.words or self.content.molecule) or self.content.picture is not None

    def without_content(self) -> Attribution:
        """The same scores without anything that the row says."""
        return replace(self, content=Content())

    def as_json(self) -> dict[str, Any]:
        """All of it but pictures, as JSON data; words only where there are any."""
        told: dict[str, Any] = {
            "row": self.row,
            "slot": self.slot,
            "modality": self.modality,
            "method": self.method,
            "predicted": self.predicted,
            "unit": self.unit,
            "scores": self.scores.tolist(),
            "names": list(self.names),
            "places": None if self.places is None else self.places.tolist(),
            "total": self.total,
            "sanity": self.sanity,
        }
        return told | ({"words": list(self.content.words)} if self.content.words else {})
