"""What can be set for the task (``task.*``), and its columns (``data.*``)."""

from __future__ import annotations

from medplug.core.config import DataConfig, Section
from medplug.core.fields import Column
from pydantic import Field, model_validator


class NoteSurvivalOptions(Section):
    """The options ``task.*``: how far rows are followed."""

    horizon: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="end every follow-up here, in the unit of data.time: what comes later counts as not seen "
        "(default: followed to the end)",
    )


class NoteSurvivalData(DataConfig):
    """The options ``data.*``: the tables, and the columns of the note and of its follow-up."""

    text: Column = Field("note", description="the column of the note")
    time: Column = Field("days", description="the column of the time from the note to the event, or until last seen")
    event: Column = Field(
        "readmitted", description="the column that says whether the event came (1) or the patient was last seen (0)"
    )

    @model_validator(mode="after")
    def _three_columns(self) -> NoteSurvivalData:
        if len({self.text, self.time, self.event}) < 3:
            raise ValueError("data.text, data.time and data.event name one column twice; they are three")
        return self
