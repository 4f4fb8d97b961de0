"""What mkdocs is told beside mkdocs.yml: generated pages, links that leave docs/, and that no host is asked."""

from __future__ import annotations

from pathlib import Path

import generator
from generator import site
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_ROOT = Path(__file__).parents[1]
_made: dict[str, str] = {}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Make the pages that are made, and open the folders of the navigation."""
    docs = Path(config.docs_dir)
    _made.update({f"reference/{name}": text for name, text in generator.pages().items()})
    _made["decisions/index.md"] = site.decisions(docs / "decisions")
    for source in ("CHANGELOG.md", "CONTRIBUTING.md"):
        text = (_ROOT / source).read_text(encoding="utf-8")
        _made[site.ROOTED[source]] = site.within_site(text, source)
    written = [file.relative_to(docs).as_posix() for file in docs.rglob("*.md")]
    config.nav = site.navigation(config.nav or [], {*written, *_made})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add them."""
    for name, text in _made.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links hold on the site."""
    return markdown if page.file.src_uri in _made else site.within_site(markdown, f"docs/{page.file.src_uri}")


def on_post_build(config: MkDocsConfig) -> None:
    """Let pages that are opened as files find the index; refuse a site that loads anything from another host."""
    search = Path(config.site_dir) / "search"
    index = (search / "search_index.json").read_text(encoding="utf-8")
    (search / "search_index.js").write_text(f"var __index = {index}", encoding="utf-8")
    if found := list(site.outside_of(Path(config.site_dir))):
        raise PluginError("the site must not need another host:\n" + "\n".join(found))
