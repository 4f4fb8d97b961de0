"""Adapters that act on one modality's backbone of a joint model."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from medplug.core.adapter import Adapter
from medplug.core.data.targets import Target
from medplug.core.joint.backbone import JointBackbone
from medplug.core.model import Model

_GENTLE = 0.05
"""What the rate of pretrained weights is multiplied by beside new ones: 5e-5 where these take 1e-3."""


class OnPart(Adapter):
    """An adapter that sees the backbone of one slot as if it were the model's only one.

    Without an adapter the backbone is trained whole. Weights that come from
    elsewhere (`pretrained`) and are trained learn slower than new ones.
    """

    def __init__(self, adapter: Adapter | None, slot: str, *, pretrained: bool) -> None:
        super().__init__(None if adapter is None else adapter.options)
        self.adapter, self.slot, self.pretrained = adapter, slot, pretrained

    def prepare(self, model: Model) -> None:
        """Let the adapter say what of this backbone is trained."""
        part = _joint(model).part(self.slot)
        if self.adapter is None:
            part.requires_grad_(True)
            return
        self.adapter.prepare(_Part(model, self.slot))
        part.keeps_statistics &= self.pretrained

    def rates(self, model: Model) -> Mapping[str, float]:
        """The adapter's rates, under the names that this backbone's parameters have in the joint model."""
        part, own = _joint(model).part(self.slot), f"backbone.parts.{self.slot}."
        asked = {} if self.adapter is None else self.adapter.rates(_Part(model, self.slot))
        gentle = _GENTLE if self.pretrained else 1.0
        trained = (name for name, parameter in part.named_parameters() if parameter.requires_grad)
        return {own + name: gentle * asked.get(f"backbone.{name}", 1.0) for name in trained}

    def schedule(self, model: Model, progress: float) -> None:
        """Let the adapter thaw this backbone."""
        if self.adapter is not None:
            self.adapter.schedule(_Part(model, self.slot), progress)


class _Part(Model):
    """One backbone of a joint model as an adapter sees a model: no neck can stand behind it, and no head is its own."""

    def __init__(self, model: Model, slot: str) -> None:
        super().__init__(_joint(model).part(slot), Target("binary", ("absent", "present")))

    def set_neck(self, neck: nn.Module, width: int) -> None:
        """Nothing: the fusion stands there."""


def _joint(model: Model) -> JointBackbone:
    assert isinstance(model.backbone, JointBackbone)
    return model.backbone
