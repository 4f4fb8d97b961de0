"""Training of every weight: all at once, or layer after layer."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from medplug.core.adapter import Adapter
from medplug.core.model import Model
from medplug.core.transfer.depth import Group, rates_by_depth, thaw, trainable_groups


class Finetune(Adapter):
    """Train the whole model from where the pretrained weights stand (or, without them, from scratch).

    With ``head=probe`` the head starts as a linear probe, so that the first steps
    do not tear at the features (Kumar et al., 2022).
    """

    identity_at_start = True

    @property
    def starts_from_probe(self) -> bool:
        """As the options say."""
        return bool(self.options.head == "probe")

    def prepare(self, model: Model) -> None:
        """Make everything trainable, the word embeddings only if they may move."""
        model.requires_grad_(True)
        model.backbone.keeps_statistics = _keeps(self)
        if self.options.freeze_embeddings:
            for module in model.modules():
                if isinstance(module, nn.Embedding):
                    module.requires_grad_(False)

    def rates(self, model: Model) -> Mapping[str, float]:
        """Slower from layer to layer towards the input."""
        return _rates(model, self.options.layer_decay)


class Gradual(Adapter):
    """Gradual unfreezing with discriminative learning rates (Howard and Ruder, 2018).

    The head, by default one fitted on frozen features, and the top layer train
    first; the layers below follow one by one.
    """

    identity_at_start = True

    @property
    def starts_from_probe(self) -> bool:
        """As the options say."""
        return bool(self.options.head == "probe")

    _groups: list[Group] | None = None

    def prepare(self, model: Model) -> None:
        """Everything will be trainable in time."""
        model.requires_grad_(True)
        model.backbone.keeps_statistics = _keeps(self)

    def rates(self, model: Model) -> Mapping[str, float]:
        """Slower from layer to layer towards the input."""
        return _rates(model, self.options.layer_decay)

    def schedule(self, model: Model, progress: float) -> None:
        """Thaw the layers that are due; the head and what else stands behind the backbone is never frozen."""
        if self._groups is None:
            self._groups = trainable_groups(model.backbone)
        thaw(self._groups, progress, until=self.options.until)


def _keeps(adapter: Finetune | Gradual) -> bool:
    """Whether batch norms keep their statistics: a head fitted on features fits them as long as these stay alike."""
    asked = adapter.options.statistics
    return asked == "keep" or (asked == "auto" and adapter.starts_from_probe)


def _rates(model: Model, decay: float) -> dict[str, float]:
    if decay == 1:
        return {}
    return {f"backbone.{name}": rate for name, rate in rates_by_depth(model.backbone, decay).items()}
