"""What readers have in common: they are their text backbone, given more than single texts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, Self

from torch import nn

from medplug.core.backbone import Backbone


class Reader(Backbone):
    """A backbone that reads questions through `text`, a text backbone, and has no weights of its own.

    What is saved of it are the assets of `text` and its weights.
    """

    def __init__(self, text: Backbone) -> None:
        super().__init__()
        self.text = text

    @abstractmethod
    def over(self, text: Backbone) -> Self:
        """The same reader of another text backbone."""

    @abstractmethod
    def texts(self, value: Any) -> Sequence[str]:
        """The single texts of a raw value."""

    @classmethod
    def create(cls, options: Any, source: Any) -> NoReturn:
        """Never: it is made of a text backbone that exists."""
        raise TypeError(f"{cls.__name__} is made of a text backbone, not of options")

    @classmethod
    def restore(cls, assets: Mapping[str, Any]) -> NoReturn:
        """Never: its text backbone is restored first."""
        raise TypeError(f"{cls.__name__} is made of a text backbone that is restored first")

    def again(self) -> Self:
        """The same reader of the same network with random weights."""
        return self.over(self.text.again())

    def assets(self) -> dict[str, Any]:
        """Those of the text backbone."""
        return self.text.assets()

    def learn(self, values: Sequence[Any], groups: Sequence[str] | None = None) -> None:
        """Let the text backbone learn from the texts of all values; what a patient's rows repeat counts once."""
        owners = [""] * len(values) if groups is None else groups
        told = dict.fromkeys(
            (text, owner) for value, owner in zip(values, owners, strict=True) for text in self.texts(value) if text
        )
        self.text.learn([text for text, _ in told], None if groups is None else [owner for _, owner in told])

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the text backbone, which settles its own batch norms."""
        return nn.Module.train(self, mode)

    def provenance(self) -> dict[str, str]:
        """Where the text backbone's weights came from."""
        return self.text.provenance()

    def reading(self) -> str:
        """What the text backbone is given."""
        return self.text.reading()
