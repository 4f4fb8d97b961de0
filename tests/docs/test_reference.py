"""The reference is held against what the commands print and what the code reads: nothing is left out of it."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Literal

import generator
import pytest
from click.testing import CliRunner
from generator import options, writing
from pydantic import Field

import medplug
from medplug.cli import cli
from medplug.core import errors, hooks
from medplug.core.catalogue import describe, listing
from medplug.core.config import Section
from medplug.core.discovery.answers import KINDS
from medplug.core.discovery.plugins import Plugins
from medplug.core.grammar import parse_arguments
from medplug.core.plan import make_plan
from medplug.core.registry import NamedBackbone, PluginList, Recipe, Registry

ROOT = Path(__file__).parents[2]
BY_HAND = {"environment.md": (ROOT / "docs/reference/environment.md").read_text(encoding="utf-8")}
PLUGINS = Plugins(found=())
NAMES = [(kind, name) for kind in KINDS for name in PLUGINS.known(kind)]


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return generator.pages()


def section(page: str, name: str) -> str:
    """What stands below the heading of that name."""
    after = re.split(rf"^#+ `{re.escape(name)}` .*$", page, maxsplit=1, flags=re.MULTILINE)[1]
    return re.split(r"^## ", after, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> dict[str, list[str]]:
    """First cell of each row of the tables, without its code marks -> the other cells."""
    lines = (line.removesuffix("|") for line in text.splitlines() if line.startswith("| `"))
    cells = [re.findall(r"\|((?:`[^`]*`|\\\||[^|`])*)", line) for line in lines]
    return {first.strip().strip("`"): [cell.strip() for cell in others] for first, *others in cells}


@pytest.mark.parametrize(("kind", "name"), NAMES, ids=lambda each: str(each))
def test_every_option_that_show_prints_is_there_with_its_default_and_meaning(
    pages: dict[str, str], kind: str, name: str
) -> None:
    told = [part for part in describe(name, PLUGINS).split("\n\n") if part.startswith(f"{kind} {name}:")]
    found = rows(pages["keys.md"]) | rows(section(pages[f"{kind}s.md"], name))
    for key, default, meaning in re.findall(r"^  ([a-z_0-9.]+) \(default (.*?)\): (.*)$", told[0], re.MULTILINE):
        taken, shown, described = found[key]
        assert taken, f"{key} takes something"
        assert shown == (f"`{default}`" if default else "*empty*")
        assert described == writing.table(("",), [(writing.plain(meaning),)]).splitlines()[-1].strip("| ")


@pytest.mark.parametrize("kind", KINDS)
def test_every_name_that_is_listed_is_on_the_page_of_its_kind(pages: dict[str, str], kind: str) -> None:
    header, listed = listing(f"{kind}s", PLUGINS)
    assert {row[header.index(kind)] for row in listed} <= {
        word for line in pages[f"{kind}s.md"].splitlines() for word in re.findall(r"\| `([^`]+)` \|", line)
    }


@pytest.mark.parametrize(
    "words",
    [
        "task=text_diagnosis",
        "task=imaging backbone=cnn",
        "task=multimodal_diagnosis data.tabular=age",
        "task=medical_qa backbone=text_cnn adapter=finetune",
    ],
)
def test_every_key_of_a_run_is_there(pages: dict[str, str], words: str) -> None:
    plan = make_plan([("", parse_arguments(words.split()))], PLUGINS)
    known = {key for page in pages.values() for key in rows(page)}
    assert {key for key, _, _ in plan.settings()} <= known


@pytest.mark.parametrize("command", cli.commands)
def test_every_option_that_help_prints_is_with_its_command(pages: dict[str, str], command: str) -> None:
    printed = CliRunner().invoke(cli, [command, "--help"]).output
    flags = {flag for line in printed.splitlines() for flag in re.findall(r"^  (?:-\w, )?(--[a-z-]+)", line)}
    told = section(pages["commands.md"], f"medplug {command}")
    assert flags
    assert all(re.search(rf"{flag}\b", told) for flag in flags)


def test_every_hook_and_every_field_of_a_spec_is_there(pages: dict[str, str]) -> None:
    page = pages["hooks.md"]
    for name in (name for name in vars(hooks) if name.startswith("medplug_")):
        assert f"{name}(" in section(page, name), name
    for _, spec in KINDS.values():
        own = re.split(rf"^### `{spec.__name__}` .*$|^### `Spec` .*$", page, flags=re.MULTILINE)[1:]
        assert {each.name for each in fields(spec)} <= {key for part in own for key in rows(part)}


def test_every_error_is_there_with_its_exit_code(pages: dict[str, str]) -> None:
    told = rows(pages["errors.md"])
    for name, error in inspect.getmembers(errors, inspect.isclass):
        if issubclass(error, errors.MedplugError):
            assert told[name][0] == str(error.exit_code)
            assert name in pages["errors.md"].partition("```text")[2].partition("```")[0], f"{name} is not drawn"


def test_every_field_of_a_registry_is_there_with_its_meaning(pages: dict[str, str]) -> None:
    told = rows(pages["registry.md"])
    places = {"": Registry, "backbones.NAME.": NamedBackbone, "recipes.NAME.": Recipe, "plugins.": PluginList}
    named = {prefix + name for prefix, model in places.items() for name in model.model_fields}
    assert named == set(told)
    assert all(meaning for *_, meaning in told.values())


def test_every_recipe_and_public_name_is_there(pages: dict[str, str]) -> None:
    assert all(section(pages["recipes.md"], name) for name in PLUGINS.registry.recipes)
    assert all(section(pages["python.md"], name) for name in medplug.__all__)


def test_contracts_tell_what_a_plugin_must_give(pages: dict[str, str]) -> None:
    from medplug.core.backbone import Backbone
    from medplug.core.fusion.layer import Fusion
    from medplug.core.task import Task

    for contract in (Task, Backbone, Fusion):
        own = section(pages["contracts.md"], contract.__name__).partition("\n### ")[0]
        assert f"`{contract.__module__}`" in own
        must = {name for name in contract.__abstractmethods__ if not name.startswith("_")}
        assert set(re.findall(r"^```python\n(\w+)\([^`]*```\n\n\*must be there\*", own, re.MULTILINE)) == must


def read_from_environment() -> Iterator[str]:
    """The names that medplug's own code looks up, as constants of the modules too."""
    for file in [ROOT / "cli.py", *(ROOT / "core").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]:
        text = file.read_text(encoding="utf-8")
        if "environ" not in text and "envvar" not in text:
            continue
        words = (node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
        yield from (word for word in words if isinstance(word, str) and re.fullmatch(r"[A-Z]+(_[A-Z]+)+|RANK", word))


def test_every_variable_that_is_read_from_the_environment_is_there() -> None:
    found = set(read_from_environment())
    assert {"MEDPLUG_PLUGINS", "MEDPLUG_REGISTRY", "RANK"} <= found
    assert all(f"`{name}" in BY_HAND["environment.md"] for name in found), sorted(found)


def test_the_contents_name_every_page(pages: dict[str, str]) -> None:
    linked = set(re.findall(r"\]\(([a-z_]+\.md)\)", pages["index.md"]))
    assert linked == {*pages, *BY_HAND} - {"index.md"}


def test_what_an_option_takes_is_told_in_words() -> None:
    class Some(Section):
        """Of every kind one."""

        count: int = Field(1, ge=1, lt=2**32, description="a <count> of *rows*")
        share: float | None = Field(None, gt=0)
        way: Literal["one", "other"] = "one"
        on: bool = False
        widths: tuple[int, ...] = (2, 3)
        ends: tuple[float, float] = (0.0, 1.0)
        name: str = ""

    found = rows(options.option_table("some.", Some))
    assert found == {
        "some.count": ["whole number at least 1 and below 4294967296", "`1`", r"a &lt;count> of \*rows\*"],
        "some.share": ["number above 0, or `null`", "`null`", ""],
        "some.way": ["`one`, `other`", "`one`", ""],
        "some.on": ["`true`, `false`", "`false`", ""],
        "some.widths": ["list of whole number", "`[2, 3]`", ""],
        "some.ends": ["list of 2: number", "`[0.0, 1.0]`", ""],
        "some.name": ["text", "*empty*", ""],
    }


def test_options_that_are_the_same_elsewhere_are_left_out() -> None:
    class Shared(Section):
        """What all have."""

        one: int = Field(1, description="one")
        two: int = Field(2, description="two")

    class Own(Shared):
        """What one has."""

        two: int = Field(3, description="two")
        three: int = Field(3, description="three")

    assert [*rows(options.option_table("", Own, besides=Shared))] == ["two", "three"]


class Made:
    """What is made of numbers."""

    def __init__(self, first: int, *, second: float = 0.5) -> None:
        raise NotImplementedError


def test_a_class_is_shown_as_it_is_made() -> None:
    assert writing.signature(Made) == "Made(first: int, *, second: float = 0.5)"


def long(first: str, *, second: int = 1, third: str | None = None, fourth: str | None = None) -> dict[str, int]:
    """Does.

    As in::

        long("a")

    and `so` on <here>.
    """
    raise NotImplementedError


def test_signatures_stand_as_they_were_written() -> None:
    assert writing.signature(long).splitlines() == [
        "long(",
        "    first: str,",
        "    *,",
        "    second: int = 1,",
        "    third: str | None = None,",
        "    fourth: str | None = None,",
        ") -> dict[str, int]",
    ]


def test_indented_blocks_of_a_docstring_become_code() -> None:
    assert writing.prose(long) == 'Does.\n\nAs in:\n\n```python\nlong("a")\n\n```\n\nand `so` on &lt;here>.'
