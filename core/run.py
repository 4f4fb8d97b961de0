"""One run, from a plan to a folder that can be audited."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl

from medplug.core.adapter import Adapter
from medplug.core.composition import check_rows, require_training_table
from medplug.core.config import DataConfig
from medplug.core.data.dataset import Dataset, load_dataset
from medplug.core.data.reading import fingerprints
from medplug.core.data.seen import keep_seen
from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import ConfigError, RunError
from medplug.core.explaining.in_run import of_test_rows
from medplug.core.folder import Events, RunFolder, config_yaml, fingerprint
from medplug.core.frames.columns import with_groups
from medplug.core.frames.entities import entity_frame
from medplug.core.frames.predictions import rejected
from medplug.core.joint.build import build_adapters, build_backbone
from medplug.core.judging.gathered import gathered
from medplug.core.judging.judge import Judged
from medplug.core.judging.settling import target_after
from medplug.core.kinds.table import kind_of, make_model
from medplug.core.manifest import make_manifest
from medplug.core.model import Model
from medplug.core.observers import Observers
from medplug.core.plan import Plan
from medplug.core.predictor import Predictor
from medplug.core.progress import Progress, Watch
from medplug.core.report.cautions import leaks_told, named_told
from medplug.core.report.given_away import revealing_told
from medplug.core.report.page import write_report
from medplug.core.report.verdicts import pretraining_verdict, transfer_verdict, verdict
from medplug.core.saved import save_model
from medplug.core.specs import AdapterSpec, resolve
from medplug.core.target_checks import check_target
from medplug.core.task import Task
from medplug.core.training.compute import Compute, Report, compute_for
from medplug.core.training.job import Job, Trained
from medplug.core.training.members import train_members
from medplug.core.training.memory import keep_freed_memory
from medplug.core.training.processes import Processes
from medplug.core.training.seeds import seeded


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: its folder, its numbers and its model."""

    folder: Path
    metrics: dict[str, Any]
    predictor: Predictor

    def predict(self, rows: Any) -> pl.DataFrame:
        """Predict rows (a file, a frame, a mapping of columns or a list of mappings); see `Predictor.predict`."""
        return self.predictor.predict(rows)


class _Clock:
    """Seconds spent in each stage, and the watcher's view of it."""

    def __init__(self, watch: Watch | None) -> None:
        self.seconds: dict[str, float] = {}
        self.events = Events(None)
        self.observers = Observers()
        self._watch = watch or (lambda progress: None)
        self._stage, self._since = "", time.perf_counter()

    def stage(self, name: str) -> Report:
        """Begin a stage; gives what reports progress in it."""
        self.stop()
        self._stage, self._since = name, time.perf_counter()
        self.events.write("stage", stage=name)
        self._watch(Progress(name))
        return lambda done, total: self._watch(Progress(name, done, total))

    def epoch(self, facts: dict[str, float]) -> None:
        """Tell one epoch's numbers."""
        self.events.write("epoch", **facts)
        self.observers.epoch(facts)
        self._watch(Progress("epoch", facts=facts))

    def stop(self) -> None:
        """End the stage that runs."""
        if self._stage:
            spent = time.perf_counter() - self._since
            self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + spent
        self._stage = ""


def execute(plan: Plan, plugins: Plugins, *, resume: bool = False, watch: Watch | None = None) -> Run:
    """Carry out a plan. Raises from `medplug.core.errors`; a run that fails leaves nothing half-written.

    With `resume`, an unfinished run of the same keys and data goes on from its last checkpoint.
    """
    keep_freed_memory()
    with seeded(plan.run.seed):
        return _execute(plan, plugins, resume, _Clock(watch))


def _execute(plan: Plan, plugins: Plugins, resume: bool, clock: _Clock) -> Run:
    report = clock.stage("reading")
    compute = compute_for(plan.run, plan.train)
    compute.processes.agree(lambda: clock.observers.open(plan, plugins))
    task, sample = make_task(plan)
    task.report = report
    sha256 = fingerprints(task, task.data, plan.report.by)
    mark = fingerprint(plan, sha256.values())
    folder = compute.processes.agree(lambda: RunFolder.open(plan, resume=resume, fingerprint=mark))
    with _watched(folder, compute.processes, clock.observers):
        clock.events = Events(folder.work / "events.jsonl" if compute.processes.main else None)
        clock.observers.started(plan, folder, sha256, clock.events)
        task.scratch = folder.work if folder.work.is_dir() else None  # of several processes one made it
        dataset = load_dataset(
            task,
            task.data,
            by=plan.report.by,
            seed=plan.run.seed,
            sample=sample,
            sha256=sha256,
            oracle=plan.selection.oracle,
        )
        task.scratch, task.report = None, Task.report  # the folder moves when the run is finished
        specs = [spec for spec, _ in plan.adapters]
        check_rows(specs, plan.selection, dataset.splits)
        check_target(specs, plan.train, plan.selection, dataset.target, plan.asked)
        metric = _metric(plan, task, dataset)
        augmentation = None if plan.augment is None else task.augmentation(plan.augment)
        means = (folder.checkpoints, folder.resumed, clock.stage, clock.epoch)
        job = Job(plan, dataset, metric, compute, *means, augmentation)
        model, trained = train_members(lambda: _built(task, job), job)
        dataset.target = target_after(dataset, trained, plan)
        alone = replace(compute, processes=Processes(cpu=True, alone=True))
        predictor = Predictor(plan.task.name, task, model.eval(), dataset.target, alone, dataset.also_targets)
        judged = compute.processes.agree(lambda: _write(folder, plugins, predictor, trained, job, clock))
    predictor.folder = folder.path
    clock.observers.finished(folder.path, judged.scores, clock.seconds)
    return Run(folder.path, judged.scores, predictor)


