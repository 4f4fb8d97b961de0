"""How rows are read, and what is predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import polars as pl
from medplug.core.data import cells
from medplug.core.data.survival import survival_column
from medplug.core.data.targets import Target
from medplug.core.evaluation.reported import reported
from medplug.core.plain.text import PlainText
from medplug.core.task import Examples, Task

from medplug_note_survival.sample import sample

if TYPE_CHECKING:
    from medplug.core.data.problems import Problems
    from medplug.core.specs import Modality

    from medplug_note_survival.options import NoteSurvivalData, NoteSurvivalOptions

FollowUp = tuple[float, bool]
"""A time above 0, and whether the event came then; else the patient was last seen then, without it."""


class NoteSurvival(Task):
    """A note in, the hazard of an event after it out.

    What a model predicts of a row is its log hazard (Cox's proportional hazards, 1972).
    """

    slots: ClassVar[Mapping[str, Modality]] = {"text": "text"}
    sample_columns: ClassVar[Mapping[str, str]] = {"group": "patient", "site": "hospital"}

    options: NoteSurvivalOptions
    data: NoteSurvivalData

    def columns(self, *, labelled: bool) -> dict[str, str]:
        """The column of the note and, where rows are labelled, those of the time and of the event."""
        followed = {"data.time": self.data.time, "data.event": self.data.event}
        return {"data.text": self.data.text, **(followed if labelled else {})}

    def examples(
        self, table: pl.DataFrame, problems: Problems, *, labelled: bool, folder: Path | None = None
    ) -> Examples:
        """One example a row; what is wrong with a note, a time or an event goes to `problems`, by number and column."""
        return Examples(
            rows=np.arange(1, table.height + 1, dtype=np.int64),
            inputs={"text": self._notes(table, problems)},
            labels=list(self._followed(table, problems)) if labelled else None,
        )

    def target(self, labels: Sequence[FollowUp]) -> Target:
        """The time to the event (and the horizon); `DataError` where no training row has it, or all have one time."""
        horizon = self.options.horizon
        return Target.survival(self.data.event + ("" if horizon is None else f" within {horizon:g}"), labels)

    def metrics(self, target: Target) -> tuple[str, ...]:
        """The concordance index: how often, of two patients, the one of the higher hazard has the event first."""
        return reported(target.kind)

    def plain_features(self) -> PlainText:
        """TF-IDF of words, which Cox regression reads as the baseline."""
        return PlainText()

    def sample(self) -> pl.DataFrame:
        """400 invented notes, under the default column names."""
        return sample()

    def _notes(self, table: pl.DataFrame, problems: Problems) -> list[str]:
        found = cells.texts(table[self.data.text], "data.text")
        cells.refuse(problems, found.is_null(), self.data.text, "the note is empty")
        return found.fill_null("").to_list()

    def _followed(self, table: pl.DataFrame, problems: Problems) -> list[FollowUp]:
        found = survival_column(table, self.data.time, self.data.event, problems)
        return [ended(each, self.options.horizon) for each in found]


def ended(followed: FollowUp, horizon: float | None) -> FollowUp:
    """The same follow-up as it was known at the horizon: an event that came later is not seen yet."""
    time, came = followed
    return followed if horizon is None or time <= horizon else (horizon, False)
