"""The feature cache: nothing is encoded twice, and nothing stale is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from medplug.core.data.content import content_key
from medplug.core.training.cache import FeatureCache, backbone_key


class Encoder:
    """Lengths and first letters as features; it remembers what it was asked for."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, values: list[str]) -> NDArray[np.float32]:
        self.calls.append(values)
        return np.array([[len(value), ord(value[0])] for value in values], dtype=np.float32)


VALUES = ["fever", "cough", "fever", "rash", "cough", "fever"]
EXPECTED = [[5, 102], [5, 99], [5, 102], [4, 114], [5, 99], [5, 102]]


def test_each_distinct_input_is_encoded_once_and_every_row_gets_its_features() -> None:
    cache, encode = FeatureCache("key", None), Encoder()
    assert cache.features(VALUES, encode).tolist() == EXPECTED
    assert encode.calls == [["fever", "cough", "rash"]] and len(cache) == 3


def test_only_what_is_new_is_encoded_later() -> None:
    cache, encode = FeatureCache("key", None), Encoder()
    cache.features(VALUES, encode)
    assert cache.features(["pain", "rash"], encode).tolist() == [[4, 112], [4, 114]]
    assert cache.features(["rash", "pain", "fever"], encode)[:, 1].tolist() == [114, 112, 102]
    assert encode.calls[1:] == [["pain"]]


def test_a_file_keeps_the_features_for_the_next_cache(tmp_path: Path) -> None:
    first, encode = FeatureCache("key", tmp_path / "made" / "here"), Encoder()
    first.features(VALUES, encode)
    first.save()
    second = FeatureCache("key", tmp_path / "made" / "here")
    assert second.features(["cough", "pain", "fever"], encode).tolist() == [[5, 99], [4, 112], [5, 102]]
    assert encode.calls[1:] == [["pain"]]
    second.save()
    assert len(FeatureCache("key", tmp_path / "made" / "here")) == 4
    assert [file.name for file in (tmp_path / "made" / "here").iterdir()] == ["key.safetensors"]


def test_a_cache_that_learned_nothing_new_leaves_its_file_alone(tmp_path: Path) -> None:
    stamps = set()
    for _ in range(2):
        cache = FeatureCache("key", tmp_path)
        cache.features(VALUES, Encoder())
        cache.save()
        stamps.add((tmp_path / "key.safetensors").stat().st_mtime_ns)
    assert len(stamps) == 1


def test_another_key_reads_nothing_of_the_file(tmp_path: Path) -> None:
    cache, encode = FeatureCache("one", tmp_path), Encoder()
    cache.features(VALUES, encode)
    cache.save()
    FeatureCache("other", tmp_path).features(VALUES, encode)
    assert encode.calls == [["fever", "cough", "rash"]] * 2


@pytest.mark.parametrize("damage", [b"", b"\x00" * 40, b"\xff" * 400], ids=["empty", "zeros", "ones"])
def test_a_damaged_file_is_made_anew(damage: bytes, tmp_path: Path) -> None:
    (tmp_path / "key.safetensors").write_bytes(damage)
    cache, encode = FeatureCache("key", tmp_path), Encoder()
    assert cache.features(VALUES, encode).tolist() == EXPECTED
    cache.save()
    assert len(FeatureCache("key", tmp_path)) == 3


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cache = FeatureCache("key", None)
    cache.features(VALUES, Encoder())
    cache.save()
    assert list(tmp_path.iterdir()) == []


def test_equal_content_has_one_key_and_other_content_another() -> None:
    values: list[Any] = ["fever", "Fever", "", b"\x00", b"", np.arange(6), np.arange(6.0), np.arange(6).reshape(2, 3)]
    keys = [content_key(value) for value in values]
    assert all(len(key) == 16 for key in keys)
    assert len(set(keys)) == len(values) - 1  # no text and no bytes are the same nothing
    assert content_key(np.arange(12).reshape(3, 4)[:, ::2]) == content_key(np.array([[0, 2], [4, 6], [8, 10]]))
    assert content_key("lone \ud800 surrogate") != content_key("lone surrogate")


def test_the_backbones_key_follows_weights_architecture_and_arithmetic(letters: Callable[..., Any]) -> None:
    key = backbone_key(letters(), "None")
    assert key == backbone_key(letters(), "None")
    changed = letters()
    with torch.no_grad():
        changed.mix.bias[3] += 1e-7
    half = letters().to(torch.bfloat16)
    others = [
        backbone_key(letters(1), "None"),
        backbone_key(letters(width=7), "None"),
        backbone_key(letters(dropout=0.5), "None"),
        backbone_key(letters(), "torch.bfloat16"),
        backbone_key(changed, "None"),
        backbone_key(half, "None"),
    ]
    assert len({key, *others}) == 7


def test_the_key_changes_with_the_encoders_class(letters: Callable[..., Any]) -> None:
    class Sentences(type(letters())):  # type: ignore[misc]
        """The same weights, read by other code."""

    other = Sentences()
    other.load_state_dict(letters().state_dict())
    assert backbone_key(other, "None") != backbone_key(letters(), "None")


def test_the_key_changes_with_the_version_of_the_package_that_the_encoder_came_in(
    letters: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Sentences(type(letters())):  # type: ignore[misc]
        """An encoder of another package."""

    Sentences.__module__ = "ward_encoders.sentences"
    other, keys = Sentences(), []
    other.load_state_dict(letters().state_dict())
    place = "medplug.core.training.cache"
    monkeypatch.setattr(f"{place}.packages_distributions", lambda: {"ward_encoders": ["ward-encoders"]})
    for number in ("1.0", "1.1"):
        monkeypatch.setattr(f"{place}.version", lambda name, number=number: number)
        keys.append(backbone_key(other, "None"))
    assert keys[0] != keys[1]
