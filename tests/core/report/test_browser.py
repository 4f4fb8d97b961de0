"""The report as a browser shows it: whole, quiet, readable in both schemes, on a phone and on paper."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pytest

import medplug
from medplug.core.report.evidence import Evidence
from medplug.core.report.page import write_report

Make = Callable[..., Evidence]
Scheme = Literal["light", "dark"]

LAUNCH = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
HISTORY = [{"epoch": float(i), "loss": 1.0 / i, "f1": 0.1 * i, "macro_f1": 0.1 * i, "mae": 3.0 / i} for i in (1, 2, 3)]
KINDS = ("multiclass", "regression", "treatment", "run")
PHONE, A4_LESS_MARGINS = 390, 688  # in CSS pixels; 210 mm less twice 14 mm
LEAST = 4.5  # WCAG 2.2, level AA, for text of any size

CONTRAST = """() => {
  const parse = (text) => {
    const found = text.match(/[\\d.]+/g).map(Number);
    return found.length === 3 ? [...found, 1] : found;
  };
  const over = (top, below) => below.map((each, i) => i < 3 ? top[i] * top[3] + each * (1 - top[3]) : 1);
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const light = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((each) => each / 255)
      .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const low = [];
  let seen = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement, text = node.textContent.trim();
    if (!text || element.closest("title, .unseen")) continue;
    const style = getComputedStyle(element), below = behind(element);
    const ink = over(parse(element.closest("svg") ? style.fill : style.color), below);
    const [dark, bright] = [light(ink), light(below)].sort((a, b) => a - b);
    seen += 1;
    if ((bright + 0.05) / (dark + 0.05) < LEAST) low.push(text.slice(0, 40));
  }
  return [seen, low];
}""".replace("LEAST", str(LEAST))

BEYOND = """() => {
  const width = document.documentElement.clientWidth, found = [];
  for (const each of document.querySelectorAll("body *")) {
    const box = each.closest(".scroll");
    const scrolls = box && box !== each && getComputedStyle(box).overflowX !== "visible";
    if (!scrolls && each.getBoundingClientRect().right > width + 1) found.push(each.outerHTML.slice(0, 80));
  }
  return [document.documentElement.scrollWidth - width, found];
}"""

CLIPPED = """() => [...document.querySelectorAll("figure svg")].flatMap((svg) => {
  const box = svg.getBoundingClientRect();
  return [...svg.querySelectorAll("text")].filter((text) => {
    const own = text.getBoundingClientRect();
    return own.left < box.left - 2 || own.right > box.right + 2 || own.top < box.top - 2 || own.bottom > box.bottom + 2;
  }).map((text) => text.textContent);
})"""

SHOWN = """(selector) => [...document.querySelectorAll(selector)].filter((each) => {
  const box = each.getBoundingClientRect();
  return box.width > 50 && box.height > 15;
}).length"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("there is no chromium on this machine")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=found, args=LAUNCH)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def reports(make: Make, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A report of each kind of evidence, and that of a run, by what they are called in `KINDS`."""
    folder = tmp_path_factory.mktemp("reports")
    for kind in KINDS[:-1]:
        (folder / kind).mkdir()
        write_report(folder / kind, make(kind, history=HISTORY, stated={"ethics": "IRB 12 " + "x" * 90}))
    _run(folder / "run")
    return {kind: folder / kind / "report.html" for kind in KINDS}


def _run(output: Path) -> None:
    """A run with sites and subgroups, so that its report has every section."""
    signs = ["cough and sputum", "wheeze at night"]
    rows = [(f"note {i} of {signs[i % 2]} for {i % 9} days", ("asthma", "flu")[(i + i // 7) % 2]) for i in range(160)]
    table = pl.DataFrame(rows, schema=["text", "label"], orient="row").with_columns(
        site=pl.Series([("north", "south")[i % 3 == 0] for i in range(160)]),
        patient=pl.Series([f"p{i // 2}" for i in range(160)]),
    )
    keys = {"data.site": "site", "data.group": "patient", "report.resamples": 100, "train.epochs": 2}
    medplug.run(task="text_diagnosis", backbone="text_cnn", output=output, **{"data.train": table, **keys})


def opened(browser: Any, report: Path, width: int = 1280, scheme: Scheme = "light", media: str = "screen") -> Any:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.emulate_media(media=media, color_scheme=scheme)
    page.told = []
    page.on("console", lambda message: page.told.append(message.text))
    page.on("pageerror", lambda error: page.told.append(str(error)))
    page.on("request", lambda request: page.told.append(request.url) if request.url != report.as_uri() else None)
    page.goto(report.as_uri())
    return page


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_is_quiet_and_whole(browser: Any, reports: dict[str, Path], kind: str) -> None:
    page, html = opened(browser, reports[kind]), reports[kind].read_text("utf-8")
    assert page.told == [], "a message on the console, or a request that leaves the page"
    drawn, tables = html.count("<svg"), html.count("<table")
    assert drawn and page.evaluate(SHOWN, "figure svg") == drawn
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert tables > 8 and page.evaluate(SHOWN, "table") == tables
    numbers = page.evaluate("[...document.querySelectorAll('caption b')].map((each) => each.textContent)")
    assert numbers == [f"Table {n}." for n in range(1, tables + 1)]
    assert page.evaluate(CLIPPED) == [], "a label of a figure is cut off"
    for link in page.evaluate("[...document.querySelectorAll('a')].map((each) => each.getAttribute('href'))"):
        assert page.query_selector(link) is not None, link
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_text_contrasts_with_what_is_behind_it(
    browser: Any, reports: dict[str, Path], kind: str, scheme: Scheme
) -> None:
    page = opened(browser, reports[kind], scheme=scheme)
    seen, low = page.evaluate(CONTRAST)
    assert seen > 200 and low == []
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark is (scheme == "dark")
    page.close()


@pytest.mark.parametrize(("width", "media"), [(PHONE, "screen"), (A4_LESS_MARGINS, "print")])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_stands_beyond_a_phone_or_a_sheet(
    browser: Any, reports: dict[str, Path], kind: str, width: int, media: str
) -> None:
    page = opened(browser, reports[kind], width, media=media)
    assert page.evaluate(BEYOND) == [0, []]
    page.close()


def test_on_paper_all_is_light_and_what_is_folded_is_open(browser: Any, reports: dict[str, Path]) -> None:
    page = opened(browser, reports["run"], A4_LESS_MARGINS, "dark", "print")
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(27, 31, 36)"
    folded = page.evaluate("[...document.querySelectorAll('details table')].map((each) => each.offsetHeight)")
    assert folded and min(folded) > 20
    sheets = page.pdf(prefer_css_page_size=True)
    assert sheets.startswith(b"%PDF") and len(re.findall(rb"/Type\s*/Page\b", sheets)) >= 3
    page.close()
