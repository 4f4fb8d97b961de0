"""The configuration's models: what may be set, of which type, with which default.

Everything a run can be told is a field here, in a task's own ``data.*`` and
``task.*`` models, or in the option models of the backbone and the adapters.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    PrivateAttr,
    field_validator,
    model_validator,
)

from medplug.core.fields import DEFAULT_SHARES, Column, Columns, Folds, Names, Rule, Shares, Sites, TableSource


class Section(BaseModel):
    """A group of options: nothing unknown is accepted, nothing changes after the start."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(Section):
    """The ``data.*`` keys that every task has; a task's own model adds its column names.

    `rules` are the names that ``data.split`` takes; a task adds those that its `Task.units` answers.
    """

    rules: ClassVar[tuple[str, ...]] = ("random", "group")

    train: TableSource = Field(None, description="the labelled table to learn from (default: the task's sample)")
    validation: TableSource = Field(None, description="the table to choose by (default: cut from data.train)")
    test: TableSource = Field(None, description="the table to report on (default: cut from data.train)")
    source: TableSource = Field(None, description="a labelled table of another domain (the source) to learn from too")
    unlabelled: TableSource = Field(None, description="a table of the target domain whose labels are never read")
    group: Column | None = Field(None, description="the column that says which patient a row belongs to")
    site: Column | None = Field(None, description="the column that says which hospital a row comes from")
    source_sites: Sites = Field(
        (), description='with target_sites: the sites whose labels are learned from, as ["A","B"]'
    )
    target_sites: Sites = Field((), description="the sites where the model will be used; test rows are theirs")
    target_labels: NonNegativeInt | Literal["all"] = Field(
        0, description="labels of the target sites to learn from: so many a class (for a number: in all), or all"
    )
    split: str | Shares = Field(
        DEFAULT_SHARES, description="shares for train, validation and test, as [0.7,0.1,0.2]; or random, or group"
    )
    shares: Shares | None = Field(None, description="with a rule as data.split: the shares, as [0.8,0.1,0.1]")
    split_column: Column | None = Field(None, description="the column that names each row's split, or its fold")
    test_folds: Folds = Field((), description='the folds of data.split_column to test on, as 9 or ["8","9"]')
    validation_folds: Folds = Field(
        (), description="the folds to choose by (default: cut off the other rows, all of which are trained on)"
    )
    limit: PositiveInt | None = Field(
        None,
        description="the most labelled rows a class (of a number: in all) to learn from, and as many to choose by",
    )
    on_error: Literal["stop", "skip"] = Field("stop", description="what to do with bad rows: stop, or set them aside")

    @property
    def fractions(self) -> Shares:
        """The shares of train, validation and test."""
        return self.shares or (DEFAULT_SHARES if isinstance(self.split, str) else self.split)

    @property
    def own_rule(self) -> str | None:
        """The rule of the task's own that rows are split by, if any."""
        return self.split if isinstance(self.split, str) and self.split not in DataConfig.rules else None

    @property
    def finds_domains(self) -> bool:
        """Whether the task tells the domains' sites by itself (`Task.domains`), and no column does."""
        return False

    @field_validator("split", mode="before")
    @classmethod
    def _rule_or_shares(cls, split: Any) -> Any:
        """Tell the rules there are, in place of what a union of types says."""
        if split in cls.rules or (isinstance(split, list | tuple) and len(split) == len(DEFAULT_SHARES)):
            return split
        raise ValueError(f"give {', '.join(cls.rules)}, or three shares")

    @model_validator(mode="after")
    def _consistent(self) -> DataConfig:
        self._check_splits()
        self._check_domains()
        return self

    def _check_splits(self) -> None:
        train, validation, test = self.fractions
        key = "data.split" if self.shares is None else "data.shares"
        if min(train, validation, test) < 0 or train == 0 or abs(train + validation + test - 1) > 1e-6:
            raise ValueError(f"{key} needs three shares that add up to 1, the first above 0, as [0.7,0.1,0.2]")
        if self.shares is not None and not isinstance(self.split, str):
            raise ValueError("data.shares goes with a rule, as data.split=random; give the shares once")
        if self.split == "group" and self.group is None:
            raise ValueError("data.split=group needs data.group=COLUMN")
        if self.split_column is not None and (self.validation is not None or self.test is not None):
            raise ValueError(
                "data.split_column names the splits inside data.train; leave data.validation and data.test"
            )
        self._check_folds()

    def _check_folds(self) -> None:
        if self.test_folds and self.split_column is None:
            raise ValueError("data.test_folds are values of a column; name it: data.split_column=COLUMN")
        if self.validation_folds and not self.test_folds:
            raise ValueError("data.validation_folds goes with data.test_folds; name the folds to test on")
        if set(self.test_folds) & set(self.validation_folds):
            raise ValueError("a fold is either in data.test_folds or in data.validation_folds, not in both")

    def _check_domains(self) -> None:
        sites = self.source_sites or self.target_sites
        if sites and not (self.source_sites and self.target_sites and (self.site or self.finds_domains)):
            raise ValueError("data.source_sites, data.target_sites and data.site=COLUMN go together; give all three")
        if set(self.source_sites) & set(self.target_sites):
            raise ValueError("a site is either in data.source_sites or in data.target_sites, not in both")
        if sites and any(table is not None for table in (self.source, self.unlabelled, self.validation, self.test)):
            raise ValueError(
                "data.source_sites and data.target_sites divide data.train; leave data.source, data.unlabelled, "
                "data.validation and data.test, or give tables in place of sites"
            )
        if self.limit is not None and sites:
            raise ValueError("data.limit counts the rows of one domain; with data.target_sites use data.target_labels")
        if self.target_labels and not sites:
            raise ValueError("data.target_labels counts labels of data.target_sites; with tables, data.limit counts")
        if self.source is not None and self.split_column is not None:
            raise ValueError("data.split_column divides one table; leave it, or name domains by data.source_sites")


