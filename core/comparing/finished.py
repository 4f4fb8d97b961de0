"""Finished runs as they are read back for a comparison: what they left, without the model."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from medplug.core.data.targets import Target
from medplug.core.errors import ConfigError, RunError, UsageError

_HEADER = 8
"""Bytes at the beginning of a safetensors file that say how long its header is."""


@dataclass(frozen=True, slots=True)
class Finished:
    """One run: what the comparison calls it, and what its folder holds.

    `scores` is its metrics.json, `keys` its config.yaml, `rows` the test rows of
    its predictions.parquet, `weights` how many numbers its model.safetensors holds.
    """

    name: str
    folder: Path
    target: Target
    scores: Mapping[str, Any]
    manifest: Mapping[str, Any]
    keys: Mapping[str, Any]
    rows: pl.DataFrame
    weights: int

    @property
    def task(self) -> str:
        """The task's name."""
        return str(self.scores.get("task", self.keys.get("task")))

    @property
    def table(self) -> tuple[str, Mapping[str, Any]]:
        """The table that the test rows come from: its key (``test``, ``train`` or ``source``) and what is known of it.

        As splits are cut: from a table of their own, else from the labelled one of the target, else of the source.
        """
        tables: Mapping[str, Mapping[str, Any]] = self.manifest["data"]
        key = next((name for name in ("test", "train", "source") if name in tables), None)
        if key is None:
            raise RunError(f"{self.folder / 'manifest.json'}: names no table that test rows could come from")
        return key, tables[key]


def read_runs(folders: Sequence[str | PathLike[str]]) -> list[Finished]:
    """Read two runs or more, each named by its folder.

    Raises `UsageError` for fewer than two or one that is given twice, `ConfigError`
    for a folder that is no finished run, `RunError` for one that is not whole.
    """
    paths = [Path(folder).expanduser() for folder in folders]
    if len(paths) < 2:
        got = f"got {paths[0]} alone" if paths else "got none"
        raise UsageError(f"a comparison needs two runs or more, {got}; give their folders: medplug compare RUN RUN")
    places = [path.resolve() for path in paths]
    for path, place in zip(paths, places, strict=True):
        if places.count(place) > 1:
            raise UsageError(f"the run {path} is given twice; a comparison needs different ones")
    return [_read(path, name) for path, name in zip(paths, _names(places), strict=True)]


def _names(places: Sequence[Path]) -> list[str]:
    """The shortest ends of paths that differ from each other."""
    most = max(len(place.parts) for place in places)
    for parts in range(1, most):
        names = ["/".join(place.parts[-parts:]) for place in places]
        if len(set(names)) == len(names):
            return names
    return [str(place) for place in places]


def _read(folder: Path, name: str) -> Finished:
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise ConfigError(f"{folder} {what}; a run folder is what `medplug run` leaves")
    from medplug.core.saved import read_target  # loads torch

    target = read_target(folder)
    rows = _table(folder / "predictions.parquet").filter(split="test")
    scores, manifest = (_json(folder / f"{part}.json") for part in ("metrics", "manifest"))
    weights = _weights(folder / "model.safetensors")
    return Finished(name, folder, target, scores, manifest, _keys(folder / "config.yaml"), rows, weights)


def _json(file: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(_text(file))
    except ValueError:
        raise RunError(f"{file}: damaged; train the run again") from None
    return found


def _keys(file: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = yaml.safe_load(_text(file))
    except (yaml.YAMLError, ValueError):
        raise RunError(f"{file}: damaged; train the run again") from None
    return found


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise _unreadable(file, error) from None


def _table(file: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(file)
    except OSError as error:
        raise _unreadable(file, error) from None
    except pl.exceptions.PolarsError:
        raise RunError(f"{file}: damaged; train the run again") from None


def _weights(file: Path) -> int:
    """How many numbers a safetensors file holds, by its header alone."""
    try:
        with file.open("rb") as stream:
            size = int.from_bytes(stream.read(_HEADER), "little")
            header = json.loads(stream.read(size))
    except OSError as error:
        raise _unreadable(file, error) from None
    except (ValueError, OverflowError, MemoryError):
        raise RunError(f"{file}: damaged; train the run again") from None
    return sum(math.prod(each["shape"]) for name, each in header.items() if name != "__metadata__")


def _unreadable(file: Path, error: OSError) -> RunError:
    if isinstance(error, FileNotFoundError):
        return RunError(f"{file} is missing; the run folder is not whole")
    return RunError(f"{file}: cannot be read: {error.strerror}")
