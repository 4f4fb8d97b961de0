"""What makes one site of the documents."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from generator import site

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("link", "source", "expected"),
    [
        ("[Data](data.md#leakage)", "docs/results.md", "[Data](data.md#leakage)"),
        ("[a](https://example.org/x.md)", "docs/results.md", "[a](https://example.org/x.md)"),
        ("[here](#below)", "docs/results.md", "[here](#below)"),
        ("[changes](../CHANGELOG.md)", "docs/results.md", "[changes](changelog.md)"),
        ("[home](../../README.md)", "docs/tutorials/index.md", "[home](../index.md)"),
        ("[one](../imaging.md)", "docs/tutorials/imaging.md", "[one](../imaging.md)"),
        ("[the service](../examples/service)", "docs/embedding.md", "the service (`examples/service`)"),
        ("[`benchmarks/fusion.py`](../benchmarks/fusion.py)", "docs/results.md", "`benchmarks/fusion.py`"),
        ("[Decisions](docs/decisions/)", "CONTRIBUTING.md", "[Decisions](decisions/index.md)"),
        ("see [Data](docs/data.md)", "CHANGELOG.md", "see [Data](data.md)"),
    ],
)
def test_links_hold_on_the_site(link: str, source: str, expected: str) -> None:
    assert site.within_site(link, source) == expected


def test_links_within_code_stay_as_they_are() -> None:
    text = "```sh\n[x](../README.md)\n```\n[x](../README.md)\n"
    assert site.within_site(text, "docs/data.md") == "```sh\n[x](../README.md)\n```\n[x](index.md)\n"


def test_an_entry_of_the_navigation_that_is_a_folder_opens_with_its_index() -> None:
    nav = ["index.md", {"One": [{"Two": "two/"}, {"Three": "three.md"}]}, {"None": "none/"}]
    pages = ["two/b.md", "two/a.md", "two/index.md", "two/deeper/c.md", "three.md"]
    assert site.navigation(list(nav), pages) == [
        "index.md",
        {"One": [{"Two": ["two/index.md", "two/a.md", "two/b.md"]}, {"Three": "three.md"}]},
    ]


def test_the_decisions_are_listed_by_their_headings(tmp_path: Path) -> None:
    (tmp_path / "0002-second.md").write_text("# 2. Second\n\nText")
    (tmp_path / "0001-first.md").write_text("# 1. First\n\nText")
    assert "- [1. First](0001-first.md)\n- [2. Second](0002-second.md)\n" in site.decisions(tmp_path)


@pytest.mark.parametrize(
    "loading",
    [
        '<script src="https://cdn.example/x.js"></script>',
        '<link rel="stylesheet" href="//cdn.example/x.css">',
        '<link href="https://fonts.example" rel="preconnect">',
        '<img alt="" src="http://example.org/x.png">',
        '<img alt="" srcset="x.png 1x, https://example.org/x.png 2x">',
        '<iframe src="https://example.org"></iframe>',
        "<style>@font-face {src: url('https://example.org/x.woff')}</style>",
        '<p style="background: url(https://example.org/x.png)">',
        '<pre class="mermaid"><code>graph</code></pre>',
    ],
)
def test_what_a_page_loads_from_another_host_is_found(loading: str, tmp_path: Path) -> None:
    page = tmp_path / "deep" / "page.html"
    page.parent.mkdir()
    page.write_text(f"<html><body>{loading}</body></html>")
    (found,) = site.outside_of(tmp_path)
    assert found.startswith("deep/page.html loads ")


def test_links_that_a_reader_follows_are_no_loading(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(
        '<a href="https://example.org">there</a> <script src="own.js"></script> <link rel="canonical" href="https://x/">'
    )
    (tmp_path / "style.css").write_text("a {background: url(own.png)}")
    assert list(site.outside_of(tmp_path)) == []


def test_a_style_sheet_that_loads_from_another_host_is_found(tmp_path: Path) -> None:
    (tmp_path / "style.css").write_text("@import 'https://fonts.example/css';")
    assert list(site.outside_of(tmp_path)) == ["style.css loads https://fonts.example/css"]


def test_the_navigation_names_pages_that_are_there() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2].partition("\ntheme:")[0]
    named = set(re.findall(r"^ +- [^#\n]*?([\w./]+\.md)$", text, re.MULTILINE))
    assert len(named) > 10
    made = set(site.ROOTED.values())
    assert {name for name in named if not (ROOT / "docs" / name).exists()} <= made
