"""Figures as inline SVG: text kept as text, colours left to the page, identifiers its own."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from typing import Any

from markupsafe import Markup, escape
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Stand-ins that no palette has; each becomes what the page's style sheet decides.
INK, RULE, MODEL, BASELINE, HEAT = "#0a0b0c", "#0a0b0d", "#0a0b0e", "#0a0b0f", "#0a0b10"
_COLOURS = {
    INK: "currentColor",
    RULE: "var(--rule)",
    MODEL: "var(--model)",
    BASELINE: "var(--baseline)",
    HEAT: "var(--heat)",
}

_STYLE: Any = {  # matplotlib's own type for it differs between versions
    "svg.fonttype": "none",
    "svg.hashsalt": "medplug",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "text.parse_math": False,  # a class may be called $x$
    "text.usetex": False,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "lines.linewidth": 1.6,
}
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure with its title and caption; `svg` is None where it cannot be drawn, and the caption says why."""

    name: str
    title: str
    caption: str
    svg: Markup | None


def new_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of so many inches with one pair of axes. To be called within `drawing`."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


@contextmanager
def drawing() -> Iterator[None]:
    """Within it figures take the report's style, and leave no trace in matplotlib's settings."""
    with rc_context(_STYLE), warnings.catch_warnings():
        # the browser has fonts for what matplotlib's own lacks (Chinese class names)
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def inline(figure: Figure, name: str, title: str, description: str) -> Markup:
    """The figure as an ``<svg>`` element for a page; `name` prefixes its ids and must be unique there.

    Equal figures give equal text. To be called within `drawing`.
    """
    buffer = StringIO()
    canvas: Any = FigureCanvasSVG(figure)  # untyped
    canvas.print_svg(buffer, metadata=dict(_NO_METADATA))
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style\b.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text).replace('xlink:href="#', f'href="#{name}-')
    text = re.sub("|".join(_COLOURS), lambda found: _COLOURS[found[0]], text)
    text = text.replace("'DejaVu Sans'", "sans-serif")
    text = re.sub(r"\n\s*", "\n", text).strip()
    opening, heading = f'<svg role="img" aria-label="{escape(description)}"', f"<title>{escape(title)}</title>"
    return Markup(re.sub(r"<svg([^>]*)>", lambda found: f"{opening}{found[1]}>{heading}", text, count=1))
