"""Run folders as a run leaves them, without training: labels, predictions and what a comparison reads beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from safetensors.numpy import save_file

from medplug.core.data.targets import Target
from medplug.core.evaluation.metrics import metric_names

Left = Callable[..., Path]
MANIFEST = {
    "made": "2026-11-22T02:00:00+00:00",
    "versions": {"python": "3.11.7", "torch": "2.15.0"},
    "hardware": {"device": "cpu", "processes": 1},
    "precision": "float32",
    "seconds": {"reading": 1.0, "training": 4.0, "writing": 0.5},
    "parameters": {"trained": 6, "total": 10},
    "peak_memory_mib": {"process": 900},
}
KEYS = {"task": "text_diagnosis", "backbone": "text_cnn", "data.group": None, "train.epochs": 3, "output": "runs/x"}


@pytest.fixture
def left(tmp_path: Path) -> Left:
    """``left("a", target, rows)``: a run folder of that name with these rows of predictions.parquet."""

    def make(
        name: str,
        target: Target,
        rows: pl.DataFrame,
        *,
        table: Mapping[str, Any] | None = None,
        keys: Mapping[str, Any] | None = None,
        manifest: Mapping[str, Any] | None = None,
        metrics: Mapping[str, Any] | None = None,
        metric: str | None = None,
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        told = metrics or {each: {"value": 0.5, "ci95": [0.4, 0.6]} for each in metric_names(target.kind)}
        scores = {"task": "text_diagnosis", "metrics": told, "selection": {"metric": metric or next(iter(told))}}
        read = {"name": "notes.csv", "rows": 500, "rejected": 0, "sha256": "a" * 64, **(table or {})}
        model = {"format": 1, "task": {}, "target": asdict(target), "precision": "auto", "backbone": {}, "adapters": []}
        parts = {
            "model": model,
            "metrics": scores,
            "manifest": {**MANIFEST, "data": {"train": read}, **(manifest or {})},
        }
        for part, content in parts.items():
            (folder / f"{part}.json").write_text(json.dumps(content))
        (folder / "config.yaml").write_text(yaml.safe_dump({**KEYS, **(keys or {})}))
        save_file({"head": np.zeros((2, 3), dtype=np.float32), "bias": np.zeros(4)}, folder / "model.safetensors")
        rows.select(pl.lit("test").alias("split"), pl.all()).write_parquet(folder / "predictions.parquet")
        return folder

    return make
