"""Whole runs of masks, from the imaging task's sample to the folder they leave, on a tiny network."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
import pytest
import torch
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

import medplug
from medplug.cli import cli
from medplug.core.backbone import Backbone, Inputs
from medplug.core.config import Section
from medplug.core.data import near_image
from medplug.core.data.targets import Target
from medplug.core.errors import DataError, MedplugError, UsageError
from medplug.core.features import Features
from medplug.core.hooks import hookimpl
from medplug.core.images.masks import nearest
from medplug.core.images.store import StoredImage
from medplug.core.segmentation.overlap import MEASURES, overlaps
from medplug.core.specs import BackboneSpec
from medplug.core.training.seeds import seeded
from medplug.plugins.imaging.sample import draw, draw_mask

pytestmark = pytest.mark.usefixtures("one_thread")

Go = Callable[..., Any]
REGISTRY = """
recipes:
  imaging: {summary: nothing but what is asked for, keys: {}}
backbones:
  tiny_pretrained: {modality: image, path: ., builder: tiny_maps}
"""
SITES = ["lakeside", "lakeside", "central"]
ROWS = 30
BETWEEN: dict[str, Any] = {"site": "site", "source_sites": ["lakeside"], "target_sites": ["central"]}


# ---- a backbone of its own, given as third parties give theirs


class TinyMaps(Backbone):
    """Pictures at 32 x 32, and three convolutions; with a source its weights are drawn from a seed of its own."""

    side, width, map_widths = 32, 12, (8, 12)

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(nn.Conv2d(1, 8, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2))
        self.coarse = nn.Sequential(nn.Conv2d(8, 12, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2))

    @classmethod
    def create(cls, options: Any, source: Any) -> Self:
        if source is None:
            return cls()
        with seeded(5):
            return cls()

    @classmethod
    def restore(cls, assets: Mapping[str, Any]) -> Self:
        return cls()

    def assets(self) -> dict[str, Any]:
        return {}

    def prepare(self, values: Sequence[StoredImage]) -> list[Any]:
        return [np.stack([nearest(frame, (self.side, self.side)) for frame in value.pixels()]) for value in values]

    def masks(self, masks: Sequence[StoredImage]) -> list[StoredImage]:
        return [mask.store.add(nearest(mask.pixels()[0], (self.side, self.side))[None]) for mask in masks]

    def size(self, item: NDArray[np.uint8]) -> int:
        return 64 * len(item)

    def collate(self, items: Sequence[NDArray[np.uint8]]) -> Inputs:
        owner = np.repeat(np.arange(len(items)), [len(item) for item in items])
        return {"pixels": torch.from_numpy(np.concatenate(items)[:, None]), "owner": torch.from_numpy(owner)}

    def forward(self, inputs: Inputs) -> Features:
        return self.maps(inputs)[0]

    def maps(self, inputs: Inputs) -> tuple[Features, list[Tensor]]:
        fine = self.fine(inputs["pixels"].float() / 128 - 1)
        coarse = self.coarse(fine)
        pooled = coarse.mean((2, 3))
        return Features(pooled, pooled[:, None], torch.ones(len(pooled), 1, dtype=torch.bool)), [fine, coarse]


medplug_api = 1


@hookimpl
def medplug_backbones() -> list[BackboneSpec]:
    made = {"summary": "made for a test", "factory": f"{__name__}:TinyMaps", "config": f"{__name__}:NoOptions"}
    return [BackboneSpec(name="tiny_maps", modality="image", **made)]


class NoOptions(Section):
    """``backbone.*``: nothing."""


# ---- runs


def sample(rows: int = ROWS) -> pl.DataFrame:
    """Pictures of the built-in sample, of two sites; each sixth shows no lesion."""
    shown = [i for i in range(120) if draw_mask(i).any()]
    healthy = [i for i in range(120) if not draw_mask(i).any()]
    numbers = [healthy[i // 6] if i % 6 == 5 else shown[i] for i in range(rows)]
    names = {what: [f"{what}:{i:04d}" for i in numbers] for what in ("sample", "sample-mask")}
    sites = [SITES[i % 3] for i in range(rows)]
    return pl.DataFrame({"image": names["sample"], "mask": names["sample-mask"], "site": sites})


@pytest.fixture(scope="module", autouse=True)
def _installed(installed: Callable[[str, str], AbstractContextManager[None]]) -> Iterator[None]:
    """This module is a plugin, as if its distribution were installed."""
    with installed("tiny", f"from {__name__} import *"):
        yield


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> Go:
    """Run masks of the sample on the tiny network."""
    registry = tmp_path_factory.mktemp("registry") / "registry.yaml"
    registry.write_text(REGISTRY)

    def run(output: Path, data: Any = None, **keys: Any) -> Any:
        keys = {"backbone": "tiny_maps", "adapter": "finetune", "device": "cpu", **keys}
        keys["train"] = {"epochs": 2, "learning_rate": 0.01, "batch_size": 8, **keys.get("train", {})}
        keys["report"] = {"resamples": 100, **keys.get("report", {})}
        keys["task"] = keys.get("task", {"target": "mask"})
        data = {"train": sample(), "split": [0.6, 0.2, 0.2], **(data or {})}
        task = {f"task.{name}": value for name, value in keys.pop("task").items()}
        return medplug.run(task="imaging", data=data, output=output, registry=registry, **task, **keys)

    return run


@pytest.fixture(scope="module")
def finished(go: Go, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One run, made once: everything is trained."""
    with seeded(0):
        torch.set_num_threads(1)
        return go(tmp_path_factory.mktemp("runs") / "finetune", train={"epochs": 16, "patience": 16, "batch_size": 4})


