"""Text encoders that learn from scratch: convolutions of several widths, LSTM, GRU."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from medplug.core.backbone import Backbone, Inputs
from medplug.core.explaining.inside import Embedded, Located, units_at, units_in_place
from medplug.core.features import Features
from medplug.core.pretrained import refuse_weights
from medplug.core.readers.windows import SpanWindow
from medplug.core.registry import Source
from medplug.plugins.backbones.context_windows import windows_of_units
from medplug.plugins.backbones.lines import convolved, laid_out
from medplug.plugins.backbones.scratch_options import (
    RecurrentTextOptions,
    ScratchTextOptions,
    TextCNNOptions,
    TextGRUOptions,
    TextLSTMOptions,
)
from medplug.plugins.backbones.vocabulary import PAD, UNKNOWN, Vocabulary

Ids = NDArray[np.int32]

_NOWHERE = np.zeros((1, 2), dtype=np.int64)
_EMBEDDING_SCALE = 0.1  # the standard deviation of a new embedding; torch's 1.0 would drown what little is learned


class ScratchText(Backbone):
    """An embedding of words or characters and of their pairs, which the encoders build on.

    An item is one text's ids ``[tokens, ngrams]``, uncut; `collate` keeps the
    first `window` tokens. Weights are drawn from torch's global generator.
    """

    options_model: ClassVar[type[ScratchTextOptions]]

    def __init__(self, options: Any, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.window: int = options.window
        self._options: ScratchTextOptions = options
        self._set_vocabulary(vocabulary)

    @classmethod
    def create(cls, options: Any, source: Source | None) -> Self:
        """Build it with an empty vocabulary, which `learn` fills; `BackboneError` if weights are given."""
        refuse_weights(cls, source)
        return cls(options, Vocabulary("words", options.ngrams, ()))

    @classmethod
    def restore(cls, assets: Mapping[str, Any]) -> Self:
        """Build it again, with random weights."""
        options = cls.options_model.model_validate(assets["options"])
        return cls(options, Vocabulary.from_json(assets["vocabulary"]))

    def assets(self) -> dict[str, Any]:
        """Options and vocabulary."""
        return {"options": self._options.model_dump(mode="json"), "vocabulary": self.vocabulary.to_json()}

    def learn(self, values: Sequence[str], groups: Sequence[str] | None = None) -> None:
        """Learn the vocabulary and make a new embedding for it."""
        chosen = self._options.model_dump(include={"units", "ngrams", "min_count", "max_size"})
        self._set_vocabulary(Vocabulary.learn(values, groups, **chosen))

    def _set_vocabulary(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.embedding = nn.Embedding(len(vocabulary), self._options.embedding, padding_idx=PAD)
        nn.init.normal_(self.embedding.weight, std=_EMBEDDING_SCALE)
        nn.init.zeros_(self.embedding.weight[PAD])

    def prepare(self, values: Sequence[str]) -> list[Ids]:
        """Give each text's ids, ``[tokens, ngrams]``."""
        return [self.vocabulary.encode(value) for value in values]

    def prepare_pairs(self, questions: Sequence[str], contexts: Sequence[str]) -> list[Ids]:
        """Give each pair's ids: the question's, and then the context's.

        Of a question that is longer than half the window no more stands before the context than
        this leaves room for, and its rest behind it, where it is cut.
        """
        ids = {text: self.vocabulary.encode(text) for text in dict.fromkeys([*questions, *contexts])}
        return [self._paired(ids[q], ids[c]) for q, c in zip(questions, contexts, strict=True)]

    def _paired(self, question: Ids, context: Ids) -> Ids:
        kept = max(self.window // 2, self.window - len(context))
        return np.concatenate([question[:kept], context, question[kept:]])

    def span_windows(self, questions: Sequence[str], contexts: Sequence[str], overlap: int) -> list[list[SpanWindow]]:
        """Cut each context into windows behind its question; none is left out."""
        asked = {text: self.vocabulary.encode(text) for text in dict.fromkeys(questions)}
        read = {text: self.vocabulary.encode_with_offsets(text) for text in dict.fromkeys(contexts)}
        return [
            windows_of_units(asked[q], *read[c], window=self.window, overlap=overlap)
            for q, c in zip(questions, contexts, strict=True)
        ]

    def size(self, item: Ids) -> int:
        """Tokens read of this text."""
        return min(len(item), self.window)

    def census(self, items: Sequence[Ids]) -> dict[str, int]:
        """How many texts lose their end."""
        cut = sum(len(item) > self.window for item in items)
        return {f"rows longer than the window of {self.window} tokens": cut} if cut else {}

    def embed(self, ids: Tensor) -> Tensor:
        """Embed ids ``[..., ngrams]`` as ``[..., embedding]``: the sum of a unit and the pair it ends.

        In training a share of the tokens is made unknown (Iyyer et al. 2015,
        "word dropout"), which also teaches the embedding of unknown units.
        """
        options = self._options
        if self.training and options.unit_dropout:
            dropped = (torch.rand(ids.shape[:-1], device=ids.device) < options.unit_dropout) & (ids[..., 0] != PAD)
            unknown = torch.full_like(ids, PAD)
            unknown[..., 0] = UNKNOWN
            ids = torch.where(dropped.unsqueeze(-1), unknown, ids)
        return functional.dropout(self.embedding(ids).sum(-2), options.embedding_dropout, self.training)

    def pool(self, tokens: Tensor, mask: Tensor) -> Features:
        """Features from token features ``[batch, tokens, width]``: the largest value over the real tokens."""
        pooled = tokens.masked_fill(~mask.unsqueeze(-1), float("-inf")).amax(1)
        return Features(functional.dropout(pooled, self._options.dropout, self.training), tokens, mask)

    def inside(self) -> Embedded:
        """The embedding of units and of the pairs that they end; padding stands for none."""
        return Embedded("token", self.embedding, self._units, self._located)

    @abstractmethod
    def _units(self, items: Sequence[Ids], inputs: Inputs) -> Tensor:
        """Whose token each place is, as `Embedded.units`."""

    def _located(self, values: Sequence[str]) -> list[Located]:
        """The words or characters of every text, and where they stand; an empty text has one that is empty."""
        offsets = [self.vocabulary.encode_with_offsets(value)[1] for value in values]
        return [
            Located(tuple(value[first:end] for first, end in each), each) if len(each) else Located(("",), _NOWHERE)
            for value, each in zip(values, offsets, strict=True)
        ]

    @abstractmethod
    def collate(self, items: Sequence[Ids]) -> Inputs:
        """Stack items; `mask` ``[batch, tokens]`` is among what it gives."""


class TextCNN(ScratchText):
    """Convolutions of several widths, ReLU and the maximum over time.

    Source: Kim (2014), "Convolutional Neural Networks for Sentence
    Classification". Each real token is the middle of one window of each width,
    and zeros stand beyond the ends of a text.
    """

    options_model = TextCNNOptions

    def __init__(self, options: TextCNNOptions, vocabulary: Vocabulary) -> None:
        super().__init__(options, vocabulary)
        self.width = options.filters * len(options.kernels)
        self._gap = max(options.kernels) // 2
        self.convolutions = nn.ModuleList(nn.Conv1d(options.embedding, options.filters, k) for k in options.kernels)

    def collate(self, items: Sequence[Ids]) -> Inputs:
        """Lay the texts end to end with padding between them, so that no more is convolved than must be.

        Gives `ids` ``[places, ngrams]``, the place `at` ``[batch, tokens]`` of
        every token in it (0, a padding, for none) and `mask` ``[batch, tokens]``.
        """
        lengths = [self.size(item) for item in items]
        line = laid_out(lengths, self._gap)
        ids = np.full((line.places, items[0].shape[1]), PAD, dtype=np.int64)
        for item, start, n in zip(items, line.starts, lengths, strict=True):
            ids[start : start + n] = item[:n]
        return {"ids": torch.from_numpy(ids), "at": line.at, "mask": line.mask}

    def _units(self, items: Sequence[Ids], inputs: Inputs) -> Tensor:
        return units_at(inputs["at"], inputs["mask"], len(inputs["ids"]))

    def forward(self, inputs: Inputs) -> Features:
        """Convolve the real tokens and take each filter's maximum over a text."""
        at, mask = inputs["at"], inputs["mask"]
        line = self.embed(inputs["ids"]).T  # [embedding, places]
        found = [convolved(convolution, line) for convolution in self.convolutions]
        tokens = torch.cat(found).T.relu().index_select(0, at.flatten()).view(*at.shape, self.width)
        return self.pool(tokens * mask.unsqueeze(-1), mask)


class RecurrentText(ScratchText):
    """A bidirectional recurrent network and the maximum over time of its states.

    Each direction reads a text's real tokens only (packed sequences).
    """

    cell: ClassVar[type[nn.LSTM] | type[nn.GRU]]

    def __init__(self, options: RecurrentTextOptions, vocabulary: Vocabulary) -> None:
        super().__init__(options, vocabulary)
        self.width = 2 * options.hidden
        self.recurrent = self.cell(
            options.embedding,
            options.hidden,
            options.layers,
            batch_first=True,
            bidirectional=True,
            dropout=options.dropout if options.layers > 1 else 0.0,
        )

    def collate(self, items: Sequence[Ids]) -> Inputs:
        """Pad to the longest text: `ids` ``[batch, tokens, ngrams]`` and `mask` ``[batch, tokens]``."""
        longest = max(map(self.size, items))
        ids = np.full((len(items), longest, items[0].shape[1]), PAD, dtype=np.int64)
        for row, item in zip(ids, items, strict=True):
            row[: self.size(item)] = item[:longest]
        return {"ids": torch.from_numpy(ids), "mask": torch.from_numpy(ids[..., 0] != PAD)}

    def _units(self, items: Sequence[Ids], inputs: Inputs) -> Tensor:
        return units_in_place(inputs["mask"])

    def forward(self, inputs: Inputs) -> Features:
        """Read every text in both directions."""
        ids, mask = inputs["ids"], inputs["mask"]
        lengths = mask.sum(1).cpu()  # torch packs by lengths on the CPU only
        packed = pack_padded_sequence(self.embed(ids), lengths, batch_first=True, enforce_sorted=False)
        tokens, _ = pad_packed_sequence(self.recurrent(packed)[0], batch_first=True, total_length=ids.shape[1])
        return self.pool(tokens, mask)


class TextLSTM(RecurrentText):
    """A bidirectional LSTM (Hochreiter and Schmidhuber 1997, "Long Short-Term Memory")."""

    options_model = TextLSTMOptions
    cell = nn.LSTM


class TextGRU(RecurrentText):
    """A bidirectional GRU (Cho et al. 2014, "Learning Phrase Representations using RNN Encoder-Decoder")."""

    options_model = TextGRUOptions
    cell = nn.GRU
