"""The tutorials are followed as they stand: every command and every Python block, and what they are said to print."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from medplug.cli import cli

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

shared = [
    pytest.mark.shared,
    pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data: set MEDPLUG_SHARED to the folder that holds data/"),
]


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
    words, _, remark = line.partition("  #")
    done = CliRunner().invoke(cli, shlex.split(words)[1:])
    code = re.search(r"exit code (\d)", remark)
    assert done.exit_code == int(code[1] if code else 0), f"{line}\n{done.output}\n{done.exception!r}"
    return done.output


NUMBER = r"[-+−]?\d[\d.,]*"
HANGS_ON_NUMBERS = (
    r"The model is better than the simple baseline\.|There is no clear difference from the simple baseline\."
    r"|The simple baseline wins\.|Pretraining (helped|hurt|made no clear difference)\."
    r"|\b(better|worse|unclear)\b|\b(none|temperature|platt)$"
)


def masked(line: str) -> str:
    """A line without what varies with the machine: its numbers, and the words for which side of a bound they are on."""
    return " ".join(re.sub(HANGS_ON_NUMBERS, "~", re.sub(NUMBER, "#", line)).split())


@pytest.fixture
def at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Work in an empty folder that holds what a page begins with."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def place(page: str) -> None:
        for name in FILES[page]:
            (tmp_path / Path(name).name).symlink_to(SHARED / name)

    return place


@pytest.mark.parametrize("page", [pytest.param(page, marks=shared) for page in FILES])
@pytest.mark.usefixtures("one_thread")
def test_a_tutorial_does_and_prints_what_it_says(page: str, at_hand: Callable[[str], None]) -> None:
    at_hand(page)
    names: dict[str, Any] = {}
    for step in steps(page):
        lines = {masked(line) for line in follow(step, names).splitlines()}
        told = {masked(line) for line in step.said.splitlines() if line.strip() and line.strip() != "..."}
        assert told <= lines, f"{step.code}\nno longer prints: {sorted(told - lines)}\nbut: {sorted(lines - told)}"


def test_every_tutorial_is_in_the_index_and_is_followed() -> None:
    linked = re.findall(r"\]\((\w+)\.md\)", (PAGES / "index.md").read_text("utf-8"))
    assert (
        sorted(set(linked)) == sorted(FILES) == sorted(page.stem for page in PAGES.glob("*.md") if page.stem != "index")
    )
