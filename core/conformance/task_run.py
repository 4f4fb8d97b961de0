"""A task carried through a whole small run: learned on its own sample, judged, saved, loaded and asked to predict."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
from polars.testing import assert_frame_equal

from medplug.core.api import plan_for
from medplug.core.conformance.checks import Fault, Skipped, require, told
from medplug.core.conformance.task_bench import TaskBench
from medplug.core.errors import BackboneError, MedplugError
from medplug.core.options import run_config
from medplug.core.predictor import Predictor
from medplug.core.run import Run, execute
from medplug.core.saved import restored_predictor
from medplug.core.slots import slots_in_use
from medplug.core.specs import Modality

CHEAPEST: dict[Modality, str] = {
    "text": "text_cnn",
    "image": "cnn",
    "tabular": "columns",
    "signal": "signal_cnn",
    "molecule": "ecfp",
    "protein": "kmer",
}
"""Of each modality the built-in backbone that learns soonest without weights of others."""
_SMALL = {
    "adapter": "finetune",
    "data.limit": 20,
    "train.epochs": 1,
    "train.members": 1,
    "report.resamples": 100,
    "report.explain": 0,
    "device": "cpu",
}


class RunCheck:
    """The check of one task from its sample to predictions of a saved model."""

    def __init__(self, bench: TaskBench) -> None:
        self.bench, self.spec = bench, bench.spec

    def runs(self) -> None:
        """A whole small run on the sample ends, and its saved model predicts rows without labels as before."""
        self._check_writes_nothing()
        with TemporaryDirectory() as folder:
            run = self._run({**self._keys(), "output": str(Path(folder) / "run")})
            saved = restored_predictor(run.folder, self.bench.subject.plugins, run_config(device="cpu"))
            wanted = self._predictions(run.predictor, "the trained model")
            found = self._predictions(saved, "the saved model")
        try:
            assert_frame_equal(found, wanted, check_exact=False)
        except AssertionError as error:
            fix = "let learned(), recall() and reader() carry all that reading settled: a saved model has nothing else"
            raise Fault(f"a model that was saved and read predicts otherwise: {told(error)}", fix) from None

    def _check_writes_nothing(self) -> None:
        key, values = self.spec.writing or ("", ())
        value = getattr(self.bench.subject.made_options(self.spec), key.removeprefix("task."), None)
        if value in values:
            raise Skipped(f"{key}={value} writes answers, which no backbone does that learns from scratch")

    def _keys(self) -> dict[str, Any]:
        """What such a run is asked for: the options given, the cheapest backbones, and as little work as may be."""
        own = {f"task.{name}": value for name, value in self._given.items()}
        slots = slots_in_use(self.spec, {key: (value, "") for key, value in own.items()})
        if len(slots) > 1:
            backbones = {f"backbone.{slot}": CHEAPEST[modality] for slot, modality in slots.items()}
            return {"task": self.spec.name, **own, **backbones, "fusion": "concat", **_SMALL}
        modality = next(iter(slots.values()), self.spec.modalities[0])
        return {"task": self.spec.name, **own, "backbone": CHEAPEST[modality], **_SMALL}

    @property
    def _given(self) -> dict[str, Any]:
        return dict(self.bench.subject.options.get(self.spec.name, {}))

    def _run(self, keys: dict[str, Any]) -> Run:
        plugins = self.bench.subject.plugins
        try:
            return execute(plan_for(plugins, keys), plugins)
        except BackboneError as error:
            raise Skipped(f"the kit's small backbone does not serve it: {told(error)}") from None
        except MedplugError as error:
            if isinstance(error.__context__, ImportError):
                raise Skipped(told(error)) from None
            typed = " ".join(f"{key}={value}" for key, value in keys.items() if key != "output")
            raise Fault(f"a run on the sample stops: {told(error)}", f"see it with: medplug run {typed}") from error

    def _predictions(self, predictor: Predictor, who: str) -> pl.DataFrame:
        """What is predicted of the small table's rows, as of a table that has no labels."""
        columns = self.bench.task().columns
        labels = set(columns(labelled=True).values()) - set(columns(labelled=False).values())
        rows = self.bench.few.drop(labels, strict=False)
        try:
            found = predictor.predict(rows)
        except MedplugError as error:
            fix = "let columns() and examples() ask for no label where labelled is False"
            raise Fault(f"{who} does not predict the sample's rows: {told(error)}", fix) from None
        missed = sorted(set(range(1, rows.height + 1)) - set(found["row"].to_list()))
        require(not missed, f"{who} predicts nothing of the rows {missed[:5]}", "hand each row of a table on")
        return found
