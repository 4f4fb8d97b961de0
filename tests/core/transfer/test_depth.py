"""Depth read off models of many makes, and what follows from it: rates and thawing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from medplug.core.transfer.depth import depth_groups, main_stack, rates_by_depth, thaw, trainable_groups


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


class Stage(nn.Module):
    def __init__(self, read: int, width: int, depth: int) -> None:
        super().__init__()
        self.widen = nn.Linear(read, width)
        self.parts = nn.ModuleList(Residual(width) for _ in range(depth))


class Experts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.experts = nn.ModuleList(Residual(4) for _ in range(3))


class Body(nn.Module):
    """Registers its embedding after the blocks and a map between two of them."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))
        self.low = nn.Sequential(Residual(4), Residual(4))
        self.between = nn.Linear(4, 4)
        self.high = nn.Sequential(Residual(4))
        self.norm = nn.LayerNorm(4)
        self.words = nn.Embedding(7, 4)


class Convolutions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(9, 4)
        self.kernels = nn.ModuleList(nn.Conv1d(4, 4, k) for k in (1, 3))
        self.out = nn.Linear(8, 4)


def tiny_vit() -> nn.Module:
    from transformers import ViTConfig, ViTModel

    small: dict[str, int] = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}
    return ViTModel(ViTConfig(num_hidden_layers=3, image_size=16, patch_size=8, **small))


def timm_model(name: str, **small: Any) -> nn.Module:
    import timm

    with torch.device("meta"):
        made: nn.Module = timm.create_model(name, num_classes=0, **small)
    return made


def names(module: nn.Module) -> list[list[str]]:
    return [[name for name, _ in group] for group in depth_groups(module)]


def starts(module: nn.Module) -> list[str]:
    return [group[0] for group in names(module)]


MODELS = {
    "vit": tiny_vit,
    "timm vit": lambda: timm_model("vit_tiny_patch16_224", depth=3, embed_dim=12, num_heads=2),
    "resnet": lambda: timm_model("resnet18"),
    "mobilenet": lambda: timm_model("mobilenetv2_100"),
    "convnext": lambda: timm_model("convnext_atto"),
    "regnet": lambda: timm_model("regnetx_002"),
    "body": Body,
    "convolutions": Convolutions,
    "lstm": lambda: nn.LSTM(3, 4, num_layers=2),
    "linear": lambda: nn.Linear(3, 4),
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_every_parameter_stands_in_one_group_and_no_group_is_empty(make: Any) -> None:
    module = make()
    groups = depth_groups(module)
    assert all(groups)
    found = [(name, id(parameter)) for group in groups for name, parameter in group]
    assert sorted(found) == sorted((name, id(parameter)) for name, parameter in module.named_parameters())


def test_a_bert_is_its_embeddings_its_layers_and_its_pooler(tiny_bert: Path) -> None:
    from transformers import AutoModel

    found = names(AutoModel.from_pretrained(tiny_bert))
    prefixes = ["embeddings.", "encoder.layer.0.", "encoder.layer.1.", "pooler."]
    assert len(found) == 4
    assert all(name.startswith(prefix) for prefix, group in zip(prefixes, found, strict=True) for name in group)


def test_a_gpt2_is_its_embeddings_its_blocks_and_its_last_norm_also_within_a_wrapper(tiny_gpt2: Path) -> None:
    from transformers import AutoModel

    module = AutoModel.from_pretrained(tiny_gpt2)
    assert starts(module) == ["wte.weight", "h.0.ln_1.weight", "h.1.ln_1.weight", "ln_f.weight"]
    assert starts(nn.ModuleDict({"text": module})) == [f"text.{name}" for name in starts(module)]


@pytest.mark.parametrize(
    ("name", "blocks", "groups"),
    [("vit", 3, 5), ("timm vit", 3, 5), ("resnet", 8, 9), ("mobilenet", 16, 18), ("convnext", 12, 14)],
)
def test_image_models_count_block_by_block(name: str, blocks: int, groups: int) -> None:
    module = MODELS[name]()
    assert (len(main_stack(module)), len(depth_groups(module))) == (blocks, groups)


def test_the_names_of_the_main_stack_lead_to_its_blocks_from_the_input_to_the_output() -> None:
    module = timm_model("resnet18")
    assert [name for name, _ in main_stack(module)] == [f"layer{i}.{j}" for i in range(1, 5) for j in range(2)]
    assert all(module.get_submodule(name) is block for name, block in main_stack(module))


def test_embeddings_belong_to_the_input_and_what_lies_between_blocks_to_the_later_one() -> None:
    first, low, lower, high, last = names(Body())
    assert first == ["scale", "words.weight"]
    assert last == ["norm.weight", "norm.bias"]
    assert [name.partition(".")[0] for name in high] == ["between"] * 2 + ["high"] * 4
    assert {name[:6] for name in low} == {"low.0."} and {name[:6] for name in lower} == {"low.1."}


def test_stages_of_unequal_size_are_opened_and_experts_side_by_side_are_not() -> None:
    stages = nn.Sequential(Stage(3, 4, 2), Stage(4, 8, 3))
    assert [name for name, _ in main_stack(stages)] == ["0.parts.0", "0.parts.1", *(f"1.parts.{i}" for i in range(3))]
    assert [name for name, _ in main_stack(nn.Sequential(Experts(), Experts()))] == ["0", "1"]


def test_without_a_main_stack_each_child_is_a_group_also_within_a_wrapper() -> None:
    assert main_stack(Convolutions()) == []
    assert starts(Convolutions()) == ["words.weight", "kernels.0.weight", "out.weight"]
    assert starts(nn.Sequential(Convolutions())) == ["0.words.weight", "0.kernels.0.weight", "0.out.weight"]
    assert starts(nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))) == ["0.weight", "2.weight"]
    assert len(names(nn.Linear(3, 4))) == 1
    assert depth_groups(nn.ReLU()) == []


