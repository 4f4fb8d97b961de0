"""What generated packages compute, held against float64 references."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module

import numpy as np
import pytest
import torch

from medplug.core.adapter import Batch
from medplug.core.data.targets import Target
from medplug.core.discovery.plugins import Plugins
from medplug.core.features import Features
from medplug.core.images.store import ImageStore
from medplug.core.model import Outputs
from medplug.core.scaffold.package import make


@pytest.fixture(scope="module", autouse=True)
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A package of each kind whose computing is held here, importable while these tests run."""
    folder = tmp_path_factory.mktemp("packages")
    with pytest.MonkeyPatch.context() as patched:
        for kind in ("adapter", "fusion", "backbone"):
            made = make(f"medplug-held-{kind}", kind, folder, Plugins(found=()))
            patched.syspath_prepend(str(made.folder / "src"))
        yield
    for name in [name for name in sys.modules if name.startswith("medplug_held_")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("kind", "classes", "outputs"), [("binary", "ab", 1), ("multiclass", "abc", 3), ("multilabel", "abc", 3)]
)
def test_the_adapter_takes_the_mean_entropy_of_the_labelled_rows_off(kind: str, classes: str, outputs: int) -> None:
    method, options = (import_module(f"medplug_held_adapter.{each}") for each in ("method", "options"))
    logits = np.random.default_rng(0).normal(scale=3, size=(6, outputs))
    labels = torch.zeros(4, dtype=torch.int64)
    given = Outputs(torch.zeros(6, 2), torch.tensor(logits, requires_grad=True))
    batch = Batch(given, labels, 0, {}, 0.5, Target(kind, tuple(classes)))  # type: ignore[arg-type]
    if kind == "multiclass":
        chances = np.exp(logits[:4]) / np.exp(logits[:4]).sum(1, keepdims=True)
        entropy = -(chances * np.log(chances)).sum(1)
    else:
        yes = 1 / (1 + np.exp(-logits[:4]))
        entropy = -(yes * np.log(yes) + (1 - yes) * np.log(1 - yes))
    penalty = method.ConfidencePenalty(options.MethodOptions(trade_off=0.3)).penalty(batch)
    assert penalty.item() == pytest.approx(-0.3 * entropy.mean(), rel=1e-5)
    penalty.backward()
    assert not given.logits.grad[4:].any()


def test_the_fusion_keeps_the_largest_of_what_a_row_has() -> None:
    layer, options = (import_module(f"medplug_held_fusion.{each}") for each in ("layer", "options"))
    fusion = layer.max_fusion({"text": 3, "image": 2}, 1, options.LayerOptions(hidden=5)).double()
    pooled = {name: torch.randn(4, width, dtype=torch.float64) for name, width in (("text", 3), ("image", 2))}
    has = {"text": [True, True, False, False], "image": [True, False, True, False]}
    pooled["text"][2] = torch.nan
    features = {name: Features(each, each[:, None], torch.tensor(has[name])[:, None]) for name, each in pooled.items()}
    found = fusion(features).joined.detach().numpy()
    text, image = (fusion.maps[name](pooled[name]).detach().numpy() for name in ("text", "image"))
    np.testing.assert_allclose(found, [np.maximum(text[0], image[0]), text[1], image[2], np.zeros(5)])


def test_the_backbone_sees_colours_as_grey_and_the_mean_of_slices() -> None:
    encoder, options = (import_module(f"medplug_held_backbone.{each}") for each in ("encoder", "options"))
    backbone = encoder.SmallEncoder.create(options.EncoderOptions(side=8, width=4), None)
    draw, store = np.random.default_rng(0), ImageStore()
    volume = draw.integers(0, 256, (3, 8, 8)).astype(np.uint8)
    colours = draw.integers(0, 256, (1, 8, 8, 3)).astype(np.uint8)
    found = backbone.prepare([store.add(volume), store.add(colours)])
    for item, wanted in zip(found, (volume.mean(0), colours[0].mean(-1)), strict=True):
        assert np.abs(item[0].numpy() - wanted).max() <= 0.51
    backbone.learn([store.add(volume), store.add(colours)])
    pixels = np.stack([item.numpy() for item in found]) / 255
    assert backbone.assets()["mean"] == pytest.approx(pixels.mean(), rel=1e-5)
    assert backbone.assets()["deviation"] == pytest.approx(pixels.std(ddof=1), rel=1e-5)