def metrics(run: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.folder / "metrics.json").read_text())
    return found


def epochs(run: Any) -> list[dict[str, Any]]:
    """Each epoch's numbers."""
    lines = [json.loads(line) for line in (run.folder / "events.jsonl").read_text().splitlines()]
    return [line for line in lines if line["event"] == "epoch"]


def predictions(run: Any, split: str = "test") -> pl.DataFrame:
    return pl.read_parquet(run.folder / "predictions.parquet").filter(pl.col("split") == split)


def macro(frame: pl.DataFrame, measure: str = "dice") -> float:
    value = frame[f"{measure}_lesion"].mean()
    assert isinstance(value, float)
    return value


# ---- what a run leaves


def test_a_run_of_masks_leaves_what_every_run_leaves(finished: Any) -> None:
    names = {file.name for file in finished.folder.iterdir()}
    assert names == {
        *("config.yaml", "manifest.json", "model.safetensors", "model.json", "metrics.json", "seen.safetensors"),
        *("predictions.parquet", "report.html", "model_card.md", "tripod_ai.csv", "events.jsonl"),
    }
    assert not list(finished.folder.parent.glob("*.partial"))


def test_the_measures_have_intervals_beside_a_baseline_and_their_difference(finished: Any) -> None:
    found = metrics(finished)
    assert found == finished.metrics
    assert (found["task"], found["split"], found["n"]) == ("imaging", "test", 6)
    parts = [found["metrics"], found["baseline"]["linear"], found["baseline"]["majority"], found["difference"]]
    for part in parts:
        assert tuple(part) == MEASURES
        for each in part.values():
            low, high = each["ci95"]
            assert low <= each["value"] <= high
    for measure in MEASURES:
        model, linear = (found[place][measure]["value"] for place in ("metrics", "difference"))
        assert found["baseline"]["linear"][measure]["value"] == pytest.approx(model - linear)
    assert found["baseline"]["majority"]["dice"]["value"] == 0
    assert found["baseline"]["majority"]["hausdorff95"]["value"] == pytest.approx(math.hypot(64, 64))
    assert set(found["by_class"]) == {"lesion"}
    assert found["by_class"]["lesion"]["metrics"] == found["metrics"]
    assert 0 < found["by_class"]["lesion"]["n"] <= 6
    assert found["selection"] == {"metric": "dice", "split": "validation", "criterion": "validation"}
    assert found["without_twins"]["same"] == {"n_left": 6, "n_twins": 0}
    assert found["without_twins"]["near"] == {"n_left": 6, "n_twins": 0, "means": near_image.meaning()}
    assert isinstance(found["verdict"], str) and found["verdict"]


