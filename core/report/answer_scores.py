"""How the answers of test rows are spread over a score: behind a mean all may be fair, or some right and some wrong."""

from __future__ import annotations

import numpy as np

from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import count
from medplug.core.report.language import joined, say
from medplug.core.report.names import metric_name
from medplug.core.report.svg import BASELINE, MODEL, Picture, inline, new_axes


def answer_scores(evidence: Evidence, metric: str, baseline: str) -> Picture:
    """Drawn from each row's score by `metric` ``[rows, 1]``, of the model and of what `baseline` names."""
    named = metric_name(metric)
    name, title = "rows", say("{metric} of each test row", metric=named[:1].upper() + named[1:])
    figure, axes = new_axes(3.9, 3.2)
    for values, style, label in (
        (evidence.probabilities, {"color": MODEL}, say("model")),
        (evidence.baseline, {"color": BASELINE, "linestyle": (0, (4, 2))}, baseline),
    ):
        ordered = np.sort(values[:, 0])
        shares = np.arange(1, len(ordered) + 1) / len(ordered)
        axes.plot(np.r_[0, ordered, 1], np.r_[0, shares, 1], drawstyle="steps-post", label=label, **style)
    axes.set(xlabel=named, ylabel=say("share of rows with no more"), xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.grid()
    axes.set_axisbelow(True)
    axes.legend(loc="upper left")
    wrong = int((evidence.probabilities[:, 0] == 0).sum())
    caption = say(
        "With a {metric} of 0: {wrong} of {rows}.",
        metric=named,
        wrong=count(wrong, "row"),
        rows=count(len(evidence.probabilities), "test row"),
    )
    told = joined(say("{title}.", title=title), caption)
    return Picture(name, title, caption, inline(figure, name, title, told))
