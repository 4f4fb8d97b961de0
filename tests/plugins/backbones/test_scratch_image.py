"""The small network from scratch: what it learns, and what its features depend on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from medplug.core.errors import BackboneError
from medplug.core.images.store import ImageStore, StoredImage
from medplug.core.registry import Source
from medplug.core.transfer.depth import main_stack
from medplug.plugins.backbones.image_options import CNNOptions
from medplug.plugins.backbones.scratch_image import CNN

pytestmark = pytest.mark.usefixtures("one_thread")


def noise(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def stored(*pictures: NDArray[np.uint8]) -> list[StoredImage]:
    store = ImageStore()
    return [store.add(each) for each in pictures]


def learned(values: list[StoredImage], *, seed: int = 0, **options: Any) -> CNN:
    torch.manual_seed(seed)
    made = CNN.create(CNNOptions(**{"width": 32, **options}), None)
    made.learn(values)
    return made.eval()


def pooled(backbone: CNN, values: list[StoredImage]) -> Tensor:
    with torch.no_grad():
        features: Tensor = backbone(backbone.collate(backbone.prepare(values))).pooled
    return features


SHOWN = stored(*(noise(1 + i % 2, 20, 24, seed=i) for i in range(6)))


@pytest.mark.parametrize(("sides", "size"), [([28, 28, 28], 28), ([28, 40, 300], 40), ([300, 200], 64), ([5, 5], 8)])
def test_the_size_is_the_usual_one_of_the_training_images_up_to_64(sides: list[int], size: int) -> None:
    assert learned(stored(*(noise(1, side, side + 3) for side in sides))).view.size == size
    assert learned(stored(*(noise(1, side, side) for side in sides)), size=16).view.size == 16


def test_it_reads_colours_where_the_training_images_have_them() -> None:
    assert learned(SHOWN).view.channels == 1
    coloured = learned([*SHOWN, *stored(noise(1, 20, 20, 3))])
    assert coloured.view.channels == 3 and pooled(coloured, SHOWN).shape == (6, 32)
    assert pooled(learned(SHOWN), stored(noise(1, 20, 20, 3))).shape == (1, 32)  # made grey


def test_the_scale_takes_mean_and_deviation_off_the_training_images() -> None:
    values = stored(*(noise(1, 16, 16, 3, seed=i) // np.uint8([1, 2, 4]) for i in range(20)))
    backbone = learned(values)
    given = backbone.normalised(backbone.collate(backbone.prepare(values))["pixels"])
    torch.testing.assert_close(given.mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(given.std((0, 2, 3)), torch.ones(3), atol=1e-3, rtol=0)
    flat = learned(stored(np.full((1, 16, 16), 9, np.uint8)))
    assert pooled(flat, SHOWN).isfinite().all()


def test_the_seed_decides_the_weights() -> None:
    assert torch.equal(pooled(learned(SHOWN), SHOWN), pooled(learned(SHOWN), SHOWN))
    assert not torch.equal(pooled(learned(SHOWN), SHOWN), pooled(learned(SHOWN, seed=1), SHOWN))


def test_dropout_acts_in_training_only() -> None:
    backbone = learned(SHOWN, dropout=0.5)
    backbone.network[:-1].eval()  # type: ignore[index]
    kept = pooled(backbone, SHOWN)
    backbone.network[-1].train()  # type: ignore[index]
    assert not torch.equal(pooled(backbone, SHOWN), kept)


def test_a_batch_costs_what_its_finest_maps_do() -> None:
    backbone = learned(stored(noise(1, 28, 28)))
    assert [backbone.size(item) for item in backbone.prepare(stored(noise(1, 28, 28), noise(3, 90, 90)))] == [16, 48]


def test_what_stands_in_a_corner_alone_counts_in_the_features() -> None:
    backbone = learned(SHOWN)
    pooling = backbone.network[-2]  # type: ignore[index]
    maps = torch.zeros(2, 1, 16, 16, dtype=torch.float64)
    maps[1, 0, 0, 0] = 1.0
    assert pooling(maps).flatten().tolist() == [0.0, (1 / 256 + 1) / 2]


def test_weights_are_refused() -> None:
    with pytest.raises(BackboneError, match="backbone=cnn"):
        CNN.create(CNNOptions(), Source(hub="some/model"))


def test_adapters_find_its_blocks() -> None:
    assert len(main_stack(learned(SHOWN))) == 3


def test_it_learns_on_which_side_the_light_is() -> None:
    pictures = [noise(1, 16, 16, seed=i) // 2 for i in range(48)]
    labels = torch.arange(48) % 2
    for picture, label in zip(pictures, labels.tolist(), strict=True):
        picture[:, :, 8 * label : 8 * label + 8] += 60
    values = stored(*pictures)
    backbone = learned(values[:32]).train()
    model = nn.ModuleList([backbone, nn.Linear(backbone.width, 2)])
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    inputs = backbone.collate(backbone.prepare(values[:32]))
    for _ in range(60):
        optimiser.zero_grad()
        functional.cross_entropy(model[1](backbone(inputs).pooled), labels[:32]).backward()
        optimiser.step()
    predicted = model[1](pooled(backbone.eval(), values[32:])).argmax(1)
    assert predicted.tolist() == labels[32:].tolist()


def test_the_only_image_of_a_batch_may_be_tiny_in_training() -> None:
    made = learned(stored(*(noise(1, 4, 4, seed=i) for i in range(4))), dropout=0.0).train()
    for rows in (1, 2):
        batch = made.collate(made.prepare(stored(*(noise(1, 4, 4, seed=i) for i in range(rows)))))
        made(batch).pooled.sum().backward()
    assert all(each.grad is not None and each.grad.isfinite().all() for each in made.parameters())