def test_the_model_learns_where_lesions_are(finished: Any) -> None:
    assert metrics(finished)["metrics"]["dice"]["value"] > 0.25


def test_predictions_hold_each_rows_overlaps_and_its_true_classes(finished: Any) -> None:
    frame = pl.read_parquet(finished.folder / "predictions.parquet")
    assert frame.columns == ["split", "row", "truth", *(f"{measure}_lesion" for measure in MEASURES)]
    assert frame["split"].value_counts().sort("split").rows() == [("test", 6), ("validation", 6)]
    names = sample()["mask"].to_list()
    for row, truth in frame.select("row", "truth").rows():
        assert truth == (["lesion"] if draw_mask(int(names[row - 1][-4:])).any() else [])
    for measure in MEASURES:
        assert macro(predictions(finished), measure) == pytest.approx(metrics(finished)["metrics"][measure]["value"])


def test_the_report_tells_of_masks(finished: Any) -> None:
    page = (finished.folder / "report.html").read_text()
    for words in ("Dice", "IoU", "95 % Hausdorff distance", "Dice of each test image", "pixel by pixel"):
        assert words in page, words
    judged = page.partition('id="shift"')[0]  # a classifier tells there how far apart rows are
    for words in ("AUROC", "Confusion", "every label right", "Rows of each class against"):
        assert words not in judged, words
    card = (finished.folder / "model_card.md").read_text()
    assert "Dice" in card and ">nan<" not in page


def test_the_epoch_that_is_kept_is_the_one_of_the_best_dice(finished: Any) -> None:
    assert len(epochs(finished)) == 16 and all({"dice", "loss"} <= set(epoch) for epoch in epochs(finished))
    best = max(epoch["dice"] for epoch in epochs(finished))
    assert macro(predictions(finished, "validation")) == pytest.approx(best)


# ---- prediction


@pytest.fixture(scope="module")
def loaded(finished: Any) -> Any:
    return medplug.load(finished.folder, device="cpu")


def test_a_saved_model_names_the_rows_that_it_predicts(loaded: Any) -> None:
    rows = sample().select("image")
    found = loaded.predict(rows)
    assert found.columns == ["row", "name", "prediction", "regions"]
    assert found["row"].to_list() == list(range(1, ROWS + 1)) and found["name"].to_list() == rows["image"].to_list()


def test_a_run_that_is_finished_predicts_what_its_saved_model_predicts(finished: Any, loaded: Any) -> None:
    rows = sample().select("image")
    assert finished.predict(rows).equals(loaded.predict(rows))


def test_regions_lie_within_their_images(loaded: Any) -> None:
    frame = loaded.predict(sample().select("image"))
    told = [region for regions in frame["regions"].to_list() for region in regions]
    assert len(told) > 5
    for region in told:
        assert region["class"] == "lesion"
        assert 0 <= region["left"] <= region["x"] < region["left"] + region["width"] <= 64
        assert 0 <= region["top"] <= region["y"] < region["top"] + region["height"] <= 64
        assert 1 <= region["pixels"] <= region["width"] * region["height"]
        assert region["share"] == pytest.approx(region["pixels"] / 64**2)
        assert 0.5 < region["probability"] <= 1
    for names, regions in zip(frame["prediction"], frame["regions"], strict=True):
        assert list(names) == (["lesion"] if len(regions) else [])


