"""The tutorials together; each is followed by a file of its own."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
PAGES = HERE.parents[1] / "docs/tutorials"


def test_every_tutorial_is_in_the_index_and_is_followed() -> None:
    linked = re.findall(r"\]\((\w+)\.md\)", (PAGES / "index.md").read_text("utf-8"))
    files = {file.stem.removeprefix("test_tutorial_"): file.read_text("utf-8") for file in HERE.glob("test_tutorial_*")}
    pages = sorted(page.stem for page in PAGES.glob("*.md") if page.stem != "index")
    assert sorted(set(linked)) == sorted(files) == pages
    assert all(f'follow_tutorial("{page}")' in text for page, text in files.items())
