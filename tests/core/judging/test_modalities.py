"""What each modality adds, on rows that lack some of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from medplug.core.data.targets import Target
from medplug.core.judging.modalities import by_modality
from medplug.core.training.job import Trained

HOW: dict[str, Any] = {"groups": None, "resamples": 100, "seed": 0}


def scores(shift: float) -> dict[str, Any]:
    """Those of a model whose log hazards are all moved by `shift`, which changes no likelihood."""
    draws = np.random.default_rng(0)
    risks = draws.normal(size=(60, 1)).astype(np.float32)
    labels = np.column_stack([draws.exponential(np.exp(-risks[:, 0])) + 0.1, draws.random(60) < 0.7])
    note = [None if i % 3 == 0 else "seen" for i in range(60)]
    lacking = np.array([each is None for each in note])
    trained = Trained({}, {"train": risks + shift})
    trained.subsets = {("text",): np.where(lacking[:, None], np.nan, risks + shift)}
    trained.subsets |= {chosen: risks + shift for chosen in (("tabular",), ("text", "tabular"))}
    splits = {"test": SimpleNamespace(inputs={"text": note, "tabular": [1.0] * 60})}
    dataset: Any = SimpleNamespace(target=Target("survival", ("died",)), labels={"test": labels}, splits=splits)
    return by_modality(dataset, trained, np.zeros((60, 1)), "c_index", HOW)


def test_log_hazards_that_are_all_moved_leave_what_modalities_add_to_survival() -> None:
    whole, moved = scores(0.0), scores(4.0)
    for one, two in zip(whole["subsets"], moved["subsets"], strict=True):
        assert one["c_index"]["value"] == two["c_index"]["value"]
    assert whole["shapley"] == moved["shapley"]
