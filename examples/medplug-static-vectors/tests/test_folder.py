"""What is refused of a folder, and that the message says what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from medplug.core.errors import BackboneError
from medplug.core.registry import Source
from safetensors.torch import load_file, save_file

from medplug_static_vectors.encoder import StaticVectors
from medplug_static_vectors.options import StaticVectorsOptions


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")


def cut_weights(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-40])


def other_network(folder: Path) -> None:
    save_file({"encoder.weight": torch.zeros(2, 2)}, folder / "model.safetensors")


def fewer_vectors(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file({name: values[:4].clone() for name, values in weights.items()}, folder / "model.safetensors")


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (no_tokenizer, "save_pretrained"),
        (broken_tokenizer, "tokenizers cannot read it"),
        (cut_weights, "safetensors cannot read them"),
        (other_network, "BERT-like"),
        (fewer_vectors, "numbers tokens up to 6, and the model has 4 vectors"),
        (pickled, "no *.safetensors"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused(folder: Path, spoil: Callable[[Path], None], told: str) -> None:
    spoil(folder)
    with pytest.raises(BackboneError) as caught:
        StaticVectors.create(StaticVectorsOptions(), Source(path=folder))
    assert told in str(caught.value) and str(folder) in str(caught.value)


def test_where_the_vectors_came_from_is_told(folder: Path) -> None:
    made = StaticVectors.create(StaticVectorsOptions(), Source(path=folder))
    assert made.provenance() == {"source": "folder", "path": str(folder)}
