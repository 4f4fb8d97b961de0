"""medplug inside other Python programs: no prints, no state kept between calls."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medplug.core import grammar
from medplug.core.plan import Plan, make_plan, run_config
from medplug.core.plugins import Plugins

if TYPE_CHECKING:
    from medplug.core.predictor import Predictor
    from medplug.core.progress import Watch
    from medplug.core.run import Run


def plan_for(
    plugins: Plugins, keys: dict[str, Any], *, origin: str = "argument", config: str | PathLike[str] | None = None
) -> Plan:
    """Resolve flat keys over a config file."""
    layers = [(f"file {config}", grammar.read_file(Path(config)))] if config is not None else []
    return make_plan([*layers, (origin, keys)], plugins)


def run(
    *,
    config: str | PathLike[str] | None = None,
    registry: str | PathLike[str] | None = None,
    resume: bool = False,
    progress: Watch | None = None,
    **keys: Any,
) -> Run:
    """Run a task: the same keys as ``medplug run``, nested or dotted.

    ``run(task="text_diagnosis", data={"train": frame}, train={"epochs": 3})``.
    Tables may be files, polars or pandas frames, or mappings of columns.
    `progress` is called with a `medplug.Progress` now and then. Raises from
    `medplug.core.errors`; a failed run leaves nothing half-written.
    """
    plugins = Plugins(user_registry=Path(registry) if registry is not None else None)
    plan = plan_for(plugins, grammar.flatten(keys), config=config)
    from medplug.core.run import execute

    return execute(plan, plugins, resume=resume, watch=progress)


def load(folder: str | PathLike[str], *, device: str = "auto") -> Predictor:
    """Load a finished run's model; then ``.predict(rows)`` and ``.evaluate(rows)``."""
    from medplug.core.saved import load_predictor

    return load_predictor(Path(folder), Plugins(), run_config(device=device))
