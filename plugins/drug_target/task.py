"""The task: pairs of a drug and a protein in, an affinity or an interaction out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from medplug.core.data import cells
from medplug.core.data.classes import target_of
from medplug.core.data.problems import Problems
from medplug.core.data.targets import Target
from medplug.core.errors import ConfigError, DataError
from medplug.core.evaluation.reported import reported
from medplug.core.molecules.reading import rdkit, read_molecules
from medplug.core.plain.features import PlainFeatures, TreeFeatures
from medplug.core.plain.joint import PlainJoint, TreeJoint
from medplug.core.plain.molecule import PlainMolecule
from medplug.core.plain.protein import PlainProtein
from medplug.core.plain.reduced import tree_molecules, tree_proteins
from medplug.core.proteins.reading import read_sequences
from medplug.core.task import Examples, Task
from medplug.core.wording import Wording
from medplug.plugins.drug_target.entities import Which, of_id, of_structure
from medplug.plugins.drug_target.labels import Kind, affinities, check_two, kind_of, named
from medplug.plugins.drug_target.libraries import screened
from medplug.plugins.drug_target.pairs import Lookup
from medplug.plugins.drug_target.repeats import once, refuse_conflicts
from medplug.plugins.drug_target.sample import sample
from medplug.plugins.drug_target.splitting import alike, domains, units

if TYPE_CHECKING:
    from medplug.core.data.tables import Tabular
    from medplug.core.data.twins import Alike
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
    entities: ClassVar[tuple[str, ...]] = ("drug", "protein")
    wording: ClassVar[Wording] = Wording(
        group="group",
        groups="groups",
        subjects="your drugs and targets",
        same="the same drug, as standardised, on the same sequence",
        ungrouped="intervals take each pair for itself, though pairs share drugs and proteins. How well the model does "
        "on new drugs or proteins only a split tells that keeps them apart (data.split=cold_drug, cold_target, "
        "cold_pair, scaffold or cluster)",
    )
    options: DrugTargetOptions
    data: DrugTargetData

    def __init__(self, options: DrugTargetOptions, data: DrugTargetData) -> None:
        super().__init__(options, data)
        rdkit()  # before any table is read
        if data.unit is not None and options.target == "binary":
            raise ConfigError(
                "data.unit is the unit of a number, and task.target=binary has classes; leave one of them"
            )
        self._kind: Kind | None = None if options.target == "auto" else options.target
        self._lookup = Lookup(data)
        self._called: dict[str, dict[str, str]] = {"drug": {}, "protein": {}}

    def columns(self, *, labelled: bool) -> dict[str, str]:
        """The columns of the SMILES and the sequence, of the ids where they are named, and of the label."""
        needed = {"data.smiles": self.data.smiles, "data.sequence": self.data.sequence, **self._ids}
        return needed | ({"data.label": self.data.label} if labelled else {})

    def columns_of_slots(self) -> list[tuple[str, ...]]:
        """A table to predict on may lack the ids."""
        return [("data.smiles", "data.sequence"), *((key,) for key in self._ids)] if self._ids else []

    def tabulate(self, source: Any, key: str) -> Tabular:
        """A table of ids with the structures of ``data.drugs`` and ``data.targets``; any other as it is."""
        table: Tabular = self._lookup.filled(source, key)
        return table

    def examples(
        self, table: pl.DataFrame, problems: Problems, *, labelled: bool, folder: Path | None = None
    ) -> Examples:
        """Standard SMILES and sequences, named by ids, with labels where `labelled`; bad rows go to `problems`."""
        inputs = {
            "drug": self._structures(table, "drug", problems),
            "protein": self._structures(table, "target", problems),
        }
        rows = np.arange(1, table.height + 1, dtype=np.int64)
        labels = self._labels(table, problems) if labelled else None
        examples = Examples(rows, inputs, labels, names=self._names(table))
        if labelled:
            self._call("drug", table, inputs["drug"])
            self._call("protein", table, inputs["protein"])
        if labelled and self.data.duplicates == "refuse":
            refuse_conflicts(examples, self.data.label, problems)
        return examples

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
        check_two(labels, self.data.label)
        return target_of(labels, "binary", self.options.positive)

    def metrics(self, target: Target) -> tuple[str, ...]:
        """AUROC first of two classes and the squared error first of affinities, as the field reports them.

        Besides what is told of any two classes or number: enrichment at 1 %, concordance and the modified r².
        """
        if target.kind == "regression":
            return "mse", "c_index", "rm2", "pearson", "spearman", "mae", "r2"
        return tuple(dict.fromkeys(("auroc", "auprc", "ef1", *reported("binary"))))

    def plain_features(self) -> PlainFeatures:
        """The simple features of both, side by side."""
        return PlainJoint({"drug": PlainMolecule(), "protein": PlainProtein()})

    def tree_features(self) -> TreeFeatures:
        """Reduced fingerprints and compositions of both, side by side: the strong classical baseline."""
        return TreeJoint({"drug": tree_molecules(), "protein": tree_proteins()})

    def entity_name(self, slot: str, value: Any) -> str | None:
        """The first id that a structure was read with from a labelled table; None where there are no ids."""
        return self._called[slot].get(value)

    def tidy(self, train: Examples) -> tuple[Examples, dict[str, int]]:
        """One row a pair, unless ``data.duplicates`` keeps all."""
        return (train, {}) if self.data.duplicates == "keep" else once(train)

    def screening(self) -> Screened:
        """Libraries of molecules are scored against proteins."""
        return screened(self.data)

    def units(self, examples: Examples, rule: str) -> dict[str, list[str]]:
        """What pairs stay together by: the drug, the protein, both, the scaffold or the protein's cluster."""
        return units(examples.inputs["drug"], examples.inputs["protein"], rule, self.data.cluster_likeness)

    def alike(self, splits: Mapping[str, Examples]) -> Alike:
        """Which pairs are of nearly the same drug and nearly the same protein."""
        return alike(splits)

    def domains(self, examples: Examples, seed: int) -> list[str]:
        """The pairs of most clusters are the source, those of the others the target."""
        return domains(examples.inputs["drug"], examples.inputs["protein"], self.data.cluster_likeness, seed)

    def sample(self) -> pl.DataFrame:
        """Generated pairs, under this task's column names; `ConfigError` where keys speak of a table of the user's."""
        data = self.data
        given = [key for key in ("drugs", "targets", "unit") if getattr(data, key) is not None]
        if given:
            raise ConfigError(f"data.{given[0]} says how data.train is read, which is not given; name a table of pairs")
        return sample().rename({"smiles": data.smiles, "sequence": data.sequence, "label": data.label})

    def _structures(self, table: pl.DataFrame, which: Which, problems: Problems) -> list[str | None]:
        column, found = of_structure(self.data, which), Problems(problems.table)
        if column not in table.columns:
            raise DataError(
                f"{problems.table}: there is no column {column!r}, and the model's run had no data.{which}s to look up "
                "ids in; give that column"
            )
        read = read_molecules if which == "drug" else read_sequences
        structures = read(table, column, found)
        self._lookup.told(table, which, found, problems)
        return structures

    def _labels(self, table: pl.DataFrame, problems: Problems) -> list[Any]:
        column, unit = table[self.data.label], self.data.unit
        self._kind = self._kind or ("regression" if unit else kind_of(column))
        if self._kind == "regression":
            return list(affinities(column, unit, problems))
        return list(cells.label_column(column, problems))

    def _names(self, table: pl.DataFrame) -> list[str] | None:
        """What predictions call the rows: the ids of the drug and the target, as far as the table has them."""
        ids = [cells.texts(table[name], key) for key, name in self._ids.items() if name in table.columns]
        return [" / ".join(each or "?" for each in row) for row in zip(*ids, strict=True)] if ids else None

    def _call(self, slot: str, table: pl.DataFrame, structures: Sequence[str | None]) -> None:
        """Remember the ids of structures, for a report that tells of each one."""
        column = self._ids.get(f"data.{'target' if slot == 'protein' else slot}")
        if column in table.columns:
            ids = cells.texts(table[column], f"data.{slot}")
            for structure, name in zip(structures, ids, strict=True):
                if structure and name:
                    self._called[slot].setdefault(structure, name)

    @property
    def _ids(self) -> dict[str, str]:
        """The columns of ids that are named, or that tables of drugs and targets need."""
        data = self.data
        drug = of_id(data, "drug") if data.drugs is not None else data.drug
        target = of_id(data, "target") if data.targets is not None else data.target
        return {key: name for key, name in (("data.drug", drug), ("data.target", target)) if name}
