"""The command line as its users meet it: what it says, what it returns, what it leaves behind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from medplug.cli import cli

SECRET = "Jane-Roe-1962"


@pytest.fixture
def medplug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the command in an empty folder, as a user would."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return lambda *words: CliRunner().invoke(cli, list(words))


def notes(path: Path, rows: int = 60, header: str = "text,label") -> Path:
    lines = [
        f"{SECRET} note {i} with {'cough and fever' if i % 2 else 'a broken wrist'},{'ab'[i % 2]}" for i in range(rows)
    ]
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def assert_told(result: Result, code: int, *words: str, folder: Path, kept: set[str]) -> None:
    """One screen that names the thing and the next step; no traceback, no row content, nothing half-written."""
    said = result.output
    assert result.exit_code == code, said
    for word in words:
        assert word in said
    assert len(said.splitlines()) <= 24
    assert "Traceback" not in said
    assert SECRET not in said
    assert {path.name for path in folder.iterdir()} == kept


SCRATCH = ("backbone=text_cnn", "train.epochs=1")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("data.text=nte",), ("data.text", "'nte'", "text, label")),
        (("data.train=missing.csv",), ("missing.csv", "data.train")),
        (("data.train=folder",), ("folder", "a folder, not a file", "inside.csv")),
        (("data.train=empty.csv",), ("empty.csv", "empty")),
        (("data.train=latin.csv",), ("latin.csv", "UTF-8", "iconv")),
        (("data.train=blank.csv",), ("blank.csv", "row 2, column text: the text is empty", "data.on_error=skip")),
        (("data.test=other.csv",), ("test split", "training split lacks", "zebra", "data.on_error=skip")),
        (("train.epoch=3",), ("train.epoch is not an option of train", "did you mean train.epochs?", "batch_size")),
        (("--epochs", "3"), ("--epochs", "key=value", "train.epochs=3")),
        (("epochs=3",), ("epochs is not a key", "train.epochs")),
        (("train.epochs=three",), ("train.epochs=three", "command line", "integer")),
        (("seed=1", "seed=2"), ("seed is given twice",)),
        (("train..epochs=3",), ("empty part", "train.epochs")),
        (("data.label=number",), ("data.label", "right column")),
        (("data.train=short.csv",), ("short.csv", "row")),
        (("selection.metric=f2",), ("selection.metric=f2", "macro_f1")),
        (("data.split=[0.5,0.1,0.1]",), ("data.split", "[0.7,0.1,0.2]")),
    ],
)
def test_bad_input_is_told_on_one_screen_with_exit_code_2(
    medplug: Callable[..., Result], tmp_path: Path, words: tuple[str, ...], told: tuple[str, ...]
) -> None:
    notes(tmp_path / "notes.csv")
    (tmp_path / "notes.csv").write_text(
        "\n".join(
            f"{line},{'number' if i == 0 else i}"
            for i, line in enumerate((tmp_path / "notes.csv").read_text().splitlines())
        )
        + "\n"
    )
    (tmp_path / "folder").mkdir()
    notes(tmp_path / "folder" / "inside.csv")
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "latin.csv").write_bytes(f"text,label\n{SECRET} fièvre,a\n".encode("latin-1"))
    (tmp_path / "blank.csv").write_text(f"text,label\n{SECRET},a\n   ,b\n")
    (tmp_path / "other.csv").write_text(f"text,label\n{SECRET} one,a\n{SECRET} two,zebra\n")
    (tmp_path / "short.csv").write_text(f"text,label\n{SECRET} one,a\n{SECRET} without label\n")
    kept = {path.name for path in tmp_path.iterdir()}
    given = {word.partition("=")[0] for word in words}
    train = () if "data.train" in given else ("data.train=notes.csv",)
    result = (
        medplug("run", "task=text_diagnosis", *SCRATCH, *train, *words)
        if "train.epochs" not in str(words)
        else medplug("run", "task=text_diagnosis", SCRATCH[0], *train, *words)
    )
    assert_told(result, 2, *told, folder=tmp_path, kept=kept)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("task=text_diagnoses",),
            ("no task named 'text_diagnoses'", "did you mean text_diagnosis?", "medplug list tasks"),
        ),
        ((), ("no task is given", "task=NAME", "text_diagnosis")),
        (
            ("task=text_diagnosis", "backbone=minilmm"),
            ("no backbone named 'minilmm'", "minilm", "medplug list backbones"),
        ),
        (("task=text_diagnosis", "adapter=linear"), ("no adapter named 'linear'", "linear_probe")),
        (("task=text_diagnosis", "recipe=text"), ("no recipe named 'text'", "text_diagnosis")),
        (("task=text_diagnosis", "data.train"), ("data.train", "key=value")),
        (("task=text_diagnosis", "fusion=concat"), ("fusion", "one")),
        (("task=text_diagnosis", "device=gpu"), ("device=gpu", "cuda")),
    ],
)
def test_a_wrong_name_is_told_with_close_ones(
    medplug: Callable[..., Result], tmp_path: Path, words: tuple[str, ...], told: tuple[str, ...]
) -> None:
    assert_told(medplug("run", *words), 2, *told, folder=tmp_path, kept=set())


def test_a_hub_name_without_network_is_told_with_the_way_around(medplug: Callable[..., Result], tmp_path: Path) -> None:
    notes(tmp_path / "notes.csv")
    result = medplug("run", "task=text_diagnosis", "data.train=notes.csv", "backbone=bert")
    assert_told(
        result,
        1,
        "google-bert/bert-base-uncased",
        "hf download",
        "backbone=./MODEL",
        "medplug list backbones",
        folder=tmp_path,
        kept={"notes.csv"},
    )


def test_an_output_that_cannot_be_written_is_told_before_any_work(
    medplug: Callable[..., Result], tmp_path: Path
) -> None:
    notes(tmp_path / "notes.csv")
    (tmp_path / "file").write_text("in the way")
    result = medplug("run", "task=text_diagnosis", *SCRATCH, "data.train=notes.csv", "output=file/run")
    assert_told(result, 2, "file/run", "output=", folder=tmp_path, kept={"notes.csv", "file"})


def test_an_output_that_exists_is_never_written_over(medplug: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    result = medplug("run", "task=text_diagnosis", *SCRATCH, "output=mine")
    assert_told(result, 2, "mine exists already", folder=tmp_path, kept={"mine"})
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_a_dry_run_refuses_what_the_run_would_refuse(medplug: Callable[..., Result]) -> None:
    result = medplug("run", "task=text_diagnosis", "data.unlabelled=notes.csv", "--dry-run")
    assert result.exit_code != 0 and "data.unlabelled is given without data.train" in result.output


def test_a_dry_run_says_what_would_happen_and_does_nothing(medplug: Callable[..., Result], tmp_path: Path) -> None:
    notes(tmp_path / "notes.csv")
    result = medplug("run", "task=text_diagnosis", "data.train=notes.csv", "adapter=finetune", "--dry-run")
    assert result.exit_code == 0
    for said in ("would read:  notes.csv", "would train: train minilm by gradient", "would write: runs/", "(default)"):
        assert said in result.output
    assert {path.name for path in tmp_path.iterdir()} == {"notes.csv"}


def test_train_then_predict_then_evaluate(medplug: Callable[..., Result], tmp_path: Path) -> None:
    notes(tmp_path / "notes.csv", rows=120)
    ran = medplug("run", "task=text_diagnosis", "data.train=notes.csv", *SCRATCH, "output=run", "report.resamples=100")
    assert ran.exit_code == 0, ran.output
    assert "plain baseline" in ran.output and "run/report.html" in ran.output
    assert "simple baseline. (by " in ran.output or "baseline wins. (by " in ran.output
    assert "Leakage: a single word in the text tells the label almost perfectly" in ran.output
    assert (tmp_path / "run" / "report.html").exists() and SECRET not in (tmp_path / "run" / "report.html").read_text()

    (tmp_path / "new.csv").write_text("text\ncough and fever\n\n a broken wrist \n")
    stopped = medplug("predict", "run", "new.csv")
    assert stopped.exit_code == 2 and "row 2, column text: the text is empty" in stopped.output
    done = medplug("predict", "run", "new.csv", "--on-error", "skip", "-o", "out.csv")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out.csv").read_text().splitlines()[0].startswith("row,prediction,p_a,p_b")
    assert [line.split(",")[0] for line in (tmp_path / "out.csv").read_text().splitlines()[1:]] == ["1", "3"]

    known = medplug("predict", "run", "notes.csv", "-o", "again.csv")
    assert "of 120 row(s) learned from or chosen by: row " in known.output and SECRET not in known.output
    assert SECRET.encode() not in (tmp_path / "run" / "seen.safetensors").read_bytes()

    scored = medplug("evaluate", "run", "notes.csv", "-o", "scores.json")
    assert scored.exit_code == 0, scored.output
    seen = json.loads((tmp_path / "scores.json").read_text())["seen"]
    assert f"{len(seen['same'])} of 120 row(s) learned from or chosen by" in scored.output
    assert len(seen["same"]) == 120 - json.loads((tmp_path / "run" / "metrics.json").read_text())["n"]
    assert "auroc" in scored.output and (tmp_path / "scores.json").exists()
    assert medplug("predict", "run", "notes.csv", "-o", "out.xlsx").exit_code == 2


def test_predicting_with_what_is_no_run_is_told(medplug: Callable[..., Result], tmp_path: Path) -> None:
    notes(tmp_path / "notes.csv")
    assert_told(
        medplug("predict", "nowhere", "notes.csv"),
        2,
        "nowhere",
        "not a finished run",
        folder=tmp_path,
        kept={"notes.csv"},
    )


def test_backbones_are_ranked_and_the_table_goes_to_a_file(
    medplug: Callable[..., Result], tmp_path: Path, tiny_bert: Path
) -> None:
    notes(tmp_path / "notes.csv")
    shutil.copytree(tiny_bert, tmp_path / "twin")
    words = ("rank", "task=text_diagnosis", "data.train=notes.csv", "device=cpu", f"backbones={tiny_bert},./twin")
    done = medplug(*words, "-o", "ranking.json")
    assert_told(
        done,
        0,
        "logme",
        "h_score",
        "twin",
        "not supported",
        folder=tmp_path,
        kept={"notes.csv", "twin", "ranking.json"},
    )
    assert done.stderr == ""  # progress is for terminals
    ranking = json.loads((tmp_path / "ranking.json").read_text())
    assert ranking["support"] in done.stdout and len(ranking["candidates"]) == 2


def test_sources_are_ranked_for_a_target(medplug: Callable[..., Result], tmp_path: Path, tiny_bert: Path) -> None:
    for name in ("notes.csv", "a.csv", "b.csv"):
        notes(tmp_path / name)
    words = ("rank", "task=text_diagnosis", "device=cpu", f"backbone={tiny_bert}", "--sources", "a.csv,b.csv")
    kept = {"notes.csv", "a.csv", "b.csv"}
    labelled = medplug(*words, "data.train=notes.csv")
    assert_told(labelled, 0, "leep", "nce", "mmd", "a_distance", "not supported", folder=tmp_path, kept=kept)
    unlabelled = medplug(*words, "data.unlabelled=notes.csv")
    assert_told(unlabelled, 0, "sources by mmd", "not supported", folder=tmp_path, kept=kept)
    assert "leep" not in unlabelled.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("backbones=minilm,bret",), ("no backbone named 'bret'", "did you mean bert?", "medplug list backbones")),
        (("backbones=minilm",), ("one candidate", "nothing to rank")),
        (("backbones=",), ("backbones is empty", "backbones=NAME,NAME")),
        ((), ("neither is given", "--sources TABLE,TABLE")),
        (("--backbones", "minilm,bert"), ("backbones=NAME,NAME",)),
        (("sources=a.csv,b.csv",), ("--sources TABLE,TABLE",)),
        (("backbones=minilm,bert", "-o", "nowhere/ranking.json"), ("nowhere/ranking.json", "folder that exists")),
        (("--sources", "notes.csv,other.csv"), ("other.csv", "'label'", "text, diagnosis")),
    ],
)
def test_a_ranking_that_cannot_be_made_is_told(
    medplug: Callable[..., Result], tmp_path: Path, tiny_bert: Path, words: tuple[str, ...], told: tuple[str, ...]
) -> None:
    notes(tmp_path / "notes.csv")
    notes(tmp_path / "other.csv", header="text,diagnosis")
    own = (f"backbone={tiny_bert}",) if "--sources" in words else ()
    result = medplug("rank", "task=text_diagnosis", "data.train=notes.csv", *own, *words)
    assert_told(result, 2, *told, folder=tmp_path, kept={"notes.csv", "other.csv"})


def test_a_fault_that_nobody_foresaw_keeps_its_words_to_itself(
    medplug: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise KeyError(SECRET)

    monkeypatch.setattr("medplug.core.run.load_dataset", broken)
    result = medplug("run", "task=text_diagnosis", *SCRATCH)
    assert_told(result, 1, "unforeseen KeyError", "--debug", folder=tmp_path, kept=set())


def test_a_column_that_the_sample_does_not_have_is_refused_and_not_replaced(tmp_path: Path) -> None:
    told = CliRunner().invoke(cli, ["run", "task=text_diagnosis", "data.group=ward", f"output={tmp_path / 'run'}"])
    assert told.exit_code == 2
    assert "data.group=ward: without data.train the built-in sample is used, whose data.group is patient" in told.output
    assert not (tmp_path / "run").exists()
