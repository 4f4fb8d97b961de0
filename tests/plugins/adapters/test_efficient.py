"""Few weights beside a frozen backbone: nothing changes until they learn, they alone learn, and they come back."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from medplug.core.backbone import Inputs
from medplug.core.data.targets import Target
from medplug.core.errors import ConfigError
from medplug.core.features import Features
from medplug.core.model import Model
from medplug.core.registry import Source
from medplug.core.training.vectors import Vectors
from medplug.plugins.adapters import efficient, options
from medplug.plugins.backbones.pretrained_options import PretrainedTextOptions
from medplug.plugins.backbones.pretrained_text import PretrainedText

BINARY = Target("binary", ("no", "yes"))
TEXTS = ["fever", "the patient has had a dry cough and fever for 3 weeks, no rash", "no chest pain " * 9]
ADAPTERS: dict[str, tuple[type, type]] = {
    "lora": (efficient.Lora, options.LoraOptions),
    "ia3": (efficient.Ia3, options.Ia3Options),
    "prefix": (efficient.Prefix, options.PrefixOptions),
    "bottleneck": (efficient.Bottlenecks, options.BottleneckOptions),
}
MARKS = {"lora": "lora_", "ia3": "ia3_", "prefix": "prompt_encoder", "bottleneck": "bottleneck"}


class Holding(Vectors):
    """Any network as a backbone; `collated` is what it reads and `window` what is told of it."""

    def __init__(self, network: nn.Module, collated: Tensor, window: int = 40) -> None:
        super().__init__(0)
        self.network, self.collated, self.window = network, collated, window
        self.width = int(self(self.collate([])).pooled.shape[1])

    def assets(self) -> dict[str, Any]:
        return {"window": self.window}

    def collate(self, items: Sequence[Any]) -> Inputs:
        return {"x": self.collated}

    def forward(self, inputs: Inputs) -> Features:
        found = self.network(inputs["x"])
        pooled = found if isinstance(found, Tensor) else found.last_hidden_state.mean(1)
        return Features(pooled, pooled[:, None], torch.ones(len(pooled), 1, dtype=torch.bool))


def seeded(make: Callable[[], Any]) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make()


def text_model(folder: Path) -> Model:
    return seeded(
        lambda: Model(
            PretrainedText.create(PretrainedTextOptions(window=44, overlap=8), Source(path=folder)), BINARY
        ).eval()
    )


def held(network: Callable[[], nn.Module], collated: Tensor, **facts: Any) -> Model:
    return seeded(lambda: Model(Holding(network().eval(), collated, **facts), BINARY).eval())


def image_model(name: str) -> Model:
    import timm

    pictures = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    still = {"zero_init_last": False} if name.startswith("resnet") else {}  # else half its maps get no gradient yet
    return held(lambda: timm.create_model(name, pretrained=False, num_classes=0, **still), pictures)


def transformer(name: str, **shape: Any) -> Model:
    """A tiny text model of another architecture."""
    import transformers

    names = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "cls_token_id": 0, "sep_token_id": 2}
    sizes = {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = getattr(transformers, f"{name}Config")(**names, **sizes, intermediate_size=48, **shape)
    window = int(getattr(config, "window", 44))
    ids = torch.randint(3, 50, (2, window), generator=torch.Generator().manual_seed(0))
    return held(lambda: transformers.AutoModel.from_config(config), ids, window=window)


def prepared(model: Model, name: str, **given: Any) -> Model:
    adapter, chosen = ADAPTERS[name]
    seeded(lambda: adapter(chosen(**given)).prepare(model))
    return model.eval()


def inputs_of(model: Model) -> Inputs:
    return model.backbone.collate(model.backbone.prepare(TEXTS))


def trainable(model: Model) -> list[str]:
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


@pytest.fixture(params=["tiny_bert", "tiny_gpt2"])
def folder(request: pytest.FixtureRequest) -> Path:
    """Weights of an encoder, and of a decoder whose maps are transformers' own Conv1D."""
    found: Path = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("name", ["lora", "ia3", "bottleneck"])
def test_at_the_start_no_output_of_a_text_model_changes(name: str, folder: Path) -> None:
    model = text_model(folder)
    before = model(inputs_of(model))
    torch.testing.assert_close(prepared(model, name)(inputs_of(model)), before, rtol=0, atol=1e-6)


