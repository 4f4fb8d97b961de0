"""What every form of question says of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from medplug.core.data.targets import Target
from medplug.core.evaluation.reported import reported
from medplug.core.plain.features import PlainFeatures
from medplug.plugins.medical_qa.options import MedicalQaData, MedicalQaOptions
from medplug.plugins.medical_qa.plain import PlainTexts

if TYPE_CHECKING:
    import polars as pl

    from medplug.core.backbone import Backbone
    from medplug.core.data.problems import Problems

Columns = dict[str, str]
"""Configuration key -> column."""


class Form(ABC):
    """A form of question: how rows are read, what is predicted, what rows share, and a sample of them."""

    shares: ClassVar[str] = "context"
    """What is kept in one split, in words."""

    def __init__(self, options: MedicalQaOptions, data: MedicalQaData) -> None:
        self.options = options
        self.data = data

    @abstractmethod
    def columns(self, *, labelled: bool) -> Columns:
        """The columns it needs."""

    def spared(self) -> list[tuple[str, ...]]:
        """Groups of keys of which a table to predict on may lack some, as `Task.columns_of_slots` gives them."""
        return []

    @abstractmethod
    def values(self, table: pl.DataFrame, problems: Problems) -> list[Any]:
        """The raw values of the rows; what cannot be read goes to `problems`."""

    @abstractmethod
    def labels(self, table: pl.DataFrame, values: Sequence[Any], problems: Problems) -> list[Any]:
        """The labels of the rows, whose values are known."""

    @abstractmethod
    def target(self, labels: Sequence[Any]) -> Target:
        """What is predicted."""

    def metrics(self, target: Target) -> tuple[str, ...]:
        """What is reported, and chosen by first."""
        return reported(target.kind)

    def drawn_by(self, labels: Sequence[Any]) -> list[Any]:
        """What each split has its share of."""
        return list(labels)

    def reader(self, backbone: Backbone, target: Target) -> Backbone:
        """What reads these values through a text backbone."""
        return backbone

    def plain_features(self) -> PlainFeatures:
        """What the linear baseline reads."""
        return PlainTexts()

    @abstractmethod
    def shared(self, value: Any) -> tuple[bytes, ...]:
        """The contents by which a row is tied to others, so that none of them is tested on what it was learned from."""

    @abstractmethod
    def sample(self) -> pl.DataFrame:
        """Generated rows, under the names of ``data.*``."""

    @property
    def context(self) -> str:
        """The column of a context that every row has."""
        return self.data.context or "context"
