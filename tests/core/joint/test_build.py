"""Building a run's joint backbone: what each part learns from, and what is refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from medplug.core.config import FusionConfig
from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import DataError
from medplug.core.joint import build
from medplug.core.joint.backbone import JointBackbone
from medplug.core.task import Examples
from medplug.core.training.vectors import Vectors


class Learner(Vectors):
    """Remembers what it learned from."""

    def learn(self, values: Any, groups: Any = None) -> None:
        self.learned = list(values), None if groups is None else list(groups)


def plan(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(build, "_created", lambda encoder: Learner(encoder))
    fusion = Plugins(found=[]).fusion("concat"), FusionConfig()
    return SimpleNamespace(encoders={"text": 2, "genes": 3}, fusion=fusion)


TEXTS, GENES = ["a", None, "c", "d"], [1, 2, None, None]


@pytest.mark.parametrize("groups", [None, ["p", "q", "p", "r"]])
def test_each_part_learns_from_the_rows_that_have_it_with_their_patients(
    groups: list[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = Examples(np.arange(1, 5), {"text": TEXTS, "genes": GENES}, groups=groups)
    joint = build.build_backbone(plan(monkeypatch), train, 1)
    assert isinstance(joint, JointBackbone) and joint.width == 2 + 3 + 2
    for slot, values in train.inputs.items():
        has = [i for i, value in enumerate(values) if value is not None]
        expected = [values[i] for i in has], None if groups is None else [groups[i] for i in has]
        assert joint.part(slot).learned == expected  # type: ignore[union-attr]


def test_a_modality_that_no_training_row_has_is_refused_by_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    train = Examples(np.arange(1, 5), {"text": TEXTS, "genes": [None] * 4})
    with pytest.raises(DataError, match="no training row has genes: look at data.genes"):
        build.build_backbone(plan(monkeypatch), train, 1)


def test_weights_that_lie_anywhere_in_a_mapped_file_are_moved_into_memory_that_kernels_round_alike_in() -> None:
    backbone = Vectors(3)
    held = torch.arange(40.0)
    here, there = nn.Parameter(held[:4], requires_grad=False), nn.Parameter(held[17:26].view(3, 3))
    backbone.here, backbone.there = here, there
    backbone.register_buffer("steps", held[5:7])
    assert there.data_ptr() % 64
    assert build.owned(backbone) is backbone
    assert not any(each.data_ptr() % 64 for each in (here, there, backbone.get_buffer("steps")))
    assert backbone.there is there and there.requires_grad and not here.requires_grad
    torch.testing.assert_close(there.detach(), torch.arange(17.0, 26.0).view(3, 3), rtol=0, atol=0)