def test_masks_are_written_and_are_those_that_were_judged(loaded: Any, finished: Any, tmp_path: Path) -> None:
    rows = sample()
    frame, problems = loaded.predict_with_problems(rows.select("image"), masks=tmp_path)
    assert problems == [] and {file.name for file in tmp_path.iterdir()} == {f"{i}.png" for i in range(1, ROWS + 1)}
    for row, regions in zip(frame["row"], frame["regions"].to_list(), strict=True):
        with Image.open(tmp_path / f"{row}.png") as image:
            assert image.mode == "L" and image.size == (64, 64)
            assert int((np.asarray(image) == 1).sum()) == sum(region["pixels"] for region in regions)
    for split in ("validation", "test"):
        for row, *expected in predictions(finished, split).drop("split", "truth").rows():
            with Image.open(tmp_path / f"{row}.png") as image:
                truth = draw_mask(int(rows["mask"][row - 1][-4:]))
                found = overlaps(np.asarray(image), truth, 2)[0]
            np.testing.assert_allclose([np.nan if v is None else v for v in expected], found, atol=1e-6)


def test_masks_are_of_the_size_of_the_pictures_as_they_were_read(loaded: Any, tmp_path: Path) -> None:
    wide = np.repeat(draw(1)[0], 2, axis=1)  # 64 high and 128 wide
    frame, _ = loaded.predict_with_problems({"image": [wide, draw(1)[0]]}, masks=tmp_path)
    with Image.open(tmp_path / "1.png") as image:
        assert image.size == (128, 64)
    assert "name" not in frame.columns
    for region in frame["regions"].to_list()[0]:
        assert region["left"] + region["width"] <= 128 and region["share"] == pytest.approx(region["pixels"] / 8192)


def test_the_command_writes_masks_and_regions(finished: Any, tmp_path: Path) -> None:
    sample().head(4).select("image").write_csv(tmp_path / "rows.csv")
    words = ["predict", str(finished.folder), str(tmp_path / "rows.csv"), "--masks", str(tmp_path / "deep" / "masks")]
    done = CliRunner().invoke(cli, [*words, "-o", str(tmp_path / "found.csv"), "--device", "cpu"])
    assert done.exit_code == 0, done.output
    assert sorted(file.name for file in (tmp_path / "deep" / "masks").iterdir()) == [f"{i}.png" for i in range(1, 5)]
    for cell in pl.read_csv(tmp_path / "found.csv")["regions"]:
        assert isinstance(json.loads(cell), list)


def test_small_regions_are_left_out_where_the_options_say(finished: Any, tmp_path: Path) -> None:
    described = json.loads((finished.folder / "model.json").read_text())
    assert described["task"]["options"]["least"] == 1
    assert (described["target"]["kind"], described["target"]["classes"]) == ("mask", ["lesion"])
    described["task"]["options"]["least"] = 4096
    for file in ("model.safetensors", "model.json"):
        (tmp_path / file).write_bytes((finished.folder / file).read_bytes())
    (tmp_path / "model.json").write_text(json.dumps(described))
    frame = medplug.load(tmp_path, device="cpu").predict(sample().select("image"))
    assert frame["regions"].list.len().max() == 0 and frame["prediction"].list.len().max() == 0


def test_no_rows_give_an_empty_frame(loaded: Any) -> None:
    frame = loaded.predict_with_problems({"image": [None]}, on_error="skip")[0]
    assert frame.height == 0 and {"row", "prediction", "regions"} <= set(frame.columns)


def test_a_model_of_masks_refuses_a_volume_as_it_does_in_training(loaded: Any) -> None:
    volume = np.concatenate([draw(1), draw(2), draw(3)])
    with pytest.raises(DataError, match="volume"):
        loaded.predict({"image": [volume, draw(4)[0]]})


# ---- evaluation


def test_evaluation_of_the_test_rows_gives_the_scores_of_the_run(loaded: Any, finished: Any) -> None:
    rows = sample()[(predictions(finished)["row"] - 1).to_list()]
    found = loaded.evaluate(rows, resamples=100)
    assert (found["task"], found["split"], found["n"]) == ("imaging", "evaluation", 6)
    assert tuple(found["metrics"]) == MEASURES
    for measure, each in found["metrics"].items():
        assert each["value"] == pytest.approx(metrics(finished)["metrics"][measure]["value"])


