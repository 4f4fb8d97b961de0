"""The explanations that a run leaves in its report: of its first test rows, so that nobody picks them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from medplug.core.config import ReportConfig
from medplug.core.explaining.attribution import Attribution
from medplug.core.explaining.explain import Asked, explained

if TYPE_CHECKING:
    from medplug.core.predictor import Predictor
    from medplug.core.task import Examples

_STEPS = 16  # of a path; its error is told beside the scores


def of_test_rows(predictor: Predictor, test: Examples, report: ReportConfig, seed: int) -> list[Attribution]:
    """What speaks for the predictions of the first ``report.explain`` test rows."""
    if not report.explain or not len(test):
        return []
    asked = Asked(show=report.show_examples, steps=_STEPS, seed=seed, others=test)
    return explained(predictor, test.take(np.arange(min(report.explain, len(test)))), asked)


def summary(found: list[Attribution]) -> dict[str, Any]:
    """What metrics.json tells of them: which rows, how, and the check with random weights."""
    likeness = [each.sanity for each in found if each.sanity is not None]
    return {
        "rows": sorted({each.row for each in found}),
        "methods": list(dict.fromkeys(each.method for each in found)),
        "random_weights": {"correlation": float(np.mean(likeness)), "n": len(likeness)} if likeness else None,
    }
