"""What a comparison says in sentences: how the runs stand, and what to know before believing it."""

from __future__ import annotations

from medplug.core.comparing.comparison import Comparison
from medplug.core.comparing.finished import Finished
from medplug.core.report.formats import count, estimate
from medplug.core.report.language import say
from medplug.core.report.names import gain, greater_is_better, metric_name
from medplug.core.report.verdicts import Verdict


def summary(comparison: Comparison) -> list[str]:
    """What was compared on what, in a few sentences."""
    rows, runs = count(len(comparison.shared), "test row"), count(len(comparison.runs), "run")
    if not comparison.paired:
        told = say("{runs} stand beside each other as each was judged by itself; they share {rows}.",
                   runs=runs, rows=rows)  # fmt: skip
        return [told]
    groups = comparison.shared.groups
    if groups is None:
        drawn = say("rows")
    else:
        drawn = say("whole groups (patients), of which there are {n}", n=f"{groups.n_unique():,}")
    return [
        say("{runs} were held against each other on the {rows} that all of them were tested on.", runs=runs, rows=rows),
        say(
            "Differences are to {first}, the run that was given first. They are taken on the same {resamples} "
            "resamples of {drawn}, so that what makes rows hard for all runs alike does not widen their intervals.",
            first=comparison.runs[0].name,
            resamples=f"{comparison.resamples:,}",
            drawn=drawn,
        ),  # fmt: skip
    ]


def standings(comparison: Comparison) -> list[str]:
    """How each run but the first stands to it by the metric that words go by, a sentence each."""
    return [_standing(comparison, position) for position in range(1, len(comparison.runs))] if comparison.paired else []


def _standing(comparison: Comparison, position: int) -> str:
    metric = comparison.metric
    found = gain(comparison.scores[position].wide[metric].as_json(), metric)
    told = {
        "run": comparison.runs[position].name,
        "first": comparison.runs[0].name,
        "metric": metric_name(metric, comparison.runs[0].target.kind),
        "gain": estimate(found, metric, signed=True),
    }
    sign = comparison.sign(position)
    if sign == "better":
        return say("{run} is better than {first}: gain {gain} by {metric}.", **told)
    if sign == "worse":
        return say("{run} is worse than {first}: gain {gain} by {metric}.", **told)
    if sign == "unclear":
        return say("{run} and {first} cannot be told apart: gain {gain} by {metric}.", **told)
    return say("{run} and {first} cannot be compared by {metric}: it is not defined on these rows.", **told)


def verdict(comparison: Comparison) -> Verdict | None:
    """How the runs stand to the first, in a sentence; None where their rows are not paired."""
    if not comparison.paired:
        return None
    metric = metric_name(comparison.metric, comparison.runs[0].target.kind)
    signs = [comparison.sign(position) for position in range(1, len(comparison.runs))]
    if len(signs) == 1:
        text = say(
            "Judged by whether the 95 % interval of the paired difference in {metric} leaves out 0.", metric=metric
        )
        return Verdict(signs[0], standings(comparison)[0], text)
    headline = say(
        "Of {n} runs held against {first}, {better} are clearly better, {worse} clearly worse, and {others} neither.",
        n=len(signs),
        first=comparison.runs[0].name,
        better=signs.count("better"),
        worse=signs.count("worse"),
        others=signs.count("unclear") + signs.count("undefined"),
    )
    if "better" not in signs and "worse" not in signs:
        headline = say("None of {n} runs can be told apart from {first}.", n=len(signs), first=comparison.runs[0].name)
    text = say(
        "Judged by whether the interval of the paired difference in {metric} leaves out 0. The intervals hold for all "
        "{n} together (Bonferroni), so that they are wider than those of 95 % in the tables.",
        metric=metric,
        n=len(signs),
    )
    return Verdict("unclear", headline, text)


