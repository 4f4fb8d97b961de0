"""The tables that hold the model against what lacks one thing: transfer between domains, or pretraining."""

from __future__ import annotations

from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import estimate
from medplug.core.report.language import say
from medplug.core.report.names import gain, greater_is_better, metric_name
from medplug.core.report.tables import LOWER, Table


def transfer(evidence: Evidence) -> Table:
    """The model beside a head that knows no domains, where rows of two domains were learned from."""
    caption = say("With transfer, and with a plain head on the same labels and frozen features")
    header = [say("metric"), say("with transfer"), say("without"), say("gain")]
    return _beside(evidence, "without_transfer", caption, header)


def pretraining(evidence: Evidence) -> Table:
    """The model beside a head on the same network with random weights."""
    caption = say("The model, and a linear head on the same network with random weights")
    header = [say("metric"), say("model"), say("random weights"), say("gain")]
    return _beside(evidence, "random_weights", caption, header)


def _beside(evidence: Evidence, name: str, caption: str, header: list[str]) -> Table:
    found = evidence.scores.get(name, {"metrics": {}, "difference": {}})
    rows = [
        [
            metric_name(metric) + ("" if greater_is_better(metric) else f" {LOWER}"),
            estimate(evidence.scores["metrics"][metric], metric),
            estimate(without, metric),
            estimate(gain(found["difference"][metric], metric), metric, signed=True),
        ]
        for metric, without in found["metrics"].items()
    ]
    return Table(caption, header, rows)
