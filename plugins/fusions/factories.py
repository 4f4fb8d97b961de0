"""The fusions as a run makes them: ``factory(widths, outputs, options)``.

`widths` maps each modality to the width of its features, `outputs` is the number
of logits of the target's head.
"""

from __future__ import annotations

from collections.abc import Mapping

from medplug.core import fusion
from medplug.core.errors import ConfigError, did_you_mean
from medplug.core.fusion import Fusion
from medplug.plugins.fusions.options import (
    BilinearAttentionOptions,
    BottleneckOptions,
    ConcatOptions,
    CrossAttentionOptions,
    FeedForwardOptions,
    FilmOptions,
    GatedOptions,
    HybridOptions,
    LateOptions,
    LowRankOptions,
)

Widths = Mapping[str, int]


def concat(widths: Widths, outputs: int, options: ConcatOptions) -> Fusion:
    """Pooled features side by side."""
    return fusion.Concat(widths)


def feed_forward(widths: Widths, outputs: int, options: FeedForwardOptions) -> Fusion:
    """Layers behind pooled features side by side."""
    return fusion.FeedForward(widths, options.hidden, options.dropout, normalised=options.normalised)


def gated(widths: Widths, outputs: int, options: GatedOptions) -> Fusion:
    """A weighted mean, with weights of each row's own."""
    return fusion.Gated(widths, options.hidden)


def lowrank(widths: Widths, outputs: int, options: LowRankOptions) -> Fusion:
    """The outer product of all modalities, by low-rank factors."""
    return fusion.LowRank(widths, options.hidden, options.rank)


def film(widths: Widths, outputs: int, options: FilmOptions) -> Fusion:
    """One modality modulated by the others; `ConfigError` where the run has no such base."""
    if options.base is not None and options.base not in widths:
        raise ConfigError(
            f"fusion.base={options.base} is no modality of this run{did_you_mean(options.base, widths)} "
            f"(this run has: {', '.join(widths)})"
        )
    return fusion.Film(widths, options.hidden, options.base)


def hybrid(widths: Widths, outputs: int, options: HybridOptions) -> Fusion:
    """Joint features beside each modality's own logits."""
    return fusion.Hybrid(widths, outputs, options.hidden)


def late(widths: Widths, outputs: int, options: LateOptions) -> Fusion:
    """Each modality's own head, and the average of their logits."""
    return fusion.Late(widths, outputs, options.combine)


def cross_attention(widths: Widths, outputs: int, options: CrossAttentionOptions) -> Fusion:
    """Tokens that attend to those of the other modalities."""
    return fusion.CrossAttention(widths, options.hidden, options.heads, options.dropout)


def bottleneck(widths: Widths, outputs: int, options: BottleneckOptions) -> Fusion:
    """Latent tokens that attend to all modalities."""
    return fusion.Bottleneck(widths, options.hidden, options.heads, options.latents, options.layers, options.dropout)


def bilinear_attention(widths: Widths, outputs: int, options: BilinearAttentionOptions) -> Fusion:
    """Attention over pairs of tokens."""
    return fusion.BilinearAttention(widths, options.hidden, options.glimpses)
