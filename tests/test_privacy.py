"""Nothing of a patient's row leaves a run but by the files that are the user's own: marked data of every kind of task.

Every text, id, file name and category of a patient holds the mark; then all that a run prints and
writes for others to read is searched for it.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from PIL import Image

from medplug.cli import cli
from medplug.plugins.drug_target.sample import sample as pairs
from medplug.plugins.imaging.sample import draw, draw_mask
from medplug.plugins.medical_qa.samples.exams import exams
from medplug.plugins.medical_qa.samples.leaflets import leaflets
from medplug.plugins.medical_qa.samples.matches import matches
from medplug.plugins.medical_qa.samples.trials import trials

pytestmark = pytest.mark.usefixtures("one_thread", "few_trees")

MARK = "qzx"
ROWS = 60
OWN = {"predictions.parquet", "by_entity.parquet", "rejected.parquet"}
"""The user's own files, row by row; and what a model of passages needs, its corpus, lies in folders of the run."""
READ = {".html", ".md", ".jsonl", ".json", ".csv", ".yaml", ".txt"}
OBSERVERS = ("observers=tensorboard+mlflow", "observers.mlflow.artifacts=report")
QUICK = ("train.epochs=1", "report.resamples=100", "device=cpu")
Make = Callable[[Path], tuple[pl.DataFrame, tuple[str, ...]]]


def mark(row: int) -> str:
    """A word that one row alone has."""
    return f"{MARK}{'abcdefghij'[row // 10]}{'abcdefghij'[row % 10]}"


def notes(row: int) -> str:
    return f"{mark(row)} {'has fever and cough' if row % 2 else 'fell on the arm'} since {mark(row)}"


def texts(folder: Path) -> tuple[pl.DataFrame, tuple[str, ...]]:
    table = pl.DataFrame(
        {"text": [notes(i) for i in range(ROWS)], "label": ["well" if i % 2 else "ill" for i in range(ROWS)]}
    )
    return table, ("task=text_diagnosis", "backbone=text_cnn")


def several_labels(folder: Path) -> tuple[pl.DataFrame, tuple[str, ...]]:
    table, words = texts(folder)
    labels = [("a;b", "a", "b")[i % 3] for i in range(ROWS)]
    return table.with_columns(pl.Series("label", labels)), (*words, "task.target=multilabel", "task.separator=;")


def patients(folder: Path) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """A note, values with a category of each patient's own, and a picture whose file is named after the patient."""
    for i in range(ROWS):
        Image.fromarray(draw(i)[0]).save(folder / f"{mark(i)}.png")
    table = texts(folder)[0].with_columns(
        pl.Series("ward", [f"ward {mark(i)}" if i % 3 else "north" for i in range(ROWS)]),
        pl.Series("age", np.random.default_rng(0).normal(size=ROWS)),
        pl.Series("image", [f"{mark(i)}.png" for i in range(ROWS)]),
    )
    slots = ("data.text=text", 'data.tabular=["age","ward"]', "data.image=image")
    small = ("backbone.text=text_cnn", "backbone.image=cnn", "backbone.image.width=32")
    return table, ("task=multimodal_diagnosis", *slots, *small)


def values(folder: Path) -> pl.DataFrame:
    random = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "ward": [f"ward {mark(i)}" if i % 3 else "north" for i in range(ROWS)],
            "age": random.normal(size=ROWS),
            "days": random.exponential(size=ROWS) + 0.1,
            "died": [i % 2 for i in range(ROWS)],
            "arm": ["drug" if i % 4 < 2 else "none" for i in range(ROWS)],
            "label": random.normal(size=ROWS),
        }
    )


TABLES = ("task=multimodal_diagnosis", 'data.tabular=["age","ward"]')


def numbers(folder: Path) -> tuple[pl.DataFrame, tuple[str, ...]]:
    return values(folder), (*TABLES, "task.target=regression")


def times(folder: Path) -> tuple[pl.DataFrame, tuple[str, ...]]:
    return values(folder), (*TABLES, "data.time=days", "data.event=died")


def treatments(folder: Path) -> tuple[pl.DataFrame, tuple[str, ...]]:
    return values(folder), (*TABLES, "data.treatment=arm", "task.better=higher", "task.target=treatment")


