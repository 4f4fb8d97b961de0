"""What an adapter promises to the core, and what the core hands it.

An adapter is a transfer method. It answers the questions its spec lists, at
these moments: `weigh` and `reference` before training, on frozen features;
`prepare` on the loaded model, and again whenever a saved model is read; then
either `fit` once, or `attach` once, `schedule` and `penalty` at every step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

if TYPE_CHECKING:
    from medplug.core.data.targets import Target
    from medplug.core.model import Model, Outputs

Matrix = NDArray[np.float32]
Weights = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LinearHead:
    """A fitted linear layer: `weight` ``[outputs, width]``, `bias` ``[outputs]``, and how it was chosen.

    `validation_logits` ``[rows, outputs]`` stand where the adapter judged the
    validation rows by other features than the model's.
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    notes: dict[str, Any] = field(default_factory=dict)
    validation_logits: Matrix | None = None


@dataclass(frozen=True, slots=True)
class FitData:
    """What a closed-form adapter fits on: features ``[rows, width]``, encoded labels and how to choose.

    `of_target` ``[rows]`` says which rows are of the target domain (None: one
    domain), `unlabelled` holds features ``[m, width]`` of target rows without
    labels, `row_weights` ``[rows]`` what other adapters weigh the rows by;
    `validation_of_target`: the validation rows are of the target domain.
    `metric` is the name of the metric that validation is scored by, `weightings`
    the named weights of the classes ``[classes]`` (None: equal) to choose from.
    """

    features: Matrix
    labels: NDArray[Any]
    validation_features: Matrix
    validation_labels: NDArray[Any]
    target: Target
    metric: str
    weightings: Mapping[str, Weights | None]
    seed: int
    of_target: NDArray[np.bool_] | None = None
    unlabelled: Matrix | None = None
    row_weights: Weights | None = None
    validation_of_target: bool = True

    @property
    def source_features(self) -> Matrix:
        """Features ``[n, width]`` of the labelled source rows; of all labelled rows where there is one domain."""
        return self.features if self.of_target is None else self.features[~self.of_target]

    @property
    def target_features(self) -> Matrix:
        """Features ``[m, width]`` of every target row that may be learned from, labelled or not."""
        parts = [] if self.of_target is None else [self.features[self.of_target]]
        parts += [] if self.unlabelled is None else [self.unlabelled]
        return np.concatenate(parts) if parts else self.features[:0]

    def counted(self) -> FitData:
        """The same without the rows whose weight is 0: they must not shift a mean, a scale or a class either."""
        if self.row_weights is None:
            return self
        kept = self.row_weights > 0
        return replace(
            self,
            features=self.features[kept],
            labels=self.labels[kept],
            of_target=None if self.of_target is None else self.of_target[kept],
            row_weights=self.row_weights[kept],
        )


@dataclass(frozen=True, slots=True)
class Material:
    """The rows that batches are drawn from, before training: the labelled ones first, then those drawn beside them.

    `values` are raw inputs; `features` gives the frozen backbone's features
    ``[rows, width]``, encoded once and cached.
    """

    values: Sequence[Any]
    target: Target
    features: Callable[[], Matrix]


@dataclass(frozen=True, slots=True)
class Batch:
    """One training batch with a gradient: source rows, then labelled target rows, then unlabelled target rows.

    `outputs` holds features ``[rows, width]`` and logits ``[rows, outputs]``;
    `labels` are those of the first ``len(labels)`` rows; the first `sources`
    rows are of the source domain (none where no domains were named);
    `reference` has each adapter's own numbers for these rows ``[rows, k]``;
    `progress` is the share of training done, 0 to 1.
    """

    outputs: Outputs
    labels: Tensor
    sources: int
    reference: Mapping[str, Tensor]
    progress: float
    target: Target

    @property
    def source_features(self) -> Tensor:
        """``[sources, width]``."""
        return self.outputs.features[: self.sources]

    @property
    def target_features(self) -> Tensor:
        """``[rows - sources, width]``."""
        return self.outputs.features[self.sources :]

    @property
    def source_logits(self) -> Tensor:
        """``[sources, outputs]``."""
        return self.outputs.logits[: self.sources]

    @property
    def target_logits(self) -> Tensor:
        """``[rows - sources, outputs]``."""
        return self.outputs.logits[self.sources :]


class Adapter:
    """A transfer method. It answers the questions its spec lists in ``answers``.

    The other methods keep these neutral answers. `looks_at_rows` says whether its
    penalty depends on the batch: one that does keeps a batch together, and draws
    unlabelled rows into it where there are any.
    """

    looks_at_rows: ClassVar[bool] = True
    identity_at_start: ClassVar[bool] = False
    """Whether a model gives, as soon as it is prepared, what it gave before; training then starts from pretraining."""

    def __init__(self, options: Any) -> None:
        self.options = options

    @property
    def starts_from_probe(self) -> bool:
        """Whether training starts from a logistic head on the features as pretraining left them, and not a new one."""
        return False

    def prepare(self, model: Model) -> None:
        """Say what is trainable, wrap what must be wrapped, in place; nothing may depend on the weights."""

    def weigh(self, source: Matrix, target: Matrix, seed: int) -> Weights:
        """One weight a source row ``[n]`` from frozen features ``[n, width]`` and ``[m, width]``, none below 0.

        The core brings their mean to 1.
        """
        return np.ones(len(source))

    def fit(self, data: FitData) -> LinearHead:
        """Fit a head in place of gradient training."""
        raise TypeError(f"{type(self).__name__} does not answer 'fit'; its spec must not say that it does")

    def reference(self, material: Material) -> Matrix | None:
        """What `penalty` compares each row with ``[rows, k]`` (a teacher's logits, say), computed once."""
        return None

    def attach(self, model: Model) -> nn.Module | None:
        """Build what `penalty` needs beside the model that training starts from; it is trained and then left behind."""
        return None

    def rates(self, model: Model) -> Mapping[str, float]:
        """What the learning rate of a named parameter is multiplied by; 1 where it is not named."""
        return {}

    def schedule(self, model: Model, progress: float) -> None:
        """Thaw or freeze parameters before a step; `progress` is the share of training done, 0 to 1."""

    def penalty(self, batch: Batch) -> Tensor:
        """A scalar added to the loss, already multiplied by its coefficient."""
        raise TypeError(f"{type(self).__name__} does not answer 'penalty'; its spec must not say that it does")
