"""Questions and passages to train a bi-encoder on: each distinct text has a number, and is encoded once a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medplug.core.backbone import Backbone
from medplug.core.retrieval.bm25 import BM25
from medplug.core.retrieval.corpus import Pairs, Questions
from medplug.core.retrieval.negatives import hard_negatives
from medplug.core.training.rows import Part, Row


@dataclass(frozen=True, slots=True)
class TextPairs:
    """Pairs by the numbers of their texts.

    `texts` are the distinct questions, and then the distinct passages; `rows` ``[rows, 2 + negatives]`` the numbers
    of a question, its passage and its hard negatives; `relevant` the sorted keys ``question * texts + passage`` of
    all right pairs.
    """

    texts: list[str]
    rows: NDArray[np.int64]
    relevant: NDArray[np.int64]

    @classmethod
    def of(cls, pairs: Pairs, negatives: int = 0) -> TextPairs:
        """Number (question, passage) pairs, and mine `negatives` for each question among these passages by BM25.

        Where BM25 finds fewer, a row repeats its own passage, which is no negative of its question.
        """
        asking = Questions.among([question for question, _ in pairs])
        answering = Questions.among([passage for _, passage in pairs])
        questions, asked, passages, answers = asking.texts, asking.of, answering.texts, answering.of
        right: list[set[int]] = [set() for _ in questions]
        for question, passage in zip(asked.tolist(), answers.tolist(), strict=True):
            right[question].add(passage)
        columns = [asked, answers + len(questions)]
        if negatives:
            mined = hard_negatives(BM25.fit(passages), questions, [sorted(each) for each in right], passages, negatives)
            of_row = mined[asked]
            columns += list((np.where(of_row < 0, answers[:, None], of_row) + len(questions)).T)
        rows = np.stack(columns, axis=1)
        texts = [*questions, *passages]
        return cls(texts, rows, np.unique(rows[:, 0] * len(texts) + rows[:, 1]))

    def __len__(self) -> int:
        return len(self.rows)


class PairCollate:
    """Makes one part of a drawn batch: its distinct texts in micro-batches of like length, at most `tokens` each.

    `places` of the part are ``[rows, 2 + negatives]``: where each text of a row is among the encoded ones.
    `items` are the prepared texts by number.
    """

    def __init__(self, encoder: Backbone, items: Sequence[Any], tokens: int) -> None:
        self.encoder, self.items, self.tokens = encoder, items, tokens

    def __call__(self, rows: Sequence[Row]) -> list[Part]:
        """The batch, whole: its rows are compared with each other."""
        numbers = np.stack([row.item for row in rows])
        distinct, at = np.unique(numbers, return_inverse=True)
        items = [self.items[number] for number in distinct]
        micro = self.encoder.batches(items, self.tokens)
        place = np.argsort(np.concatenate(micro))[at].reshape(numbers.shape)
        part = Part(
            inputs=[self.encoder.collate([items[i] for i in group]) for group in micro],
            counts=tuple(map(len, micro)),
            places=torch.from_numpy(place),
            labels=torch.from_numpy(numbers),
            weights=None,
            sources=sum(row.source for row in rows),
            reference={},
            share=1.0,
        )
        return [part]
