"""Bottlenecks in backbones of many makes: nothing changes until they learn, and weights come back."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from medplug.core.transfer.bottleneck import Adapted, Bottleneck, insert_bottlenecks
from medplug.core.transfer.depth import depth_groups, main_stack

Case = tuple[nn.Module, Callable[[nn.Module], Tensor], list[str]]


class Dense(nn.Module):
    """Gives what it read beside what it made, as DenseNet's blocks do."""

    def __init__(self, read: int) -> None:
        super().__init__()
        self.made = nn.Conv2d(read, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.made(x)], 1)


class Block(nn.Module):
    """A block whose inner width is fixed."""

    def __init__(self, width: int, given: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, 5), nn.Linear(5, given)

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.second(self.first(x))
        return changed


def text(folder: Path, output: str, **given: Any) -> Case:
    from transformers import AutoModel

    ids = torch.randint(0, 30, (2, 7), generator=torch.Generator().manual_seed(0))
    model = AutoModel.from_pretrained(folder).eval()
    return model, lambda m: m(input_ids=ids).last_hidden_state, [output.format(i) for i in range(2)]


def vit() -> Case:
    from transformers import ViTConfig, ViTModel

    small: dict[str, int] = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 48}
    model = ViTModel(ViTConfig(num_hidden_layers=2, image_size=16, patch_size=8, **small)).eval()
    image = torch.randn(2, 3, 16, 16)
    return model, lambda m: m(pixel_values=image).last_hidden_state, [f"layers.{i}.mlp.fc2" for i in range(2)]


def image_model(name: str, places: list[str], size: int = 32, **small: Any) -> Case:
    import timm

    image = torch.randn(2, 3, size, size)
    return timm.create_model(name, num_classes=0, **small).eval(), lambda m: m(image), places


@pytest.fixture(params=["bert", "gpt2", "vit", "timm vit", "resnet", "mobilenet", "convnext"])
def case(request: pytest.FixtureRequest, tiny_bert: Path, tiny_gpt2: Path) -> Case:
    torch.manual_seed(0)
    stages = [f"blocks.{i}.{j}" for i, n in enumerate([0, 2, 3, 4, 3, 3, 1]) for j in range(n)]
    narrow: dict[str, Any] = {"depths": (1, 1, 1, 2), "dims": (8, 8, 8, 16), "conv_mlp": False}
    inner = [f"stages.{i}.blocks.{j}.mlp.fc2" for i, j in ((0, 0), (1, 0), (2, 0), (3, 0), (3, 1))]
    flat: dict[str, Any] = {"img_size": 32, "depth": 2, "embed_dim": 16, "num_heads": 2}
    cases: dict[str, Callable[[], Case]] = {
        "bert": lambda: text(tiny_bert, "encoder.layer.{}.output.dense"),
        "gpt2": lambda: text(tiny_gpt2, "h.{}.mlp.c_proj"),
        "vit": vit,
        "timm vit": lambda: image_model("vit_tiny_patch16_224", [f"blocks.{i}.mlp.fc2" for i in range(2)], **flat),
        "resnet": lambda: image_model("resnet18", [f"layer{i}.{j}" for i in range(1, 5) for j in range(2)]),
        "mobilenet": lambda: image_model("mobilenetv2_100", stages),
        "convnext": lambda: image_model("convnext_atto", inner, **narrow),
    }
    return cases[request.param]()


def disturb(module: nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, Bottleneck):
            nn.init.normal_(part.up.weight)


def test_every_block_gets_one_after_its_feed_forward_output_and_no_output_changes(case: Case) -> None:
    model, run, places = case
    before = run(model)
    assert insert_bottlenecks(model, reduction=4) == len(places)
    assert [name for name, part in model.named_modules() if isinstance(part, Adapted)] == places
    assert torch.equal(run(model), before)


def test_each_bottleneck_learns_while_the_rest_is_frozen_and_changes_the_output(case: Case) -> None:
    model, run, _ = case
    model.requires_grad_(False)
    before = run(model)
    insert_bottlenecks(model, reduction=4)
    run(model).square().sum().backward()
    for part in model.modules():
        if isinstance(part, Bottleneck):
            assert part.up.weight.grad is not None and part.up.weight.grad.abs().sum() > 0
    assert all("bottleneck" in name for name, p in model.named_parameters() if p.requires_grad)
    disturb(model)
    assert not torch.allclose(run(model), before)


