"""The run folder: written under an unfinished name, moved into place when whole."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from medplug.core.errors import RunError, UsageError
from medplug.core.plan import Plan

UNFINISHED = ".partial"
_STATE = "state.json"
_BARE = re.compile(r"[\w./](?:[\w ./+-]*[\w./])?")
"""Text that YAML reads as it stands; any other is quoted."""


class RunFolder:
    """Where one run writes. `path` is the final folder, `work` the unfinished one."""

    def __init__(self, path: Path, *, resumed: bool) -> None:
        self.path, self.resumed = path, resumed
        self.work = path.with_name(path.name + UNFINISHED)
        self._made: list[Path] = []
        self._held: _Held | None = None

    @classmethod
    def open(cls, plan: Plan, *, resume: bool, fingerprint: str) -> RunFolder:
        """Make the unfinished folder, or with `resume` find the one this very run left."""
        path = plan.run.output
        if path is None:
            path = _unfinished_of(plan, fingerprint) if resume else _unused(Path("runs") / f"{plan.task.name}-{_now()}")
        path = path.expanduser()
        if path.exists():
            raise UsageError(f"output {path} exists already; choose another output=, or remove it")
        folder = cls(path, resumed=resume and path.with_name(path.name + UNFINISHED).exists())
        folder._claim(fingerprint)
        return folder

    def _claim(self, fingerprint: str) -> None:
        if self.work.exists():
            if not self.resumed:
                raise UsageError(f"{self.work} holds an unfinished run; go on with it by adding --resume, or remove it")
            if self._read_state().get("fingerprint") != fingerprint:
                raise UsageError(
                    f"{self.work} was begun with other keys or other data; give the same ones to go on, or remove it"
                )
            self._lock()
            return
        self._made = [parent for parent in self.work.parents if not parent.exists()]
        try:
            self.work.mkdir(parents=True)
            self.write_json(_STATE, {"fingerprint": fingerprint})
            self._lock()
        except OSError as error:
            raise UsageError(
                f"output {self.path}: cannot be written ({error.strerror}); choose another place with output=FOLDER"
            ) from None

    def _lock(self) -> None:
        self._held = _Held(self.work / _STATE)

    def _release(self) -> None:
        if self._held is not None:
            self._held.release()

    def __getstate__(self) -> dict[str, Any]:
        # other processes learn where the folder is; the first one alone holds it
        return {**self.__dict__, "_held": None}

    def _read_state(self) -> dict[str, Any]:
        try:
            state = json.loads((self.work / _STATE).read_text())
        except (OSError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

    @property
    def checkpoints(self) -> Path:
        """Where training keeps what it needs to go on."""
        return self.work / "checkpoints"

    def write_json(self, name: str, content: Any) -> None:
        """Write one JSON file into the unfinished folder."""
        write_json(self.work / name, content)

    def write_text(self, name: str, content: str) -> None:
        """Write one text file into the unfinished folder."""
        (self.work / name).write_text(content, encoding="utf-8")

    def finish(self, *, keep_checkpoints: bool) -> None:
        """Move the whole folder into place."""
        if not keep_checkpoints:
            shutil.rmtree(self.checkpoints, ignore_errors=True)
        self._release()
        (self.work / _STATE).unlink(missing_ok=True)
        try:
            os.rename(self.work, self.path)
        except OSError as error:
            raise RunError(
                f"the run is whole in {self.work}, but cannot be moved to {self.path}: {error.strerror}"
            ) from None

    def abandon(self, *, keep_features: bool = False) -> None:
        """Leave nothing behind, unless there is a checkpoint (or, if they are to be kept, features) to go on from."""
        self._release()
        kept = ["checkpoint-*", *(["*.safetensors"] if keep_features else [])]
        if not any(file for pattern in kept for file in self.checkpoints.glob(pattern)):
            shutil.rmtree(self.work, ignore_errors=True)
            with suppress(OSError):  # another run has moved in
                for parent in self._made:
                    parent.rmdir()


class _Held:
    """An unfinished folder in hand, so that no second process goes on with a run that is alive."""

    def __init__(self, file: Path) -> None:
        self._number: int | None = os.open(file, os.O_RDWR)
        try:
            import fcntl
        except ImportError:  # there is none on Windows
            return
        try:
            fcntl.flock(self._number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.release()
            raise UsageError(f"{file.parent} is being written by a run that is alive; wait for it or stop it") from None

    def release(self) -> None:
        """Let go of it; the system does the same for a process that dies."""
        if self._number is not None:
            os.close(self._number)
        self._number = None

    def __del__(self) -> None:
        self.release()


def write_json(file: Path, content: Any) -> None:
    """Write JSON for people and programs; `RunError` where the place cannot be written."""
    try:
        file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise RunError(f"{file}: cannot be written: {error.strerror}") from None


class Events:
    """The run's diary, one JSON object a line: what happened when, never what a row says."""

    def __init__(self, file: Path | None) -> None:
        self._file = file

    def write(self, event: str, **facts: Any) -> None:
        """Add one line."""
        if self._file is not None:
            known = {name: None if value != value else value for name, value in facts.items()}  # NaN is not JSON
            line = json.dumps({"time": round(time.time(), 3), "event": event, **known}, ensure_ascii=False)
            with self._file.open("a", encoding="utf-8") as stream:
                stream.write(line + "\n")


def fingerprint(plan: Plan, tables: Iterable[str]) -> str:
    """What makes two runs the same: their keys (but for where they write and who watches) and their data."""
    rows = plan.settings()
    aside = ("output", "train.keep_checkpoints")
    keys = [(key, value) for key, value, _ in rows if key not in aside and key.partition(".")[0] != "observers"]
    return hashlib.sha256(json.dumps([keys, sorted(tables)], default=str).encode()).hexdigest()


def _unused(path: Path) -> Path:
    """That path, or the next one of that name: runs begun in the same second stand side by side."""
    names = (path.with_name(f"{path.name}{f'-{n}' if n > 1 else ''}") for n in count(1))
    return next(p for p in names if not p.exists() and not p.with_name(p.name + UNFINISHED).exists())


def _now() -> str:
    return datetime.now().strftime("%Y%m%d-%H%M%S")


def _unfinished_of(plan: Plan, fingerprint: str) -> Path:
    """The newest unfinished folder of this very run under runs/."""
    for work in sorted(Path("runs").glob(f"{plan.task.name}-*{UNFINISHED}"), reverse=True):
        folder = RunFolder(work.with_name(work.name.removesuffix(UNFINISHED)), resumed=True)
        if folder._read_state().get("fingerprint") == fingerprint:
            return folder.path
    raise UsageError("--resume: no unfinished run with these keys and data under runs/; name it with output=FOLDER")


def config_yaml(plan: Plan) -> str:
    """The resolved configuration, each key with its origin; it can be given back with ``--config``."""
    lines, rows = ["# every key of this run, and where its value came from"], plan.settings()
    for key, value, origin in rows:
        bare = isinstance(value, str) and _BARE.fullmatch(value) and value != "null"
        lines.append(f"{key}: {value if bare else json.dumps(value, ensure_ascii=False)}  # {origin}")
    return "\n".join(lines) + "\n"
