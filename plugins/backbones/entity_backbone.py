"""What the encoders of molecules and proteins that learn from scratch have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from medplug.core.backbone import Backbone
from medplug.core.config import Section
from medplug.core.pretrained import refuse_weights
from medplug.core.registry import Source


class EntityBackbone(Backbone):
    """An encoder of options and of the entries that it knows (characters, k-mers), which `learn` fills.

    Weights are drawn from torch's global generator, anew when the entries are known.
    """

    options_model: ClassVar[type[Section]]

    def __init__(self, options: Any, entries: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.options = options
        self._set_entries(entries)

    @classmethod
    def create(cls, options: Any, source: Source | None) -> Self:
        """Build it with nothing known, which `learn` changes; `BackboneError` if weights are given."""
        refuse_weights(cls, source)
        return cls(options)

    @classmethod
    def restore(cls, assets: Mapping[str, Any]) -> Self:
        """Build it again, with random weights."""
        return cls(cls.options_model.model_validate(assets["options"]), tuple(assets["entries"]))

    def assets(self) -> dict[str, Any]:
        """Options and what is known."""
        return {"options": self.options.model_dump(mode="json"), "entries": list(self.entries)}

    def _set_entries(self, entries: tuple[str, ...]) -> None:
        self.entries = entries
        self._build()

    @abstractmethod
    def _build(self) -> None:
        """Make the network for the entries, and set `width`."""
