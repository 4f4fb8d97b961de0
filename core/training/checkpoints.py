"""What a killed run left to go on from."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from medplug.core.errors import RunError

_STATE = "trainer_state.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A whole checkpoint of `transformers.Trainer` and its state."""

    folder: Path
    state: dict[str, Any]

    @property
    def over(self) -> bool:
        """Whether training had come to its end (all epochs, or patience) when this was written."""
        control = self.state.get("stateful_callbacks", {}).get("TrainerControl", {})
        return bool(control.get("args", {}).get("should_training_stop"))

    def load_best(self, model: nn.Module) -> None:
        """Bring `model` to its best validation epoch."""
        from safetensors.torch import load_file

        model.load_state_dict(load_file(Path(self.state["best_model_checkpoint"]) / "model.safetensors"))


def newest_checkpoint(checkpoints: Path) -> Checkpoint | None:
    """The newest whole checkpoint: its state, written last, can be read.

    The state names the best checkpoint by its path, which is put right where the
    run folder was moved since. Raises `RunError` where the best one is gone.
    """
    found = [
        Checkpoint(file.parent, state) for file in checkpoints.glob(f"checkpoint-*/{_STATE}") if (state := _read(file))
    ]
    newest = max(found, key=lambda each: int(each.folder.name.rpartition("-")[2]), default=None)
    if newest is not None:
        _put_right(newest, checkpoints)
    return newest


def _read(file: Path) -> dict[str, Any]:
    try:
        state = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def _put_right(checkpoint: Checkpoint, checkpoints: Path) -> None:
    named = checkpoint.state.get("best_model_checkpoint")
    if named is None:
        return
    best = (checkpoints / Path(named).name).resolve()
    if not (best / "model.safetensors").exists():
        raise RunError(
            f"{best}: the best checkpoint is gone, so this run cannot go on; remove its folder and begin again"
        )
    if str(best) != named:
        checkpoint.state["best_model_checkpoint"] = str(best)
        unfinished = checkpoint.folder / f"{_STATE}.new"
        unfinished.write_text(json.dumps(checkpoint.state, indent=2))
        os.replace(unfinished, checkpoint.folder / _STATE)