class TrainConfig(Section):
    """The ``train.*`` keys: how a model is trained by gradient, and how batches are made."""

    epochs: PositiveInt = Field(4, description="the most passes over the training rows")
    least_updates: PositiveInt = Field(
        1,
        description="the fewest updates to plan for: a small table is passed over more often, unless train.epochs is "
        "asked for",
    )
    members: PositiveInt = Field(
        1, description="models trained from different seeds whose predictions are averaged (a deep ensemble)"
    )
    batch_size: PositiveInt = Field(32, description="rows an update, over all processes together")
    learning_rate: float = Field(5e-5, gt=0, description="the highest learning rate (AdamW)")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's decoupled weight decay")
    warmup: float = Field(0.1, ge=0, lt=1, description="the share of updates over which the rate rises")
    block: PositiveInt | None = Field(
        None,
        description="rows that share an input (a protein, say) and are drawn into a batch together, so that it is "
        "encoded once for them (default: 16 where that saves much; 1: every row by itself)",
    )
    accumulate: PositiveInt = Field(1, description="batches an update is gathered over")
    clip: float = Field(1.0, gt=0, description="the largest gradient norm")
    patience: PositiveInt = Field(3, description="epochs without a better validation score before stopping")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="the share of a label spread over all classes")
    class_weights: Literal["auto", "none", "balanced"] = Field(
        "auto",
        description="weigh classes by their rarity (auto: a fitted head tries both on validation, training does not)",
    )
    balance: Literal["fixed", "uncertainty"] = Field(
        "fixed", description="with data.also: how the targets' losses are weighed; uncertainty: by learned weights"
    )
    also_weight: float = Field(
        1.0,
        gt=0,
        allow_inf_nan=False,
        description="with train.balance=fixed: the weight of each target of data.also, where the main one has 1",
    )
    tokens: PositiveInt | None = Field(
        None, description="the most tokens computed at once, padding counted (default: by device)"
    )
    workers: int = Field(0, ge=0, description="processes that collate batches")
    cache: Path | None = Field(
        None,
        description="a folder of your own to keep frozen features in, reused by later runs (they derive from rows)",
    )
    keep_checkpoints: bool = Field(False, description="keep checkpoints/ once the run is finished")

    @model_validator(mode="after")
    def _one_balance(self) -> TrainConfig:
        if self.balance == "uncertainty" and self.also_weight != 1.0:
            raise ValueError("train.balance=uncertainty learns the weights of the losses; leave train.also_weight")
        return self