@pytest.mark.parametrize("network", ["resnet18", "mobilenetv2_050", "vit_tiny_patch16_224"])
@pytest.mark.parametrize("name", ["lora", "bottleneck"])
def test_at_the_start_no_output_of_an_image_model_changes_and_then_every_new_weight_learns(
    name: str, network: str
) -> None:
    if network.startswith("vit"):
        import timm

        pictures = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        model = held(lambda: timm.create_model(network, img_size=32, depth=2, num_classes=0), pictures)
    else:
        model = image_model(network)
    inputs = inputs_of(model)
    before = model(inputs)
    prepared(model, name)
    torch.testing.assert_close(model(inputs), before, rtol=0, atol=1e-6)
    move(model)
    model(inputs).square().sum().backward()
    new = [parameter for parameter in model.backbone.parameters() if parameter.requires_grad]
    assert new and all(parameter.grad is not None and parameter.grad.any() for parameter in new)
    assert sum(each.numel() for each in new) < sum(each.numel() for each in model.backbone.parameters())


def move(model: Model) -> None:
    """Give every trainable weight a value that it did not start from."""
    draw = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=draw))


@pytest.mark.parametrize("name", ADAPTERS)
def test_only_the_new_weights_and_the_head_are_trained_and_each_gets_a_gradient(name: str, folder: Path) -> None:
    model = prepared(text_model(folder), name)
    frozen = {n: parameter.clone() for n, parameter in model.named_parameters() if not parameter.requires_grad}
    assert trainable(model) and all(MARKS[name] in each or each.startswith("head.") for each in trainable(model))
    move(model)  # at the start one half of an update multiplies the other half's zeros
    model(inputs_of(model)).square().sum().backward()
    for each, parameter in model.named_parameters():
        if each in frozen:
            assert parameter.grad is None and torch.equal(parameter, frozen[each])
        else:
            assert parameter.grad is not None and parameter.grad.any(), each


@pytest.mark.parametrize("name", ADAPTERS)
def test_trained_weights_come_back_into_a_restored_model(name: str, folder: Path, tmp_path: Path) -> None:
    model = prepared(text_model(folder), name)
    fresh = model(inputs_of(model))
    move(model)
    trained = model(inputs_of(model))
    assert (trained - fresh).abs().min() > 1e-4
    model.requires_grad_(False)
    save_file({n: tensor.contiguous() for n, tensor in model.state_dict().items()}, tmp_path / "model.safetensors")
    again = Model(PretrainedText.restore(model.backbone.assets()), BINARY)
    prepared(again, name).load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert torch.equal(again.eval()(inputs_of(again)), trained)


def test_prefixes_are_seen_by_every_layer_and_every_row(folder: Path) -> None:
    model = prepared(text_model(folder), "prefix", tokens=5)
    inputs = inputs_of(model)
    before = model(inputs)
    (prefix,) = [p for n, p in model.named_parameters() if "prompt_encoder" in n]
    assert prefix.shape == (5, 2 * 2 * 32)  # keys and values of two layers
    for layer in range(2):
        with torch.no_grad():
            moved = copy.deepcopy(model)
            (own,) = [p for n, p in moved.named_parameters() if "prompt_encoder" in n]
            own[:, 64 * layer : 64 * (layer + 1)] += 1
            assert ((moved(inputs) - before).abs() > 1e-4).all()


def test_rows_do_not_depend_on_the_padding_beside_a_prefix(folder: Path) -> None:
    model = prepared(text_model(folder), "prefix", tokens=5)
    move(model)
    together = model(inputs_of(model))
    for row, text in enumerate(TEXTS):
        alone = model(model.backbone.collate(model.backbone.prepare([text])))
        torch.testing.assert_close(alone[0], together[row], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("positions", "name"), [(64, "Bert"), (66, "Roberta")])
def test_prefixes_take_positions_of_which_there_must_be_enough(positions: int, name: str) -> None:
    model = transformer(name, max_position_embeddings=positions)  # RoBERTa leaves its first two unused
    before = model(inputs_of(model))
    with pytest.raises(ConfigError, match="exceed the 64 positions.*backbone.window=43, or fewer tokens"):
        prepared(model, "prefix", tokens=21)
    assert torch.equal(model(inputs_of(model)), before)
    assert prepared(model, "prefix", tokens=20)(inputs_of(model)).isfinite().all()


