"""The saved model: ``model.safetensors`` and ``model.json``, all that prediction needs."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from medplug.core.config import RunConfig
from medplug.core.data.targets import Target
from medplug.core.data.trust import Calibration, Conformal
from medplug.core.discovery.plugins import Plugins
from medplug.core.discovery.requirements import check_plugins, third_parties
from medplug.core.ensemble import Ensemble
from medplug.core.errors import ConfigError, PluginWarning, RunError
from medplug.core.evaluation.abstention import Threshold
from medplug.core.joint.build import describe, describe_adapters, restored, restored_adapters
from medplug.core.kinds.table import make_model
from medplug.core.model import Model
from medplug.core.plan import Plan
from medplug.core.predictor import Predictor
from medplug.core.specs import resolve
from medplug.core.task import Task
from medplug.core.training.compute import compute_for
from medplug.core.training.seeds import seeded

FORMAT = 1
_PARTS = {"format", "task", "target", "precision", "backbone", "adapters"}


def save_model(
    folder: Path,
    plan: Plan,
    task: Task,
    model: Model,
    target: Target,
    plugins: Plugins,
    also: Mapping[str, Target] | None = None,
    certain: Threshold | None = None,
) -> None:
    """Write both files. Weights are float32 or as trained, never pickled."""
    from safetensors.torch import save_file

    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    columns = {name: value for name, value in task.data.model_dump(mode="json").items() if name not in _TABLES}
    described = {
        "format": FORMAT,
        "medplug": version("medplug"),
        "task": {
            "name": plan.task.name,
            "options": task.options.model_dump(mode="json"),
            "data": columns,
            "learned": task.learned(),
        },
        "target": asdict(target),
        "also": {name: asdict(each) for name, each in (also or {}).items()},
        "certain": None if certain is None else certain.as_json(),
        "precision": "float32" if plan.run.precision == "float32" else "auto",
        "members": plan.train.members,
        "plugins": third_parties(plan, plugins),
        "backbone": describe(plan, model.backbone, plugins),
        "adapters": describe_adapters(plan),
    }
    (folder / "model.json").write_text(json.dumps(described, ensure_ascii=False), encoding="utf-8")


_TABLES = (
    *("source", "train", "unlabelled", "validation", "test", "corpus", "source_sites", "target_sites", "target_labels"),
    *("split", "shares", "split_column", "test_folds", "validation_folds", "domains", "limit", "on_error", "root"),
)


def load_predictor(folder: Path, plugins: Plugins, run: RunConfig, *, root: Path | None = None) -> Predictor:
    """Read a finished run's model; `RunError` says what is wrong with the folder.

    Paths in tables start from `root` where the task reads files (else `ConfigError`). `PluginError`
    where packages that its parts came in are missing; a `PluginWarning` where they are of other versions.
    """
    described = _read(folder)
    for line in check_plugins(described.get("plugins", ()), plugins):
        warnings.warn(line, PluginWarning, stacklevel=3)
    return _restored(folder, described, plugins, run, root)


def restored_predictor(folder: Path, plugins: Plugins, run: RunConfig) -> Predictor:
    """The same by the plugins that were asked already, whatever packages these came in."""
    return _restored(folder, _read(folder), plugins, run, None)


def _restored(
    folder: Path, described: Mapping[str, Any], plugins: Plugins, run: RunConfig, root: Path | None
) -> Predictor:
    target = _target(described["target"])
    also = {name: _target(told) for name, told in described.get("also", {}).items()}
    task = _task(described["task"], plugins, root)
    with seeded(run.seed):  # layers draw their first weights, and neither the caller nor a run beside may notice
        members = [_model(described, task, target, also, plugins) for _ in range(described.get("members", 1))]
        model = members[0] if len(members) == 1 else Ensemble(members, target, also)
    _load_weights(folder / "model.safetensors", model)
    compute = compute_for(run.model_copy(update={"precision": described["precision"]}), alone=True)
    told = described["task"]["name"], task, model.to(compute.device).eval(), target, compute, also
    return Predictor(*told, folder=folder, certain_from=_certain_from(described.get("certain")))


def read_target(folder: Path) -> Target:
    """What a finished run's model predicts; `ConfigError` or `RunError` say what is wrong with the folder."""
    return _target(_read(folder)["target"])


def _certain_from(told: Mapping[str, Any] | None) -> float | None:
    """The least score of a sure answer; inf where validation rows allowed none, None where there is no such thing."""
    return None if told is None else math.inf if told["score"] is None else float(told["score"])


def _model(
    described: Mapping[str, Any], task: Task, target: Target, also: Mapping[str, Target], plugins: Plugins
) -> Model:
    """The model as it was built, with any weights."""
    backbone = task.reader(restored(described["backbone"], target.outputs, plugins), target)
    model = make_model(backbone, target, also)
    for adapter in restored_adapters(described["adapters"], plugins):
        adapter.prepare(model)
    return model


def _target(told: Mapping[str, Any]) -> Target:
    scale, hazard = (told.get("centre", 0.0), told.get("scale", 1.0)), map(tuple, told.get("hazard", ()))
    outcomes = tuple(told.get("outcomes", ())), told.get("higher_is_better", True)
    target = Target(told["kind"], tuple(told["classes"]), *scale, tuple(hazard), *outcomes)
    calibration, conformal = told.get("calibration"), told.get("conformal")  # models of before have none of the three
    return replace(
        target,
        calibration=None if calibration is None else Calibration.from_json(calibration),
        threshold=told.get("threshold"),
        conformal=None if conformal is None else Conformal(**conformal),
    )


def _read(folder: Path) -> dict[str, Any]:
    file = folder / "model.json"
    if not file.exists():
        hint = " (an unfinished run: go on with it by --resume)" if folder.name.endswith(".partial") else ""
        raise ConfigError(
            f"{folder} is not a finished run: it has no model.json{hint}; a run folder is what `medplug run` leaves"
        )
    try:
        described = json.loads(file.read_text(encoding="utf-8"))
        if not _PARTS.issubset(described):
            raise KeyError("a part is missing")
        if described["format"] != FORMAT:
            raise RunError(f"{file}: format {described['format']}; this medplug reads {FORMAT}")
    except (ValueError, KeyError, TypeError):
        raise RunError(f"{file}: damaged; train the run again") from None
    return described  # type: ignore[no-any-return]


def _task(described: dict[str, Any], plugins: Plugins, root: Path | None) -> Task:
    spec = plugins.task(described["name"])
    options = resolve(spec.config, owner=spec.name).model_validate(described["options"])
    model = resolve(spec.data, owner=spec.name)
    if root is not None and "root" not in model.model_fields:
        raise ConfigError(f"the tables of the task {spec.name} name no files; leave the root out")
    data = model.model_validate({**described["data"], **({} if root is None else {"root": root})})
    task: Task = resolve(spec.factory, owner=spec.name)(options, data)
    task.recall(described.get("learned", {}))
    return task


def _load_weights(file: Path, model: Model) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        model.load_state_dict(load_file(file))
    except FileNotFoundError:
        raise RunError(f"{file} is missing; the run folder is not whole") from None
    except (SafetensorError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0]
        raise RunError(f"{file} does not fit model.json: {first}") from None
