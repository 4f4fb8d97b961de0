"""The explanations that a run leaves in its report: of its first test rows, so that nobody picks them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from medplug.core.config import ReportConfig
from medplug.core.errors import BackboneError
from medplug.core.explaining.attribution import Attribution
from medplug.core.explaining.explain import Asked, explained

if TYPE_CHECKING:
    from medplug.core.predictor import Predictor
    from medplug.core.task import Examples

_STEPS = 8  # of a path: few, as every run has this; the sum of the scores shows whether they do


def of_test_rows(
    predictor: Predictor, test: Examples, report: ReportConfig, seed: int
) -> tuple[list[Attribution], dict[str, Any]]:
    """What speaks for the predictions of the first ``report.explain`` test rows, and what metrics.json tells of it.

    A backbone that cannot be followed does not cost the run: then ``failed`` names the error.
    """
    if not report.explain or not len(test):
        return [], {}
    asked = Asked(show=report.show_examples, steps=_STEPS, seed=seed, others=test)
    try:
        found = explained(predictor, test.take(np.arange(min(report.explain, len(test)))), asked)
    except (BackboneError, RuntimeError) as error:  # torch's own, as where memory is short or a step has no gradient
        return [], {"failed": type(error).__name__}
    return found, _summary(found) if found else {}


def _summary(found: list[Attribution]) -> dict[str, Any]:
    """Which rows, how, and the check with random weights."""
    likeness = [each.sanity for each in found if each.sanity is not None]
    return {
        "rows": sorted({each.row for each in found}),
        "methods": list(dict.fromkeys(each.method for each in found)),
        "random_weights": {"correlation": float(np.mean(likeness)), "n": len(likeness)} if likeness else None,
    }
