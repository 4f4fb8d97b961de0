"""Pretrained image backbones: what their features depend on, and where weights may come from."""

from __future__ import annotations

import copy
import json
import os
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import timm
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from medplug.core.errors import BackboneError
from medplug.core.features import Features
from medplug.core.images.store import ImageStore, StoredImage
from medplug.core.registry import Source
from medplug.core.transfer.depth import main_stack
from medplug.plugins.backbones.image_options import PretrainedImageOptions
from medplug.plugins.backbones.pretrained_image import PretrainedImage

SHARED = Path(os.environ.get("MEDPLUG_SHARED") or Path(__file__).parents[4] / "shared")
REAL = SHARED / "weights" / "mobilenetv2_100_tf2_in1k_224.safetensors"
BUSI = SHARED / "data" / "busi" / "images"
AS_TRAINED: dict[str, Any] = {"model": "mobilenetv2_100", "pad_type": "same", "mean": 0.5, "std": 0.5}
COMMIT = "0123456789abcdef0123456789abcdef01234567"

pytestmark = pytest.mark.usefixtures("one_thread")
real = [
    pytest.mark.shared,
    pytest.mark.skipif(not (REAL.exists() and BUSI.is_dir()), reason="no shared weights: set MEDPLUG_SHARED"),
]


def load(path: Path, **options: Any) -> PretrainedImage:
    return PretrainedImage.create(PretrainedImageOptions(**options), Source(path=path)).eval()


def stored(*pictures: NDArray[np.uint8]) -> list[StoredImage]:
    store = ImageStore()
    return [store.add(each) for each in pictures]