def test_a_shared_weight_belongs_to_the_first_that_has_it() -> None:
    module = Body()
    module.tied = nn.Linear(4, 7, bias=False)
    module.tied.weight = module.words.weight
    assert names(module)[0] == ["scale", "words.weight"]
    assert "tied.weight" not in rates_by_depth(module, 0.5)


def test_the_rate_falls_by_the_decay_from_group_to_group_below_the_top() -> None:
    module = tiny_vit()
    rates = rates_by_depth(module, 0.5)
    assert set(rates) == {name for name, _ in module.named_parameters()}
    for above, group in enumerate(reversed(names(module))):
        assert {rates[name] for name in group} == {0.5**above}
    assert set(rates_by_depth(module, 1.0).values()) == {1.0}


@pytest.mark.parametrize("decay", [0.0, -0.5, 1.1, float("nan")])
def test_a_decay_outside_its_range_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match=r"decay must lie in \(0, 1\]"):
        rates_by_depth(Body(), decay)


def trains(groups: Any) -> list[bool]:
    found = [{parameter.requires_grad for _, parameter in group} for group in groups]
    assert all(len(states) == 1 for states in found)
    return [states.pop() for states in found]


def test_groups_thaw_from_the_top_at_even_steps() -> None:
    groups = depth_groups(Body())
    progress = [0.0, 0.124, 0.125, 0.25, 0.374, 0.375, 0.499, 0.5, 1.0]
    counts = [1, 1, 2, 3, 3, 4, 4, 5, 5]
    for at, count in zip(progress, counts, strict=True):
        assert thaw(groups, at) == count
        assert trains(groups) == [False] * (5 - count) + [True] * count


def test_thawing_follows_until_and_goes_back_when_training_starts_again() -> None:
    groups = depth_groups(Body())
    assert [thaw(groups, at, until=1.0) for at in (0.9, 1.0, 0.0)] == [4, 5, 1]
    assert trains(groups) == [False] * 4 + [True]


def test_what_was_frozen_before_stays_frozen() -> None:
    module = Body()
    module.low.requires_grad_(False)
    module.norm.bias.requires_grad_(False)
    groups = trainable_groups(module)
    assert len(groups) == 3
    assert thaw(groups, 0.0) == 1 and thaw(groups, 1.0) == 3
    assert not any(parameter.requires_grad for parameter in (*module.low.parameters(), module.norm.bias))
    assert module.words.weight.requires_grad and module.norm.weight.requires_grad


def test_a_wholly_frozen_model_has_nothing_to_thaw() -> None:
    assert trainable_groups(Body().requires_grad_(False)) == []
    assert thaw([], 0.3) == 0


def test_frozen_groups_get_no_gradient() -> None:
    module = nn.Sequential(*(Residual(4) for _ in range(3)))
    groups = depth_groups(module)
    thaw(groups, 0.0)
    module(torch.randn(2, 4)).sum().backward()
    assert [parameter.grad is not None for group in groups for _, parameter in group] == [False] * 8 + [True] * 4


def test_thawing_costs_little_where_nothing_changes() -> None:
    groups = depth_groups(timm_model("resnet18"))
    thaw(groups, 0.1)
    begun = time.perf_counter()
    for _ in range(100):
        thaw(groups, 0.1)
    assert time.perf_counter() - begun < 0.1


@pytest.mark.parametrize(("progress", "until", "message"), [(0.1, 0.0, "until must"), (-0.1, 0.5, "progress must")])
def test_a_progress_that_cannot_be_is_refused(progress: float, until: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        thaw(depth_groups(Body()), progress, until=until)
