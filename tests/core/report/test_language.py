from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from string import Formatter

import pytest
import yaml
from jinja2 import Environment, nodes

import medplug
from medplug.core.data.leakage import Leak
from medplug.core.data.problems import Problem
from medplug.core.data.reading import Facts
from medplug.core.judging.treatments import ASSUMPTIONS, WARNING
from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import count
from medplug.core.report.language import joined, later, said, say, speaking
from medplug.core.report.page import write_report
from medplug.core.report.retold import retold
from medplug.core.report.verdicts import verdict
from medplug.core.wording import Wording

Make = Callable[..., Evidence]

CORE = Path(medplug.__file__).parent / "core"
CATALOGUE = CORE / "report" / "zh.yaml"
CHINESE: dict[str, str] = yaml.safe_load(CATALOGUE.read_text("utf-8"))
KINDS = ("binary", "multiclass", "multilabel", "regression", "survival", "treatment")
SPEAKERS = ("say", "later", "count")
WORDS = re.compile(r"[A-Za-z][a-z]+(?: [A-Za-z]?[a-z'-]+){3,}")
"""Four words of English in a row."""


def calls(tree: ast.AST, *names: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            yield node


def trees(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    for file in sorted(folder.rglob("*.py")):
        yield file, ast.parse(file.read_text("utf-8"))


def texts(node: ast.expr) -> Iterator[str]:
    """The literal that an argument is, or those of both branches of a condition; nothing of what is none."""
    if isinstance(node, ast.IfExp):
        yield from texts(node.body)
        yield from texts(node.orelse)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def counted(call: ast.Call) -> Iterator[str]:
    """What ``count`` says of literal nouns."""
    nouns = list(texts(call.args[1])) if len(call.args) > 1 else []
    plurals = list(texts(call.args[2])) if len(call.args) > 2 else [f"{noun}s" for noun in nouns]
    yield from (f"{{n}} {noun}" for noun in [*nouns, *plurals])


def sentences() -> set[str]:
    """Every English sentence that the core and its pages say."""
    found = {
        text
        for _, tree in trees(CORE)
        for call in calls(tree, *SPEAKERS)
        for text in (counted(call) if call.func.id == "count" else texts(call.args[0]))  # type: ignore[attr-defined]
    }
    for page in [*(CORE / "report").glob("*.html"), *(CORE / "report").glob("*.md")]:
        for call in Environment().parse(page.read_text("utf-8")).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "say":
                found.add(call.args[0].as_const())
    return found


def fields(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


def test_every_sentence_has_a_chinese_one_and_every_chinese_one_a_sentence() -> None:
    said_somewhere = sentences()
    assert len(said_somewhere) > 500
    assert not said_somewhere - set(CHINESE), "these have no entry in zh.yaml"
    assert not set(CHINESE) - said_somewhere, "these entries of zh.yaml are said nowhere"


def test_a_chinese_sentence_has_the_placeholders_of_the_english_one() -> None:
    assert not [english for english, chinese in CHINESE.items() if fields(english) != fields(chinese)]


def test_no_sentence_has_two_entries() -> None:
    keys = re.findall(r'^("(?:[^"\\]|\\.)*"): ', CATALOGUE.read_text("utf-8"), flags=re.MULTILINE)
    assert len(keys) == len(CHINESE)
    assert not [key for key, times in Counter(keys).items() if times > 1]


def test_what_is_said_is_a_literal_so_that_its_translation_can_be_looked_for() -> None:
    own = {"language.py", "formats.py"}
    loose = [
        f"{file.name}:{call.lineno}"
        for file, tree in trees(CORE)
        for call in calls(tree, "say", "later")
        if not list(texts(call.args[0])) and file.name not in own
    ]
    assert not loose


def test_the_report_has_no_sentence_that_is_not_said() -> None:
    assert not [
        (file.name, node.lineno, node.value)
        for room in ("report", "comparing")
        for file, tree in trees(CORE / room)
        for node in unsaid(tree)
        if WORDS.search(str(node.value))
    ]


def unsaid(tree: ast.Module) -> Iterator[ast.Constant]:
    """The string literals that are neither said, nor a docstring, nor an error's."""
    passed = {id(node) for call in calls(tree, *SPEAKERS) for argument in call.args for node in ast.walk(argument)}
    passed |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    errors = ("ConfigError", "DataError", "RunError", "UsageError")
    passed |= {id(each) for call in calls(tree, *errors) for each in ast.walk(call)}
    passed |= {id(each) for call in calls(tree, "resolve", "ContextVar") for each in ast.walk(call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed:
            yield node


@pytest.mark.parametrize("kind", KINDS)
def test_a_chinese_report_has_no_english_sentence(make: Make, tmp_path: Path, kind: str) -> None:
    html, card = written(tmp_path, full(make, kind))
    assert '<html lang="zh">' in html
    shown = re.sub(r"<style>.*?</style>|<(?:path|use|g|defs|clipPath)\b[^>]*>", "", html, flags=re.DOTALL)
    for page in (re.sub(r"<[^>]*>", "\n", shown), " ".join(re.findall(r'aria-label="([^"]*)"', html)), card):
        assert not WORDS.findall(page)


def full(make: Make, kind: str) -> Evidence:
    """Evidence with something to tell in most places."""
    facts = Facts(
        sample=True,
        rejected=[("train", Problem(3, "text", "the text is empty"))],
        counts={"duplicate rows dropped": 4, "rows whose text carries several labels": 2},
        leaks=[
            Leak("same group", "train", "test", 12, 1, 0.05),
            Leak("same text", "train", "validation", 1, None, 0.5),
        ],
        split_by="the column patient, stratified by label, seed 7",
        tables={"train": {"name": "notes.csv", "rows": 1040, "rejected": 0, "sha256": "ab" * 32}},
    )
    evidence = make(
        kind,
        rows=60,
        facts=facts,
        history=[{"epoch": 1.0, "loss": 1.0}, {"epoch": 2.0, "loss": 0.5}],
        census={"test": {"rows longer than the window of 256 tokens": 31}},
        keys=[("task", "text_diagnosis", "command line"), ("report.language", "zh", "command line")],
        notes={"strength": 0.1, "best epoch": 2, "members": 3, "baseline": {"trees": {"read": "2 numbers"}}},
    )
    scores = evidence.scores
    linear, difference = scores["baseline"]["linear"], scores["difference"]
    scores["baseline"]["trees"] = linear
    scores["random_weights"] = {"metrics": linear, "difference": difference}
    scores["without_transfer"] = {"metrics": linear, "difference": difference, "backbone": "trained"}
    left = {"n_twins": 3, "n_left": 237, "metrics": scores["metrics"]}
    scores["without_twins"] = {"same": {"n_twins": 0, "n_left": 240}, "near": {**left, "means": "x"}}
    scores["certain"] = {"asked": 0.9, "score": 0.7, "answered": 0.5, "right": 0.9, "test": {"answered": 0, "right": 0}}
    one = scores["metrics"][evidence.metric]
    subsets = [{"modalities": ["text"], "rows": 9, evidence.metric: one}]
    scores["by_modality"] = {"metric": evidence.metric, "subsets": subsets, "shapley": {"text": one}, "weights": {}}
    return evidence


def written(folder: Path, evidence: Evidence) -> tuple[str, str]:
    write_report(folder, evidence)
    return (folder / "report.html").read_text("utf-8"), (folder / "model_card.md").read_text("utf-8")


def test_only_the_report_speaks_another_language(make: Make, tmp_path: Path) -> None:
    evidence = full(make, "binary")
    english = verdict(evidence).headline
    html, _ = written(tmp_path, evidence)
    assert verdict(evidence).headline == english and english not in html
    with speaking("zh"):
        assert verdict(evidence).headline == CHINESE[english]


def test_a_report_speaks_english_unless_it_is_asked_to_speak_chinese(make: Make, tmp_path: Path) -> None:
    html, card = written(tmp_path, make("binary"))
    assert '<html lang="en">' in html
    assert not re.search(r"[\u4e00-\u9fff]", html + card)


def test_counts_and_sentences_are_put_together_as_the_language_does() -> None:
    assert count(1, "row") == "1 row" and count(2310, "class", "classes") == "2,310 classes"
    assert joined("One.", "", "Two.") == "One. Two."
    with speaking("zh"):
        assert count(1, "row") == "1 行" and count(2310, "class", "classes") == "2,310 个类别"
        assert count(3, "{odd}") == "3 {odd}s"
        assert joined("一。", "", "二。") == "一。二。"


def test_a_sentence_without_translation_stays_english_with_its_values() -> None:
    with speaking("zh"):
        assert say(str("{n} unheard of"), n=3) == "3 unheard of"  # noqa: UP018
        assert said(later("metric")) == "指标"


def test_what_other_rooms_told_is_retold_with_its_values() -> None:
    count_told, unknown = "rows longer than the window of 256 tokens", "something that a plugin counts"
    assert retold(count_told) == count_told
    with speaking("zh"):
        assert retold(count_told) == "长于 256 个词元窗口的行"
        assert retold("the column text, stratified by label, seed 7") == "列 text，按标签分层，种子 7"
        assert retold(unknown) == unknown


def test_every_word_of_a_task_and_of_treatments_is_known_in_chinese() -> None:
    wording = Wording()
    told = [wording.group, wording.groups, wording.subjects, wording.same, wording.ungrouped, WARNING, *ASSUMPTIONS]
    with speaking("zh"):
        assert not [each for each in told if retold(each) == each]
