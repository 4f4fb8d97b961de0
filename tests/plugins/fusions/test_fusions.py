"""The built-in fusions, made the way a run makes them: by name, with options from text."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from medplug.core.config import FusionConfig
from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import ConfigError
from medplug.core.features import Features
from medplug.core.fusion import Fusion
from medplug.core.specs import FusionSpec, resolve

NAMES = (
    *("concat", "feed_forward", "gated", "lowrank", "film", "hybrid", "late"),
    *("cross_attention", "bottleneck", "bilinear_attention"),
)
WIDTHS = {"text": 6, "image": 5, "tabular": 3}
SET: dict[str, dict[str, Any]] = {
    "gated": {"hidden": 12},
    "feed_forward": {"hidden": [6, 12], "dropout": 0.5, "normalised": True},
    "lowrank": {"hidden": 12, "rank": 2},
    "film": {"hidden": 12, "base": "image"},
    "hybrid": {"hidden": 12},
    "late": {"combine": "stacked"},
    "cross_attention": {"hidden": 12, "heads": 3, "dropout": 0.5},
    "bottleneck": {"hidden": 12, "heads": 3, "latents": 2, "layers": 3, "dropout": 0.5},
    "bilinear_attention": {"hidden": 12, "glimpses": 3},
}


def spec(name: str) -> FusionSpec:
    return Plugins(found=()).fusion(name)


def made(name: str, widths: dict[str, int] = WIDTHS, outputs: int = 4, **options: Any) -> Fusion:
    """Name and options to a layer, as the core does it."""
    found = spec(name)
    fusion: Fusion = resolve(found.factory, owner=name)(widths, outputs, resolve(found.config, owner=name)(**options))
    return fusion


def batch(pooled: bool = True, tokens: bool = True) -> dict[str, Features]:
    """Rows with all modalities; what a fusion is not to read is NaN."""
    torch.manual_seed(0)
    found = {}
    for name, width in WIDTHS.items():
        both = torch.randn(3, width), torch.randn(3, 4, width)
        pools, positions = (
            part if kept else part * torch.nan for part, kept in zip(both, (pooled, tokens), strict=True)
        )
        found[name] = Features(pools, positions, torch.ones(3, 4, dtype=torch.bool))
    return found


def test_these_are_the_built_in_fusions() -> None:
    assert tuple(each.name for each in Plugins(found=()).all("fusion")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_reads_what_its_spec_says(name: str) -> None:
    needs_tokens = spec(name).needs_tokens
    fusion = made(name).eval()
    assert fusion(batch(pooled=not needs_tokens, tokens=needs_tokens)).joined.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_options_are_those_of_every_fusion_and_its_own(name: str) -> None:
    config = resolve(spec(name).config, owner=name)
    assert issubclass(config, FusionConfig)
    assert set(config.model_fields) == {"modality_dropout", *SET.get(name, {})}
    with pytest.raises(ValidationError, match="banana"):
        config(banana=1)


@pytest.mark.parametrize("name", SET)
def test_every_option_arrives_in_the_layer(name: str) -> None:
    fusion, options = made(name, **SET[name]), SET[name]
    plain = made(name)
    assert fusion(batch()).joined.shape == (3, fusion.width)
    if "hidden" in options:
        assert fusion.width == {"hybrid": 12 + 3 * 4}.get(name, 12)
    for option in set(options) - {"hidden", "heads", "dropout", "base"}:
        alone = made(name, **{option: options[option]})
        assert shapes(alone) != shapes(plain), option
    dropouts = {part.p for part in fusion.modules() if isinstance(part, torch.nn.Dropout)}
    assert dropouts == ({options["dropout"]} if "dropout" in options else set())
    heads = {part.heads for part in fusion.modules() if hasattr(part, "heads") and isinstance(part.heads, int)}
    assert heads == ({options["heads"]} if "heads" in options else set())
    assert getattr(fusion, "base", None) == options.get("base")


def shapes(fusion: Fusion) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in fusion.state_dict().items()}


@pytest.mark.parametrize("outputs", [1, 4])
def test_late_gives_the_logits_themselves(outputs: int) -> None:
    fusion = made("late", outputs=outputs)
    assert fusion.decides and fusion.width == outputs
    assert made("hybrid", outputs=outputs).width == 128 + 3 * outputs


def test_a_base_that_the_run_lacks_is_told_with_those_it_has() -> None:
    with pytest.raises(
        ConfigError, match=r"fusion.base=imagery is no modality .*did you mean image\?.*text, image, tab"
    ):
        made("film", base="imagery")


@pytest.mark.parametrize("name", ["cross_attention", "bottleneck"])
def test_heads_that_do_not_divide_are_refused_before_anything_is_made(name: str) -> None:
    with pytest.raises(ValidationError, match="fusion.hidden must be a multiple of fusion.heads; got 10 and 4 heads"):
        made(name, hidden=10)
