from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from medplug.core.errors import RunError
from medplug.core.training.checkpoints import newest_checkpoint


def written(folder: Path, step: int, best: str, *, over: bool = False, **more: Any) -> Path:
    """A checkpoint as the Trainer leaves it, as far as going on needs it."""
    place = folder / f"checkpoint-{step}"
    place.mkdir(parents=True)
    control = {"TrainerControl": {"args": {"should_training_stop": over}}}
    state = {"best_model_checkpoint": best, "stateful_callbacks": control, "log_history": [], **more}
    (place / "trainer_state.json").write_text(json.dumps(state))
    save_file({"weight": torch.full((1, 1), float(step)), "bias": torch.zeros(1)}, place / "model.safetensors")
    return place


def test_the_newest_whole_checkpoint_is_found(tmp_path: Path) -> None:
    written(tmp_path, 9, str(tmp_path / "checkpoint-9"))
    written(tmp_path, 10, str(tmp_path / "checkpoint-9"))
    (written(tmp_path, 11, "") / "trainer_state.json").write_text('{"cut sh')
    found = newest_checkpoint(tmp_path)
    assert found is not None and found.folder.name == "checkpoint-10" and not found.over
    assert newest_checkpoint(tmp_path / "nothing") is None


def test_the_best_checkpoint_is_found_again_after_the_run_folder_was_moved(tmp_path: Path) -> None:
    written(tmp_path / "before", 3, "before/checkpoint-3")
    written(tmp_path / "before", 4, "before/checkpoint-3", over=True)
    (tmp_path / "before").rename(tmp_path / "after")
    found = newest_checkpoint(tmp_path / "after")
    assert found is not None and found.over
    model = torch.nn.Linear(1, 1)
    found.load_best(model)
    assert model.weight.item() == 3.0
    kept = json.loads((tmp_path / "after/checkpoint-4/trainer_state.json").read_text())
    assert kept["best_model_checkpoint"] == str(tmp_path / "after" / "checkpoint-3")


def test_a_lost_best_checkpoint_is_told_and_not_replaced_by_the_last_epoch(tmp_path: Path) -> None:
    written(tmp_path, 4, str(tmp_path / "checkpoint-3"))
    with pytest.raises(RunError, match="best checkpoint is gone"):
        newest_checkpoint(tmp_path)
