"""How a tutorial is followed: every command and every Python block, and what they are said to print."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
from click.testing import CliRunner

from medplug.cli import cli
from medplug.core.evaluation.linear import fit_logistic

PAGES = Path(__file__).parents[2] / "docs/tutorials"
SHARED = Path(os.environ.get("MEDPLUG_SHARED") or Path(__file__).parents[3] / "shared")
FILES = {
    "text_diagnosis": ["data/ade_corpus/ade_sentences.csv.gz"],
    "medical_qa": ["data/pubmedqa/train_dev_500.jsonl", "data/medquad/medquad_answered_8000.jsonl.gz"],
    "imaging": ["data/busi", "weights/mobilenetv2_100_tf2_in1k_224.safetensors"],
    "drug_target": ["data/dti_human/human_random_train.csv.gz"],
    "multimodal": [
        "data/covid_cxr_multimodal",
        "data/heart_disease/heart.csv",
        "weights/mobilenetv2_100_tf2_in1k_224.safetensors",
    ],
}
"""What each page finds in its folder when it begins."""


def half_the_abstracts(folder: Path) -> None:
    """As the page takes every twentieth abstract of a sorted list, the list is cut behind its half."""
    file = folder / "ade_sentences.csv.gz"
    sentences = pl.read_csv(file, infer_schema=False)
    file.unlink()
    abstracts = sentences["pmid"].unique().sort()
    kept = abstracts.head(len(abstracts) // 2).implode()
    written(sentences.filter(pl.col("pmid").is_in(kept)), file)


def half_the_images(folder: Path) -> None:
    """Of each label and split the first half, by their names: near twins have numbers that lie near."""
    own = folder / "busi"
    images = pl.read_csv(own / "labels.csv", infer_schema=False)
    source = own.resolve()
    own.unlink()
    own.mkdir()
    shutil.copytree(source / "images", own / "images")
    images.filter(pl.int_range(pl.len()).over("label") < pl.len().over("label") // 2).write_csv(own / "labels.csv")


def written(table: pl.DataFrame, file: Path) -> None:
    file.write_bytes(gzip.compress(table.write_csv().encode(), 1))


THINNED = {"text_diagnosis": half_the_abstracts, "imaging": half_the_images}
"""Pages that say the same of a half of their rows, but for the numbers."""


class Step(NamedTuple):
    """A block of a page, and the block of its output that follows it, if there is one."""

    language: str
    code: str
    said: str


def steps(page: str) -> Iterator[Step]:
    """The blocks of a page that can be run, in order."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", (PAGES / f"{page}.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    for (language, code), (after, said) in zip(found, [*found[1:], ("", "")], strict=True):
        if language in ("sh", "python"):
            yield Step(language, code, said if after == "text" else "")


def follow(step: Step, names: dict[str, Any]) -> str:
    """Do what a block says; gives what it printed."""
    if step.language == "python":
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(step.code, "tutorial", "exec"), names)  # noqa: S102 - our own page
        return printed.getvalue()
    return "".join(call(line) for line in step.code.splitlines() if line.startswith("medplug "))


def call(line: str) -> str:
    """One command of medplug; `# exit code N` behind it says how it is to end (else well)."""
    command, _, remark = line.partition("  #")
    words = shlex.split(command)[1:]
    if words[0] == "run":
        words += [each for each in SHORTER if each.partition("=")[0] not in command]
    done = CliRunner().invoke(cli, words)
    code = re.search(r"exit code (\d)", remark)
    assert done.exit_code == int(code[1] if code else 0), f"{line}\n{done.output}\n{done.exception!r}"
    return done.output


SHORTER = ("report.resamples=100", "report.explain=0", "train.epochs=2")
"""Keys that a run is given beside its own: what they leave out takes long, and no page shows it."""

NUMBER = r"[-+−]?\d[\d.,]*"
HANGS_ON_NUMBERS = (
    r"The model is better than the simple baseline\.|There is no clear difference from the simple baseline\."
    r"|The simple baseline wins\.|Pretraining (helped|hurt|made no clear difference)\."
    r"|\b(better|worse|unclear)\b|\b(none|temperature|platt)$|[#;]*(true|false)$"
)


def masked(line: str) -> str:
    """A line without what varies with the machine: its numbers, and the words for which side of a bound they are on."""
    counted = re.sub(r"\brow #( #)+", "row #", re.sub(NUMBER, "#", line))
    return " ".join(re.sub(HANGS_ON_NUMBERS, "~", counted).split())


@pytest.fixture
def few_strengths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logistic heads and baselines of few choices, as each choice is a fit of its own."""
    monkeypatch.setitem(fit_logistic.__kwdefaults__, "strengths", (0.01, 1.0))


@pytest.fixture
def follow_tutorial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None, few_trees: None, few_strengths: None
) -> Callable[[str], None]:
    """Do all that a page says, in a folder that holds what it begins with; each step prints what it is said to."""
    if not SHARED.is_dir():
        pytest.skip("no shared data: set MEDPLUG_SHARED to the folder that holds data/")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def followed(page: str) -> None:
        for name in FILES[page]:
            (tmp_path / Path(name).name).symlink_to(SHARED / name)
        if page in THINNED:
            THINNED[page](tmp_path)
        names: dict[str, Any] = {}
        for step in steps(page):
            lines = {masked(line) for line in follow(step, names).splitlines()}
            told = {masked(line) for line in step.said.splitlines() if line.strip() and line.strip() != "..."}
            assert told <= lines, f"{step.code}\nno longer prints: {sorted(told - lines)}\nbut: {sorted(lines - told)}"

    return followed