@pytest.mark.parametrize("name", ["ModernBert", "DebertaV2", "MPNet"])
def test_backbones_that_take_no_prefix_are_refused_by_name(name: str) -> None:
    shape = {} if name == "ModernBert" else {"max_position_embeddings": 66}
    with pytest.raises(ConfigError, match="puts no positions before those of a backbone of the kind '.*lora"):
        prepared(transformer(name, **shape), "prefix")


@pytest.mark.parametrize("name", ["ia3", "prefix"])
def test_methods_of_transformers_refuse_other_backbones(name: str) -> None:
    with pytest.raises(ConfigError, match=f"adapter={name} needs a backbone of the transformers library"):
        prepared(image_model("resnet18"), name)


def test_a_backbone_without_repeated_blocks_is_refused() -> None:
    def plain() -> nn.Module:
        return nn.Sequential(nn.Linear(4, 4), nn.Tanh())

    with pytest.raises(ConfigError, match=r"no linear map in repeated blocks.*adapter\.lora\.modules"):
        prepared(held(plain, torch.ones(2, 4)), "lora")
    with pytest.raises(ConfigError, match="adapter=bottleneck: bottlenecks need a stack of repeated blocks"):
        prepared(held(plain, torch.ones(2, 4)), "bottleneck")
    named = prepared(held(plain, torch.ones(2, 4)), "lora", modules=("0",))
    assert sum("lora_" in each for each in trainable(named)) == 2


def test_maps_are_named_by_the_ends_of_their_names_part_by_part(tiny_bert: Path) -> None:
    model = prepared(text_model(tiny_bert), "lora", modules=("query", "attention.output.dense"), rank=3)
    assert sum("lora_A" in each for each in trainable(model)) == 4
    assert all(p.shape[0] == 3 for n, p in model.named_parameters() if "lora_A" in n)
    with pytest.raises(ConfigError, match=r"adapter\.lora\.modules: no linear map.* ends in uery; .*dense, key, query"):
        prepared(text_model(tiny_bert), "lora", modules=("query", "uery"))
    with pytest.raises(ConfigError, match="no linear map of the backbone ends in LayerNorm"):
        prepared(text_model(tiny_bert), "lora", modules=("LayerNorm",))


def test_ia3_scales_the_input_of_what_is_named_feed_forward(tiny_bert: Path) -> None:
    model = prepared(
        text_model(tiny_bert), "ia3", modules=("key", "intermediate.dense"), feedforward=("intermediate.dense",)
    )
    shapes = [tuple(p.shape) for n, p in model.named_parameters() if "ia3_" in n]
    assert shapes == [(32, 1), (1, 32)] * 2
    with pytest.raises(ConfigError, match=r"adapter\.ia3\.feedforward: no linear map .* ends in output.dense"):
        prepared(text_model(tiny_bert), "ia3", modules=("key",), feedforward=("output.dense",))
    with pytest.raises(ValidationError, match=r"which of adapter\.ia3\.modules it means"):
        options.Ia3Options(feedforward=("output.dense",))


def test_ia3_asks_for_the_maps_of_an_unknown_architecture() -> None:
    with pytest.raises(ConfigError, match="a backbone of the kind 'electra'; name them, as in adapter.ia3.modules"):
        prepared(transformer("Electra", max_position_embeddings=64), "ia3")
    assert prepared(transformer("Electra", max_position_embeddings=64), "ia3", modules=("key", "value"))


def test_lora_leaves_depthwise_convolutions_as_they_are() -> None:
    model = prepared(image_model("mobilenetv2_050"), "lora")
    adapted = {each.partition(".lora_")[0] for each in trainable(model) if "lora_" in each}
    assert adapted and not any("conv_dw" in each for each in adapted)


def test_the_strength_of_an_update_is_alpha_over_rank(tiny_bert: Path) -> None:
    changes = []
    for alpha in (2.0, 4.0):
        model = prepared(text_model(tiny_bert), "lora", alpha=alpha, modules=("layer.1.output.dense",))
        before = text_model(tiny_bert).backbone
        layer = model.backbone.get_submodule("model.encoder.layer.1.output.dense")
        plain = before.get_submodule("model.encoder.layer.1.output.dense")
        move(model)
        x = torch.ones(1, 48)
        changes.append(layer(x) - plain(x))
    torch.testing.assert_close(changes[1], 2 * changes[0], rtol=1e-4, atol=1e-6)
