"""Options of the observers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from medplug.core.config import Section


class TensorBoardOptions(Section):
    """``observers.tensorboard.*``."""

    folder: Path = Field(
        Path("tensorboard"), description="where event files go, each run's in a folder of its name; the --logdir"
    )


def _without_password(uri: str) -> str:
    """The configuration is kept in the run folder, where a password has no place."""
    if "@" in urlsplit(uri).netloc:
        raise ValueError(
            "leave the user and the password out, as keys are written to the run folder; give them by "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or the whole address by MLFLOW_TRACKING_URI"
        )
    return uri


class MLflowOptions(Section):
    """``observers.mlflow.*``."""

    uri: Annotated[str, Field(min_length=1), AfterValidator(_without_password)] | None = Field(
        None,
        description="a folder, or the address of a tracking server or database (default: MLFLOW_TRACKING_URI, else the "
        "folder mlruns)",
    )
    experiment: str | None = Field(None, min_length=1, description="the experiment (default: the task's name)")
    artifacts: Literal["none", "report", "run"] = Field(
        "none",
        description="what of the run folder is copied: nothing, the report with its numbers, or all of it (a model "
        "that learned from patients' rows, and the predictions for them)",
    )