def noise(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


SHOWN = [noise(1, 40, 60, seed=1), noise(3, 40, 40, seed=2), noise(1, 50, 30, 3, seed=3), noise(2, 32, 32, 3, seed=4)]


def encode(backbone: PretrainedImage, values: list[StoredImage]) -> Features:
    with torch.no_grad():
        features: Features = backbone(backbone.collate(backbone.prepare(values)))
    return features


def pooled(backbone: PretrainedImage, *pictures: NDArray[np.uint8]) -> Tensor:
    return encode(backbone, stored(*pictures)).pooled


def save(model: nn.Module, folder: Path, **told: Any) -> Path:
    timm.models.save_for_hf(model, str(folder), safe_serialization=True, **told)
    return folder


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    model = timm.create_model("test_resnet", num_classes=7)
    for buffers in (module for module in model.modules() if isinstance(module, nn.BatchNorm2d)):
        buffers.running_mean.normal_(std=0.1)
    return save(model, tmp_path_factory.mktemp("resnet"), data_config={"input_size": (3, 32, 32)})


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    small = {"depth": 2, "embed_dim": 48, "num_heads": 3}  # which config.json keeps, as model_args
    model = timm.create_model("vit_tiny_patch16_224", num_classes=5, img_size=96, **small)
    return save(model, tmp_path_factory.mktemp("vit"))


@pytest.fixture
def broken(resnet: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(resnet, tmp_path / "model"))


@pytest.fixture
def lone(resnet: Path, tmp_path: Path) -> Path:
    """A file of weights that says nothing of its network."""
    return Path(shutil.copy(resnet / "model.safetensors", tmp_path / "test_resnet_mine.safetensors"))


def change_json(folder: Path, **changes: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


# ---- features


@pytest.mark.parametrize("over_slices", ["mean", "max"])
def test_neither_the_other_rows_nor_their_number_change_a_row(resnet: Path, over_slices: str) -> None:
    backbone = load(resnet, over_slices=over_slices)
    together = pooled(backbone, *SHOWN)
    alone = torch.cat([pooled(backbone, each) for each in SHOWN])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    order = [3, 0, 2, 1]
    torch.testing.assert_close(pooled(backbone, *[SHOWN[i] for i in order]), together[order], atol=1e-5, rtol=1e-4)
    assert torch.cdist(together, together).fill_diagonal_(1.0).min() > 1e-3  # rows differ at all
    many = [SHOWN[0]] * 300  # more than are computed at once on a CPU
    torch.testing.assert_close(pooled(backbone, *many), together[:1].expand(300, -1), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("over_slices", ["mean", "max"])
def test_a_volume_is_pooled_from_its_slices_as_they_would_be_alone(resnet: Path, over_slices: str) -> None:
    backbone = load(resnet, over_slices=over_slices)
    volume = SHOWN[1]
    slices = pooled(backbone, *volume[:, None])
    expected = slices.mean(0) if over_slices == "mean" else slices.amax(0)
    features = encode(backbone, stored(*SHOWN))
    torch.testing.assert_close(features.pooled[1], expected, atol=1e-5, rtol=1e-4)
    assert features.mask.sum(1).tolist() == [1, 3, 1, 2] and not features.tokens[~features.mask].any()
    torch.testing.assert_close(features.tokens[1], slices, atol=1e-5, rtol=1e-4)


def test_a_plain_picture_is_its_own_token(resnet: Path) -> None:
    features = encode(load(resnet), stored(SHOWN[0], SHOWN[2]))
    assert features.tokens.shape == (2, 1, features.pooled.shape[1]) and features.mask.all()
    assert torch.equal(features.tokens[:, 0], features.pooled)


def test_a_batch_holds_bytes_with_the_channels_last_in_memory(resnet: Path) -> None:
    backbone = load(resnet)
    inputs = backbone.collate(backbone.prepare(stored(*SHOWN)))
    assert inputs["pixels"].shape == (7, 3, 32, 32) and inputs["pixels"].dtype == torch.uint8
    assert inputs["pixels"].is_contiguous(memory_format=torch.channels_last)
    assert inputs["owner"].tolist() == [0, 1, 1, 1, 2, 3, 3]
    assert inputs["grid"].tolist() == [[0, 7, 7], [1, 2, 3], [4, 7, 7], [5, 6, 7]]
    grey = backbone.collate(backbone.prepare(stored(*SHOWN[:2])))
    assert grey["pixels"].shape == (4, 1, 32, 32)
    assert [backbone.size(item) for item in backbone.prepare(stored(*SHOWN))] == [1, 3, 1, 2]


def test_pixels_may_come_as_numbers_with_a_fraction_from_augmentation(resnet: Path) -> None:
    backbone = load(resnet)
    inputs = backbone.collate(backbone.prepare(stored(*SHOWN)))
    with torch.no_grad():
        as_bytes, as_floats = backbone(inputs), backbone({**inputs, "pixels": inputs["pixels"].float()})
    assert torch.equal(as_bytes.pooled, as_floats.pooled)


def test_features_are_float32_under_autocast(resnet: Path) -> None:
    backbone = load(resnet)
    with torch.autocast("cpu", torch.bfloat16):
        features = pooled(backbone, *SHOWN)
    assert features.dtype == torch.float32
    torch.testing.assert_close(features, pooled(backbone, *SHOWN), atol=0.05, rtol=0.05)


@pytest.mark.parametrize("kind", ["resnet", "vit"])
def test_features_are_what_the_classifier_of_timm_reads(kind: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(kind)
    told = json.loads((folder / "config.json").read_text())
    model: Any = timm.create_model(f"local-dir:{folder}", pretrained=True)
    backbone = load(folder)
    transform: Any = timm.data.create_transform(**timm.data.resolve_model_data_config(model, told["pretrained_cfg"]))
    side = backbone.view.size
    picture = noise(1, side, side, 3)
    given = transform.transforms[-1](transform.transforms[-2](Image.fromarray(picture[0])))[None]
    with torch.no_grad():
        expected = model.eval().forward_head(model.forward_features(given), pre_logits=True)
    torch.testing.assert_close(pooled(backbone, picture), expected, atol=1e-5, rtol=1e-4)
    assert backbone.width == expected.shape[1] == model.num_features


def test_assets_and_weights_restore_the_same_features(resnet: Path, vit: Path) -> None:
    for folder in (resnet, vit):
        backbone = load(folder, size=48 if folder == resnet else None, in_chans=1, fit="pad", over_slices="max")
        saved = json.dumps(backbone.assets())
        again = PretrainedImage.restore(json.loads(saved)).eval()
        assert not torch.equal(pooled(again, *SHOWN), pooled(backbone, *SHOWN))
        again.load_state_dict(backbone.state_dict())
        assert torch.equal(pooled(again, *SHOWN), pooled(backbone, *SHOWN))
        assert again.assets() == json.loads(saved) and again.provenance() == {} and again.width == backbone.width


def test_a_transformer_reads_another_size_than_it_was_trained_at(vit: Path) -> None:
    usual, larger = load(vit), load(vit, size=144)
    assert (usual.view.size, larger.view.size) == (96, 144)
    weights = load_file(vit / "model.safetensors")["pos_embed"]
    positions = larger.state_dict()["network.pos_embed"]
    assert positions.shape[1] == 1 + 9**2 and weights.shape[1] == 1 + 6**2
    torch.testing.assert_close(positions[0, 1:].mean(0), weights[0, 1:].mean(0), atol=2e-3, rtol=0)  # resampled
    smooth = np.indices((96, 96)).sum(0).astype(np.uint8)[None]
    alike = torch.cosine_similarity(pooled(usual, smooth), pooled(larger, smooth))
    assert alike > 0.9
    again = PretrainedImage.restore(larger.assets())
    again.load_state_dict(larger.state_dict())


def test_one_channel_equals_repetition_where_all_channels_have_the_same_scale(resnet: Path) -> None:
    repeated, folded = (load(resnet, in_chans=channels, mean=0.5, std=0.25) for channels in (3, 1))
    assert folded.network.get_parameter("conv1.0.weight").shape[1] == 1
    torch.testing.assert_close(pooled(folded, *SHOWN[:2]), pooled(repeated, *SHOWN[:2]), atol=1e-4, rtol=1e-4)
    colour = pooled(folded, SHOWN[2])
    luma = np.asarray(Image.fromarray(SHOWN[2][0]).convert("L"))[None]
    torch.testing.assert_close(pooled(folded, luma), colour, atol=0.05, rtol=0.05)


def test_a_network_trained_on_grey_images_reads_one_channel(tmp_path: Path) -> None:
    model = timm.create_model("test_resnet", num_classes=3, in_chans=1)
    folder = save(model, tmp_path / "grey")
    assert load(folder).view.channels == 1
    assert load(folder, in_chans=3).view.channels == 3


def test_random_weights_keep_everything_but_the_weights(resnet: Path) -> None:
    torch.manual_seed(3)
    known, random = load(resnet), load(resnet, start="random")
    assert known.assets()["view"] == random.assets()["view"] and known.width == random.width
    assert not torch.allclose(pooled(known, *SHOWN), pooled(random, *SHOWN), atol=1e-2)
    assert random.provenance() == {"source": "random weights", "architecture": "test_resnet"}


def test_statistics_of_batches_and_dropped_paths_act_in_training_only(resnet: Path) -> None:
    backbone = load(resnet)
    before = pooled(backbone, *SHOWN)
    assert torch.equal(before, pooled(backbone, *SHOWN))
    assert not torch.equal(before, pooled(backbone.train(), *SHOWN))


def test_adapters_find_its_blocks_and_it_can_be_copied(resnet: Path, vit: Path) -> None:
    assert all(len(main_stack(load(folder))) > 1 for folder in (resnet, vit))
    backbone = load(resnet)
    assert torch.equal(pooled(copy.deepcopy(backbone), *SHOWN), pooled(backbone, *SHOWN))


def test_the_weights_are_not_kept_a_second_time(resnet: Path) -> None:
    assert not [v for v in load(resnet).network.pretrained_cfg.values() if isinstance(v, dict)]  # type: ignore[union-attr]


# ---- what is told


def test_the_reading_tells_size_range_and_what_became_of_grey(resnet: Path) -> None:
    backbone = load(resnet, mean=0.5, std=0.5)
    assert backbone.reading() == "3 x 32 x 32, squashed (mean 0.5, std 0.5 taken off)"
    backbone.prepare(stored(np.array([[[0, 255], [0, 255]]], np.uint8).repeat(16, 1).repeat(16, 2)))
    told = "3 x 32 x 32, squashed, grey repeated; pixels -1.00 to 1.00, mean 0.00 (mean 0.5, std 0.5 taken off)"
    assert backbone.reading() == told
    usual = load(resnet, fit="pad", in_chans=1)
    usual.prepare(stored(SHOWN[2]))
    assert "1 x 32 x 32, padded, colours made grey" in usual.reading()
    assert "(mean 0.485 0.456 0.406, std 0.5 taken off)" in load(resnet, mean=[0.485, 0.456, 0.406]).reading()


def test_the_census_counts_volumes_and_pictures_that_show_nothing(resnet: Path) -> None:
    backbone = load(resnet, slices=2)
    items = backbone.prepare(stored(*SHOWN, np.zeros((1, 9, 9), np.uint8)))
    assert backbone.census(items) == {
        "rows of several slices": 2,
        "rows thinned to 2 slices": 1,
        "rows that are one flat colour": 1,
    }
    assert backbone.census(items[:1]) == {}


@pytest.mark.parametrize(
    ("text", "meant"), [("0.5", (0.5,) * 3), (0.25, (0.25,) * 3), ([0.1, 0.2, 0.3], (0.1, 0.2, 0.3))]
)
def test_a_scale_is_one_number_or_one_a_channel(text: Any, meant: tuple[float, ...]) -> None:
    assert PretrainedImageOptions(mean=text, std=text).mean == meant
    assert PretrainedImageOptions(in_chans="1").in_chans == PretrainedImageOptions(in_chans=1).in_chans  # type: ignore[arg-type]


def test_options_come_before_what_the_weights_were_trained_with(resnet: Path) -> None:
    view = load(resnet, size=64, mean=[0.1, 0.2, 0.3], std=1, interpolation="nearest", fit="crop").view
    assert (view.size, view.mean, view.std, view.interpolation) == (64, (0.1, 0.2, 0.3), (1.0,) * 3, "nearest")


# ---- where weights come from


def test_a_folder_a_hub_name_and_a_lone_file_give_the_same(
    resnet: Path, lone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, file = load(resnet), load(lone, model="test_resnet", size=32)
    snapshot = tmp_path / "models--some--model" / "snapshots" / COMMIT
    shutil.copytree(resnet, snapshot)
    (tmp_path / "models--some--model" / "refs").mkdir()
    (tmp_path / "models--some--model" / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    hub = PretrainedImage.create(PretrainedImageOptions(), Source(hub="some/model")).eval()
    assert torch.equal(pooled(folder, *SHOWN), pooled(file, *SHOWN))
    assert torch.equal(pooled(folder, *SHOWN), pooled(hub, *SHOWN))
    assert folder.provenance() == {"source": "folder", "path": str(resnet)}
    assert hub.provenance() == {"source": "hub", "repository": "some/model", "revision": COMMIT}
    assert file.provenance()["source"] == "file" and len(file.provenance()["sha256"]) == 64


def test_weights_without_a_classifier_are_taken(resnet: Path, broken: Path) -> None:
    weights = {k: v for k, v in load_file(broken / "model.safetensors").items() if not k.startswith("fc.")}
    save_file(weights, broken / "model.safetensors")
    assert torch.equal(pooled(load(broken), *SHOWN), pooled(load(resnet), *SHOWN))


def refused(path: Path, *parts: str, **options: Any) -> None:
    with pytest.raises(BackboneError) as caught:
        load(path, **options)
    for part in parts:
        assert part in str(caught.value), str(caught.value)


def test_a_lone_file_must_be_named_and_its_own_name_may_say_how(lone: Path, tmp_path: Path) -> None:
    refused(lone, "does not say which network", "backbone.model=test_resnet (a guess")
    other = tmp_path / "mine.safetensors"
    shutil.copy(lone, other)
    refused(other, "backbone.model=NAME")


def test_a_network_that_timm_does_not_know_is_refused_with_the_closest(lone: Path) -> None:
    refused(lone, "'resnet81'", "did you mean", "resnet18", model="resnet81")
    refused(lone, "Invalid pretrained tag", model="resnet18.nothing")
    with pytest.raises(BackboneError, match="knows no network"):
        PretrainedImage.restore({"architecture": "hf-hub:some/model", "arguments": {}})


def test_weights_that_lack_parameters_are_refused(broken: Path) -> None:
    weights = {k: v for k, v in load_file(broken / "model.safetensors").items() if not k.startswith("layer2")}
    save_file(weights, broken / "model.safetensors")
    refused(broken, "the weights lack", "(such as layer2", "those of test_resnet?")


def test_a_family_that_timm_loads_leniently_may_lack_nothing_either(tmp_path: Path) -> None:
    model = timm.create_model("dla46_c", num_classes=2)
    weights = {k: v.clone() for k, v in model.state_dict().items() if not k.startswith("level5.root")}
    file = tmp_path / "dla.safetensors"
    save_file(weights, file)
    refused(file, "the weights lack", "(such as level5.root", model="dla46_c")


def test_weights_of_another_network_are_refused(lone: Path, vit: Path) -> None:
    refused(lone, "does not fit resnet10t", model="resnet10t")
    refused(vit / "model.safetensors", "the weights lack", "those of test_resnet?", model="test_resnet")


def test_a_folder_that_is_not_as_timm_writes_it_is_refused(broken: Path, tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "nowhere does not exist", "give a *.safetensors file, or the folder")
    refused(tmp_path / "nowhere.safetensors", "does not exist", "give a *.safetensors file")
    (tmp_path / "old.pth").touch()
    refused(tmp_path / "old.pth", "is a file, not a folder", "*.safetensors")
    change_json(broken, pretrained_cfg={"input_size": "large"})
    refused(broken, str(broken), "not as timm writes it")
    change_json(broken, architecture=None)
    refused(broken, "names no architecture of timm", "backbone.model=NAME")
    (broken / "config.json").write_text("[]")
    refused(broken, "no description of a network")
    (broken / "config.json").write_text("{")
    refused(broken, "config.json cannot be read")
    (broken / "config.json").unlink()
    refused(broken, "has no config.json", "timm.models.save_for_hf()")


def test_damaged_pickled_and_doubled_weights_are_refused(broken: Path) -> None:
    shutil.copy(broken / "model.safetensors", broken / "b.safetensors")
    load(broken)  # which of them is plain
    (broken / "model.safetensors").rename(broken / "a.safetensors")
    refused(broken, "2 files of weights", "a.safetensors, b.safetensors")
    (broken / "b.safetensors").unlink()
    (broken / "a.safetensors").write_bytes(b"\x00" * 64)
    refused(broken, "a.safetensors cannot be read")
    (broken / "a.safetensors").rename(broken / "pytorch_model.bin")
    refused(broken, "it has pytorch_model.bin", "safe_serialization=True")


def test_what_a_network_cannot_do_is_refused(resnet: Path, vit: Path, broken: Path) -> None:
    refused(resnet, "timm cannot build test_resnet", "pad_type", pad_type="same")
    refused(resnet, "timm cannot build test_resnet", "pad_type", pad_type="same", start="random")
    change_json(broken, model_args={"global_pool": ""})
    refused(broken, "not one vector an image")
    with pytest.raises(BackboneError, match="name one"):
        PretrainedImage.create(PretrainedImageOptions(), None)


def test_a_description_cannot_make_timm_read_other_files(broken: Path, resnet: Path) -> None:
    import pickle

    witness = broken / "witness"

    class Trap:
        def __reduce__(self) -> Any:
            return (open, (str(witness), "w"))

    (broken / "trap.pth").write_bytes(pickle.dumps(Trap()))
    theirs = {"checkpoint_path": str(broken / "trap.pth"), "pretrained": True, "pretrained_cfg": {"url": "http://x"}}
    change_json(broken, model_args=theirs)
    backbone = load(broken)
    assert torch.equal(pooled(backbone, *SHOWN), pooled(load(resnet), *SHOWN)) and not witness.exists()
    PretrainedImage.restore({**backbone.assets(), "arguments": {"checkpoint_path": str(broken / "trap.pth")}})
    assert not witness.exists()


# ---- the real weights


@pytest.fixture(scope="module")
def ultrasounds() -> list[Path]:
    return sorted(BUSI.glob("*.jpg"))[::300]


class TestReal:
    pytestmark = real

    def test_features_of_ultrasounds_are_those_of_timm_and_its_transforms(self, ultrasounds: list[Path]) -> None:
        model: Any = timm.create_model("mobilenetv2_100", pad_type="same")
        model.load_state_dict(load_file(REAL))
        transform: Any = timm.data.create_transform((3, 224, 224), mean=(0.5,) * 3, std=(0.5,) * 3, crop_pct=0.875)
        opened = [Image.open(file).convert("RGB").resize((300 + 20 * i, 260)) for i, file in enumerate(ultrasounds)]
        given = torch.stack([transform(picture) for picture in opened])
        with torch.no_grad():
            expected = model.eval().forward_head(model.forward_features(given), pre_logits=True)
        backbone = load(REAL, **AS_TRAINED, fit="crop", interpolation="bilinear")
        found = pooled(backbone, *(np.asarray(picture)[None] for picture in opened))
        assert found.shape == (3, 1280)
        torch.testing.assert_close(found, expected, atol=2e-3, rtol=1e-3)
        assert torch.cosine_similarity(found, expected).min() > 0.9999

    def test_whole_ultrasounds_keep_their_bytes_and_differ(self, ultrasounds: list[Path]) -> None:
        backbone = load(REAL, **AS_TRAINED)
        values = stored(*(np.asarray(Image.open(file).convert("L"))[None] for file in ultrasounds))
        assert [item.image for item in backbone.prepare(values)] == values  # 224 x 224 as they are
        features = encode(backbone, values).pooled
        assert torch.pdist(features).min() > 1
        assert "grey repeated; pixels -1.00 to" in backbone.reading()
        folded = load(REAL, **AS_TRAINED, in_chans=1)
        torch.testing.assert_close(encode(folded, values).pooled, features, atol=1e-3, rtol=1e-3)