@contextmanager
def _watched(folder: RunFolder, processes: Processes, observers: Observers) -> Iterator[None]:
    """Clear up after a failure, on the process that writes."""
    try:
        yield
    except BaseException as error:
        if processes.main:
            folder.abandon(keep_features=isinstance(error, KeyboardInterrupt))
            observers.failed(error)
        if isinstance(error, OSError):
            what = f"{error.filename or folder.work}: {error.strerror or type(error).__name__}"
            raise RunError(f"{what}; mend that, and run again (--resume goes on from a checkpoint)") from error
        raise


def make_task(plan: Plan) -> tuple[Task, bool]:
    """The task, ready to read; with no training table given, its built-in sample stands in (second result)."""
    factory: type[Task] = resolve(plan.task.factory, owner=f"task {plan.task.name}")
    require_training_table(plan.data)
    if plan.data.train is not None or plan.data.source is not None:
        return factory(plan.task_options, plan.data), False
    fields = type(plan.data).model_fields
    for key, column in factory.sample_columns.items():
        given, default = getattr(plan.data, key), fields[key].get_default(call_default_factory=True)
        if plan.asked(f"data.{key}") and given not in (column, default):  # a config.yaml given back tells defaults too
            raise ConfigError(
                f"data.{key}={given}: without data.train the built-in sample is used, whose data.{key} is {column}; "
                f"name your table by data.train, or leave data.{key} out"
            )
    data: DataConfig = plan.data.model_copy(update=dict(factory.sample_columns))
    table = factory(plan.task_options, data).sample()
    return factory(plan.task_options, data.model_copy(update={"train": table})), True


def _metric(plan: Plan, task: Task, dataset: Dataset) -> str:
    names = task.metrics(dataset.target)
    metric = plan.selection.metric or names[0]
    if metric not in names:
        raise ConfigError(f"selection.metric={metric}: a {dataset.target.kind} target has {', '.join(names)}")
    return metric


def build_model(
    task: Task, plan: Plan, dataset: Dataset, compute: Compute
) -> tuple[Model, list[tuple[AdapterSpec, Adapter]]]:
    """The model, its backbone loaded and a new head on it, and the adapters that have not acted yet."""
    target = dataset.target
    backbone = build_backbone(plan, dataset.splits["train"], target.outputs, lambda each: task.reader(each, target))
    model = make_model(backbone, dataset.target, dataset.also_targets)
    return model.to(compute.device), build_adapters(plan)


def _built(task: Task, job: Job) -> tuple[Model, list[tuple[AdapterSpec, Adapter]]]:
    job.stage("loading the backbone")
    return build_model(task, job.plan, job.dataset, job.compute)


def _write(
    folder: RunFolder, plugins: Plugins, predictor: Predictor, trained: Trained, job: Job, clock: _Clock
) -> Judged:
    """Judge the model on the test split and write the folder; on the main process only."""
    plan, dataset, task, model = job.plan, job.dataset, predictor.task, predictor.model
    clock.stage("baseline and intervals")
    kind = kind_of(dataset.target)
    judged, certain = gathered(kind, predictor, trained, job)
    predictor.certain_from = None if certain is None else certain.score
    clock.stage("explaining")
    explanations, in_short = of_test_rows(predictor, dataset.splits["test"], plan.report, plan.run.seed)
    if in_short:
        judged.scores["explanations"] = in_short
    clock.stage("writing")
    save_model(folder.work, plan, task, model, dataset.target, plugins, dataset.also_targets, certain)
    kind.keep(folder.work, predictor, trained, job)
    keep_seen(folder.work, dataset.splits, task.slots, dataset.sketches)
    shown = ("validation", "test")
    rows = pl.concat([kind.left(dataset, trained, split) for split in shown])
    with_groups(rows, dataset, shown).write_parquet(folder.work / "predictions.parquet")
    if judged.entities:
        entity_frame(dataset.target, judged.entities).write_parquet(folder.work / "by_entity.parquet")
    if (set_aside := rejected(dataset)) is not None:
        set_aside.write_parquet(folder.work / "rejected.parquet")
    folder.write_text("config.yaml", config_yaml(plan))
    clock.stop()
    manifest = make_manifest(plan, plugins, clock.observers, dataset.facts, job.compute, model, clock.seconds)
    folder.write_json("manifest.json", manifest)
    evidence = replace(judged.evidence(plan, dataset, trained, manifest), explanations=tuple(explanations))
    judged.scores["verdict"] = verdict(evidence).headline
    warnings = (leaks_told(evidence), named_told(evidence), revealing_told(evidence))
    judged.scores["leakage"]["told"] = list(chain(*warnings))
    if (between := transfer_verdict(evidence)) is not None:
        judged.scores["transfer_verdict"] = between.headline
    if (worth := pretraining_verdict(evidence)) is not None:
        judged.scores["pretraining_verdict"] = worth.headline
    folder.write_json("metrics.json", judged.scores)
    write_report(folder.work, evidence)
    clock.events.write("finished")
    folder.finish(keep_checkpoints=plan.train.keep_checkpoints)
    return judged
