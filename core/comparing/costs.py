"""What runs cost, and what was different about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medplug.core.comparing.finished import Finished

_NOT_LEARNING = ("reading", "baseline and intervals", "writing")
_NO_CHOICE = ("output", "observers", "report.")
"""Keys that change where a run writes, who watches it and what its report says, and not its model."""


def costs_of(run: Finished) -> dict[str, Any]:
    """Time, parameters, size and memory of one run, as JSON data; None where an older run did not keep it.

    `seconds`: of the whole run, and of ``learning``, without reading the tables and
    judging. `parameters`: ``trained`` and ``total``, or what the model's file holds. `bytes` is the size of that
    file.
    """
    seconds: Mapping[str, float] = run.manifest.get("seconds", {})
    learning = sum(spent for stage, spent in seconds.items() if stage not in _NOT_LEARNING)
    parameters = run.manifest.get("parameters") or {"trained": None, "total": run.weights}
    hardware = run.manifest.get("hardware", {})
    return {
        "seconds": {"all": round(sum(seconds.values()), 1), "learning": round(learning, 1)},
        "parameters": dict(parameters),
        "bytes": (run.folder / "model.safetensors").stat().st_size,
        "peak_memory_mib": run.manifest.get("peak_memory_mib"),
        "device": hardware.get("device"),
        "processes": hardware.get("processes"),
    }


def differing_keys(runs: Sequence[Finished]) -> dict[str, list[Any]]:
    """The keys of config.yaml whose values are not the same in all runs, with each run's value.

    A key that a run does not have (an option of another backbone, say) is
    `ABSENT` there. Where a run writes and what its report says is left out.
    """
    return _differing([{key: value for key, value in run.keys.items() if _chosen(key)} for run in runs])


def differing_means(runs: Sequence[Finished]) -> dict[str, list[Any]]:
    """The versions of packages, the hardware and the arithmetic that are not the same in all runs."""
    return _differing(
        [
            {
                **run.manifest.get("versions", {}),
                **run.manifest.get("hardware", {}),
                "arithmetic": run.manifest.get("precision"),
            }
            for run in runs
        ]
    )


ABSENT = "\N{EM DASH}"


def _chosen(key: str) -> bool:
    return not key.startswith(_NO_CHOICE)


def _differing(told: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for each in told for name in each)
    found = {name: [each.get(name, ABSENT) for each in told] for name in names}
    return {name: values for name, values in found.items() if any(value != values[0] for value in values)}