def images(folder: Path) -> tuple[pl.DataFrame, tuple[str, ...]]:
    table = patients(folder)[0].select("image", "label")
    return table, ("task=imaging", "backbone=cnn", "backbone.width=32")


def masks(folder: Path) -> tuple[pl.DataFrame, tuple[str, ...]]:
    table = images(folder)[0]
    for i in range(ROWS):
        Image.fromarray(draw_mask(i) * 255).save(folder / f"mask-{mark(i)}.png")
    table = table.with_columns(pl.Series("mask", [f"mask-{mark(i)}.png" for i in range(ROWS)]))
    return table, ("task=imaging", "task.target=mask", "backbone=cnn", "backbone.width=32")


def drugs(folder: Path) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Pairs of nobody's ids: only what of them is a patient's could leak, as a group's."""
    small = ("backbone.drug.hidden=8", "backbone.drug.bits=64", "backbone.protein.hidden=8", "backbone.protein.k=1")
    words = (*small, "fusion.hidden=[8]", "train.members=1")
    return pairs().head(ROWS).select("smiles", "sequence", "label"), ("task=drug_target", *words)


SMALL = ("backbone=text_cnn", "backbone.filters=4", "backbone.embedding=8", "adapter=finetune")


def marked(table: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """The first rows, each with its own mark before the texts of some columns."""
    table = table.head(ROWS)
    marks = pl.Series("mark", [mark(i) for i in range(len(table))])
    return table.with_columns((marks + " " + pl.col(name)).alias(name) for name in columns)


def asked(form: str, *words: str) -> tuple[str, ...]:
    return ("task=medical_qa", f"task.form={form}", *(words or SMALL))


def studies(folder: Path) -> tuple[pl.DataFrame, tuple[str, ...]]:
    return marked(trials(), "question", "context"), asked("yes_no_maybe")


def entailments(folder: Path) -> tuple[pl.DataFrame, tuple[str, ...]]:
    return marked(matches(), "question", "other"), asked("entailment")


def options(folder: Path) -> tuple[pl.DataFrame, tuple[str, ...]]:
    table = marked(exams(), "question")
    told = [[f"{each} {mark(i)}" for each in given] for i, given in enumerate(table["options"].to_list())]
    return table.with_columns(pl.Series("options", told)), asked("multiple_choice")


def spans(folder: Path) -> tuple[pl.DataFrame, tuple[str, ...]]:
    table = marked(leaflets(), "question")
    context = [f"{text} {mark(i)}." for i, text in enumerate(table["context"].to_list())]
    return table.with_columns(pl.Series("context", context)), asked("extractive")


def rankings(folder: Path) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Passages are a corpus, which the run keeps in a folder of its own to search it."""
    table = pl.DataFrame(
        {
            "question": [f"who is {mark(i)}" for i in range(ROWS)],
            "passage": [f"{mark(i)} has {notes(i)}" for i in range(ROWS)],
        }
    )
    return table, asked("retrieval", f"backbone={folder / 'bert'}", "adapter=finetune")


def written(folder: Path) -> tuple[pl.DataFrame, tuple[str, ...]]:
    table = pl.DataFrame(
        {"question": [f"who is {mark(i)}" for i in range(ROWS)], "answer": [notes(i) for i in range(ROWS)]}
    )
    return table, asked("generative", f"backbone={folder / 'llama'}", "adapter=finetune")


KINDS: dict[str, Make] = {
    each.__name__: each
    for each in (
        *(texts, several_labels, patients, numbers, times, treatments, images, masks, drugs),
        *(studies, entailments, options, spans, rankings, written),
    )
}


def leaks(text: str) -> list[str]:
    """Where the mark stands, with what is around it."""
    return [text[max(0, at.start() - 60) : at.end() + 60] for at in re.finditer(MARK, text, re.IGNORECASE)]


def searched(folder: Path) -> dict[str, list[str]]:
    """What leaked into which of a folder's files that people and programs read."""
    files = [file for file in folder.iterdir() if file.suffix in READ]
    assert {"report.html", "model_card.md", "events.jsonl", "metrics.json"} <= {file.name for file in files}
    found = {file.name: leaks(file.read_text(encoding="utf-8")) for file in files}
    return {name: each for name, each in found.items() if each}


def observed(folder: Path) -> list[str]:
    """Where the mark stands in what observers wrote: event files, and MLflow's folders and their names."""
    files = [file for name in ("tensorboard", "mlruns") for file in (folder / name).rglob("*") if file.is_file()]
    assert {"macro_f1", "train.epochs"} & {file.name for file in files}
    assert any(file.name.startswith("events.out.tfevents") for file in files)
    return [found for file in files for found in leaks(f"{file} {file.read_bytes().decode('latin1')}")]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Callable[..., str]:
    """Run the command in a folder of its own: all that it prints and logs, which the mark is not in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    caplog.set_level(logging.DEBUG)

    def run(*words: str, fails: bool = False) -> str:
        caplog.clear()
        result = CliRunner().invoke(cli, list(words))
        assert (result.exit_code != 0) is fails, result.output
        assert not leaks(result.output)
        assert not leaks(caplog.text)
        return result.output

    return run


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_of_marked_rows_and_what_follows_it_tell_nothing_of_them(
    kind: str, tmp_path: Path, command: Callable[..., str], tiny_bert: Path, tiny_llama: Path
) -> None:
    (tmp_path / "bert").symlink_to(tiny_bert)
    (tmp_path / "llama").symlink_to(tiny_llama)
    table, words = KINDS[kind](tmp_path)
    table = table.with_columns(pl.Series("who", [f"patient {mark(i // 2)}" for i in range(len(table))]))
    table.write_ndjson(tmp_path / "rows.jsonl")
    command("run", *words, "data.train=rows.jsonl", "data.group=who", "output=run", *QUICK, *OBSERVERS)
    assert not searched(tmp_path / "run")
    assert not observed(tmp_path)
    command("evaluate", "run", "rows.jsonl", "--device", "cpu")
    scores = json.loads((tmp_path / "run" / "metrics.json").read_text())
    if "explanations" in scores:
        command("explain", "run", "rows.jsonl", "--rows", "1,2", "--device", "cpu")
        for name in ("told.html", "told.json"):
            command("explain", "run", "rows.jsonl", "--rows", "1,2", "-o", name, "--device", "cpu")
            assert not leaks((tmp_path / name).read_text())


@pytest.mark.parametrize(
    ("make", "column", "spoilt"),
    [
        (images, "image", "lost"),
        (masks, "mask", "lost"),
        (patients, "image", "empty"),
        (numbers, "age", "no number"),
        (times, "days", "no number"),
        (spans, "answer", "no number"),
        (options, "answer", "no number"),
    ],
)
def test_bad_rows_are_told_without_what_they_hold_whether_they_stop_or_are_set_aside(
    make: Make, column: str, spoilt: str, tmp_path: Path, command: Callable[..., str]
) -> None:
    table, words = make(tmp_path)
    rows = json.loads(table.write_json())
    for i in (3, 4):
        if spoilt == "empty":
            (tmp_path / str(rows[i][column])).write_bytes(b"")
        else:
            rows[i][column] = f"{mark(i)} {spoilt}" + (".png" if spoilt == "lost" else "")
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    told = command("run", *words, "data.train=rows.jsonl", "output=run", *QUICK, fails=True)
    assert "row" in told or "label" in told
    assert not (tmp_path / "run").exists()


def test_files_of_a_folder_are_told_by_their_order_and_not_by_their_names(
    tmp_path: Path, command: Callable[..., str]
) -> None:
    for i in range(ROWS):
        file = tmp_path / "scans" / ("ill" if i % 2 else "well") / f"{mark(i)}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw(i)[0]).save(file)
    small = ("backbone=cnn", "backbone.width=32", *QUICK)
    (tmp_path / "scans" / "ill" / f"{mark(7)}.png").write_bytes(b"")
    told = command("run", "task=imaging", "data.train=scans", "output=run", *small, fails=True)
    assert "row 4, column image: (rows are the files in the order of their paths) the file is empty" in told
    command("run", "task=imaging", "data.train=scans", "data.on_error=skip", "output=run", *small)
    assert not searched(tmp_path / "run")
    (tmp_path / "scans" / f"{mark(1)}.png").write_bytes(b"")
    assert "1 image(s) lie in no sub-folder" in command("run", "task=imaging", "data.train=scans", *small, fails=True)
