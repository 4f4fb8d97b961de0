"""Backbones that say where their units can be followed: each unit is where it says, and scores are each row's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from medplug.core.backbone import Backbone
from medplug.core.explaining.class_maps import class_maps, rollout
from medplug.core.explaining.inside import LEFT, Attending, Embedded, Mapped
from medplug.core.explaining.paths import counted, follow, gathered
from medplug.core.images.store import ImageStore, StoredImage
from medplug.core.registry import Source
from medplug.plugins.backbones.character_cnn import SequenceCNN, SmilesCNN
from medplug.plugins.backbones.entity_options import (
    MoleculeGraphOptions,
    PretrainedProteinOptions,
    SequenceCNNOptions,
    SmilesCNNOptions,
)
from medplug.plugins.backbones.image_options import CNNOptions, PretrainedImageOptions
from medplug.plugins.backbones.molecule_graph import MoleculeGraph
from medplug.plugins.backbones.pretrained_entities import PretrainedProtein
from medplug.plugins.backbones.pretrained_image import PretrainedImage
from medplug.plugins.backbones.pretrained_options import PretrainedTextOptions
from medplug.plugins.backbones.pretrained_text import PretrainedText
from medplug.plugins.backbones.scratch_image import CNN
from medplug.plugins.backbones.scratch_options import TextCNNOptions, TextGRUOptions
from medplug.plugins.backbones.scratch_text import TextCNN, TextGRU

pytestmark = pytest.mark.usefixtures("one_thread")

TEXTS = ["fever", "a dry cough and fever for 3 weeks, no rash", "no chest pain"]
LONG = " ".join(["acute fracture, severe pain"] * 30)
SMILES = ["CCO", "c1ccccc1N", "CC(=O)Oc1ccccc1C(=O)O"]
SEQUENCES = ["MKV", "ACDEFGHIKLMNPQ", "GGGA"]


def scratch(kind: Any, options: Any, values: list[str]) -> tuple[Backbone, list[str]]:
    torch.manual_seed(0)
    made = kind.create(options, None)
    made.learn(values)
    return made.eval(), values


MADE: dict[str, Callable[[pytest.FixtureRequest], tuple[Backbone, list[str]]]] = {
    "text_cnn": lambda request: scratch(TextCNN, TextCNNOptions(min_count=1, window=40), TEXTS),
    "text_gru": lambda request: scratch(TextGRU, TextGRUOptions(min_count=1, hidden=6), TEXTS),
    "smiles_cnn": lambda request: scratch(SmilesCNN, SmilesCNNOptions(), SMILES),
    "sequence_cnn": lambda request: scratch(SequenceCNN, SequenceCNNOptions(), SEQUENCES),
    "molecule_graph": lambda request: scratch(MoleculeGraph, MoleculeGraphOptions(width=16, layers=2), SMILES),
    "bert": lambda request: (loaded(request, "tiny_bert"), [*TEXTS, LONG]),
    "gpt2": lambda request: (loaded(request, "tiny_gpt2"), [*TEXTS, LONG]),
    "esm": lambda request: (
        PretrainedProtein.create(PretrainedProteinOptions(), Source(path=request.getfixturevalue("tiny_esm"))).eval(),
        SEQUENCES,
    ),
}


def loaded(request: pytest.FixtureRequest, name: str) -> Backbone:
    return PretrainedText.create(PretrainedTextOptions(), Source(path=request.getfixturevalue(name))).eval()


def scores(backbone: Backbone, values: list[str], steps: int) -> tuple[list[Any], Any]:
    """Scores of the sum of the pooled features, row by row, and what these are to sum to."""
    inside = backbone.inside()
    assert isinstance(inside, Embedded)
    items = backbone.prepare(values)
    inputs = backbone.collate(items)
    of = inside.units(items, inputs)
    torch.manual_seed(1)
    head = torch.randn(backbone.width, 1)
    found = follow(lambda: backbone(inputs).pooled @ head, inside, of, torch.ones(len(values), 1).double(), steps)
    return gathered(found.scores, of, counted(of, len(values))), (found.here - found.baseline).numpy()


@pytest.fixture(params=MADE)
def made(request: pytest.FixtureRequest) -> tuple[Backbone, list[str]]:
    return MADE[request.param](request)


def test_scores_sum_to_what_the_units_change(made: tuple[Backbone, list[str]]) -> None:
    found, totals = scores(*made, steps=64)
    sums = np.array([each.sum() for each in found])
    np.testing.assert_allclose(sums, totals, rtol=0.05, atol=0.02 * float(np.abs(totals).max()))


def test_scores_of_a_row_do_not_depend_on_the_rows_beside_it(made: tuple[Backbone, list[str]]) -> None:
    backbone, values = made
    together, _ = scores(backbone, values, steps=8)
    for value, wanted in zip(values, together, strict=True):
        (alone,), _ = scores(backbone, [value], steps=8)
        np.testing.assert_allclose(alone, wanted, rtol=1e-3, atol=1e-5)


def test_every_unit_has_a_word_and_a_place(made: tuple[Backbone, list[str]]) -> None:
    backbone, values = made
    inside = backbone.inside()
    assert isinstance(inside, Embedded)
    items = backbone.prepare(values)
    units = counted(inside.units(items, backbone.collate(items)), len(values))
    for value, count, told in zip(values, units, inside.located(values), strict=True):
        assert 0 < count <= len(told.words)
        if told.places is not None:
            assert [value[first:end] for first, end in told.places] == list(told.words)
            assert "".join("".join(told.words).split()) == "".join(value.split())
        else:
            assert told.molecule == value


def test_tokens_that_windows_share_are_one_unit_and_special_tokens_none(request: pytest.FixtureRequest) -> None:
    backbone = loaded(request, "tiny_bert")
    inside = backbone.inside()
    assert isinstance(inside, Embedded)
    items = backbone.prepare([LONG])
    of = inside.units(items, backbone.collate(items)).numpy()
    assert len(of) > 1 and (of[:, 0] == LEFT).all()  # [CLS] begins each window
    seen = [window[window[:, 0] != LEFT, 1] for window in of]
    assert np.intersect1d(seen[0], seen[1]).size > 0
    assert np.array_equal(np.unique(np.concatenate(seen)), np.arange(items[0].tokens))


def pictures() -> list[StoredImage]:
    store, draw = ImageStore(), np.random.default_rng(0)
    shapes = ((1, 40, 40), (3, 32, 32), (1, 32, 32, 3))
    return [store.add(draw.integers(0, 256, shape, dtype=np.uint8)) for shape in shapes]


def network(folder: Path, name: str, **arguments: Any) -> PretrainedImage:
    """A network of timm with random weights, as its own folder."""
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False, num_classes=2, **arguments)
    folder.mkdir()
    save_file(model.state_dict(), folder / "model.safetensors")
    told = {"architecture": name, "model_args": arguments, "num_classes": 2}
    (folder / "config.json").write_text(json.dumps(told), encoding="utf-8")
    return PretrainedImage.create(PretrainedImageOptions(size=32), Source(path=folder)).eval()


def small_cnn(folder: Path) -> Backbone:
    torch.manual_seed(0)
    made = CNN.create(CNNOptions(width=32), None)
    made.learn(pictures())
    return made.eval()


SMALL = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 2}
NETWORKS: dict[str, tuple[Callable[[Path], Backbone], type]] = {
    "cnn": (small_cnn, Mapped),
    "resnet": (lambda folder: network(folder, "resnet10t"), Mapped),
    "vit": (lambda folder: network(folder, "vit_tiny_patch16_224", **SMALL), Attending),
    "vit of means": (lambda folder: network(folder, "vit_tiny_patch16_224", global_pool="avg", **SMALL), Attending),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_each_slice_of_a_picture_has_a_map_of_its_own(name: str, tmp_path: Path) -> None:
    make, kind = NETWORKS[name]
    backbone = make(tmp_path / "network")
    inside = backbone.inside()
    assert isinstance(inside, kind)
    head = torch.randn(backbone.width, 1)

    def maps(values: list[StoredImage]) -> tuple[Any, list[int]]:
        items = backbone.prepare(values)
        inputs, ones = backbone.collate(items), torch.ones(len(values), 1).double()
        here = backbone.inside()
        assert isinstance(here, Mapped | Attending)

        def forward() -> torch.Tensor:
            found: torch.Tensor = backbone(inputs).pooled @ head
            return found

        found = class_maps(forward, here, ones) if isinstance(here, Mapped) else rollout(forward, here, ones)
        assert [each.shape[0] for each in here.shown(items)] == [item.image.frames for item in items]
        return found.numpy(), here.owner(inputs).tolist()

    values = pictures()
    together, owner = maps(values)
    assert owner == [0, 1, 1, 1, 2] and together.ndim == 3
    for row, value in enumerate(values):
        alone, _ = maps([value])
        np.testing.assert_allclose(alone, together[np.array(owner) == row], rtol=1e-3, atol=1e-6)
    assert together.std() > 0


def test_attention_is_fused_again_after_it_was_looked_at(tmp_path: Path) -> None:
    backbone = network(tmp_path / "network", "vit_tiny_patch16_224", **SMALL)
    inside = backbone.inside()
    assert isinstance(inside, Attending)
    attention = [block.attn for block in backbone.network.blocks]  # type: ignore[union-attr]
    before = [each.fused_attn for each in attention]
    with inside.visible():
        assert not any(each.fused_attn for each in attention)
    assert [each.fused_attn for each in attention] == before
