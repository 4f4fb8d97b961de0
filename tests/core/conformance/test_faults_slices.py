"""A backbone of images names its pixels and whose they are; one that does not, or reads others, is found."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from medplug.core.backbone import Inputs
from medplug.core.config import Section
from medplug.core.conformance import Outcome, outcomes, plugin_checks
from medplug.core.conformance.stand_in import Optionless
from medplug.core.features import Features
from medplug.core.hooks import hookimpl
from medplug.core.images.store import StoredImage
from medplug.core.specs import BackboneSpec

pytestmark = pytest.mark.usefixtures("one_thread")

SIDE = 8


class Slices(Optionless):
    """A layer over the pixels of each slice, and the mean over those of a row."""

    width = 6

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(SIDE * SIDE, self.width)

    def assets(self) -> dict[str, Any]:
        return {}

    def prepare(self, values: Sequence[StoredImage]) -> list[Tensor]:
        found = [torch.from_numpy(value.pixels().copy()).float()[:, None] for value in values]
        return [functional.interpolate(each, (SIDE, SIDE)).byte() for each in found]

    def size(self, item: Tensor) -> int:
        return len(item)

    def collate(self, items: Sequence[Tensor]) -> Inputs:
        owner = torch.repeat_interleave(torch.arange(len(items)), torch.tensor([len(item) for item in items]))
        return {"pixels": torch.cat(list(items)), "owner": owner}

    def vectors(self, inputs: Inputs) -> Tensor:
        found: Tensor = self.layer(inputs["pixels"].flatten(1) / 255)
        return found

    def forward(self, inputs: Inputs) -> Features:
        rows = functional.one_hot(inputs["owner"]).T.float()  # [batch, slices]
        pooled = rows @ self.vectors(inputs) / rows.sum(1, keepdim=True)
        return Features(pooled, pooled[:, None], torch.ones(len(pooled), 1, dtype=torch.bool, device=pooled.device))


class Unnamed(Slices):
    """The same under other names."""

    def collate(self, items: Sequence[Tensor]) -> Inputs:
        sound = super().collate(items)
        return {"images": sound["pixels"], "owner": sound["owner"]}

    def forward(self, inputs: Inputs) -> Features:
        return super().forward({"pixels": inputs["images"], "owner": inputs["owner"]})


class Scaled(Slices):
    """Pixels are numbers from 0 to 1 already."""

    def collate(self, items: Sequence[Tensor]) -> Inputs:
        sound = super().collate(items)
        return {**sound, "pixels": sound["pixels"] / 255}


class Flat(Slices):
    """Pixels lack the dimension of channels."""

    def collate(self, items: Sequence[Tensor]) -> Inputs:
        sound = super().collate(items)
        return {**sound, "pixels": sound["pixels"][:, 0]}


class Counted(Slices):
    """Of each row the number of its slices, in place of each slice's row."""

    def collate(self, items: Sequence[Tensor]) -> Inputs:
        return {**super().collate(items), "owner": torch.tensor([len(item) for item in items])}

    def forward(self, inputs: Inputs) -> Features:
        owner = torch.repeat_interleave(torch.arange(len(inputs["owner"])), inputs["owner"])
        return super().forward({**inputs, "owner": owner})


class FromOne(Slices):
    """Rows are counted from 1."""

    def collate(self, items: Sequence[Tensor]) -> Inputs:
        sound = super().collate(items)
        return {**sound, "owner": sound["owner"] + 1}

    def forward(self, inputs: Inputs) -> Features:
        return super().forward({**inputs, "owner": inputs["owner"] - 1})


class Shifted(Slices):
    """Slices are told to be those of the row before."""

    def collate(self, items: Sequence[Tensor]) -> Inputs:
        sound = super().collate(items)
        return {**sound, "owner": sound["owner"].roll(1), "mine": sound["owner"]}

    def forward(self, inputs: Inputs) -> Features:
        return super().forward({**inputs, "owner": inputs["mine"]})


class Early(Slices):
    """Features are made of a copy, which nothing can augment."""

    def collate(self, items: Sequence[Tensor]) -> Inputs:
        sound = super().collate(items)
        return {**sound, "copy": sound["pixels"].clone()}

    def vectors(self, inputs: Inputs) -> Tensor:
        return super().vectors({**inputs, "pixels": inputs["copy"]})


def found(made: type[Slices], monkeypatch: pytest.MonkeyPatch) -> dict[str, Outcome]:
    """The outcome of each check of the backbone, by the check's last name."""
    module = ModuleType("slices_plugin")
    module.__dict__.update(Made=made, Options=type("Options", (Section,), {"__module__": "slices_plugin"}))
    monkeypatch.setitem(sys.modules, "slices_plugin", module)
    spec = BackboneSpec(
        name="slices", summary="s", factory="slices_plugin:Made", config="slices_plugin:Options", modality="image"
    )
    plugin = SimpleNamespace(medplug_api=1, medplug_backbones=hookimpl(lambda: [spec], specname=None))
    plugin.medplug_backbones.__name__ = "medplug_backbones"
    return {each.name.split(":")[-1]: each for each in outcomes(plugin_checks(plugin))}


def test_a_sound_one_passes_every_check(monkeypatch: pytest.MonkeyPatch) -> None:
    states = {name: each for name, each in found(Slices, monkeypatch).items()}
    assert not [each for each in states.values() if each.state == "failed"]
    assert states["slices"].state == "passed"


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (Unnamed, "collate gives images, owner, and no pixels"),
        (Scaled, "pixels are torch.float32 [6, 1, 8, 8]"),
        (Flat, "pixels are torch.uint8 [6, 8, 8]"),
        (Counted, "owner is torch.int64 [3], where pixels are torch.uint8 [6, 1, 8, 8]"),
        (FromOne, "of 3 rows owner names [1, 2, 3], counted from 0"),
        (Shifted, "other pixels in the slices of row 1 change the features of 2"),
        (Early, "other pixels in the slices of row 1 change nothing of its features"),
    ],
)
def test_one_that_cannot_be_augmented_is_found(made: type[Slices], told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = found(made, monkeypatch)
    assert outcomes["slices"].state == "failed" and told in outcomes["slices"].reason, outcomes["slices"]
    assert outcomes["slices"].fix
    assert [name for name, each in outcomes.items() if each.state == "failed" and name != "slices"] == []
