"""Frozen features of what reads questions: every distinct text, or pair read together, is encoded once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from medplug.core.adapter import Matrix
from medplug.core.answers.options import MOST
from medplug.core.answers.questions import Pair
from medplug.core.data.entities import distinct
from medplug.core.readers.choice import ChoiceReader, option_pairs
from medplug.core.readers.pair import PairReader, Way
from medplug.core.training.frozen import Encoded, FrozenFeatures, encode


class PairFeatures(FrozenFeatures):
    """The features that a reader of pairs or of choices gives, put together from those of distinct texts.

    They are what the reader's own forward pass gives. Texts that are read apart are encoded by the text
    backbone itself, so that a kept file of features serves whatever else reads the same texts.
    """

    backbone: PairReader

    @cached_property
    def splits(self) -> dict[str, Matrix]:
        """Features ``[rows, width]`` by split."""
        rows = {split: self.job.values(split) for split in self.job.dataset.splits}
        pairs = {split: self._pairs(values) for split, values in rows.items()}
        encoded = self._together(pairs) if self.backbone.way == "together" else self._apart(pairs)
        if not isinstance(self.backbone, ChoiceReader):
            return encoded
        counts = {split: [len(value.options) for value in values] for split, values in rows.items()}
        return {split: blocks(each, counts[split]) for split, each in encoded.items()}

    def _pairs(self, values: Sequence[Any]) -> list[Pair]:
        if not isinstance(self.backbone, ChoiceReader):
            return list(values)
        return [pair for value in values for pair in option_pairs(value, self.backbone.way)]

    def _together(self, pairs: Mapping[str, Sequence[Pair]]) -> dict[str, Matrix]:
        """One vector a pair, each different pair encoded once."""
        found = {split: distinct(each) for split, each in pairs.items()}
        reader = PairReader(self.backbone.text, self.backbone.way)
        encoded = self._encoded(reader, {split: values for split, (values, _) in found.items()}, "pairs")
        return {split: encoded.splits[split][at] for split, (_, at) in found.items()}

    def _apart(self, pairs: Mapping[str, Sequence[Pair]]) -> dict[str, Matrix]:
        """The vectors of both texts of each pair joined, each different text encoded once."""
        sides = {
            split: [text for pair in each for text in (pair.question, pair.context)] for split, each in pairs.items()
        }
        found = {split: distinct(texts) for split, texts in sides.items()}
        told = {split: [text for text in texts if text] for split, (texts, _) in found.items()}
        encoded = self._encoded(self.backbone.text, told, "texts")
        joined = {}
        for split, (texts, at) in found.items():
            vectors = np.zeros((len(texts), self.backbone.text.width), dtype=np.float32)
            vectors[[i for i, text in enumerate(texts) if text]] = encoded.splits[split]
            joined[split] = join(vectors[at[::2]], vectors[at[1::2]], self.backbone.way)
        return joined

    def _encoded(self, encoder: Any, values: dict[str, list[Any]], what: str) -> Encoded:
        found = encode(encoder, values, self.job, pretrained=self.pretrained)
        self.notes = {f"distinct {what} encoded": found.distinct}
        self.census = {
            split: {told.replace("rows", f"different {what}", 1): count for told, count in each.items()}
            for split, each in found.census.items()
        }
        return found


def join(one: Matrix, other: Matrix, way: Way) -> Matrix:
    """The vectors ``[pairs, width]`` of two texts as the way of reading joins them."""
    parts = [one, other] if way == "side_by_side" else [one, other, np.abs(one - other), one * other]
    return np.concatenate(parts, axis=1)


def blocks(options: Matrix, counts: Sequence[int]) -> Matrix:
    """The vectors of all rows' options ``[options, width]`` as each row's blocks ``[rows, 8 * (width + 1)]``."""
    there = np.arange(MOST) < np.array(counts, dtype=np.int64)[:, None]
    found = np.zeros((len(counts), MOST, options.shape[1] + 1), dtype=np.float32)
    found[there] = np.append(options, np.ones((len(options), 1), dtype=np.float32), axis=1)
    return found.reshape(len(counts), -1)
