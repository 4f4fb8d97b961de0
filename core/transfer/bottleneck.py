"""Bottleneck adapters: small residual maps between the blocks of a backbone that itself stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from medplug.core.transfer.depth import main_stack

SUPPORTED = (
    "a stack of repeated blocks (an nn.ModuleList or nn.Sequential) that each end in a linear map back to their "
    "width, as in BERT, GPT-2 and ViT, or that map channels by convolutions, as in ResNet and MobileNetV2"
)


class Bottleneck(nn.Module):
    """``x + up(gelu(down(x)))`` through ``width // reduction`` features, at least one; at the start exactly ``x``.

    `x` is ``[..., width]``, or with `channels_first` ``[batch, width, height, columns]``,
    where the maps are convolutions of one pixel. `up` starts at zero; GELU lets a
    map of one or two features learn from any start, where ReLU may shut it.

    Houlsby et al., Parameter-Efficient Transfer Learning for NLP (2019).
    """

    def __init__(self, width: int, reduction: int = 16, *, channels_first: bool = False) -> None:
        super().__init__()
        if width < 1 or reduction < 1:
            raise ValueError(f"width and reduction must be at least 1; got {width} and {reduction}")
        linear = partial(nn.Conv2d, kernel_size=1) if channels_first else nn.Linear
        self.down = linear(width, max(width // reduction, 1))
        self.up = linear(max(width // reduction, 1), width)
        for parameter in self.up.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Features of the shape of `x`."""
        change: Tensor = self.up(functional.gelu(self.down(x)))
        return x + change


class Adapted(nn.Module):
    """A module of a backbone and the bottleneck that its output goes through."""

    def __init__(self, original: nn.Module, bottleneck: Bottleneck) -> None:
        super().__init__()
        self.original = original
        self.bottleneck = bottleneck

    def forward(self, *args: object, **kwargs: object) -> Tensor:
        """The original's output, of the same shape, changed by the bottleneck."""
        changed: Tensor = self.bottleneck(self.original(*args, **kwargs))
        return changed


def insert_bottlenecks(module: nn.Module, *, reduction: int = 16) -> int:
    """Put a bottleneck in every block of the main stack of `module`, in place; how many were put in.

    In a block with linear maps it follows the last one back to the block's
    width, the feed-forward output, before that is added to its input (and, in
    BERT, normalised). In a block without, it follows the whole block, over
    channels. Names of the maps gain ``.original``: to load saved weights, insert
    again and load. Nothing is frozen here, and no output changes until a
    bottleneck is trained. A ValueError where the backbone has no such blocks or
    has bottlenecks already; then nothing was changed. Where other adapters
    replace linear maps too (LoRA), bottlenecks come first.

    Pfeiffer et al., AdapterFusion: Non-Destructive Task Composition for Transfer Learning (2021), for the place.
    """
    if any(isinstance(part, Bottleneck) for part in module.modules()):
        raise ValueError("the backbone has bottlenecks already; insert them once")
    blocks = main_stack(module)
    if not blocks:
        raise ValueError(f"bottlenecks need {SUPPORTED}; {type(module).__name__} has no repeated blocks")
    convolutions = [part for part in module.modules() if isinstance(part, nn.Conv2d)]
    adapted = dict(_adapted(name, block, convolutions, reduction) for name, block in blocks)
    for name, part in adapted.items():
        module.set_submodule(name, part)
    return len(adapted)


def _adapted(name: str, block: nn.Module, convolutions: Sequence[nn.Conv2d], reduction: int) -> tuple[str, Adapted]:
    """What takes the place of a block or of its feed-forward output, and the name of that place."""
    if isinstance(block, nn.TransformerEncoderLayer):  # its fused inference reads the weights and skips the modules
        raise ValueError(f"bottlenecks need {SUPPORTED}; {name} is an nn.TransformerEncoderLayer, which fuses its maps")
    linears = [(path, part, *_widths(part)) for path, part in block.named_modules() if _widths(part) != (0, 0)]
    if not linears:
        return name, _after(block, _channels(name, block, convolutions), reduction, channels_first=True)
    width = linears[0][2]  # a block's first map reads the block's input
    back = [(path, part, read) for path, part, read, given in linears if given == width]
    if not back:
        raise ValueError(f"bottlenecks need {SUPPORTED}; no linear map of {name} gives its width of {width}")
    path, output, _ = ([entry for entry in back if entry[2] != width] or back)[-1]
    return f"{name}.{path}", _after(output, width, reduction, channels_first=False)


def _channels(name: str, block: nn.Module, convolutions: Sequence[nn.Conv2d]) -> int:
    """The channels that a block of convolutions gives, which those of the backbone's next convolution must bear out."""
    own = [part for part in block.modules() if isinstance(part, nn.Conv2d)]
    if not own:
        raise ValueError(f"bottlenecks need {SUPPORTED}; {name} is a {type(block).__name__}")
    channels = own[-1].out_channels
    at = next(i for i, part in enumerate(convolutions) if part is own[-1])
    if any(part.in_channels != channels for part in convolutions[at + 1 : at + 2]):
        wanted = f"its last convolution gives {channels} channels and the next reads {convolutions[at + 1].in_channels}"
        raise ValueError(f"bottlenecks need {SUPPORTED}; {name} is a {type(block).__name__}, of which {wanted}")
    return channels


def _after(part: nn.Module, width: int, reduction: int, *, channels_first: bool) -> Adapted:
    """`part` and a bottleneck for its output, of its type and on its device."""
    weight = next(part.parameters())
    bottleneck = Bottleneck(width, reduction, channels_first=channels_first).to(weight.device, weight.dtype)
    return Adapted(part, bottleneck)


def _widths(part: nn.Module) -> tuple[int, int]:
    """The widths that a linear map reads and gives; zeros for any other module."""
    if isinstance(part, nn.Linear):
        return part.in_features, part.out_features
    if type(part).__name__ == "Conv1D":  # transformers' linear map of GPT-2, its weight the other way round
        weight = part.get_parameter("weight")
        return int(weight.shape[0]), int(weight.shape[1])
    return 0, 0