def test_the_command_evaluates(finished: Any, tmp_path: Path) -> None:
    sample().head(8).write_csv(tmp_path / "rows.csv")
    words = ["evaluate", str(finished.folder), str(tmp_path / "rows.csv"), "-o", str(tmp_path / "scores.json")]
    done = CliRunner().invoke(cli, [*words, "--device", "cpu"])
    assert done.exit_code == 0, done.output
    assert tuple(json.loads((tmp_path / "scores.json").read_text())["metrics"]) == MEASURES


def test_a_class_that_was_not_trained_on_is_told(loaded: Any) -> None:
    two = draw_mask(1) + (np.arange(64) > 60).astype(np.uint8)[:, None] * np.uint8(2)
    with pytest.raises(DataError, match="not trained on"):
        loaded.evaluate({"image": [draw(1)[0]], "mask": [two]})


# ---- adapters and domains


@pytest.fixture(scope="module")
def between_sites(go: Go, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run over two sites, whose features a penalty brings together."""
    torch.set_num_threads(1)
    return go(tmp_path_factory.mktemp("runs") / "coral", BETWEEN, adapter="coral", train={"epochs": 2})


def test_a_penalty_on_features_works_beside_masks_over_two_sites(between_sites: Any) -> None:
    found = metrics(between_sites)
    assert tuple(found["metrics"]) == MEASURES and set(found["by_group"]["site"]) == {"central"}
    rows = set(predictions(between_sites)["row"])
    assert rows and {SITES[(row - 1) % 3] for row in rows} == {"central"}
    assert [math.isfinite(epoch["loss"]) for epoch in epochs(between_sites)] == [True, True]
    medplug.load(between_sites.folder, device="cpu").predict(sample(3).select("image"))


def test_a_frozen_backbone_stays_and_its_decoder_is_chosen_by_the_measure_asked_for(go: Go, tmp_path: Path) -> None:
    run = go(tmp_path / "run", adapter="frozen", backbone="tiny_pretrained", **{"selection.metric": "hausdorff95"})
    with seeded(5):
        fresh = TinyMaps()
    for name, tensor in run.predictor.model.backbone.state_dict().items():
        torch.testing.assert_close(tensor, fresh.state_dict()[name], atol=0, rtol=0)
    assert tuple(metrics(run)["metrics"]) == MEASURES
    assert metrics(run)["selection"]["metric"] == "hausdorff95"
    best = min(epoch["hausdorff95"] for epoch in epochs(run))
    assert macro(predictions(run, "validation"), "hausdorff95") == pytest.approx(best)
    loaded = medplug.load(run.folder, device="cpu")
    for name, tensor in run.predictor.model.state_dict().items():
        torch.testing.assert_close(loaded.model.state_dict()[name], tensor, atol=0, rtol=0)


@pytest.mark.parametrize("adapter", ["coral", "frozen+coral", "kmm"])
def test_adapters_between_sites_work_beside_masks_with_pretrained_weights(adapter: str, go: Go, tmp_path: Path) -> None:
    run = go(tmp_path / "run", BETWEEN, adapter=adapter, backbone="tiny_pretrained", train={"epochs": 1})
    assert tuple(metrics(run)["metrics"]) == MEASURES


def test_layers_thaw_one_by_one_under_a_new_decoder(go: Go, tmp_path: Path) -> None:
    run = go(tmp_path / "run", {"train": sample(18)}, adapter="gradual", train={"epochs": 1})
    assert tuple(metrics(run)["metrics"]) == MEASURES


# ---- what masks cannot be


def refused(go: Go, folder: Path, data: Any = None, **keys: Any) -> str:
    """What a user is told of keys that do not go with masks; nothing is left."""
    with pytest.raises(MedplugError) as told:
        go(
            folder / "run",
            {"train": sample(18), **(data or {})},
            **{"backbone": "tiny_pretrained", "train": {"epochs": 1}, **keys},
        )
    assert list(folder.iterdir()) == []
    return str(told.value)


@pytest.mark.parametrize("how", ["mixup", "cutmix"])
def test_masks_are_not_blended(how: str, go: Go, tmp_path: Path) -> None:
    told = refused(go, tmp_path, **{f"augment.{how}": 0.2})
    assert "augment.mixup and augment.cutmix blend class labels" in told and "task.target=mask" in told


@pytest.mark.parametrize("adapter", ["linear_probe", "prototypes", "svm"])
def test_adapters_that_fit_a_head_are_refused_for_masks(adapter: str, go: Go, tmp_path: Path) -> None:
    assert f"adapter={adapter}" in refused(go, tmp_path, adapter=adapter)


def test_a_fitted_head_to_start_from_is_refused_for_masks(go: Go, tmp_path: Path) -> None:
    assert "adapter.finetune.head" in refused(go, tmp_path, **{"adapter.finetune.head": "probe"})


@pytest.mark.parametrize("adapter", ["jmmd", "cdan", "entropy", "label_graph"])
def test_penalties_on_predicted_classes_are_refused_for_masks(adapter: str, go: Go, tmp_path: Path) -> None:
    assert f"adapter={adapter}" in refused(go, tmp_path, BETWEEN, adapter=adapter, backbone="tiny_maps")


def test_a_domain_discriminator_reads_the_features_of_masks(go: Go, tmp_path: Path) -> None:
    run = go(tmp_path / "run", BETWEEN, adapter="dann", train={"epochs": 1})
    assert tuple(metrics(run)["metrics"]) == MEASURES


@pytest.mark.parametrize("criterion", ["snd", "infomax"])
def test_criteria_on_predicted_classes_are_refused_for_masks(criterion: str, go: Go, tmp_path: Path) -> None:
    keys = {"adapter": "coral", "backbone": "tiny_maps", "selection.criterion": criterion}
    told = refused(go, tmp_path, BETWEEN, **keys)
    assert f"selection.criterion={criterion}" in told


def test_a_metric_of_classes_is_refused_for_masks(go: Go, tmp_path: Path) -> None:
    assert "selection.metric=auroc: a mask target has dice, iou, hausdorff95" in refused(
        go, tmp_path, **{"selection.metric": "auroc"}
    )


def test_a_model_of_classes_writes_no_masks(loaded: Any, tmp_path: Path) -> None:
    of_classes = replace(loaded, target=Target("binary", ("no", "yes")))
    with pytest.raises(UsageError, match="predicts a binary target and no masks; leave out --masks"):
        of_classes.predict_with_problems(sample(3), masks=tmp_path)


def test_a_backbone_without_maps_is_refused(go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TinyMaps, "map_widths", ())
    assert "gives no feature maps" in refused(go, tmp_path)


def test_masks_need_their_column(go: Go, tmp_path: Path) -> None:
    assert "data.mask" in refused(go, tmp_path, {"train": sample().drop("mask")})


def test_validation_masks_that_show_nothing_do_not_end_in_a_crash(go: Go, tmp_path: Path) -> None:
    rows = sample(18).with_row_index("place")
    empty, shown = rows.filter(pl.col("place") % 6 == 5), rows.filter(pl.col("place") % 6 != 5)
    with pytest.MonkeyPatch.context() as patched:  # a decoder that finds nothing anywhere
        patched.setattr(TinyMaps, "maps", _blind(TinyMaps.maps))
        run = go(tmp_path / "run", {"train": shown, "validation": empty, "test": empty}, train={"epochs": 1})
    found = metrics(run)
    assert found["metrics"]["dice"] == {"value": None, "ci95": [None, None]}
    assert (run.folder / "report.html").exists()


def _blind(maps: Any) -> Any:
    def blind(self: TinyMaps, inputs: Inputs) -> Any:
        features, found = maps(self, inputs)
        return features, [0 * each for each in found]

    return blind
