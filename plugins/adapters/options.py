"""Options of the adapters that make a head, or say which weights are trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from medplug.core.config import Section

Strengths = Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]


class LinearProbeOptions(Section):
    """``adapter.linear_probe.*``."""

    strengths: Strengths = Field(
        (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0),
        description="inverse regularisation strengths to choose from on validation",
    )
    standardise: bool = Field(True, description="bring each feature to unit variance before the fit")
    refit: bool = Field(
        False, description="once the strength is chosen, fit again on training and validation rows together"
    )


class SvmOptions(Section):
    """``adapter.svm.*``."""

    strengths: Strengths = Field(
        (0.0001, 0.001, 0.01, 0.1, 1.0), description="inverse regularisation strengths to choose from on validation"
    )


class PrototypesOptions(Section):
    """``adapter.prototypes.*``."""

    metric: Literal["auto", "euclidean", "mahalanobis"] = Field(
        "auto",
        description="the distance to a prototype: plain, or by the classes' shared covariance (auto: on validation)",
    )


class FinetuneOptions(Section):
    """``adapter.finetune.*``."""

    freeze_embeddings: bool = Field(False, description="leave the word embeddings of a pretrained encoder as they are")
    layer_decay: float = Field(
        1.0, gt=0, le=1, description="what the learning rate is multiplied by from each layer to the one below it"
    )
    head: Literal["new", "probe"] = Field(
        "new", description="the head that training starts from: a new one, or one fitted on frozen features"
    )
    statistics: Literal["auto", "keep", "learn"] = Field(
        "auto", description="of batch norms: kept as pretrained, or learned anew (auto: kept under a fitted head)"
    )


class FrozenOptions(Section):
    """``adapter.frozen.*``."""

    hidden: PositiveInt = Field(256, description="the width of the layer between the frozen features and the head")
    dropout: float = Field(0.1, ge=0, lt=1, description="the share of its units dropped in training")


class GradualOptions(Section):
    """``adapter.gradual.*``."""

    until: float = Field(0.5, gt=0, le=1, description="the share of training after which every layer is thawed")
    layer_decay: float = Field(
        0.8, gt=0, le=1, description="what the learning rate is multiplied by from each layer to the one below it"
    )
    head: Literal["new", "probe"] = Field(
        "probe", description="the head that training starts from: a new one, or one fitted on frozen features"
    )
    statistics: Literal["auto", "keep", "learn"] = Field(
        "auto", description="of batch norms: kept as pretrained, or learned anew (auto: kept under a fitted head)"
    )


class LoraOptions(Section):
    """``adapter.lora.*``."""

    rank: PositiveInt = Field(8, description="the rank of each update")
    alpha: float = Field(16.0, gt=0, description="updates are multiplied by alpha / rank")
    dropout: float = Field(0.0, ge=0, lt=1, description="the share of an update's inputs dropped in training")
    modules: tuple[str, ...] = Field(
        (), description='ends of the names of the linear maps to update, as ["query","value"] (empty: all in blocks)'
    )


class Ia3Options(Section):
    """``adapter.ia3.*``."""

    modules: tuple[str, ...] = Field(
        (), description="ends of the names of the linear maps to scale (empty: those known for the architecture)"
    )
    feedforward: tuple[str, ...] = Field((), description="those of the modules whose input is scaled")

    @model_validator(mode="after")
    def _modules_with_feedforward(self) -> Self:
        if self.feedforward and not self.modules:
            raise ValueError("adapter.ia3.feedforward says which of adapter.ia3.modules it means; give these too")
        return self


class PrefixOptions(Section):
    """``adapter.prefix.*``."""

    tokens: PositiveInt = Field(20, description="how many learned positions every layer attends to")


class BottleneckOptions(Section):
    """``adapter.bottleneck.*``."""

    reduction: PositiveInt = Field(16, description="a bottleneck has width / reduction units")


class L2spOptions(Section):
    """``adapter.l2sp.*``."""

    alpha: float = Field(0.01, ge=0, description="how strongly weights are pulled to where pretraining left them")
    beta: float = Field(0.01, ge=0, description="how strongly the new head is pulled to zero")


class DistillOptions(Section):
    """``adapter.distill.*``."""

    teacher: Path = Field(description="the run folder of the teacher, a finished run on the same classes")
    temperature: float = Field(2.0, gt=0, description="softens both models' probabilities")
    trade_off: float = Field(1.0, ge=0, description="what the distillation loss is multiplied by")


class RelationOptions(Section):
    """``adapter.relation.*``."""

    trade_off: float = Field(1.0, ge=0, description="what the loss is multiplied by")
    angles: float = Field(2.0, ge=0, description="how much angles between examples count beside distances")


class TradaboostOptions(Section):
    """``adapter.tradaboost.*``."""

    rounds: PositiveInt = Field(10, description="rounds of boosting")
    strengths: Strengths = Field((0.001, 0.01, 0.1), description="inverse regularisation strengths to choose from")


class MappingOptions(Section):
    """``adapter.mapping.*``."""

    kind: Literal["recolour", "autoencoder", "gan"] = Field(
        "recolour", description="how source features are mapped to the target's: by covariance, or by a trained network"
    )
    trade_off: float = Field(1.0, ge=0, description="what the transfer loss is multiplied by (trained maps)")
    steps: PositiveInt = Field(500, description="updates of a trained map")
    batch: PositiveInt = Field(128, description="rows of each domain an update")
    learning_rate: float = Field(1e-3, gt=0, description="the rate of a trained map (Adam)")
    strengths: Strengths = Field(
        (0.0001, 0.001, 0.01, 0.1, 1.0), description="inverse regularisation strengths of the head to choose from"
    )


class KmmOptions(Section):
    """``adapter.kmm.*``."""

    bound: float = Field(10.0, gt=1, description="the largest weight of a source row")


class DensityRatioOptions(Section):
    """``adapter.density_ratio.*``."""

    method: Literal["classifier", "kliep"] = Field(
        "classifier", description="by a classifier that tells the domains apart, or by KLIEP's kernels"
    )
    folds: int = Field(5, ge=2, description="parts of the rows, each weighed by what the others say")
