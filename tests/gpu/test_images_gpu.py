"""Networks of images on a GPU give what they give on a processor."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medplug.core.backbone import Backbone, Inputs
from medplug.core.data.targets import Target
from medplug.core.images.augment import Augmentation, Drawn
from medplug.core.images.augment_options import AugmentOptions
from medplug.core.images.store import ImageStore, StoredImage
from medplug.core.kinds.table import make_model
from medplug.plugins.backbones.image_options import CNNOptions
from medplug.plugins.backbones.pictures import View
from medplug.plugins.backbones.pretrained_image import PretrainedImage
from medplug.plugins.backbones.scratch_image import CNN

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch can use")


@pytest.fixture
def images() -> list[StoredImage]:
    store, draw = ImageStore(), np.random.default_rng(0)
    return [store.add(draw.integers(0, 256, (1, 64, 64), dtype=np.uint8)) for _ in range(6)]


def backbones() -> list[Backbone]:
    view = View(64, 3, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "squash", "bicubic", 1.0, 8)
    options = {"model": "resnet10t"}
    assets = {"architecture": "resnet10t", "arguments": {"in_chans": 3}, "view": view.to_json(), "options": options}
    timm = PretrainedImage.restore({**assets, "width": 512, "map_widths": [64, 64, 128, 256, 512]})
    return [timm, CNN.create(CNNOptions(size=64), None)]


def on(inputs: Inputs, device: str) -> Inputs:
    return {name: tensor.to(device) for name, tensor in inputs.items()}


@pytest.mark.parametrize("target", [Target("multiclass", ("a", "b", "c")), Target("mask", ("lesion",))])
@pytest.mark.parametrize("which", [0, 1], ids=["timm", "cnn"])
def test_logits_agree(target: Target, which: int, images: list[StoredImage]) -> None:
    torch.manual_seed(0)
    model = make_model(backbones()[which], target).eval()
    inputs = model.backbone.collate(model.backbone.prepare(images))
    with torch.inference_mode():
        expected = model(inputs)
        found = model.cuda()(on(inputs, "cuda")).cpu()
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


@pytest.mark.parametrize("which", [0, 1], ids=["timm", "cnn"])
def test_bfloat16_stays_near(which: int, images: list[StoredImage]) -> None:
    torch.manual_seed(0)
    model = make_model(backbones()[which], Target("binary", ("no", "yes"))).eval()
    inputs = model.backbone.collate(model.backbone.prepare(images))
    with torch.inference_mode():
        expected = model.outputs(inputs).features
        with torch.autocast("cuda", torch.bfloat16):
            found = model.cuda().outputs(on(inputs, "cuda")).features.cpu()
    assert torch.nn.functional.cosine_similarity(found, expected).min() > 0.99


def test_augmentation_agrees() -> None:
    pixels = torch.randint(0, 256, (5, 3, 64, 48), dtype=torch.uint8)
    masks = (torch.rand(5, 64, 48) > 0.5).long()
    drawn = Augmentation(AugmentOptions(flip="both")).draw(5, "cpu")
    moved = Drawn(**{name: getattr(drawn, name).cuda() for name in Drawn.__dataclass_fields__})
    owner = torch.arange(5)
    difference = (drawn.pixels(pixels, owner).int() - moved.pixels(pixels.cuda(), owner.cuda()).cpu().int()).abs()
    assert (difference > 1).float().mean() < 1e-3
    assert (drawn.masks(masks) != moved.masks(masks.cuda()).cpu()).float().mean() < 1e-3
