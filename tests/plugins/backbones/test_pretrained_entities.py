"""Transformers of SMILES and of sequences, by tiny models that look as the hub's do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from medplug.core.registry import Source
from medplug.plugins.backbones.entity_options import PretrainedProteinOptions, PretrainedSmilesOptions
from medplug.plugins.backbones.pretrained_entities import PretrainedProtein, PretrainedSmiles
from medplug.plugins.backbones.pretrained_text import PretrainedText

SEQUENCES = ["MKVL", "MKVLAAGIVGLCAKWWX", "GLCAK" * 9]
SMILES = ["CCO", "CC(=O)Oc1ccccc1C(=O)O", "Clc1ccccc1"]

pytestmark = pytest.mark.usefixtures("one_thread")


def protein(folder: Path, **options: Any) -> PretrainedText:
    return PretrainedProtein.create(PretrainedProteinOptions(**options), Source(path=folder)).eval()


def smiles(folder: Path) -> PretrainedText:
    return PretrainedSmiles.create(PretrainedSmilesOptions(), Source(path=folder)).eval()


def pooled(backbone: PretrainedText, values: list[str]) -> Tensor:
    with torch.no_grad():
        found: Tensor = backbone(backbone.collate(backbone.prepare(values))).pooled
    return found


def reference(folder: Path, value: str) -> Tensor:
    """The mean of the last hidden state as transformers itself gives it."""
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(folder)(value, return_tensors="pt")
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        state: Tensor = model(tokens["input_ids"], attention_mask=tokens["attention_mask"]).last_hidden_state[0]
    return state.mean(0)


@pytest.mark.filterwarnings("ignore")
def test_a_residue_is_a_token_as_in_transformers_own_tokenizer(tiny_esm: Path) -> None:
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(tiny_esm)
    for sequence, item in zip(SEQUENCES[:2], protein(tiny_esm).prepare(SEQUENCES[:2]), strict=True):
        assert item.parts[0].tolist() == theirs(sequence)["input_ids"]
        assert item.size == len(sequence) + 2


def test_features_of_a_sequence_are_those_of_transformers(tiny_esm: Path) -> None:
    torch.testing.assert_close(
        pooled(protein(tiny_esm), SEQUENCES)[1], reference(tiny_esm, SEQUENCES[1]), atol=1e-5, rtol=1e-4
    )


def test_features_of_a_molecule_are_those_of_transformers(tiny_roberta: Path) -> None:
    found = pooled(smiles(tiny_roberta), SMILES)
    for row, value in enumerate(SMILES):
        torch.testing.assert_close(found[row], reference(tiny_roberta, value), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["tiny_esm", "tiny_roberta"])
def test_neither_padding_nor_the_other_rows_change_a_row(kind: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(kind)
    backbone, values = (protein(folder), SEQUENCES) if kind == "tiny_esm" else (smiles(folder), SMILES)
    together = pooled(backbone, values)
    alone = torch.cat([pooled(backbone, [value]) for value in values])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    assert torch.cdist(together, together).fill_diagonal_(1.0).min() > 1e-3


@pytest.mark.parametrize("kind", ["tiny_esm", "tiny_roberta"])
def test_a_saved_one_gives_equal_features(kind: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(kind)
    backbone, values = (protein(folder), SEQUENCES) if kind == "tiny_esm" else (smiles(folder), SMILES)
    again = type(backbone).restore(json.loads(json.dumps(backbone.assets()))).eval()
    again.load_state_dict(backbone.state_dict())
    assert torch.equal(pooled(again, values), pooled(backbone, values))


def test_no_weight_is_kept_that_no_feature_depends_on(tiny_esm: Path) -> None:
    backbone = protein(tiny_esm).train()
    backbone(backbone.collate(backbone.prepare(SEQUENCES))).pooled.square().sum().backward()
    assert all(parameter.grad is not None for parameter in backbone.parameters())


def test_long_sequences_become_windows_that_the_model_can_read(tiny_esm: Path) -> None:
    (item,) = protein(tiny_esm).prepare(SEQUENCES[2:])
    assert len(item.parts) == 2 and max(map(len, item.parts)) <= 34


def test_a_tokenizer_of_words_is_given_residues_with_blanks_between(tiny_bert: Path, tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(tiny_bert, tmp_path / "protbert"))
    told = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = told["model"]["vocab"]
    told["model"]["vocab"] = {token: i for token, i in vocabulary.items() if not token.startswith("##")}
    (folder / "tokenizer.json").write_text(json.dumps(told))
    (item,) = protein(folder).prepare(["MKV"])
    assert item.parts[0].tolist() == [2, *(vocabulary[letter] for letter in "mkv"), 3]
