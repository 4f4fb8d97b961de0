"""Rows of a table explained, as `Predictor.explain` is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from medplug.core.errors import UsageError, did_you_mean
from medplug.core.explaining.attribution import Attribution
from medplug.core.explaining.explain import WAYS, Asked, explained
from medplug.core.explaining.rows import places_of

if TYPE_CHECKING:
    from medplug.core.predictor import Predictor

_EXPLAINED = "tokens, atoms, residues, pictures, table columns and modalities"


def explain(
    predictor: Predictor, rows: Any, only: Sequence[int] | None, method: str, show: bool, seed: int, on_error: str
) -> list[Attribution]:
    """See `Predictor.explain`."""
    if method not in ("auto", *WAYS):
        raise UsageError(f"method {method!r}: choose one of auto, {', '.join(WAYS)}{did_you_mean(method, WAYS)}")
    data = predictor.task.data.model_copy(update={"group": None, "site": None})
    examples, _ = predictor.read(rows, data, labelled=False, on_error=on_error)
    chosen = examples.take(places_of(None if only is None else tuple(only), examples.rows))
    found = explained(predictor, chosen, Asked(method, show, seed=seed, others=examples))
    if not found:
        raise UsageError(_nothing(predictor, method))
    return found


def _nothing(predictor: Predictor, method: str) -> str:
    """Why there is nothing to say."""
    how = "" if method == "auto" else f" by method {method} (try auto)"
    return (
        f"this run of {predictor.task_name} with a {predictor.target.kind} target cannot be explained{how}: explained "
        f"are {_EXPLAINED} of classes, numbers, times and treatments, where the backbone says how it is followed "
        "(Backbone.inside)"
    )
