"""Prompts: the passages and the question, in as many tokens as the model reads.

Retrieval-augmented generation (Lewis et al., 2020) in its plainest form: passages stand in the
prompt before the question. A prompt is put together from pieces that are tokenised one by one,
so that its length is known before it is made: passages are cut, the question never.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from medplug.core.errors import DataError
from medplug.core.generation.generator import Generator

INSTRUCTION = "Answer the question."
WITH_PASSAGES = "Answer the question from the passages."
LEAST = 8
"""The fewest tokens that a passage is cut to; where there is less room, the last passages are left out."""

Tokens = list[int]


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prepared row: the prompt's token `ids` and, to learn from or to judge, those of the `answer`.

    `passages` are the ids of those that the prompt holds, some of it at least; `cut` says that not
    all of what was given is in it, `answer_cut` that the answer goes on.
    """

    ids: tuple[int, ...]
    passages: tuple[str, ...] = ()
    cut: bool = False
    answer: tuple[int, ...] = ()
    answer_cut: bool = False

    def asked(self) -> Prompt:
        """The same without the answer: what a model writes from."""
        return replace(self, answer=(), answer_cut=False)


class Prompter:
    """Puts prompts together for one generator, of at most `room` tokens each."""

    def __init__(self, generator: Generator, room: int) -> None:
        self.room = room
        texts = (f"{INSTRUCTION}\n\n", f"{WITH_PASSAGES}\n\n", "Question: ", generator.cue)
        self._plain, self._given, self._question, self._cue = generator.tokens(texts)
        self._generator = generator
        self._heads: dict[int, Tokens] = {}

    def prompts(
        self,
        questions: Sequence[str],
        passages: Sequence[Sequence[tuple[str, str]]],
        *,
        key: str = "task.answer_tokens",
    ) -> list[Prompt]:
        """A prompt for each question and its passages, each an id and a text, best first.

        Raises `DataError` where a question alone is longer than the room; `key` is the key that leaves more.
        """
        asked = self._generator.tokens(questions)
        texts = list(dict.fromkeys(text for row in passages for _, text in row))
        tokens = dict(zip(texts, self._generator.tokens(texts), strict=True))
        self._check(asked, key)
        return [
            self._prompt(question, [(id_, tokens[text]) for id_, text in row])
            for question, row in zip(asked, passages, strict=True)
        ]

    def _check(self, asked: Sequence[Tokens], key: str) -> None:
        over = [len(question) for question in asked if len(self._around(question, [])) > self.room]
        if over:
            raise DataError(
                f"{len(over)} question(s) are longer than the model reads: up to {max(over)} tokens, and there is room "
                f"for {self.room} with the instruction, beside the answer; a question is never cut. Shorten them, set "
                f"a smaller {key}, raise backbone.window, or use a model of more positions"
            )

    def _prompt(self, question: Tokens, passages: Sequence[tuple[str, Tokens]]) -> Prompt:
        kept = [(id_, tokens) for id_, tokens in passages if tokens]
        while kept:
            heads = [self._head(number) for number in range(1, len(kept) + 1)]
            room = self.room - len(self._around(question, heads))
            lengths = shared_room([len(tokens) for _, tokens in kept], room)
            if all(length >= min(LEAST, len(tokens)) for length, (_, tokens) in zip(lengths, kept, strict=True)):
                pieces = [head + tokens[:n] for head, (_, tokens), n in zip(heads, kept, lengths, strict=True)]
                cut = len(kept) < len(passages) or any(n < len(t) for n, (_, t) in zip(lengths, kept, strict=True))
                return Prompt(tuple(self._around(question, pieces)), tuple(id_ for id_, _ in kept), cut)
            kept.pop()
        return Prompt(tuple(self._around(question, [])), cut=bool(passages))

    def _around(self, question: Tokens, pieces: Sequence[Tokens]) -> Tokens:
        """The whole prompt around the question."""
        frame = self._generator.frame
        lead = [*(self._given if pieces else self._plain), *(token for piece in pieces for token in piece)]
        return [
            *frame.before,
            *lead,
            *(self._break if pieces else ()),
            *self._question,
            *question,
            *self._cue,
            *frame.after,
        ]

    @property
    def _break(self) -> Tokens:
        return self._head(0)

    def _head(self, number: int) -> Tokens:
        """What stands before a passage; number 0 is what stands after the last."""
        if number not in self._heads:
            text = "\n\n" if number == 0 else f"{'' if number == 1 else chr(10) * 2}Passage {number}: "
            (self._heads[number],) = self._generator.tokens([text])
        return self._heads[number]


def shared_room(lengths: Sequence[int], room: int) -> list[int]:
    """How many tokens of each passage fit into a room: short ones whole, the long ones cut to one length.

    What a short passage leaves goes to the others; what cannot be divided goes to the first.
    """
    given = [0] * len(lengths)
    left = max(room, 0)
    for place, position in enumerate(sorted(range(len(lengths)), key=lambda i: (lengths[i], -i))):
        given[position] = min(lengths[position], left // (len(lengths) - place))
        left -= given[position]
    return given
