"""Frozen features of what reads questions: what is encoded once, and that they are the reader's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medplug.core.answers.questions import Choice, Pair
from medplug.core.backbone import Backbone
from medplug.core.readers.choice import ChoiceReader
from medplug.core.readers.pair import PairReader
from medplug.core.registry import Source
from medplug.core.training.compute import Compute
from medplug.core.training.pair_features import PairFeatures, blocks
from medplug.core.training.parts import frozen_features
from medplug.core.training.processes import Processes
from medplug.plugins.backbones.pretrained_options import PretrainedTextOptions
from medplug.plugins.backbones.pretrained_text import PretrainedText

GOOD, BAD = ["fever", "cough", "rash"], ["pain", "fracture", "chest"]


class Dataset:
    def __init__(self, **splits: list[Any]) -> None:
        self.splits = splits


class Job:
    """As much of a job as features need."""

    def __init__(self, folder: Path, **splits: list[Any]) -> None:
        self.dataset, self.features_in = Dataset(**splits), folder
        self.compute = Compute(torch.device("cpu"), None, 4096, Processes(cpu=True))

    def values(self, split: str) -> list[Any]:
        return self.dataset.splits[split]

    def stage(self, name: str) -> Callable[[int, int], None]:
        return lambda done, total: None


@pytest.fixture
def text(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The tiny BERT, which notes how many sequences it is given."""
    backbone = PretrainedText.create(PretrainedTextOptions(), Source(path=tiny_bert)).eval()
    backbone.seen = 0  # type: ignore[assignment]
    forward = backbone.forward

    def counted(inputs: Any) -> Any:
        backbone.seen += len(inputs["ids"])
        return forward(inputs)

    monkeypatch.setattr(backbone, "forward", counted)
    return backbone


PAIRS = [Pair(f"what is {i % 3}", f"the patient has {word}") for i, word in enumerate([*GOOD, *BAD, *GOOD])]
CHOICES = [
    Choice("what is 1", ("fever", "cough")),
    Choice("what is 1", ("cough", "rash", "fever")),
    Choice("what is 2", ("cough", "pain"), "the patient has pain"),
]


def own(backbone: Backbone, values: list[Any]) -> Any:
    with torch.no_grad():
        return backbone(backbone.collate(backbone.prepare(values))).pooled.numpy()


@pytest.mark.parametrize("way", ["together", "apart", "side_by_side"])
@pytest.mark.parametrize("values", [PAIRS, CHOICES])
def test_frozen_features_are_what_the_reader_itself_gives(
    text: Any, way: Any, values: list[Any], tmp_path: Path
) -> None:
    pairs = PairReader(text, way)
    reader = pairs if values is PAIRS else ChoiceReader(pairs)
    found = frozen_features(reader, Job(tmp_path, train=values, test=values[:2]))  # type: ignore[arg-type]
    assert isinstance(found, PairFeatures)
    np.testing.assert_allclose(found.splits["train"], own(reader, values), atol=1e-5)
    np.testing.assert_allclose(found.splits["test"], own(reader, values[:2]), atol=1e-5)


def test_every_different_text_is_encoded_once_a_run_and_not_at_all_where_features_are_kept(
    text: Any, tmp_path: Path
) -> None:
    reader = PairReader(text, "apart")
    frozen = frozen_features(reader, Job(tmp_path, train=PAIRS, test=PAIRS[:4]))  # type: ignore[arg-type]
    assert frozen.splits["train"].shape == (9, 4 * text.width)
    assert text.seen == 9 == frozen.notes["distinct texts encoded"]  # three questions, six contexts
    again = frozen_features(ChoiceReader(reader), Job(tmp_path, train=CHOICES, test=CHOICES))  # type: ignore[arg-type]
    _ = again.splits
    # "what is 1" and "what is 2" alone were read before: the second has a context of its own here
    assert text.seen == 9 + 5
    together = PairReader(text, "together")
    frozen = frozen_features(together, Job(tmp_path, train=PAIRS * 2, test=PAIRS))  # type: ignore[arg-type]
    assert len(frozen.splits["train"]) == 18 and text.seen == 14 + len(set(PAIRS))


def test_blocks_hold_the_options_of_each_row_in_order() -> None:
    options = np.arange(10, dtype=np.float32).reshape(5, 2)
    found = blocks(options, [2, 3]).reshape(2, 8, 3)
    np.testing.assert_array_equal(found[1, :3], [[4, 5, 1], [6, 7, 1], [8, 9, 1]])
    assert not found[0, 2:].any() and not found[1, 3:].any()
