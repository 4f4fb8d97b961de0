"""Contrast of the style sheet's colours, by WCAG 2.2."""

from __future__ import annotations

import re
from importlib.resources import files

import numpy as np
import pytest
from numpy.typing import NDArray

from medplug.core.report.plots import HEAT_OPACITY

TEXT, GRAPHIC = 4.5, 3.0
SHEET = files("medplug.core.report").joinpath("style.html").read_text("utf-8")
BLOCKS = re.findall(r":root \{(.*?)\}", SHEET, flags=re.DOTALL)[:2]
THEMES = {
    name: dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
    for name, block in zip(("light", "dark"), BLOCKS, strict=True)
}
PAIRS = [
    *[(ink, "paper", TEXT) for ink in ("ink", "muted", "link")],
    *[("ink", panel, TEXT) for panel in ("panel", "good-panel", "bad-panel", "care-panel")],
    *[("good", "good-panel", TEXT), ("bad", "bad-panel", TEXT), ("care", "care-panel", TEXT)],
    *[(line, "paper", GRAPHIC) for line in ("model", "baseline")],
]


def rgb(colour: str) -> NDArray[np.float64]:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def luminance(colour: NDArray[np.float64]) -> float:
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("front", "back", "least"), PAIRS)
def test_colours_contrast(theme: str, front: str, back: str, least: float) -> None:
    colours = THEMES[theme]
    assert contrast(rgb(colours[front]), rgb(colours[back])) >= least


@pytest.mark.parametrize("theme", THEMES)
def test_counts_stay_readable_on_the_darkest_cell(theme: str) -> None:
    colours = THEMES[theme]
    cell = HEAT_OPACITY * rgb(colours["heat"]) + (1 - HEAT_OPACITY) * rgb(colours["paper"])
    assert contrast(rgb(colours["ink"]), cell) >= TEXT


def test_both_themes_name_the_same_colours() -> None:
    assert THEMES["light"].keys() == THEMES["dark"].keys()
    assert set(re.findall(r"var\(--([\w-]+)\)", SHEET)) <= THEMES["light"].keys()


def test_print_is_light_and_unclipped() -> None:
    assert "@media screen and (prefers-color-scheme: dark)" in SHEET
    printed = SHEET.partition("@media print")[2]
    assert "overflow: visible" in printed
