"""Networks of vectors: what the vectors hold, and what the features depend on."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from medplug.core.features import Features
from medplug.plugins.backbones.entity_options import EcfpOptions, KmerOptions
from medplug.plugins.backbones.vector_networks import Fingerprints, Kmers, VectorNetwork

SEQUENCES = ["MKVLAAGIVGLCAKMKV", "MKVMKVMKV", "GLCAKAAGIV", "AAGIVMKV"]

pytestmark = pytest.mark.usefixtures("one_thread")


def learned(sequences: list[str] = SEQUENCES, **changes: Any) -> Kmers:
    torch.manual_seed(0)
    made = Kmers.create(KmerOptions(**{"hidden": 8, **changes}), None)
    made.learn(sequences)
    return made.eval()


def encode(backbone: VectorNetwork, values: list[str]) -> Features:
    with torch.no_grad():
        features: Features = backbone(backbone.collate(backbone.prepare(values)))
    return features


def kmers(sequence: str, k: int = 3) -> Counter[str]:
    return Counter(sequence[i : i + k] for i in range(len(sequence) - k + 1))


def test_the_vector_holds_the_roots_of_the_shares_of_known_kmers() -> None:
    backbone = learned(min_count=2)
    held = Counter(kmer for sequence in SEQUENCES for kmer in kmers(sequence))
    assert set(backbone.entries) == {kmer for kmer, count in held.items() if count >= 2}
    sequence = "MKVMKVWWWW"
    expected = np.zeros(len(backbone.entries))
    for kmer, count in kmers(sequence).items():
        if kmer in backbone.entries:
            expected[backbone.entries.index(kmer)] = np.sqrt(count / 8 * len(expected))
    vector = backbone.collate(backbone.prepare([sequence]))["vector"][0]
    np.testing.assert_allclose(vector.numpy(), expected, rtol=1e-6)


def test_a_sequence_of_known_kmers_has_a_mean_square_of_one() -> None:
    backbone = learned(min_count=1)
    vector = backbone.collate(backbone.prepare(SEQUENCES))["vector"]
    torch.testing.assert_close(vector.square().mean(1), torch.ones(4))


def test_the_most_widespread_kmers_are_kept() -> None:
    backbone = learned(max_size=3)
    held = Counter(kmer for sequence in SEQUENCES for kmer in kmers(sequence))
    assert min(held[kmer] for kmer in backbone.entries) >= max(n for k, n in held.items() if k not in backbone.entries)
    assert len(backbone.entries) == 3


def test_a_sequence_of_many_pairs_counts_once_and_words_of_unknown_residues_never() -> None:
    assert learned(["MKVX"] * 5 + ["GLXCA"] * 5, min_count=2).entries == ()
    assert learned(["MKVX", "MKVA", "XXXX", "XXX"], min_count=2).entries == ("MKV",)


def test_the_other_rows_change_nothing_and_a_row_is_its_own_token() -> None:
    backbone = learned()
    together = encode(backbone, SEQUENCES)
    assert together.tokens.shape == (4, 1, 8) and together.mask.all()
    assert torch.equal(together.tokens[:, 0], together.pooled)
    for row, sequence in enumerate(SEQUENCES):
        torch.testing.assert_close(encode(backbone, [sequence]).pooled[0], together.pooled[row], rtol=1e-5, atol=1e-6)
    assert torch.cdist(together.pooled, together.pooled).fill_diagonal_(1.0).min() > 1e-3


def test_short_and_unknown_sequences_have_finite_features_and_are_counted() -> None:
    backbone = learned()
    assert encode(backbone, ["MK", "", "WWWWWW", "MKé"]).pooled.isfinite().all()
    assert backbone.census(backbone.prepare(["MK", "MKV"])) == {"rows without a known 3-mer": 1}
    assert learned([]).entries == () and encode(learned([]), ["MKV"]).pooled.isfinite().all()


def test_every_weight_gets_a_finite_gradient() -> None:
    backbone = learned().train()
    backbone(backbone.collate(backbone.prepare(SEQUENCES))).pooled.square().sum().backward()
    for parameter in backbone.parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all()


def test_a_fingerprint_is_read_bit_by_bit_and_saved_with_its_options() -> None:
    pytest.importorskip("rdkit")
    from medplug.core.molecules.features import morgan

    smiles = ["CCO", "CC(=O)Oc1ccccc1C(=O)O", "c1ccccc1"]
    torch.manual_seed(0)
    backbone = Fingerprints.create(EcfpOptions(hidden=8, bits=64, radius=1), None).eval()
    vector = backbone.collate(backbone.prepare(smiles))["vector"]
    assert np.array_equal(vector.numpy(), morgan(smiles, 1, 64)) and vector.dtype == torch.uint8
    together = encode(backbone, smiles)
    for row, each in enumerate(smiles):
        torch.testing.assert_close(encode(backbone, [each]).pooled[0], together.pooled[row], rtol=1e-5, atol=1e-6)
    again = Fingerprints.restore(json.loads(json.dumps(backbone.assets()))).eval()
    again.load_state_dict(backbone.state_dict())
    assert torch.equal(encode(again, smiles).pooled, together.pooled)
