from __future__ import annotations

from collections.abc import Sequence

import pytest
import timm
import torch
from torch import Tensor, nn

from medplug.core.segmentation.decoder import FeaturePyramidDecoder
from medplug.core.segmentation.loss import MaskLoss

pytestmark = pytest.mark.usefixtures("one_thread")

CHANNELS = (16, 24, 40)


def pyramid(rows: int = 2, *, size: tuple[int, int] = (33, 20)) -> list[Tensor]:
    """Maps as a backbone of odd input gives them: each half of the last, rounded up."""
    maps, (height, width) = [], size
    for channels in CHANNELS:
        maps.append(torch.randn(rows, channels, height, width))
        height, width = -(-height // 2), -(-width // 2)
    return maps


def decoder(classes: int = 3) -> FeaturePyramidDecoder:
    torch.manual_seed(0)
    return FeaturePyramidDecoder(CHANNELS, classes)


def disc(rows: int, side: int) -> tuple[Tensor, Tensor]:
    """Noisy images ``[rows, 3, side, side]`` with a bright disc each, and their masks."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    centres = torch.randint(side // 4, 3 * side // 4, (rows, 2, 1, 1))
    mask = ((y - centres[:, 0]) ** 2 + (x - centres[:, 1]) ** 2 < (side / 6) ** 2).long()
    return mask[:, None] + 0.3 * torch.randn(rows, 3, side, side), mask


@pytest.mark.parametrize(
    ("name", "size", "options"),
    [
        ("resnet18", (101, 64), {}),
        ("mobilenetv2_100", (205, 256), {"pad_type": "same"}),
        ("convnext_atto", (101, 64), {}),
        ("vit_tiny_patch16_224", (48, 64), {"img_size": (48, 64)}),
    ],
)
def test_the_maps_of_any_timm_backbone_become_logits_at_the_size_asked(
    name: str, size: tuple[int, int], options: dict[str, object]
) -> None:
    backbone = timm.create_model(name, features_only=True, pretrained=False, **options).eval()
    with torch.no_grad():
        maps = backbone(torch.randn(1, 3, *size))
    made = FeaturePyramidDecoder(backbone.feature_info.channels(), classes=4)
    logits = made(maps, size)
    assert logits.shape == (1, 4, *size)
    logits.square().mean().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in made.parameters())


def test_every_map_changes_the_logits() -> None:
    made, maps = decoder().eval(), pyramid()
    before = made(maps, (66, 40))
    for level in range(len(maps)):
        changed = [features + (level == i) for i, features in enumerate(maps)]
        assert not torch.allclose(made(changed, (66, 40)), before, atol=1e-3)


@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
def test_a_rows_logits_do_not_depend_on_the_other_rows(training: bool) -> None:
    made, maps = decoder().train(training), pyramid(rows=4)
    together = made(maps, (60, 40))
    alone = torch.cat([made([features[i : i + 1] for features in maps], (60, 40)) for i in range(4)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_maps_of_one_size_and_a_single_map_are_a_pyramid_too() -> None:
    equal = [torch.randn(2, 32, 3, 5) for _ in range(3)]
    assert FeaturePyramidDecoder([32] * 3, 2)(equal, (48, 80)).shape == (2, 2, 48, 80)
    assert FeaturePyramidDecoder([32], 2)(equal[:1], (48, 80)).shape == (2, 2, 48, 80)


def test_maps_of_one_pixel_give_finite_logits() -> None:
    maps = [torch.randn(2, channels, 1, 1) for channels in CHANNELS]
    assert decoder()(maps, (7, 9)).isfinite().all()


def test_a_flipped_image_of_even_size_has_a_flipped_mask_when_the_filters_are_symmetric() -> None:
    made, maps = decoder().eval(), pyramid(size=(16, 16))
    for layer in made.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.data = layer.weight.data + layer.weight.data.flip(-1)
    flipped = made([features.flip(-1) for features in maps], (32, 32)).flip(-1)
    torch.testing.assert_close(made(maps, (32, 32)), flipped, rtol=1e-4, atol=1e-4)


def test_a_pixel_of_the_finest_map_speaks_for_the_centre_of_its_block() -> None:
    made, maps = decoder().eval(), pyramid(size=(8, 12))
    torch.testing.assert_close(made(maps, (24, 36))[..., 1::3, 1::3], made(maps, (8, 12)), rtol=1e-4, atol=1e-5)


def test_channels_last_maps_give_the_same_logits() -> None:
    made, maps = decoder().eval(), pyramid()
    last = [features.contiguous(memory_format=torch.channels_last) for features in maps]
    torch.testing.assert_close(made(maps, (66, 40)), made(last, (66, 40)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "maps",
    [
        pyramid()[:2],
        pyramid()[::-1],
        [features.permute(0, 2, 3, 1) for features in pyramid()],
        [features[0] for features in pyramid()],
    ],
    ids=["too few", "coarsest first", "channels at the end", "no rows"],
)
def test_maps_of_another_backbone_are_refused_with_their_shapes(maps: Sequence[Tensor]) -> None:
    with pytest.raises(ValueError, match=r"3 maps .* of \[16, 24, 40\] channels; got shapes \[\["):
        decoder()(maps, (66, 40))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (([], 2), r"at least one feature map; got \[\]"),
        (([16, 0], 2), r"got \[16, 0\]"),
        (([16], 1), "at least 2, the background among them; got 1"),
        (([16], 2, 20), "multiple of 8; got 20"),
        (([16], 2, 0), "multiple of 8; got 0"),
    ],
)
def test_a_decoder_that_cannot_be_is_refused(arguments: tuple[list[int], int], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        FeaturePyramidDecoder(*arguments)


def test_discs_are_found_after_a_few_steps_over_a_frozen_random_backbone() -> None:
    torch.manual_seed(0)
    backbone = timm.create_model("resnet18", features_only=True, pretrained=False, out_indices=(0, 1, 2)).eval()
    made = FeaturePyramidDecoder(backbone.feature_info.channels(), classes=2, width=16)
    images, masks = disc(12, side=48)
    with torch.no_grad():
        maps = backbone(images)
    train, test = [features[:8] for features in maps], [features[8:] for features in maps]
    loss, optimiser = MaskLoss(2), torch.optim.Adam(made.parameters(), lr=0.01)
    for _ in range(30):
        optimiser.zero_grad()
        loss(made(train, (48, 48)), masks[:8]).mean().backward()
        optimiser.step()
    found = made.eval()(test, (48, 48)).argmax(dim=1)
    shared = (found * masks[8:]).sum()
    assert 2 * shared / (found.sum() + masks[8:].sum()) > 0.85
