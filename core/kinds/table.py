"""Which class answers for which kind of target; each is imported when it is needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from medplug.core.kinds.kind import Kind
from medplug.core.specs import TargetKind, resolve

if TYPE_CHECKING:
    from medplug.core.backbone import Backbone
    from medplug.core.data.targets import Target
    from medplug.core.model import Model

_ROWS = "medplug.core.kinds.rows:Rows"
_OTHERS: dict[TargetKind, str] = {
    "mask": "medplug.core.kinds.masks:Masks",
    "ranking": "medplug.core.kinds.rankings:Rankings",
    "choice": "medplug.core.kinds.choices:Choices",
    "text": "medplug.core.kinds.texts:Texts",
    "span": "medplug.core.kinds.spans:Spans",
}


def kind_of(target: Target) -> Kind:
    """What answers for targets of this kind."""
    found: type[Kind] = resolve(_OTHERS.get(target.kind, _ROWS), owner=f"the target {target.kind}")
    return found()


def make_model(backbone: Backbone, target: Target, also: Mapping[str, Target] | None = None) -> Model:
    """The model for a target, with heads for what is learned `also`; `ConfigError` where these cannot stand."""
    return kind_of(target).model(backbone, target, also or {})
