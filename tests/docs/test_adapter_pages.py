"""The pages that explain adapters and fusions are held against the code and against the measured results."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from medplug.core import grammar
from medplug.core.discovery.plugins import Plugins
from medplug.core.plan import make_plan

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FAMILIES = ("instance", "feature", "model", "relation")
PAGES = (*(f"adapters/{family}.md" for family in FAMILIES), "fusions.md")
KNOWN = Plugins(found=())
PARTS = ("What", "When", "When not", "Options", "Cost", "Paper", "Measured")


def text(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def sections(page: str) -> dict[str, str]:
    """Each section that explains something, by its name."""
    return dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## )", text(page), re.MULTILINE | re.DOTALL))


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def part(section: str, name: str) -> str:
    """One part of a section, on one line."""
    found = re.search(rf"^\*\*{name}\.\*\* (.*?)(?=^\*\*|^```|\Z)", section, re.MULTILINE | re.DOTALL)
    return " ".join(found.group(1).split()) if found else ""


def explained() -> Iterator[tuple[str, str, str]]:
    """Page, name and text of every section."""
    for page in PAGES:
        for name, section in sections(page).items():
            yield page, name, section


EXPLAINED = pytest.mark.parametrize(
    ("page", "name", "section"), [pytest.param(*each, id=f"{Path(each[0]).stem}-{each[1]}") for each in explained()]
)


def options(page: str, name: str) -> dict[str, Any]:
    """What the code says: each option's key and default, as one writes it."""
    kind = "fusion" if page == "fusions.md" else "adapter"
    module, _, title = KNOWN.known(kind)[name].config.partition(":")
    model = getattr(import_module(module), title)
    prefix = "fusion" if kind == "fusion" else f"adapter.{name}"
    return {
        f"{prefix}.{option}": "required" if field.is_required() else written(field.default)
        for option, field in model.model_fields.items()
        if option != "modality_dropout"  # of every fusion, told once at the top
    }


def written(default: Any) -> str:
    return default if isinstance(default, str) else json.dumps(default)


def plain(words: str) -> str:
    """Numbers without their leading zero and spaces made one, as one compares them."""
    return re.sub(r"\b0(?=\.\d)", "", " ".join(words.split()))


def slugs(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_adapter_has_a_section_on_the_page_of_its_family(family: str) -> None:
    of_family = [name for name, spec in KNOWN.known("adapter").items() if spec.family == family]
    assert list(sections(f"adapters/{family}.md")) == of_family


def test_every_fusion_has_a_section() -> None:
    assert sorted(sections("fusions.md")) == sorted(KNOWN.known("fusion"))


@EXPLAINED
def test_a_section_has_every_part(page: str, name: str, section: str) -> None:
    assert [each for each in PARTS if not part(section, each) and each != "Options"] == []
    assert re.findall(r"^\*\*([\w ]+)\.\*\*", section, re.MULTILINE) == list(PARTS)
    assert [len(blocks(section, language)) for language in ("text", "sh")] == [1, 1]


@EXPLAINED
def test_a_section_names_every_option_with_its_default(page: str, name: str, section: str) -> None:
    listed = dict(re.findall(r"^- `((?:adapter\.\w+|fusion)\.\w+)` \((.*?)\): ", section, re.MULTILINE))
    assert listed == options(page, name)


@EXPLAINED
def test_the_commands_of_a_section_resolve_to_what_it_explains(
    page: str, name: str, section: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plans = []
    for line in blocks(section, "sh")[0].splitlines():
        words = shlex.split(line)
        assert words[:2] == ["medplug", "run"]
        plans.append(make_plan([("command line", grammar.parse_arguments(words[2:]))], KNOWN))
    keys = dict((key, value) for key, value, _ in plans[-1].settings())
    assert name in str(keys["fusion" if page == "fusions.md" else "adapter"]).split("+")


@EXPLAINED
def test_a_section_names_the_paper_that_the_code_names(page: str, name: str, section: str) -> None:
    paper = part(section, "Paper")
    authors = re.findall(r"(?:^|; |: |[Aa]fter )([A-ZÖ]\w+)(?:,| et al\.| and )", paper)
    assert paper.startswith(("No paper", "No single one")) or (authors and re.search(r"\b(19|20)\d\d\b", paper))
    folders = ("core/transfer", "core/fusion", "core/evaluation", "plugins/adapters")
    code = "".join(file.read_text() for folder in folders for file in sorted((ROOT / folder).glob("*.py")))
    assert [author for author in authors if author not in code] == []


@EXPLAINED
def test_what_a_section_says_was_measured_stands_in_the_results(page: str, name: str, section: str) -> None:
    results = plain(text("results.md"))
    told = plain(f"{part(section, 'Measured')} {part(section, 'Cost')}")
    figures = re.findall(r"[+−]?\.\d+ ± \.\d+|\[[+−]?\.\d+, [+−]?\.\d+\]|(?<!\d)\.\d{2,}|[\d,]*\d\.\d+ ms|\d+ ms", told)
    assert [figure for figure in figures if figure.removesuffix(" ms") not in results] == []


@pytest.mark.parametrize("page", ["adapters/index.md", *PAGES])
def test_the_python_of_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = blocks(text(page), "python")
    exec(compile(block, page, "exec"), {"__name__": "page"})  # noqa: S102 - our own page


@pytest.mark.parametrize("page", ["adapters/index.md", *PAGES])
def test_the_links_of_a_page_lead_to_headings_that_exist(page: str) -> None:
    body = text(page)
    defined = dict(re.findall(r"^\[(\w+)\]: (\S+)$", body, re.MULTILINE))
    used = {each for each in re.findall(r"\]\[(\w+)\]", body)}
    targets = [*defined.values(), *re.findall(r"\]\(([^)]+)\)", body)]
    assert used == set(defined)
    for target in targets:
        file, _, anchor = target.partition("#")
        leads_to = (DOCS / page).parent / file
        assert leads_to.exists(), target
        assert not anchor or anchor in slugs(leads_to), target


@pytest.mark.parametrize("part_of_page", ["", "## By evidence"])
def test_the_page_on_choosing_names_every_adapter(part_of_page: str) -> None:
    body = text("adapters/index.md")
    some = body.partition(part_of_page)[2] if part_of_page else body.partition("\n## ")[0]
    named = set(re.findall(r"`(\w+)`", some.partition("\n## ")[0] if part_of_page else some))
    assert set(KNOWN.known("adapter")) <= named


def test_the_table_on_choosing_a_fusion_names_every_fusion() -> None:
    table = text("fusions.md").partition("## Choosing")[2].partition("\n## ")[0]
    assert set(KNOWN.known("fusion")) <= set(re.findall(r"`(\w+)`", table))
