"""Where in a network of timm its maps, or the attention of its patches, can be taken hold of to explain it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn

from medplug.core.explaining.inside import Attending, Mapped

_READ = ("token", "avg")
"""How a transformer's tokens may be pooled: by their first one, or by the mean of the patches."""


def inside_of(network: Any, owner: Callable[..., Any], shown: Callable[..., Any]) -> Mapped | Attending | None:
    """The inside of a network, None where it is of neither kind."""
    if (found := _attention(network)) is not None:
        grid, averaged = network.patch_embed.grid_size, network.global_pool == "avg"
        layers = tuple(each.attn_drop for each in found)
        return Attending(owner, shown, layers, (grid[0], grid[1]), averaged, partial(_visible, found))
    stages = getattr(network, "feature_info", None)
    if not stages:
        return None
    layer = dict(network.named_modules()).get(stages[-1]["module"])
    if layer is None or hasattr(network, "patch_embed") and not hasattr(network, "layers"):
        return None  # of other transformers over patches the last block gives no map
    return Mapped(owner, shown, layer, last=getattr(network, "output_fmt", "NCHW") == "NHWC")


def _attention(network: Any) -> list[Any] | None:
    """The attention of every block of a plain vision transformer; None of any other network."""
    blocks = getattr(network, "blocks", None)
    if not hasattr(network, "patch_embed") or getattr(network, "global_pool", "") not in _READ or not blocks:
        return None
    found = [getattr(block, "attn", None) for block in blocks]
    plain = all(
        hasattr(each, "fused_attn") and isinstance(getattr(each, "attn_drop", None), nn.Module) for each in found
    )
    return found if plain and hasattr(network.patch_embed, "grid_size") else None


@contextmanager
def _visible(attention: list[Any]) -> Iterator[None]:
    """Within it the weights are computed one by one: the fused way never has them."""
    before = [each.fused_attn for each in attention]
    for each in attention:
        each.fused_attn = False
    try:
        yield
    finally:
        for each, fused in zip(attention, before, strict=True):
            each.fused_attn = fused
