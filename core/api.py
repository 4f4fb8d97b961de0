"""medplug inside other Python programs: no prints, no state kept between calls."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medplug.core import grammar
from medplug.core.discovery.plugins import Plugins
from medplug.core.options import run_config
from medplug.core.plan import Plan, make_plan
from medplug.core.ranking.request import Request, make_request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medplug.core.comparing.comparison import Comparison
    from medplug.core.predictor import Predictor
    from medplug.core.progress import Watch
    from medplug.core.ranking.result import Ranking
    from medplug.core.run import Run


def plan_for(
    plugins: Plugins, keys: dict[str, Any], *, origin: str = "argument", config: str | PathLike[str] | None = None
) -> Plan:
    """Resolve flat keys over a config file."""
    return make_plan(_layers(keys, origin, config), plugins)


def _layers(keys: dict[str, Any], origin: str, config: str | PathLike[str] | None) -> list[tuple[str, grammar.Flat]]:
    """Layers of keys with their origins, weakest first."""
    layers = [(f"file {config}", grammar.read_file(Path(config)))] if config is not None else []
    return [*layers, (origin, keys)]


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


def rank_request(
    plugins: Plugins,
    keys: dict[str, Any],
    *,
    backbones: str | Sequence[Any] | None = None,
    sources: str | Sequence[Any] | None = None,
    origin: str = "argument",
    config: str | PathLike[str] | None = None,
) -> Request:
    """Resolve what is to be ranked from flat keys over a config file."""
    return make_request(plugins, _layers(keys, origin, config), backbones=backbones, sources=sources)


def rank(
    *,
    backbones: str | Sequence[str | PathLike[str]] | None = None,
    sources: str | Sequence[Any] | None = None,
    config: str | PathLike[str] | None = None,
    registry: str | PathLike[str] | None = None,
    progress: Watch | None = None,
    **keys: Any,
) -> Ranking:
    """Rank backbones, or labelled source tables, for a task's rows by frozen features; nothing is trained but probes.

    ``rank(task="text_diagnosis", data={"train": frame}, backbones=["minilm", "./our-bert"])``. The
    other keys are those of `run`, and only rows that such a run would learn
    from are looked at. `sources` are tables as in `run`; the target they are
    ranked for is ``data.train`` or, without labels, ``data.unlabelled``.
    Raises from `medplug.core.errors`.
    """
    plugins = Plugins(user_registry=Path(registry) if registry is not None else None)
    asked = rank_request(plugins, grammar.flatten(keys), backbones=backbones, sources=sources, config=config)
    from medplug.core.ranking.execute import execute

    return execute(asked, watch=progress)


def compare(*folders: str | PathLike[str]) -> Comparison:
    """Hold finished runs against the first one given, on the test rows that all of them were tested on.

    ``compare("runs/a", "runs/b").as_json()``; ``.write_page("compared.html")`` writes it as a page.
    Differences are paired: taken on the same resamples of rows, or of patients
    where a run says whose rows belong together. Raises `UsageError` where runs cannot be compared (fewer than
    two, other targets, other tables, no test row in common), `ConfigError` or `RunError` for a folder that is no
    finished run.
    """
    from medplug.core.comparing.comparison import compare_runs

    return compare_runs(folders)


def load(folder: str | PathLike[str], *, device: str = "auto", root: str | PathLike[str] | None = None) -> Predictor:
    """Load a finished run's model; then ``.predict(rows)`` and ``.evaluate(rows)``.

    `root` is the folder that paths of files in its tables start from, for a task
    that has ``data.root`` (else `ConfigError`); by default the table's own.
    """
    from medplug.core.saved import load_predictor

    start = None if root is None else Path(root)
    return load_predictor(Path(folder), Plugins(), run_config(device=device), root=start)
