"""What makes one site of the documents: links that leave their folder, the list of decisions, and no outside host."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path

ROOTED = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
"""Documents of the repository's root -> their page of the site."""

_FENCE = re.compile(r"(^ *```.*?^ *```$)", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")
_OUTSIDE = re.compile(r"^\s*(?:https?:)?//", re.IGNORECASE)
_LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "embed": "src", "object": "data"}
_STYLE_URL = re.compile(r"(?:url\(\s*['\"]?|@import\s+['\"])((?:https?:)?//[^'\")]+)", re.IGNORECASE)

_MERMAID = "https://unpkg.com/mermaid"
"""What the theme fetches to draw a diagram."""


def within_site(text: str, source: str) -> str:
    """Markdown whose links hold on the site; `source` is the file's path in the repository.

    A link to a document of the root leads to its page, and one to a file that is no page becomes the file's path.
    """
    parts = _FENCE.split(text)
    return "".join(
        part if at % 2 else _LINK.sub(lambda link: _link(link, source), part) for at, part in enumerate(parts)
    )


def _link(link: re.Match[str], source: str) -> str:
    told, target = link.groups()
    path, hash_, anchor = target.partition("#")
    if ":" in path or not path:
        return link[0]
    file = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    if file == "docs/decisions":
        file = "docs/decisions/index.md"
    page = ROOTED.get(file) or (file.removeprefix("docs/") if file.startswith("docs/") else None)
    if page is None:
        return told if told.strip("`") == file else f"{told} (`{file}`)"
    here = posixpath.dirname(ROOTED.get(source, source.removeprefix("docs/")))
    return f"[{told}]({posixpath.relpath(page, here or '.')}{hash_}{anchor})"


def decisions(folder: Path) -> str:
    """The list of decisions by their headings."""
    found = [(file.read_text(encoding="utf-8").splitlines()[0], file.name) for file in sorted(folder.glob("0*.md"))]
    lines = [f"- [{heading.removeprefix('# ')}]({name})" for heading, name in found]
    return "\n".join(["# Decisions", "", "Choices that closed a door, and why.", "", *lines, ""])


def navigation(nav: list[object], pages: Iterable[str]) -> list[object]:
    """A navigation whose entries that end in ``/`` are the pages of that folder, its index first; none: no entry."""
    known = sorted(pages, key=lambda page: (posixpath.basename(page) != "index.md", page))
    return [found for each in nav if (found := _entry(each, known)) != []]


def _entry(entry: object, pages: list[str]) -> object:
    if not isinstance(entry, dict):
        return entry
    ((title, below),) = entry.items()
    if isinstance(below, list):
        return {title: navigation(below, pages)}
    if not below.endswith("/"):
        return entry
    inside = [page for page in pages if posixpath.dirname(page) == below.rstrip("/")]
    return {title: inside} if inside else []


class _Loads(HTMLParser):
    """Gathers what a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._tag = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take what the tag's attributes name."""
        self._tag = tag
        given = {name: value or "" for name, value in attrs}
        if tag == "link" and "canonical" not in given.get("rel", ""):
            self.found.append(given.get("href", ""))
        if tag in _LOADED:
            self.found.append(given.get(_LOADED[tag], ""))
        self.found += [part.split()[0] for part in given.get("srcset", "").split(",") if part.strip()]
        self.found += _STYLE_URL.findall(given.get("style", ""))
        if "mermaid" in given.get("class", "").split():
            self.found.append(_MERMAID)

    def handle_data(self, data: str) -> None:
        """Take what a style sheet within the page names."""
        if self._tag == "style":
            self.found += _STYLE_URL.findall(data)


def loaded_from_outside(page: str) -> list[str]:
    """What a page loads from another host."""
    parser = _Loads()
    parser.feed(page)
    return [each for each in parser.found if _OUTSIDE.match(each)]


def outside_of(folder: Path) -> Iterator[str]:
    """Each page or style sheet of a built site that loads something from another host, and what."""
    found: dict[str, Callable[[str], list[str]]] = {".html": loaded_from_outside, ".css": _STYLE_URL.findall}
    for file in sorted(folder.rglob("*")):
        if file.suffix in found:
            for each in found[file.suffix](file.read_text(encoding="utf-8")):
                yield f"{file.relative_to(folder)} loads {each}"