def test_saved_weights_come_back_by_inserting_again_and_loading(case: Case) -> None:
    model, run, _ = case
    fresh = copy.deepcopy(model)
    insert_bottlenecks(model, reduction=4)
    disturb(model)
    insert_bottlenecks(fresh, reduction=4)
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(run(fresh), run(model))


def test_a_bottleneck_belongs_to_the_depth_of_its_block(case: Case) -> None:
    model, _, places = case
    before = len(depth_groups(model))
    insert_bottlenecks(model, reduction=4)
    groups = depth_groups(model)
    assert (len(groups), len(main_stack(model))) == (before, len(places))
    assert sum(any(".bottleneck." in name for name, _ in group) for group in groups) == len(places)


@pytest.mark.parametrize("shape", [(5, 12), (2, 3, 12), (2, 12, 3, 4)])
def test_a_bottleneck_adds_its_narrow_map_to_each_position(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    channels_first = len(shape) == 4
    layer = Bottleneck(12, 4, channels_first=channels_first).double()
    nn.init.normal_(layer.up.weight)
    nn.init.normal_(layer.up.bias)
    x = torch.randn(shape, dtype=torch.float64)
    rows = x.movedim(1, -1) if channels_first else x
    down, up = (m.weight.reshape(m.weight.shape[:2]) for m in (layer.down, layer.up))
    narrow = rows @ down.T + layer.down.bias
    wanted = rows + narrow * (1 + torch.erf(narrow / 2**0.5)) / 2 @ up.T + layer.up.bias
    assert down.shape == (3, 12)
    torch.testing.assert_close(layer(x), wanted.movedim(-1, 1) if channels_first else wanted)


def test_a_bottleneck_leaves_its_input_as_it_is_at_the_start_and_has_a_feature_at_least() -> None:
    x = torch.randn(3, 5)
    assert torch.equal(Bottleneck(5)(x), x)
    assert Bottleneck(5).down.weight.shape == (1, 5)


def test_bottlenecks_take_the_type_of_the_weights_beside_them(tiny_bert: Path) -> None:
    model, run, _ = text(tiny_bert, "{}")
    model.to(torch.bfloat16)
    before = run(model)
    insert_bottlenecks(model)
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    assert torch.equal(run(model), before)


def test_under_autocast_nothing_changes_at_the_start(tiny_bert: Path) -> None:
    model, run, _ = text(tiny_bert, "{}")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        before = run(model)
        insert_bottlenecks(model)
        assert torch.equal(run(model), before)


def test_where_all_maps_are_of_one_width_the_last_is_followed() -> None:
    model = nn.Sequential(Block(5, 5), Block(5, 5))
    insert_bottlenecks(model)
    assert [name for name, part in model.named_modules() if isinstance(part, Adapted)] == ["0.second", "1.second"]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.LSTM(3, 4), "LSTM has no repeated blocks"),
        (nn.Sequential(Block(4, 4), Block(4, 6)), "no linear map of 1 gives its width of 4"),
        (nn.Sequential(Dense(3), Dense(5)), "gives 2 channels and the next reads 5"),
        (nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 2), "layers.0 is an nn.Trans"),
        (nn.Sequential(nn.ModuleDict({"a": nn.PReLU()}), nn.ModuleDict({"a": nn.PReLU()})), "0 is a ModuleDict"),
    ],
)
def test_a_backbone_without_a_place_for_them_is_refused_and_left_as_it_was(model: nn.Module, message: str) -> None:
    before = list(model.state_dict())
    with pytest.raises(ValueError, match=f"bottlenecks need a stack of repeated blocks.*{message}"):
        insert_bottlenecks(model)
    assert list(model.state_dict()) == before


def test_bottlenecks_are_inserted_once(tiny_gpt2: Path) -> None:
    model, _, _ = text(tiny_gpt2, "{}")
    insert_bottlenecks(model)
    with pytest.raises(ValueError, match="already"):
        insert_bottlenecks(model)


@pytest.mark.parametrize(("width", "reduction"), [(0, 4), (4, 0)])
def test_a_width_or_reduction_below_one_is_refused(width: int, reduction: int) -> None:
    with pytest.raises(ValueError, match=f"at least 1; got {width} and {reduction}"):
        Bottleneck(width, reduction)
