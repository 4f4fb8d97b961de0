"""What a task promises to the core, and the examples that it hands on.

Tasks are implemented by plugins and called by the core; plugins know each
other by name only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.content import JointRow
from medplug.core.errors import UsageError
from medplug.core.wording import Wording

if TYPE_CHECKING:
    import polars as pl

    from medplug.core.augmentation import Augmentation
    from medplug.core.backbone import Backbone
    from medplug.core.data.problems import Problems
    from medplug.core.data.tables import Tabular
    from medplug.core.data.targets import Target
    from medplug.core.data.twins import Alike
    from medplug.core.images.store import StoredImage
    from medplug.core.plain.features import PlainFeatures, TreeFeatures
    from medplug.core.retrieval.corpus import Corpus
    from medplug.core.screening.sides import Screened
    from medplug.core.specs import Cell, Modality


@dataclass(slots=True)
class Examples:
    """Rows as a task hands them on: raw input values, labels and who they belong to.

    `rows` are row numbers in the table they came from (first data row = 1);
    `inputs` maps a slot to one raw value a row; `labels` holds the raw label
    (text, a tuple of texts for multilabel, a float for regression, a pair of a time
    and whether the event came then for survival, a `Treated` for treatments) or None for unlabelled tables.
    Where masks are predicted `masks` holds one a row (a `StoredImage` of class
    numbers, 0 the background) and its label the names of the classes in it.
    `names` are what predictions call the rows (files, say) beside their numbers.
    `of_target` ``[rows]`` is True where a row comes from the target domain, None
    where no domains were named. `also` holds the raw labels of further targets by
    their names, None where a row has none.
    """

    rows: NDArray[np.int64]
    inputs: dict[str, list[Any]]
    labels: list[Any] | None = None
    groups: list[str] | None = None
    sites: list[str] | None = None
    by: dict[str, list[str]] = field(default_factory=dict)
    of_target: NDArray[np.bool_] | None = None
    masks: list[StoredImage] | None = None
    names: list[str] | None = None
    also: dict[str, list[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def tells_of_target(self) -> bool:
        """Whether these rows are of the domain that the model is for; so they are where no domains were named."""
        return self.of_target is None or bool(self.of_target.any())

    @property
    def values(self) -> list[Any]:
        """One raw value a row; a `JointRow` where there are several slots."""
        if len(self.inputs) == 1:
            (values,) = self.inputs.values()
            return values
        rows = zip(*self.inputs.values(), strict=True)
        return [JointRow(dict(zip(self.inputs, row, strict=True))) for row in rows]

    def take(self, index: NDArray[np.int64]) -> Examples:
        """The examples at these positions, in this order."""
        pick = index.tolist()

        def chosen(values: list[Any] | None) -> list[Any] | None:
            return None if values is None else [values[i] for i in pick]

        inputs = {slot: [values[i] for i in pick] for slot, values in self.inputs.items()}
        by, also = ({name: [values[i] for i in pick] for name, values in each.items()} for each in (self.by, self.also))
        owners = chosen(self.groups), chosen(self.sites)
        domain = None if self.of_target is None else self.of_target[index]
        kept = chosen(self.masks), chosen(self.names)
        return Examples(self.rows[index], inputs, chosen(self.labels), *owners, by, domain, *kept, also)

    def followed_by(self, other: Examples) -> Examples:
        """These rows and then those of `other`; what only one of them knows is left out."""

        def both(mine: list[Any] | None, theirs: list[Any] | None) -> list[Any] | None:
            return None if mine is None or theirs is None else [*mine, *theirs]

        def owners(mine: list[str] | None, theirs: list[str] | None) -> list[str] | None:
            return (
                None
                if mine is None and theirs is None
                else [*(mine or [""] * len(self)), *(theirs or [""] * len(other))]
            )

        return Examples(
            np.concatenate([self.rows, other.rows]),
            {slot: [*values, *other.inputs[slot]] for slot, values in self.inputs.items()},
            both(self.labels, other.labels),
            owners(self.groups, other.groups),
            owners(self.sites, other.sites),
            {name: [*values, *other.by[name]] for name, values in self.by.items() if name in other.by},
            None
            if self.of_target is None or other.of_target is None
            else np.concatenate([self.of_target, other.of_target]),
            both(self.masks, other.masks),
            both(self.names, other.names),
            {name: [*values, *other.also[name]] for name, values in self.also.items() if name in other.also},
        )


class Task(ABC):
    """A problem: it reads rows and says what is predicted. It does not train.

    `slots` maps each input it hands out to its modality; `sample_columns` holds
    the ``data.*`` keys that fit the built-in sample. While rows are read, `scratch`
    is a folder for what does not fit into memory (None: the system's own for
    temporary files), and `report` is told how far the reading is.
    """

    slots: ClassVar[Mapping[str, Modality]]
    sample_columns: ClassVar[Mapping[str, str]] = {}
    sample_is: ClassVar[str] = "generated"
    """What the rows of the built-in sample are, as the report says it."""
    wording: ClassVar[Wording] = Wording()
    """What the report calls that which rows are about: patients, unless a task says otherwise."""
    entities: ClassVar[tuple[str, ...]] = ()
    """Slots whose values recur and are nobody's, as drugs and proteins: each one's scores are told. Never patients."""
    scratch: Path | None = None
    report: Callable[[int, int], None] = staticmethod(lambda done, total: None)

    def __init__(self, options: Any, data: Any) -> None:
        self.options = options
        self.data = data

    @abstractmethod
    def columns(self, *, labelled: bool) -> dict[str, str]:
        """The columns it needs: configuration key (``data.text``) -> column name."""

    def cells(self) -> dict[str, Cell]:
        """What a cell holds of each column that a table to predict on has, by its key (``data.text``).

        As a rule the modality of its slot tells; a task whose columns of values are settled says which are numbers.
        """
        alone = next(iter(self.slots.values())) if len(self.slots) == 1 else "text"
        held: dict[Modality, Cell] = {"image": "file", "signal": "file", "tabular": "value"}
        found: dict[str, Cell] = {}
        for key in self.columns(labelled=False):
            slot = key.removeprefix("data.").partition("[")[0].partition("{")[0]
            found[key] = held.get(self.slots.get(slot, alone), "text")
        return found

    def columns_of_slots(self) -> list[tuple[str, ...]]:
        """The keys of `columns` slot by slot (``data.text``, ``data.tabular[0]``) where there are several slots.

        A table to predict on may lack all columns of some of them.
        """
        keys = [(key, key.partition("[")[0].partition("{")[0]) for key in self.columns(labelled=False)]
        found = [tuple(key for key, head in keys if head == f"data.{slot}") for slot in self.slots]
        return found if len(found) > 1 else []

    def columns_of_unlabelled(self) -> list[tuple[str, ...]]:
        """Groups of keys of `columns` of which ``data.unlabelled`` must have one, and may lack the others."""
        return []

    def tabulate(self, source: Any, key: str) -> Tabular:
        """What a user gave for `key` (``data.train``), as a table; a task may take more than tables (a folder, say)."""
        table: Tabular = source
        return table

    @abstractmethod
    def examples(
        self, table: pl.DataFrame, problems: Problems, *, labelled: bool, folder: Path | None = None
    ) -> Examples:
        """Turn every row of a table into an example, in order; note unusable ones in `problems`.

        The core takes those out, and adds patients and sites. `folder` is where the
        table's file lies (None: it was in memory).
        """

    @abstractmethod
    def target(self, labels: Sequence[Any]) -> Target:
        """Say what is predicted, from the training labels."""

    def also_targets(self, train: Examples) -> dict[str, Target]:
        """What is learned along beside the main target, by the names in `Examples.also`; nothing unless asked for."""
        return {}

    @abstractmethod
    def metrics(self, target: Target) -> tuple[str, ...]:
        """The metrics to report, the one to choose models by first."""

    @abstractmethod
    def plain_features(self) -> PlainFeatures:
        """Simple features for the linear baseline."""

    @abstractmethod
    def sample(self) -> pl.DataFrame:
        """A small built-in table, so that the task runs with no data given."""

    def tidy(self, train: Examples) -> tuple[Examples, dict[str, int]]:
        """Clean the training rows as a set (drop duplicates, say) and count what was done."""
        return train, {}

    def drawn_by(self, labels: Sequence[Any]) -> list[Any]:
        """What splits have their share of ``[rows]``, as a rule the labels; one value for all where that means nothing.

        ``data.limit`` counts by it, too.
        """
        return list(labels)

    def reader(self, backbone: Backbone, target: Target) -> Backbone:
        """What reads the rows' raw values through the run's backbone, whose weights are saved: as a rule itself.

        Its ``assets`` are those of the backbone. Called for a new run and for a saved one.
        """
        return backbone

    def units(self, examples: Examples, rule: str) -> dict[str, list[str]]:
        """For a rule of the task's own as ``data.split``: what rows stay together by, one key a row, by its name.

        With several names each one's keys are divided, and rows whose keys fall in different splits are left out.
        """
        return {}

    def alike(self, splits: Mapping[str, Examples]) -> Alike | None:
        """Which rows are nearly the same, where the task can tell."""
        return None

    def further_passages(self) -> Corpus | None:
        """Passages that questions are answered from, beside those of the rows; None where there are none.

        They are part of what a run is told to learn from, so that it is asked for them more than once.
        """
        return None

    def domains(self, examples: Examples, seed: int) -> list[str]:
        """Of each row ``source``, ``target`` or neither, asked where the data model `finds_domains`."""
        return []

    @property
    def sure(self) -> float | None:
        """The share of the sure answers that must be right on validation rows; None where no question is answered."""
        return None

    @property
    def least_region(self) -> int:
        """Of predicted masks: the fewest pixels of a region that is told of."""
        return 0

    def augmentation(self, options: Any) -> Augmentation | None:
        """What changes training batches at random, from the options ``augment.*``; None where nothing does."""
        return None

    def learned(self) -> dict[str, Any]:
        """What reading the training table settled, as JSON data, so that a saved model reads later tables alike."""
        return {}

    def recall(self, learned: Mapping[str, Any]) -> None:  # noqa: B027 - most tasks settle nothing
        """Read tables from now on as `learned` says, which `learned` of another instance gave."""

    def question_row(self, question: str, context: str | None, options: tuple[str, ...]) -> dict[str, Any]:
        """One question as a row of a table to predict on; `UsageError` where the task needs more, less or none."""
        raise UsageError("this run's task answers no questions; ask a run of task=medical_qa, or use medplug predict")

    def entity_name(self, slot: str, value: Any) -> str | None:
        """What one of `entities` is called in the report (an id, not its content); None: by a number of its content."""
        return None

    def tree_features(self) -> TreeFeatures | None:
        """What the baseline of boosted trees reads (a table's values, say); None where it has nothing to read."""
        return None

    def screening(self) -> Screened | None:
        """How the entities of two slots are read, to score all their pairs; None where rows are no pairs."""
        return None