class FusionConfig(Section):
    """The ``fusion.*`` keys that every fusion has; a fusion's own model adds its options."""

    modality_dropout: float = Field(
        0.1, ge=0, lt=1, description="how often a modality of a training row is withheld, so that any may be missing"
    )


class SelectionConfig(Section):
    """The ``selection.*`` keys: how the model is chosen, on validation rows only."""

    metric: str | None = Field(None, description="the metric to choose by (default: the task's first)")
    criterion: Literal["validation", "iwv", "dev", "snd", "infomax"] = Field(
        "validation",
        description="how an epoch is chosen: by the metric on validation rows, or by a measure on unlabelled rows",
    )
    oracle: bool = Field(
        False, description="choose by labels of the target domain that a real user would not have (for studies only)"
    )
    calibration: Literal["none", "auto", "temperature", "platt", "isotonic"] = Field(
        "none",
        description="how probabilities of classes are corrected on validation rows (auto: as cross-validation says)",
    )
    threshold: Rule = Field(
        "half",
        description="from which probability on a row of two classes is positive, chosen on validation rows: half, "
        "youden, f1, sensitivity:0.9 or specificity:0.9 (any share)",
    )
    coverage: float | None = Field(
        0.9,
        gt=0,
        lt=1,
        description="how often the sets (of numbers: intervals) beside predictions are to hold the truth (null: none)",
    )


class ReportConfig(Section):
    """The ``report.*`` keys: what the report shows."""

    title: str | None = Field(None, description="the report's title")
    card: Path | None = Field(
        None,
        description="a YAML file of statements (intended_use, population, ethics ...); keys given here go before it",
    )
    language: Literal["en", "zh"] = Field("en", description="the language of report.html and model_card.md")
    intended_use: str = Field("", description="what the model is for (these statements are yours; empty: not stated)")
    users: str = Field("", description="who will use it")
    care_pathway: str = Field("", description="where in the care of a patient")
    population: str = Field("", description="for which patients")
    out_of_scope: str = Field("", description="settings it is not for")
    data_source: str = Field("", description="where the data come from: dates, eligibility, consent")
    outcome: str = Field("", description="how the outcome is defined and who annotated it")
    limits: str = Field("", description="known limits and risks")
    maintenance: str = Field("", description="who maintains it")
    pretraining: bool = Field(
        False, description="also fit a head on the same backbone with random weights, to show what pretraining is worth"
    )
    resamples: int = Field(1000, ge=100, description="bootstrap resamples behind each interval")
    explain: int = Field(3, ge=0, description="test rows whose predictions are explained")
    show_examples: bool = Field(
        False, description="show the words, pictures and molecules of explained rows in the report (patients' content!)"
    )
    by: Columns = Field((), description='columns to report subgroups by, as sex,age or ["sex","age"]')

    _stated: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def stated(self) -> dict[str, str]:
        """What `card` says, by its keys; as it was read at the start."""
        return self._stated

    def model_post_init(self, context: Any, /) -> None:
        """Read the card, so that a fault in it is told before anything is computed."""
        if self.card is not None:
            from medplug.core.report.stated import read_card

            self._stated = read_card(self.card)


class RunConfig(Section):
    """The keys of a run that stand alone; the sections stand beside them in a plan."""

    output: Path | None = Field(None, description="the run folder (default: runs/<task>-<time>)")
    seed: int = Field(0, ge=0, lt=2**32, description="the seed of everything drawn at random")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="where to compute (one GPU of several: CUDA_VISIBLE_DEVICES)"
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="the arithmetic of training"
    )
    observers: Names = Field((), description="who watches the run, as tensorboard+mlflow (medplug list observers)")
