"""What is told of the model that is served: from the files of its run folder, none of which holds a patient's row."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml
from medplug.core.predictor import Predictor
from pydantic import BaseModel, Field

from medplug_service.forms import Served


class Column(BaseModel):
    """A column that rows have: its name, what its cells hold, and whether every row needs it."""

    name: str
    holds: str
    required: bool


class About(BaseModel):
    """``GET /model``."""

    model: Served
    task: str
    predicts: str = Field(description="the kind of target")
    classes: list[str]
    columns: list[Column]
    intended_use: str = Field(description="as `report.intended_use` stated it")
    tested_on: int = Field(description="rows of the test split")
    metrics: dict[str, Any] = Field(description="on the test split, each with its 95 % interval")
    made: str
    versions: dict[str, str | None]


def about(predictor: Predictor, folder: Path) -> About:
    """All that is told, read once."""
    manifest, scores = (_json(folder / name) for name in ("manifest.json", "metrics.json"))
    keys = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    with (folder / "model.safetensors").open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    needed = predictor.columns_needed
    return About(
        model=Served(run=folder.resolve().name, sha256=sha256),
        task=predictor.task_name,
        predicts=predictor.target.kind,
        classes=list(predictor.target.classes),
        columns=[Column(name=each.name, holds=each.cell, required=each.required) for each in needed],
        intended_use=keys.get("report.intended_use") or "not stated",
        tested_on=scores["n"],
        metrics=scores["metrics"],
        made=manifest["made"],
        versions=manifest["versions"],
    )


def _json(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found
