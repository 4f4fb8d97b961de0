"""Which rows batches are drawn from."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from medplug.core.adapter import Adapter
from medplug.core.discovery.plugins import Plugins
from medplug.core.specs import resolve
from medplug.core.task import Examples
from medplug.core.training.drawn import drawn_rows

PLUGINS = Plugins(found=())


def chosen(*names: str) -> list[tuple[Any, Adapter]]:
    """The adapters of these names, without options: none is asked for any here."""
    specs = [PLUGINS.adapter(name) for name in names]
    return [(spec, resolve(spec.factory, owner=spec.name)(None)) for spec in specs]


def job(of_target: list[bool] | None, unlabelled: int) -> Any:
    domain = None if of_target is None else np.array(of_target)
    rows = 4 if domain is None else len(domain)
    splits = {"train": Examples(np.arange(rows), {"text": ["a"] * rows}, of_target=domain)}
    if unlabelled:
        splits["unlabelled"] = Examples(np.arange(unlabelled), {"text": ["b"] * unlabelled})
    return SimpleNamespace(dataset=SimpleNamespace(splits=splits))


@pytest.mark.parametrize(
    ("adapters", "of_target", "unlabelled", "beside"),
    [
        (["finetune"], [False, True], 3, []),  # nothing looks at what has no label
        (["l2sp"], [False, True], 3, []),
        (["relation"], None, 3, [("unlabelled", [0, 1, 2])]),
        (["distill"], [False, True], 3, [("unlabelled", [0, 1, 2])]),
        (["mmd"], [False, False], 3, [("unlabelled", [0, 1, 2])]),
        (["mmd"], [False, True, True], 0, [("train", [1, 2])]),  # the target's few, else lost among the source's
        (["lora", "dann"], [False, True], 2, [("unlabelled", [0, 1]), ("train", [1])]),
    ],
)
def test_target_rows_stand_beside_the_labelled_ones_where_a_penalty_needs_them(
    adapters: list[str], of_target: list[bool] | None, unlabelled: int, beside: list[tuple[str, list[int]]]
) -> None:
    found = drawn_rows(chosen(*adapters), job(of_target, unlabelled))
    first, *rest = [(split, positions.tolist()) for split, positions in found.parts]
    assert first == ("train", list(range(4 if of_target is None else len(of_target)))) and rest == beside


def test_values_and_features_come_in_the_same_order() -> None:
    found = drawn_rows(chosen("mmd"), job([False, True, True], 2))
    values = {"train": ["s", "t", "u"], "unlabelled": ["x", "y"]}
    numbers = {name: np.array([[ord(each)] for each in rows], dtype=np.float32) for name, rows in values.items()}
    assert found.of(values) == ["s", "t", "u", "x", "y", "t", "u"]
    assert [chr(int(each)) for each in found.features(numbers)[:, 0]] == found.of(values)
