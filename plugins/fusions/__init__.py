"""The built-in fusions: ways to join the features of several modalities, any of which a row may lack."""

from __future__ import annotations

from medplug.core.hooks import hookimpl
from medplug.core.specs import FusionSpec

medplug_api = 1

_HERE = "medplug.plugins.fusions"

Row = tuple[str, str, str]
"""Name, the class of its options, summary; its factory has its name."""

_POOLED: tuple[Row, ...] = (
    ("concat", "ConcatOptions", "pooled features side by side; nothing to learn, so a head can be fitted on them"),
    ("feed_forward", "FeedForwardOptions", "layers behind pooled features side by side"),
    ("gated", "GatedOptions", "a weighted mean, with weights of the modalities learned and decided row by row"),
    ("lowrank", "LowRankOptions", "every product of features of different modalities, by factors of low rank"),
    ("film", "FilmOptions", "one modality's features scaled and shifted by what the others say"),
    ("hybrid", "HybridOptions", "joint features beside each modality's own logits (early and late together)"),
    ("late", "LateOptions", "each modality's own head, their logits averaged or stacked"),
)
_TOKENS: tuple[Row, ...] = (
    ("cross_attention", "CrossAttentionOptions", "each modality's tokens attend to those of the others"),
    ("bottleneck", "BottleneckOptions", "a few latent tokens attend to all modalities and carry what they share"),
    ("bilinear_attention", "BilinearAttentionOptions", "attention over all pairs of tokens of two modalities"),
)


@hookimpl
def medplug_fusions() -> list[FusionSpec]:
    """Give the fusions of pooled features, then those of tokens."""
    return [_spec(row, needs_tokens=rows is _TOKENS) for rows in (_POOLED, _TOKENS) for row in rows]


def _spec(row: Row, *, needs_tokens: bool) -> FusionSpec:
    name, options, summary = row
    return FusionSpec(
        name=name,
        summary=summary,
        factory=f"{_HERE}.factories:{name}",
        config=f"{_HERE}.options:{options}",
        needs_tokens=needs_tokens,
        learns=name != "concat",
    )
