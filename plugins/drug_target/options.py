"""What can be set for the task: ``task.*`` and its columns in ``data.*``."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from medplug.core.config import DataConfig, Section
from medplug.core.fields import DEFAULT_SHARES, Column, Shares, TableSource

Unit = Literal["pM", "nM", "uM", "mM", "M"]


def _micro(unit: Any) -> Any:
    """The micro sign and the Greek letter, which look alike, as the letter u."""
    return "uM" if unit in ("\N{MICRO SIGN}M", "\N{GREEK SMALL LETTER MU}M") else unit


Duplicates = Literal["average", "refuse", "keep"]
RULES = ("cold_drug", "cold_target", "cold_pair", "scaffold", "cluster")
"""The rules of ``data.split`` beside those of every task."""


class DrugTargetOptions(Section):
    """The options ``task.*``: what is predicted."""

    target: Literal["auto", "binary", "regression"] = Field(
        default="auto",
        description="what is predicted; auto: two different labels are binary, more are an affinity (so is data.unit)",
    )
    positive: str | None = Field(
        default=None, description="the positive class of a binary target; unset: 1, yes, true, active ..."
    )


class DrugTargetData(DataConfig):
    """The options ``data.*``: the pairs, what is known of their drugs and targets, and how labels are read."""

    smiles: Column = Field(default="smiles", description="the column of the drug's SMILES")
    sequence: Column = Field(default="sequence", description="the column of the target's amino-acid sequence")
    label: Column = Field(default="label", description="the column of the label: one of two classes, or the affinity")
    unit: Annotated[Unit | None, BeforeValidator(_micro)] = Field(
        default=None,
        description="the unit of a concentration in data.label (Kd, Ki, IC50), which becomes -log10 of mol/l; unset: "
        "the label is used as it is (a pKd, a KIBA score)",
    )
    drugs: TableSource = Field(
        default=None, description="the drugs of the pairs by their ids: a table with data.smiles, or an SDF file"
    )
    targets: TableSource = Field(
        default=None, description="the targets of the pairs by their ids: a table with data.sequence, or a FASTA file"
    )
    drug: Column | None = Field(
        default=None,
        description="the column of the drug's id, in the pairs and in data.drugs (with data.drugs unset: drug); of an "
        "SDF file a data field or, where it has none of that name, the title",
    )
    target: Column | None = Field(
        default=None,
        description="the column of the target's id, in the pairs and in data.targets (with data.targets unset: "
        "target); of a FASTA file the first word of a header",
    )
    duplicates: Duplicates = Field(
        default="average",
        description="training rows of one drug and one target: average their affinities (of two classes the more "
        "frequent stays), refuse those that differ, or keep all",
    )
    group: Column | None = Field(
        default=None, description="the column that says what rows belong together (a series, a publication)"
    )
    site: Column | None = Field(
        default=None, description="the column that says where a row comes from (an assay, a laboratory)"
    )
    split: str | Shares = Field(
        default=DEFAULT_SHARES,
        description="shares for train, validation and test, as [0.7,0.1,0.2]; or random, group, cold_drug, "
        "cold_target, cold_pair, scaffold (of drugs), cluster (of proteins)",
    )
    cluster_likeness: float = Field(
        default=0.03,
        gt=0,
        le=1,
        description="proteins are of one cluster from this share of common words of five residues: 0.03 is about "
        "50 % identical residues, 0.17 about 70 %, 0.6 about 90 %",
    )
    domains: Literal["cluster"] | None = Field(
        default=None,
        description="cluster: the pairs of 60 % of the clusters of drugs and of proteins are the source, those of the "
        "others the target (for adapters between domains)",
    )

    rules: ClassVar[tuple[str, ...]] = (*DataConfig.rules, *RULES)

    @property
    def finds_domains(self) -> bool:
        """Whether clusters make the domains."""
        return self.domains is not None

    @model_validator(mode="before")
    @classmethod
    def _domains_of_clusters(cls, given: Any) -> Any:
        """With ``data.domains`` the sites are named ``source`` and ``target``, and no others may be."""
        if not isinstance(given, dict) or given.get("domains") is None:
            return given
        sites = {"source_sites": ("source",), "target_sites": ("target",)}
        if any(given.get(key) is not None for key in ("site", "source", "unlabelled")) or any(
            tuple(given.get(key) or own) != own for key, own in sites.items()
        ):
            raise ValueError(
                "data.domains=cluster makes the domains itself; leave data.site, data.source_sites, data.target_sites, "
                "data.source and data.unlabelled"
            )
        return {**given, **sites}

    @model_validator(mode="after")
    def _columns_apart(self) -> DrugTargetData:
        columns = [(key, getattr(self, key)) for key in ("smiles", "sequence", "drug", "target", "label")]
        for i, (key, name) in enumerate(columns):
            same = next((other for other, each in columns[:i] if name and each == name), None)
            if same:
                raise ValueError(f"data.{same} and data.{key} name the same column {name!r}; they are two")
        return self

    @property
    def in_use(self) -> tuple[str, ...]:
        """Both slots: a pair has a drug and a protein."""
        return "drug", "protein"
