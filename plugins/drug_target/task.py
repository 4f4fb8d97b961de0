"""The task: pairs of a drug and a protein in, an affinity or an interaction out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from medplug.core.data import cells
from medplug.core.data.classes import target_of
from medplug.core.data.repeats import without_repeats
from medplug.core.data.targets import Target
from medplug.core.errors import ConfigError
from medplug.core.evaluation.reported import reported
from medplug.core.molecules.reading import rdkit, read_molecules
from medplug.core.plain.joint import PlainJoint
from medplug.core.plain.molecule import PlainMolecule
from medplug.core.plain.protein import PlainProtein
from medplug.core.proteins.reading import read_sequences
from medplug.core.task import Examples, PlainFeatures, Task
from medplug.plugins.drug_target.labels import Kind, affinities, kind_of, named
from medplug.plugins.drug_target.libraries import screened
from medplug.plugins.drug_target.sample import sample

if TYPE_CHECKING:
    from medplug.core.data.problems import Problems
    from medplug.core.screening.sides import Screened
    from medplug.core.specs import Modality
    from medplug.plugins.drug_target.options import DrugTargetData, DrugTargetOptions


class DrugTarget(Task):
    """Whether, or how strongly, small molecules bind proteins.

    A row is a pair. Equal molecules are equal texts (standard SMILES), and so are
    equal sequences, so that what many pairs share is encoded once.
    """

    slots: ClassVar[Mapping[str, Modality]] = {"drug": "molecule", "protein": "protein"}
    sample_columns: ClassVar[Mapping[str, str]] = {"drug": "drug", "target": "target"}
    sample_is: ClassVar[str] = "generated molecules and sequences with an invented affinity"
    options: DrugTargetOptions
    data: DrugTargetData

    def __init__(self, options: DrugTargetOptions, data: DrugTargetData) -> None:
        super().__init__(options, data)
        rdkit()  # before any table is read
        self._kind: Kind | None = None if options.target == "auto" else options.target

    def columns(self, *, labelled: bool) -> dict[str, str]:
        """The columns of the SMILES and the sequence, of the ids where they are named, and of the label."""
        data = self.data
        needed = {"data.smiles": data.smiles, "data.sequence": data.sequence}
        needed |= {f"data.{key}": name for key, name in (("drug", data.drug), ("target", data.target)) if name}
        return needed | ({"data.label": data.label} if labelled else {})

    def columns_of_slots(self) -> list[tuple[str, ...]]:
        """A table to predict on may lack the ids."""
        ids = [(f"data.{key}",) for key in ("drug", "target") if getattr(self.data, key)]
        return [("data.smiles", "data.sequence"), *ids] if ids else []

    def examples(
        self, table: pl.DataFrame, problems: Problems, *, labelled: bool, folder: Path | None = None
    ) -> Examples:
        """Standard SMILES and sequences, named by their ids, with labels where `labelled`; bad rows go to `problems`."""
        return Examples(
            rows=np.arange(1, table.height + 1, dtype=np.int64),
            inputs={
                "drug": read_molecules(table, self.data.smiles, problems),
                "protein": read_sequences(table, self.data.sequence, problems),
            },
            labels=self._labels(table, problems) if labelled else None,
            names=self._names(table),
        )

    def learned(self) -> dict[str, Any]:
        """Whether labels are classes or numbers, as the first table settled it."""
        return {"kind": self._kind}

    def recall(self, learned: Mapping[str, Any]) -> None:
        """Read labels as another table settled."""
        self._kind = learned.get("kind")

    def target(self, labels: Sequence[Any]) -> Target:
        """Two classes in order, or a number.

        Raises `DataError` where the labels cannot be learned from and
        `ConfigError` where ``task.target`` or ``task.positive`` do not fit them.
        """
        if self._kind == "regression":
            if self.options.positive is not None:
                raise ConfigError("task.positive is for a binary target, and data.label holds numbers; leave it out")
            return Target.numeric(named(self.data.label, self.data.unit), labels)
        return target_of(labels, "binary", self.options.positive)

    def metrics(self, target: Target) -> tuple[str, ...]:
        """AUROC first of two classes and the squared error first of affinities, as the field reports them."""
        return reported(target.kind, first={"binary": "auroc", "regression": "mse"}[target.kind])

    def plain_features(self) -> PlainFeatures:
        """The simple features of both, side by side."""
        return PlainJoint({"drug": PlainMolecule(), "protein": PlainProtein()})

    def tidy(self, train: Examples) -> tuple[Examples, dict[str, int]]:
        """Drop training rows that repeat a pair and its label, and count pairs with more than one label."""
        pairs = list(zip(train.inputs["drug"], train.inputs["protein"], strict=True))
        return without_repeats(train, pairs, "pair", drop=True)

    def screening(self) -> Screened:
        """Libraries of molecules are scored against proteins."""
        return screened(self.data)

    def sample(self) -> pl.DataFrame:
        """Generated pairs, under this task's column names."""
        data = self.data
        return sample().rename({"smiles": data.smiles, "sequence": data.sequence, "label": data.label})

    def _labels(self, table: pl.DataFrame, problems: Problems) -> list[Any]:
        column, unit = table[self.data.label], self.data.unit
        self._kind = self._kind or ("regression" if unit else kind_of(column))
        if self._kind == "regression":
            return list(affinities(column, unit, problems))
        return list(cells.label_column(column, problems))

    def _names(self, table: pl.DataFrame) -> list[str] | None:
        """What predictions call the rows: the ids of the drug and the target, as far as the table has them."""
        ids = {"data.drug": self.data.drug, "data.target": self.data.target}
        found = [cells.texts(table[name], key).fill_null("") for key, name in ids.items() if name in table.columns]
        return [" / ".join(each) for each in zip(*found, strict=True)] if found else None
