"""Few new weights beside a frozen backbone: LoRA, (IA)3 and prefixes by peft, bottlenecks by our own layer."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Sequence
from typing import Any

from torch import nn

from medplug.core.adapter import Adapter
from medplug.core.errors import ConfigError
from medplug.core.model import Model
from medplug.core.transfer.bottleneck import Bottleneck, insert_bottlenecks
from medplug.core.transfer.depth import main_stack


class Lora(Adapter):
    """Low-rank updates of linear maps (Hu et al., 2022), and of convolutions."""

    identity_at_start = True

    def prepare(self, model: Model) -> None:
        """Put the updates in; they and the head are trained. At the start no output changes."""
        from peft import LoraConfig, inject_adapter_in_model

        options, backbone = self.options, model.backbone
        names = _named(backbone, options.modules, "lora.modules") if options.modules else _linear_maps(backbone)
        config = LoraConfig(
            r=options.rank,
            lora_alpha=options.alpha,
            lora_dropout=options.dropout,
            target_modules=names,
            fan_in_fan_out=all(_is_conv1d(backbone.get_submodule(name)) for name in names),
        )
        backbone.requires_grad_(False)
        inject_adapter_in_model(config, backbone)


class Ia3(Adapter):
    """Learned scales of keys, values and feed-forward inputs (Liu et al., 2022)."""

    identity_at_start = True

    def prepare(self, model: Model) -> None:
        """Put the scales in; they and the head are trained. At the start no output changes."""
        from peft import IA3Config, inject_adapter_in_model

        ends, inner = self._ends(model)
        names = _named(model.backbone, ends, "ia3.modules")
        scaled_inside = _ending(names, inner, "ia3.feedforward") if inner else []
        config = IA3Config(target_modules=names, feedforward_modules=scaled_inside)
        model.backbone.requires_grad_(False)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "fan_in_fan_out is set to")  # peft puts it right itself
            inject_adapter_in_model(config, model.backbone)

    def _ends(self, model: Model) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The ends of the names of all maps to scale, and of those whose input is scaled."""
        from peft.utils import constants

        if self.options.modules:
            return self.options.modules, self.options.feedforward
        kind = getattr(getattr(_transformer(model, "ia3"), "config", None), "model_type", "")
        known: dict[str, list[str]] = constants.TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING
        inside: dict[str, list[str]] = constants.TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING
        if kind not in known:
            raise ConfigError(
                f"adapter=ia3 knows no maps to scale in a backbone of the kind {kind!r}; name them, as in "
                'adapter.ia3.modules=["key","value","output.dense"] adapter.ia3.feedforward=["output.dense"]'
            )
        return tuple(known[kind]), tuple(inside[kind])


class Prefix(Adapter):
    """Learned positions that every attention layer sees before the text (Li and Liang, 2021)."""

    def prepare(self, model: Model) -> None:
        """Wrap the transformer of the backbone; the prefixes and the head are trained."""
        from peft import PrefixTuningConfig, get_peft_model

        transformer = _transformer(model, "prefix")
        if "past_key_values" not in inspect.signature(transformer.forward).parameters:
            kind = transformer.config.model_type
            raise ConfigError(
                f"adapter=prefix: transformers puts no positions before those of a backbone of the kind {kind!r}; "
                "use adapter=lora or bottleneck"
            )
        _check_room(model, transformer, self.options.tokens)
        model.backbone.requires_grad_(False)
        config = PrefixTuningConfig(task_type="FEATURE_EXTRACTION", num_virtual_tokens=self.options.tokens)
        name = next(name for name, module in model.backbone.named_modules() if module is transformer)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated")  # asked by peft itself
            wrapped = get_peft_model(transformer, config)
        wrapped.word_embeddings = None  # peft's second name of the same weights: a file of weights may not have two
        model.backbone.set_submodule(name, wrapped)


class Bottlenecks(Adapter):
    """Residual bottlenecks after each block's feed-forward part (Houlsby et al., 2019; Pfeiffer et al., 2021)."""

    identity_at_start = True

    def prepare(self, model: Model) -> None:
        """Put the bottlenecks in; they and the head are trained. At the start no output changes."""
        model.backbone.requires_grad_(False)
        try:
            insert_bottlenecks(model.backbone, reduction=self.options.reduction)
        except ValueError as error:
            raise ConfigError(f"adapter=bottleneck: {error}") from None
        for module in model.backbone.modules():
            if isinstance(module, Bottleneck):
                module.requires_grad_(True)


def _linear_maps(backbone: nn.Module) -> list[str]:
    """The names of all linear maps in the main stack of blocks."""
    blocks = main_stack(backbone)
    found = [f"{name}.{path}" for name, block in blocks for path, part in block.named_modules() if _is_linear(part)]
    if not found:
        raise ConfigError(
            "adapter=lora found no linear map in repeated blocks of this backbone; name the maps by "
            "adapter.lora.modules, or use adapter=finetune"
        )
    return found


def _named(backbone: nn.Module, ends: Sequence[str], key: str) -> list[str]:
    """The names of the backbone's linear maps that end so."""
    return _ending([name for name, part in backbone.named_modules() if _is_linear(part)], ends, key)


def _ending(names: Sequence[str], ends: Sequence[str], key: str) -> list[str]:
    """The names that end so, part by part; each end must be that of one."""
    for end in ends:
        if not any(f".{name}".endswith(f".{end}") for name in names):
            last = ", ".join(sorted({name.rpartition(".")[2] for name in names}))
            raise ConfigError(
                f"adapter.{key}: no linear map of the backbone ends in {end}; their last parts are {last}"
            )
    return [name for name in names if f".{name}".endswith(tuple(f".{end}" for end in ends))]


def _is_linear(part: nn.Module) -> bool:
    """Whether it is a linear map or, in networks of convolutions, one of all channels (depthwise ones are small)."""
    return isinstance(part, nn.Linear) or _is_conv1d(part) or (isinstance(part, nn.Conv2d) and part.groups == 1)


def _is_conv1d(part: nn.Module) -> bool:
    return type(part).__name__ == "Conv1D"  # transformers' linear map of GPT-2, its weight the other way round


def _transformer(model: Model, adapter: str) -> Any:
    """The transformers model inside the backbone."""
    from transformers import PreTrainedModel

    for module in model.backbone.modules():
        if isinstance(module, PreTrainedModel):
            return module
    raise ConfigError(f"adapter={adapter} needs a backbone of the transformers library; use lora or bottleneck")


def _check_room(model: Model, transformer: Any, tokens: int) -> None:
    """Prefixes take positions, of which an encoder has a fixed number."""
    positions = getattr(transformer.config, "max_position_embeddings", None)
    for name, module in transformer.named_modules():
        if positions and name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            positions -= module.padding_idx + 1  # RoBERTa and kin number positions from there
    window = model.backbone.assets().get("window")
    if positions and window and window + tokens > positions:
        raise ConfigError(
            f"adapter.prefix.tokens={tokens} and windows of {window} tokens exceed the {positions} positions of this "
            f"backbone; use backbone.window={positions - tokens}, or fewer tokens"
        )
