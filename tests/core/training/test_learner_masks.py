"""Training of masks: what is read, what is predicted at the images' own size, and how it is scored."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate

from medplug.core.backbone import Inputs
from medplug.core.data.targets import Target
from medplug.core.evaluation.masks import estimate_overlaps
from medplug.core.features import Features
from medplug.core.images.store import ImageStore, StoredImage
from medplug.core.mask_model import MaskModel
from medplug.core.segmentation.loss import MaskLoss
from medplug.core.segmentation.overlap import MEASURES, overlaps
from medplug.core.training.class_maps import class_maps
from medplug.core.training.mask_learner import MaskLabels, MaskLearner, mean_overlaps
from medplug.core.training.rows import Collate, Rows
from medplug.core.training.seeds import seeded
from medplug.core.training.vectors import Vectors

TARGET = Target("mask", ("nerve", "vessel"))
SIDE = 16
SIZES = [(16, 16), (32, 32), (21, 40), (9, 13), (48, 17)]


def nearest(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """By the pixel whose centre lies nearest, written out."""
    rows = [int((i + 0.5) * pixels.shape[0] / height) for i in range(height)]
    columns = [int((i + 0.5) * pixels.shape[1] / width) for i in range(width)]
    return pixels[np.ix_(rows, columns)]


class Squashed(Vectors):
    """Every picture at 16 x 16; the maps are two convolutions of it."""

    map_widths = (8, 6)

    def __init__(self) -> None:
        super().__init__(6)
        self.fine, self.coarse = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 6, 3, stride=2, padding=1)

    def prepare(self, values: Sequence[StoredImage]) -> list[Any]:
        return [nearest(value.pixels()[0], SIDE, SIDE)[None] for value in values]

    def masks(self, masks: Sequence[StoredImage]) -> list[StoredImage]:
        beside = ImageStore()
        return [beside.add(nearest(mask.pixels()[0], SIDE, SIDE)[None]) for mask in masks]

    def size(self, item: Any) -> int:
        return 16

    def collate(self, items: Sequence[Any]) -> Inputs:
        return {"pixels": torch.from_numpy(np.stack(items)), "owner": torch.arange(len(items))}

    def forward(self, inputs: Inputs) -> Features:
        return self.maps(inputs)[0]

    def maps(self, inputs: Inputs) -> tuple[Features, list[Tensor]]:
        fine = self.fine(inputs["pixels"].float() / 64).relu()
        coarse = self.coarse(fine).relu()
        pooled = coarse.mean((2, 3))
        return Features(pooled, pooled[:, None], torch.ones(len(pooled), 1, dtype=torch.bool)), [fine, coarse]


class Seeing(MaskModel):
    """Says of each pixel that it is of the class whose number the picture shows there."""

    def forward(self, inputs: Inputs) -> Tensor:
        return 9.0 * nn.functional.one_hot(inputs["pixels"][:, 0].long(), 3).permute(0, 3, 1, 2)


def model(kind: type[MaskModel] = MaskModel) -> MaskModel:
    with seeded(2):
        made = kind(Squashed(), TARGET)
        made.head.classify.weight.data.mul_(20)  # type: ignore[union-attr, operator]
        return made


def some_masks(store: ImageStore, sizes: Sequence[tuple[int, int]] = SIZES, seed: int = 0) -> list[StoredImage]:
    """Class numbers 0 to 2 in patches of four pixels."""
    draw = np.random.default_rng(seed)
    blocks = [draw.integers(0, 3, (1, -(-height // 4), -(-width // 4))) for height, width in sizes]
    grown = [each.repeat(4, 1).repeat(4, 2).astype(np.uint8) for each in blocks]
    return [store.add(each[:, :h, :w]) for each, (h, w) in zip(grown, sizes, strict=True)]


@pytest.fixture
def learner(on_cpu: Callable[..., Any]) -> Callable[..., MaskLearner]:
    """A learner of random pictures, or of pictures that show their masks."""

    def make(kind: type[MaskModel] = MaskModel, compute: Any = None, sizes: Any = SIZES) -> MaskLearner:
        store = ImageStore()
        splits, items, made = {}, {}, model(kind)
        for seed, split in enumerate(("train", "validation", "test")):
            masks = some_masks(store, sizes, seed)
            splits[split] = SimpleNamespace(masks=masks)
            shown = masks if kind is Seeing else some_masks(store, sizes, seed + 10)
            items[split] = made.backbone.prepare(shown)
        job: Any = SimpleNamespace(
            dataset=SimpleNamespace(splits=splits, target=TARGET),
            compute=compute or on_cpu(tokens=40),
            stage=lambda name: lambda done, total: None,
        )
        frozen: Any = None
        return MaskLearner(made, items, {"train": {"flat": 1}}, job, frozen)

    return make


# ---- labels


def test_masks_are_read_as_class_numbers_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    store = ImageStore()
    masks = some_masks(store)
    read: list[int] = []
    whole = ImageStore.read
    monkeypatch.setattr(
        ImageStore, "read", lambda self, offset, shape: read.append(offset) or whole(self, offset, shape)
    )
    labels = MaskLabels(masks)
    assert len(labels) == len(SIZES) and read == []
    for row, size in enumerate(SIZES):
        label = labels[row]
        assert label.dtype == np.int64 and label.shape == size and len(read) == row + 1
        np.testing.assert_array_equal(label, whole(store, masks[row].offset, masks[row].shape)[0])


def test_the_training_masks_have_the_networks_size_and_no_new_class(learner: Callable[..., MaskLearner]) -> None:
    found = learner()
    truth = found.job.dataset.splits["train"].masks or []
    assert len(found.labels) == len(truth)
    for label, mask in zip(found.labels, truth, strict=True):
        np.testing.assert_array_equal(label, nearest(mask.pixels()[0], SIDE, SIDE))


@pytest.mark.parametrize("together", [False, True])
def test_a_batch_stacks_the_masks_of_its_labelled_rows(together: bool, learner: Callable[..., MaskLearner]) -> None:
    found = learner()
    rows = Rows([*found.items["train"], *found.items["test"]], found.labels)
    drawn = [rows[i] for i in ([7, 3, 0, 9, 4] if together else [3, 0, 4])]
    parts = Collate(found.model.backbone, 32, together=together)(drawn)
    labels = torch.cat([part.labels for part in parts])
    assert labels.dtype == torch.int64 and labels.shape == (3, SIDE, SIDE)
    expected = [found.labels[row] for row in (3, 0, 4)]
    assert sorted(map(str, labels.numpy())) == sorted(map(str, expected))


def test_the_loss_is_that_of_masks_with_all_classes(learner: Callable[..., MaskLearner]) -> None:
    loss = learner().loss()
    assert isinstance(loss, MaskLoss) and loss.classes == 3


# ---- predicted masks


def test_masks_are_decided_at_the_images_own_size_from_logits_scaled_up(on_cpu: Callable[..., Any]) -> None:
    net = model()
    items = net.backbone.prepare(some_masks(ImageStore(), seed=3))
    found = {row: rest for row, *rest in class_maps(net, items, SIZES, on_cpu(tokens=48))}
    assert sorted(found) == list(range(len(SIZES)))
    for row, (mask, probabilities) in found.items():
        with torch.no_grad():
            logits = net(net.backbone.collate([items[row]]))
            scaled = interpolate(logits, size=SIZES[row], mode="bilinear", align_corners=False)[0].double()
        assert mask.shape == SIZES[row] and mask.dtype == np.uint8 and probabilities.dtype == np.float32
        np.testing.assert_allclose(probabilities, scaled.softmax(0).numpy(), atol=1e-4)
        np.testing.assert_allclose(probabilities.sum(0), 1, atol=1e-5)
        np.testing.assert_array_equal(mask, probabilities.argmax(0))
    assert len(np.unique(np.concatenate([mask.ravel() for mask, _ in found.values()]))) == 3


def test_the_model_is_in_eval_mode_and_no_gradient_is_kept(on_cpu: Callable[..., Any]) -> None:
    net = model().train()
    items = net.backbone.prepare(some_masks(ImageStore()))
    for _ in class_maps(net, items, SIZES, on_cpu()):
        assert not net.training and torch.is_grad_enabled()  # whoever takes a mask computes as before
    assert all(parameter.grad is None for parameter in net.parameters())


def test_progress_goes_up_to_all_rows(on_cpu: Callable[..., Any]) -> None:
    net, told = model(), list[tuple[int, int]]()
    items = net.backbone.prepare(some_masks(ImageStore()))
    list(class_maps(net, items, SIZES, on_cpu(tokens=32), lambda done, total: told.append((done, total))))
    assert [done for done, _ in told] == sorted({done for done, _ in told}) and told[-1] == (5, 5)


def test_several_processes_share_the_rows(on_cpu: Callable[..., Any]) -> None:
    net, compute = model(), on_cpu(tokens=32)
    items = net.backbone.prepare(some_masks(ImageStore()))

    def of_rank(rank: int) -> dict[int, Any]:
        process: Any = SimpleNamespace(rank=rank, world=2)
        return {row: mask for row, mask, _ in class_maps(net, items, SIZES, replace(compute, processes=process))}

    first, second = of_rank(0), of_rank(1)
    alone = {row: mask for row, mask, _ in class_maps(net, items, SIZES, compute)}
    assert first and second and not set(first) & set(second)
    for row, mask in {**first, **second}.items():
        np.testing.assert_array_equal(mask, alone[row])
    assert len(first) + len(second) == len(alone) == 5


# ---- scores


def test_the_table_holds_each_rows_overlaps_at_its_own_size(learner: Callable[..., MaskLearner]) -> None:
    found = learner()
    table = found.table("test")
    assert table.shape == (5, 2, 3)
    truth = found.job.dataset.splits["test"].masks or []
    decided = {row: mask for row, mask, _ in class_maps(found.model, found.items["test"], SIZES, found.job.compute)}
    for row in range(5):
        np.testing.assert_array_equal(table[row], overlaps(decided[row], truth[row].pixels()[0], 3))
    assert 0 < np.nanmean(table[:, :, 0]) < 1


def test_a_model_that_sees_all_overlaps_in_full(learner: Callable[..., MaskLearner]) -> None:
    table = learner(Seeing, sizes=[(16, 16)] * 4).table("test")
    np.testing.assert_array_equal(table, np.broadcast_to([1, 1, 0], table.shape))


def test_larger_images_lose_only_the_rims_of_their_masks(learner: Callable[..., MaskLearner]) -> None:
    table = learner(Seeing, sizes=[(32, 32)] * 4).table("test")
    assert table[:, :, 0].min() > 0.85 and table[:, :, 2].max() < 3


def test_the_processes_put_their_rows_into_one_table(
    learner: Callable[..., MaskLearner], on_cpu: Callable[..., Any]
) -> None:
    alone = learner().table("test")
    parts: list[Any] = []

    def of_rank(rank: int) -> Any:
        def gather(mine: Any) -> list[Any]:
            parts.append(mine)
            return [*parts]

        process: Any = SimpleNamespace(rank=rank, world=2, gather=gather)
        return learner(compute=replace(on_cpu(tokens=40), processes=process)).table("test")

    of_rank(0)
    np.testing.assert_array_equal(of_rank(1), alone)


@pytest.mark.parametrize("chosen_by", MEASURES)
def test_an_epoch_is_scored_by_the_measure_that_chooses_and_by_dice(
    chosen_by: str, learner: Callable[..., MaskLearner]
) -> None:
    found = learner()
    scores = found.score(chosen_by)
    assert set(scores) == {chosen_by, "dice"}
    expected = estimate_overlaps(found.table("validation"), resamples=100)
    for name, value in scores.items():
        assert value == pytest.approx(expected[name].value)


def test_training_leaves_overlaps_and_no_logits(learner: Callable[..., MaskLearner]) -> None:
    found = learner()
    trained = found.trained({"epochs": 2}, [{"epoch": 1.0}])
    assert trained.logits == {} and set(trained.overlaps) == {"validation", "test"}
    for split, table in trained.overlaps.items():
        np.testing.assert_array_equal(table, found.table(split))
    assert (trained.notes, trained.history, trained.census) == (
        {"epochs": 2},
        [{"epoch": 1.0}],
        {"train": {"flat": 1}},
    )


# ---- means


@pytest.mark.parametrize("seed", range(4))
def test_means_are_over_the_rows_that_have_a_class_and_then_over_the_classes(seed: int) -> None:
    draw = np.random.default_rng(seed)
    table = draw.random((9, 4, 3))
    table[draw.random((9, 4)) < 0.5] = np.nan
    table[:, 3] = np.nan
    expected = []
    for measure in range(3):
        means = []
        for place in range(4):
            values = [v for v in table[:, place, measure].tolist() if not math.isnan(v)]
            if values:
                means.append(sum(values) / len(values))
        expected.append(sum(means) / len(means))
    assert mean_overlaps(table) == pytest.approx(expected)
    test_values = [each.value for each in estimate_overlaps(table, resamples=100).values()]
    assert mean_overlaps(table) == pytest.approx(test_values)  # models are chosen by what they are reported by


def test_means_of_nothing_are_undefined() -> None:
    assert all(map(math.isnan, mean_overlaps(np.full((3, 2, 3), np.nan))))
