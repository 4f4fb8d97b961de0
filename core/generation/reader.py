"""The reader of a generative task: questions with their passages become prompts of a generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, Self

from medplug.core.answers.questions import Pair
from medplug.core.backbone import Backbone, Inputs
from medplug.core.errors import BackboneError, ConfigError
from medplug.core.features import Features
from medplug.core.generation.generator import Generator
from medplug.core.generation.passages import OWN, CorpusFinder, Finder, Found
from medplug.core.generation.prompt import Prompt, Prompter


class PromptReader(Backbone):
    """A generator over raw values that are `Pair`s of a question and its own context (``""``: it has none).

    A row without a context is given the `count` best passages of `finder` (None: there is no
    corpus, and it is given none). At most `answer_tokens` are learned of an answer, and written.
    """

    def __init__(self, text: Backbone, *, count: int, answer_tokens: int, finder: Finder | None = None) -> None:
        super().__init__()
        if not isinstance(text, Generator):
            raise BackboneError(
                f"{type(text).__name__} reads text and writes none; generative answers need a causal or "
                "sequence-to-sequence model of transformers: backbone=./FOLDER"
            )
        self.text, self.width = text, text.width
        self.count, self.answer_tokens, self.finder = count, answer_tokens, finder
        room = text.window - (answer_tokens if text.shares_window else 0)
        if room < 1:
            raise ConfigError(
                f"task.answer_tokens={answer_tokens} leaves no room for a question in the {text.window} tokens that "
                "this model reads and writes at once; use a smaller number"
            )
        self._prompter = Prompter(text, room)

    @classmethod
    def create(cls, options: Any, source: Any) -> NoReturn:
        """Never: it is made of a generator that exists."""
        raise TypeError(f"{cls.__name__} is made of a generator, not of options")

    @classmethod
    def restore(cls, assets: Mapping[str, Any]) -> NoReturn:
        """Never: its generator is restored."""
        raise TypeError(f"{cls.__name__} is made of a generator that is restored first")

    def again(self) -> Self:
        """The same reader of a generator with random weights."""
        return type(self)(self.text.again(), count=self.count, answer_tokens=self.answer_tokens, finder=self.finder)

    def assets(self) -> dict[str, Any]:
        """Those of the generator."""
        return self.text.assets()

    def keep(self, folder: Path) -> None:
        """Write the passages into the run's folder."""
        if self.finder is not None:
            self.finder.keep(folder)

    def recall(self, folder: Path) -> None:
        """Find passages again where a run kept them, unless there is a finder already."""
        if self.finder is None:
            self.finder = CorpusFinder.kept(folder)

    def passages(self, values: Sequence[Pair]) -> list[list[Found]]:
        """What each row is given, best first: its own context, else passages of the corpus."""
        found: list[list[Found]] = [[Found(OWN, value.context)] if value.context else [] for value in values]
        bare = [row for row, given in enumerate(found) if not given]
        if self.finder is not None and self.count and bare:
            given = self.finder.find([values[row].question for row in bare], self.count)
            for row, each in zip(bare, given, strict=True):
                found[row] = each
        return found

    def prepare(self, values: Sequence[Pair]) -> list[Prompt]:
        """Prompts without answers. Raises `DataError` for a question that is longer than the model reads."""
        return self.prompts(values, self.passages(values))

    def prompts(self, values: Sequence[Pair], given: Sequence[Sequence[Found]]) -> list[Prompt]:
        """The same with these passages."""
        texts = [[(each.id, each.text) for each in row] for row in given]
        return self._prompter.prompts([value.question for value in values], texts)

    def answered(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[Prompt]:
        """The prompts with their right answers, to learn from or to weigh."""
        found = self.text.answers(answers, self.answer_tokens)
        return [
            replace(prompt, answer=tuple(ids), answer_cut=cut)
            for prompt, (ids, cut) in zip(prompts, found, strict=True)
        ]

    def size(self, item: Prompt) -> int:
        """Tokens computed for this row."""
        return self.text.size(item)

    def collate(self, items: Sequence[Prompt]) -> Inputs:
        """As the generator does."""
        return self.text.collate(items)

    def forward(self, inputs: Inputs) -> Features:
        """The generator's features of the prompt."""
        features: Features = self.text(inputs)
        return features

    def census(self, items: Sequence[Prompt]) -> dict[str, int]:
        """How many rows were given less than was found for them, or nothing, and how many answers go on."""
        return {
            f"rows whose passages were cut to the {self.text.window} tokens that the model reads": sum(
                item.cut for item in items
            ),
            "rows that were given no passage": sum(not item.passages for item in items),
            f"answers that are longer than the {self.answer_tokens} tokens that are learned and written": sum(
                item.answer_cut for item in items
            ),
        }

    def provenance(self) -> dict[str, str]:
        """Where the generator's weights came from."""
        return self.text.provenance()

    def reading(self) -> str:
        """What the network is given."""
        if self.finder is None or not self.count:
            return "the question, and the row's own context where it has one"
        most = f"up to {self.count} passages" if self.count > 1 else "one passage"
        return f"the question, and the row's own context or else {most}: {self.finder.told}"
