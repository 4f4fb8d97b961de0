from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from huggingface_hub.repocard_data import model_index_to_eval_results

from medplug.core.data.leakage import Leak
from medplug.core.data.problems import Problem
from medplug.core.data.reading import Facts
from medplug.core.report.evidence import Evidence
from medplug.core.report.page import write_report
from medplug.core.wording import Wording

Make = Callable[..., Evidence]
Plainly = dict[str, tuple[str, str]]

HOSTILE = "<script>alert(1)</script>"
CLASSES = ("binary", "multiclass", "multilabel")
KINDS = (*CLASSES, "regression", "survival")
VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """What the tests ask of a page: its elements, its text, its tables, and whether its tags are balanced."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.tables: list[Counter[str]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append(Counter())
        if "table" in self.open:
            self.tables[-1][f"{tag} {dict(attrs).get('scope') or ''}".strip()] += 1

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    @property
    def ids(self) -> list[str | None]:
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def plainly(make: Make, tmp_path_factory: pytest.TempPathFactory) -> Plainly:
    """Page and card of each kind of target, nothing being special."""
    return {kind: written(tmp_path_factory.mktemp(kind), make(kind)) for kind in KINDS}


def written(folder: Path, evidence: Evidence) -> tuple[str, str]:
    write_report(folder, evidence)
    return (folder / "report.html").read_text("utf-8"), (folder / "model_card.md").read_text("utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_page_stands_alone(make: Make, tmp_path: Path, kind: str) -> None:
    html, _ = written(tmp_path, make(kind, history=[{"epoch": 1.0, "loss": 1.0}, {"epoch": 2.0, "loss": 0.5}]))
    page = Page(html)
    assert page.open == []
    assert "http://" not in html and "https://" not in html and "@import" not in html
    assert not {name for name, _ in page.elements} & {"script", "link", "img", "iframe", "object", "embed", "base"}
    assert not [attributes for _, attributes in page.elements if "src" in attributes]
    references = [attributes["href"] for _, attributes in page.elements if "href" in attributes]
    assert references and all(value and value.startswith("#") and value[1:] in page.ids for value in references)
    assert all(name in page.ids for name in re.findall(r"url\(#([^)]*)\)", html))
    assert not re.search(r"url\([^#]", html)


@pytest.mark.parametrize("kind", KINDS)
def test_page_is_accessible(plainly: Plainly, kind: str) -> None:
    page = Page(plainly[kind][0])
    assert len(page.ids) == len(set(page.ids))
    assert all(table["thead"] == 1 and table["th col"] >= 2 for table in page.tables)
    assert all(table["th row"] == table["tr"] - 1 for table in page.tables)
    svgs = page.all("svg")
    assert len(svgs) == len(page.all("figure"))
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in svgs)
    assert len(page.all("title")) == 1 + len(svgs)
    assert page.all("html") == [{"lang": "en"}] and len(page.all("h1")) == 1


def test_every_table_scrolls_in_a_box_of_its_own(plainly: Plainly) -> None:
    html, _ = plainly["binary"]
    boxed = re.findall(r'<div class="scroll" role="region" tabindex="0"[^>]*>\n<table', html)
    assert html.count("<table") == len(boxed)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_evidence_gives_equal_bytes(make: Make, plainly: Plainly, tmp_path: Path, kind: str) -> None:
    assert written(tmp_path, make(kind)) == plainly[kind]


@pytest.mark.parametrize("kind", CLASSES)
def test_hostile_names_are_only_text(make: Make, tmp_path: Path, kind: str) -> None:
    odd = (HOSTILE, "$x$ | `y` *z*", "肺炎")[: 2 if kind == "binary" else 3]
    html, card = written(tmp_path, make(kind, classes=odd, title=f'"{HOSTILE}"', rows=60))
    page = Page(html)
    assert "<script" not in html.lower() and "<script" not in card.lower()
    assert HOSTILE in page.text and "$x$ | `y` *z*" in page.text
    assert all(row.replace(r"\|", "").count("|") == 6 for row in card.splitlines() if row.startswith("| accuracy"))
    assert r"| $x$ \| \`y\` \*z\* |" in card


def test_a_hostile_name_of_a_number_is_only_text(make: Make, tmp_path: Path) -> None:
    html, card = written(tmp_path, make("regression", classes=(HOSTILE,), rows=60))
    assert "<script" not in html.lower() and "<script" not in card.lower()
    assert f"The model predicts {HOSTILE}, a number" in Page(html).text


def test_a_number_has_its_own_tables_and_no_classes(plainly: Plainly) -> None:
    html, card = plainly["regression"]
    text = Page(html).text
    assert re.search(r"Where length of stay lies split mean standard deviation lowest highest train 12 4\.", text)
    assert "| train | 1" in card and "pipeline_tag" not in card
    assert "linear baseline training mean gain over linear" in text and "R² 0." in text
    assert "ridge regression on simple features" in text and "By class" not in text
    for word in ("majority", "logistic", "class frequencies", "ROC", "calibration"):
        assert word not in text, word
    assert "but the measured and predicted numbers" in text
    assert "but the measured" not in Page(plainly["binary"][0]).text


def test_every_key_is_told_with_its_origin(make: Make, plainly: Plainly) -> None:
    text = Page(plainly["binary"][0]).text
    assert all(re.search(rf"{re.escape(key)} .*{re.escape(origin)}", text) for key, _, origin in make().keys)
    assert "data.split 0.7, 0.1, 0.2 default" in text and "train.cache not set default" in text


def test_data_section_tells_tables_splits_and_what_was_set_aside(make: Make, tmp_path: Path) -> None:
    facts = Facts(
        tables={"train": {"name": "notes.csv", "rows": 480, "rejected": 2, "sha256": "ab" * 32}},
        rejected=[("train", Problem(row, "text", "the text is empty")) for row in (3, 9)],
        counts={"duplicate rows dropped": 4},
        split_by="row, stratified by label, seed 0",
    )
    text = Page(written(tmp_path, make(facts=facts, census={"test": {"rows cut": 5}}))[0]).text
    assert "train notes.csv 480 2 abababababab" in text and "ab" * 7 not in text
    assert "train text the text is empty 2" in text
    assert "Split by row, stratified by label, seed 0." in text
    assert "train duplicate rows dropped 4" in text and "test rows cut 5" in text
    assert "validation 100 33" in text and "no sepsis 120 (17.1 %) 120 (120.0 %) 120 (50.0 %)" in text


def test_leaks_are_tabled(make: Make, tmp_path: Path) -> None:
    facts = Facts(leaks=[Leak("same group", "train", "test", 12, 5, 0.05)])
    html, card = written(tmp_path, make(facts=facts))
    assert "the same patient train and test 12 5.0 % of test 5" in Page(html).text
    assert "| the same patient | train and test | 12 | 5.0 % of test | 5 |" in card


def test_no_leak_names_what_was_looked_for(plainly: Plainly) -> None:
    text = Page(plainly["binary"][0]).text
    for part in ("None found by these checks", "the same patient", "nearly the same are not looked for"):
        assert part in text


def test_what_nobody_stated_is_said_to_be_unstated(make: Make, tmp_path: Path) -> None:
    keys = [("report.intended_use", "triage of notes", "command line")]
    html, card = written(tmp_path, make(keys=keys))
    assert "Intended use triage of notes Intended users not stated" in Page(html).text
    assert "- **Intended use:** triage of notes\n- **Intended users:** not stated" in card


def test_provenance_is_told(plainly: Plainly) -> None:
    text = Page(plainly["binary"][0]).text
    for part in ("torch 2.9.0", "timm not installed", "seed 7", "training 61.5", "adapters built in", "a" * 40):
        assert part in text


@pytest.mark.parametrize("kind", CLASSES)
def test_model_card_begins_with_valid_front_matter(plainly: Plainly, kind: str) -> None:
    _, card = plainly[kind]
    nothing, front, body = card.split("---\n", 2)
    assert nothing == ""
    told = yaml.safe_load(front)
    (index,) = told.pop("model-index")
    assert told == {
        "license": "other",
        "license_name": "not-stated",
        "library_name": "medplug",
        "pipeline_tag": "text-classification",
        "base_model": "someone/some-model",
        "tags": ["medplug", "medical", "text_diagnosis", kind],
        "metrics": [each["type"] for each in index["results"][0]["metrics"]],
    }
    assert body.startswith("\n# A title\n")


@pytest.mark.parametrize("kind", KINDS)
def test_a_hub_reads_the_scores_from_the_front_matter(make: Make, plainly: Plainly, kind: str) -> None:
    front = yaml.safe_load(plainly[kind][1].split("---\n", 2)[1])
    name, results = model_index_to_eval_results(front["model-index"])
    scores = make(kind).scores["metrics"]
    assert name == "text_diagnosis" and {each.dataset_split for each in results} == {"test"}
    assert {each.metric_type: each.metric_value for each in results} == {
        metric: each["value"] for metric, each in scores.items() if each["value"] is not None
    }


def test_model_card_tables_are_whole(plainly: Plainly) -> None:
    _, card = plainly["multiclass"]
    blocks = re.findall(r"(?:^\|.*\n)+", card, flags=re.MULTILINE)
    assert len(blocks) >= 8
    for block in blocks:
        widths = {row.count("|") for row in block.splitlines()}
        assert len(widths) == 1 and re.fullmatch(r"\|( --- \|)+", block.splitlines()[1])


def test_the_card_names_the_pipeline_of_what_is_read_and_none_of_several_inputs(make: Make, tmp_path: Path) -> None:
    columns = ("data.tabular", ["age"], "command line")
    _, card = written(tmp_path, make(keys=[("data.text", None, "default"), columns]))
    assert "pipeline_tag: tabular-classification" in card
    _, card = written(tmp_path, make(keys=[("data.text", "note", "command line"), columns]))
    assert "pipeline_tag" not in card


def test_both_pages_speak_of_groups_as_the_task_does(make: Make, tmp_path: Path) -> None:
    wording = Wording(group="series", groups="series", same="one compound on one assay")
    html, card = written(tmp_path, make(facts=Facts(wording=wording)))
    assert "(one compound on one assay)" in Page(html).text
    assert "| split | rows | series |" in card and "patient" not in card + Page(html).text


def test_metrics_that_few_know_are_explained_where_they_are_told(make: Make, tmp_path: Path) -> None:
    html, _ = written(tmp_path, make("survival"))
    assert "The concordance index is the share of pairs of rows" in Page(html).text
    html, _ = written(tmp_path, make("binary"))
    assert "concordance" not in Page(html).text