def cautions(comparison: Comparison) -> list[str]:
    """What to know before believing the numbers."""
    return [*_rows_told(comparison), *_groups_told(comparison), *_reading(comparison), *_costs_told(comparison)]


def _rows_told(comparison: Comparison) -> list[str]:
    """Which rows were left out, and how sure it is that the others are the same."""
    runs, shared, told = comparison.runs, comparison.shared, []
    fewer = [f"{run.name} ({run.rows.height:,})" for run in runs if run.rows.height > len(shared)]
    if fewer and comparison.paired:
        told.append(
            say(
                "Some runs were tested on more rows than all share, and these are left out: {runs}; {rows} are left.",
                runs=", ".join(fewer),
                rows=count(len(shared), "test row"),
            )
        )
    if fewer and not comparison.paired:
        told.append(say("The runs were tested on different rows; their scores cannot be compared row by row."))
    if shared.by_number:
        told.append(say("The tables were given in memory and read in part, so that rows were matched by their numbers; "
                        "that they are the same is told by their labels alone."))  # fmt: skip
    if not shared.checked:
        told.append(say("These runs keep no labels that could tell whether rows of the same number are the same."))
    if _images_differ(runs):
        told.append(say("The runs read other images or recordings for the same rows, or read them in another way."))
    return told


def _images_differ(runs: tuple[Finished, ...]) -> bool:
    contents = [{name: value for name, value in run.table[1].items() if name.endswith("s_sha256")} for run in runs]
    names = {name for each in contents for name in each}
    return any(len({each[name] for each in contents if name in each}) > 1 for name in names)


def _groups_told(comparison: Comparison) -> list[str]:
    """Whose rows belong together, and who knows it."""
    if not comparison.paired:
        return []
    old = [run.name for run in comparison.runs if run.keys.get("data.group") and "group" not in run.rows.columns]
    told = []
    if old:
        told.append(say("{runs}: made before runs kept which rows belong together, or without saying it.",
                        runs=", ".join(old)))  # fmt: skip
    if comparison.shared.groups is None:
        told.append(say("No run says which rows are of one patient (data.group), so that single rows were resampled; "
                        "where patients have several rows the intervals are too narrow."))  # fmt: skip
    elif any("group" not in run.rows.columns for run in comparison.runs):
        told.append(say("Which rows belong together is as {run} knows it.", run=comparison.shared.grouped_by))
    return told


def _reading(comparison: Comparison) -> list[str]:
    """How many differences were looked at, and what no interval here tells."""
    told = []
    if comparison.paired:
        others, metrics = len(comparison.runs) - 1, len(comparison.metrics)
        told.append(
            say(
                "{differences} are shown, and of 95 % intervals one in twenty misses the truth: the verdict goes by "
                "{metric} alone, which the first run's model was chosen by.",
                differences=count(others * metrics, "difference"),
                metric=metric_name(comparison.metric, comparison.runs[0].target.kind),
            )
        )
    else:
        told.append(say("What ranked runs leave does not tell their scores again, so that there are no paired "
                        "differences: intervals that overlap do not show that runs are equal."))  # fmt: skip
    if len({run.scores.get("selection", {}).get("metric") for run in comparison.runs}) > 1:
        told.append(say("The runs' models were not all chosen by the same metric (selection.metric)."))
    told.append(say("The best of several runs by their test rows looks better than it is: choose by validation rows, "
                    "and test what is chosen on new ones."))  # fmt: skip
    told.append(say("Intervals say how much scores would change with other test rows, and not how much with another "
                    "seed: train with several."))  # fmt: skip
    return told


def _costs_told(comparison: Comparison) -> list[str]:
    devices = {(each["device"], each["processes"]) for each in comparison.costs}
    return [say("The runs were made on different hardware: their seconds do not compare.")] if len(devices) > 1 else []


def way(metric: str) -> str:
    """An arrow where lower is better."""
    return "" if greater_is_better(metric) else " \N{DOWNWARDS ARROW}"
