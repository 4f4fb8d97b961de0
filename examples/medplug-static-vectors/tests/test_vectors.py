"""The features, held against the formulas of Arora, Liang and Ma (2017) in float64."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from medplug.core.features import Features
from medplug.core.registry import Source
from numpy.typing import NDArray
from safetensors.numpy import load_file

from medplug_static_vectors.encoder import StaticVectors
from medplug_static_vectors.options import StaticVectorsOptions

TEXTS = ["no fever no rash", "cough", "fever fever cough pain", "rash no pain", "cough no fever"]
OWNERS = ["a", "b", "c", "d", "e"]
NUMBERS = {"no": 1, "fever": 2, "cough": 3, "rash": 4, "pain": 5, "smith": 6}


def made(folder: Path, texts: list[str], owners: list[str] | None = None, **options: Any) -> StaticVectors:
    backbone = StaticVectors.create(StaticVectorsOptions(**options), Source(path=folder)).eval()
    backbone.learn(texts, owners)
    return backbone


def encoded(backbone: StaticVectors, texts: list[str]) -> Features:
    with torch.no_grad():
        found: Features = backbone(backbone.collate(backbone.prepare(texts)))
    return found


def reference(folder: Path, a: float) -> NDArray[np.float64]:
    """The sentence vectors of TEXTS, word by word."""
    (vectors,) = [v for k, v in load_file(folder / "model.safetensors").items() if "word_embeddings" in k]
    counts = Counter(word for text in TEXTS for word in text.split())
    probability = {word: count / sum(counts.values()) for word, count in counts.items()}
    means = []
    for text in TEXTS:
        weighted = [a / (a + probability[word]) * vectors[NUMBERS[word]].astype(float) for word in text.split()]
        means.append(sum(weighted) / len(weighted))
    u = np.linalg.svd(np.stack(means).T)[0][:, 0]  # texts are columns, and not centred
    return np.stack([mean - u * (u @ mean) for mean in means])


@pytest.mark.parametrize("a", [1e-3, 0.3])
def test_texts_have_the_sentence_vectors_of_the_paper(folder: Path, a: float) -> None:
    found = encoded(made(folder, TEXTS, OWNERS, smoothing=a), TEXTS).pooled
    wanted = reference(folder, a)
    np.testing.assert_allclose(found.double().numpy(), wanted, atol=1e-5 * np.abs(wanted).max())


def test_texts_without_owners_are_each_of_another_patient(folder: Path) -> None:
    pairs = [made(folder, TEXTS, owners).state_dict() for owners in (OWNERS, None)]
    assert all(torch.equal(pairs[0][name], pairs[1][name]) for name in pairs[0])


def test_a_texts_feature_is_the_mean_of_its_tokens(folder: Path) -> None:
    found = encoded(made(folder, TEXTS), [*TEXTS, ""])
    for pooled, tokens, mask in zip(found.pooled, found.tokens, found.mask, strict=True):
        torch.testing.assert_close(pooled, tokens[mask].mean(0))


def test_the_common_direction_stays_where_it_is_asked_to(folder: Path) -> None:
    with_it, without = (encoded(made(folder, TEXTS, common=common), TEXTS).pooled for common in (True, False))
    assert torch.linalg.matrix_rank(without - with_it) == 1
    assert torch.linalg.matrix_rank(with_it) == with_it.shape[1] - 1


def test_a_word_that_one_patient_alone_has_leaves_no_trace(folder: Path) -> None:
    told = made(folder, [*TEXTS, "smith smith"], [*OWNERS, "e"], common=False)
    untold = made(folder, TEXTS, OWNERS, common=False)
    assert torch.equal(told.weights, untold.weights)
    assert told.weights[NUMBERS["smith"]] == 1
    shared = made(folder, [*TEXTS, "smith smith"], [*OWNERS, "f"], common=False)
    assert torch.equal(shared.weights, untold.weights), "written twice, and by one patient"
    assert made(folder, [*TEXTS, "smith", "smith"], [*OWNERS, "f", "g"]).weights[NUMBERS["smith"]] < 1


def test_nothing_but_the_vectors_is_trained(folder: Path) -> None:
    backbone = made(folder, TEXTS)
    assert [name for name, _ in backbone.named_parameters()] == ["vectors.weight"]
    assert {"weights", "direction"} <= set(backbone.state_dict()), "what was learned is saved with the model"


def test_no_more_than_the_window_is_read_and_the_report_is_told(folder: Path) -> None:
    backbone = made(folder, TEXTS, window=2)
    long, short = (encoded(backbone, [text]).pooled for text in ("no fever smith pain", "no fever"))
    assert torch.equal(long, short)
    assert list(backbone.census(backbone.prepare(["no fever smith", "no fever"])).values()) == [1]
    assert torch.equal(
        backbone.weights, made(folder, ["no fever", "cough", "fever fever", "rash no", "cough no"]).weights
    )


def test_words_are_where_explanations_say_they_are(folder: Path) -> None:
    located = made(folder, TEXTS).inside().located(["no  fever", ""])
    assert located[0].words == ("no", "fever") and located[0].places is not None
    assert located[0].places.tolist() == [[0, 2], [4, 9]]
    assert len(located[1].words) == 1, "an empty text is read as one token"
