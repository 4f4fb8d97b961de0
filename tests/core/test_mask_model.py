"""The model of masks: a decoder of the backbone's maps, beside features that penalties act on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from medplug.core.backbone import Backbone, Inputs
from medplug.core.data.targets import Target
from medplug.core.errors import BackboneError
from medplug.core.features import Features
from medplug.core.kinds.table import make_model
from medplug.core.mask_model import MaskModel
from medplug.core.model import Model
from medplug.core.segmentation.loss import MaskLoss
from medplug.core.training.seeds import seeded
from medplug.core.training.vectors import Vectors

MASKS = Target("mask", ("nerve", "vessel"))
pytestmark = pytest.mark.usefixtures("one_thread")


class Maps(Vectors):
    """Two convolutions, each of which halves the sides."""

    map_widths = (4, 6)

    def __init__(self) -> None:
        super().__init__(6)
        self.fine = nn.Conv2d(1, 4, 3, stride=2, padding=1)
        self.coarse = nn.Conv2d(4, 6, 3, stride=2, padding=1)

    def collate(self, items: Sequence[Any]) -> Inputs:
        return {"pixels": torch.stack(list(items)), "owner": torch.arange(len(items))}

    def forward(self, inputs: Inputs) -> Features:
        return self.maps(inputs)[0]

    def maps(self, inputs: Inputs) -> tuple[Features, list[Tensor]]:
        fine = self.fine(inputs["pixels"].float() / 255).relu()
        coarse = self.coarse(fine).relu()
        pooled = coarse.mean((2, 3))
        return Features(pooled, pooled[:, None], torch.ones(len(pooled), 1, dtype=torch.bool)), [fine, coarse]


class Plain(Maps):
    map_widths = ()


def made(target: Target = MASKS) -> Model:
    with seeded(0):
        return make_model(Maps(), target)


def batch(rows: int = 3, height: int = 20, width: int = 28) -> Inputs:
    pixels = torch.randint(0, 256, (rows, 1, height, width), generator=torch.Generator().manual_seed(1))
    return {"pixels": pixels.to(torch.uint8), "owner": torch.arange(rows)}


def test_masks_are_decoded_and_all_else_has_a_linear_head() -> None:
    assert isinstance(made(), MaskModel)
    for kind in ("binary", "multiclass", "multilabel"):
        plain = made(Target(kind, ("a", "b")))
        assert type(plain) is Model and isinstance(plain.head, nn.Linear)


@pytest.mark.parametrize("sides", [(20, 28), (33, 17), (8, 8)])
def test_there_is_a_logit_of_each_class_and_the_background_at_each_pixel(sides: tuple[int, int]) -> None:
    model, inputs = made(), batch(3, *sides)
    outputs = model.outputs(inputs)
    assert outputs.logits.shape == (3, 3, *sides) and outputs.logits.dtype == torch.float32
    torch.testing.assert_close(model(inputs), outputs.logits)


def test_the_features_are_the_backbones_pooled_ones() -> None:
    model, inputs = made(), batch()
    torch.testing.assert_close(model.outputs(inputs).features, model.backbone(inputs).pooled)


def test_rows_do_not_touch_each_other_in_training_neither() -> None:
    model, inputs = made().train(), batch(5)
    together = model.outputs(inputs)
    for row in range(5):
        alone = model.outputs({name: tensor[row : row + 1] for name, tensor in inputs.items()})
        torch.testing.assert_close(alone.logits[0], together.logits[row], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(alone.features[0], together.features[row], atol=1e-6, rtol=1e-5)


def test_under_autocast_the_outputs_are_in_float32() -> None:
    model, inputs = made(), batch()
    with torch.autocast("cpu", torch.bfloat16):
        found = model.outputs(inputs)
    assert found.logits.dtype == found.features.dtype == torch.float32
    torch.testing.assert_close(found.logits, model(inputs), atol=0.1, rtol=0.1)


def test_the_loss_of_masks_and_a_penalty_on_features_both_train_the_backbone() -> None:
    inputs = batch()
    truth = (inputs["pixels"][:, 0] > 127).long()
    for what in ("masks", "features"):
        model = made()
        outputs = model.outputs(inputs)
        value = MaskLoss(3)(outputs.logits, truth).mean() if what == "masks" else outputs.features.square().sum()
        value.backward()
        moved = {name for name, each in model.named_parameters() if each.grad is not None and each.grad.abs().max() > 0}
        assert {name for name, _ in model.backbone.named_parameters(prefix="backbone")} <= moved
        assert any(name.startswith("head.") for name in moved) is (what == "masks")


def test_a_neck_leaves_the_model_as_it_is() -> None:
    model, inputs = made(), batch()
    before = model(inputs)
    model.set_neck(nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 9)), 9)
    assert isinstance(model.neck, nn.Identity)
    torch.testing.assert_close(model(inputs), before, atol=0, rtol=0)


def test_its_weights_go_into_another_of_its_kind() -> None:
    model, inputs = made(), batch()
    with seeded(7):
        other = make_model(Maps(), MASKS)
    assert not torch.equal(other(inputs), model(inputs))
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(other(inputs), model(inputs), atol=0, rtol=0)


def test_a_backbone_without_maps_is_refused_by_name() -> None:
    with pytest.raises(BackboneError, match="Plain gives no feature maps") as told:
        make_model(Plain(), MASKS)
    assert "medplug list backbones" in str(told.value)
    make_model(Plain(), Target("binary", ("a", "b")))


def test_backbones_say_themselves_that_they_give_no_maps_and_read_no_masks() -> None:
    bare = Plain()
    with pytest.raises(TypeError, match="Plain gives no feature maps"):
        Backbone.maps(bare, {})
    with pytest.raises(TypeError, match="Plain reads no masks"):
        bare.masks([])
