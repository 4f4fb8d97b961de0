"""Figures of explanations: a row's scores by position, or over its own words, picture and molecule where these show."""

from __future__ import annotations

import base64
from io import BytesIO

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray
from PIL import Image

from medplug.core.explaining.attribution import Attribution, Scores
from medplug.core.report.formats import number
from medplug.core.report.language import say

FOR, AGAINST = (59, 130, 196), (206, 112, 38)
"""Red, green and blue of what speaks for the prediction and against it: told apart by every kind of colour vision."""
_STRONGEST = 0.55  # the opacity of the largest score; ink stays readable on it, light and dark
_WIDTH, _HEIGHT = 460, 90
_NAMES, _LINE = 12, 20
_LONGEST = 30  # letters of a name
_SIDE = 224  # pixels of a shown picture's shorter side, at least


def drawn(attribution: Attribution) -> Markup | None:
    """The scores as markup for a page, with the row's content where the attribution has it; None of no unit."""
    content, scores = attribution.content, attribution.scores
    if not scores.size:
        return None
    if attribution.unit == "pixel":
        frame = strongest_frame(scores)
        shown = None if content.picture is None else content.picture[min(frame, len(content.picture) - 1)]
        return _cells(scores[frame]) if shown is None else _over(shown, scores[frame])
    if content.molecule:
        from medplug.core.report.molecules import molecule

        return molecule(content.molecule, shades(scores))
    if attribution.names:
        return _bars(_valued(attribution), scores)
    return _words(attribution) if content.words else _strip(scores)


def strongest_frame(scores: Scores) -> int:
    """The slice ``[frames, height, width]`` whose scores are largest."""
    return int(np.abs(scores).sum((1, 2)).argmax())


def shades(scores: Scores) -> Scores:
    """Scores from -1 to 1: their sign, and their size beside the largest."""
    largest = float(np.abs(scores).max(initial=0.0))
    return scores / largest if largest else scores


def colour(shade: float) -> str:
    """The colour of one shade, as CSS and SVG write it; see-through at 0."""
    red, green, blue = FOR if shade > 0 else AGAINST
    return f"rgba({red},{green},{blue},{_STRONGEST * abs(shade):.2f})"


def _words(attribution: Attribution) -> Markup:
    """The row's text, each unit shaded; what stood between two units is a blank."""
    told, places = [], attribution.places
    for i, (word, shade) in enumerate(zip(attribution.content.words, shades(attribution.scores).tolist(), strict=True)):
        apart = i and places is not None and places[i, 0] > places[i - 1, 1]
        title = number(float(attribution.scores[i]), signed=True)
        told.append(
            f'{" " if apart else ""}<span style="background:{colour(shade)}" title="{title}">{escape(word)}</span>'
        )
    style = "overflow-wrap:anywhere;line-height:1.9;print-color-adjust:exact;-webkit-print-color-adjust:exact"
    return Markup(f'<p style="{style}">{"".join(told)}</p>')


def _strip(scores: Scores) -> Markup:
    """A bar a unit in the order of the text: up for the prediction, down against it."""
    middle, wide = _HEIGHT / 2, _WIDTH / len(scores)
    bars = [
        f'<rect x="{i * wide:.2f}" y="{middle - max(shade, 0) * middle:.2f}" width="{max(wide * 0.9, 0.4):.2f}" '
        f'height="{abs(shade) * middle:.2f}" fill="{_solid(shade)}"><title>{i + 1}: {shade:+.2f}</title></rect>'
        for i, shade in enumerate(shades(scores).tolist())
    ]
    axis = f'<line x1="0" x2="{_WIDTH}" y1="{middle}" y2="{middle}" stroke="currentColor" stroke-width="0.6"/>'
    below = f'y="{_HEIGHT + 14}" font-size="11" fill="currentColor"'
    ends = [f'<text x="0" {below}>1</text>', f'<text x="{_WIDTH}" text-anchor="end" {below}>{len(scores)}</text>']
    return _svg(_WIDTH, _HEIGHT + 18, [*bars, axis, *(ends if len(scores) > 1 else [])])


def _valued(attribution: Attribution) -> tuple[str, ...]:
    """The units' names, with the row's own values where these show."""
    names, values = attribution.names, attribution.content.words
    if not values:
        return names
    shown = (say("missing") if value in ("", "nan") else value for value in values)
    return tuple(f"{name} = {value}" for name, value in zip(names, shown, strict=True))


def _bars(names: tuple[str, ...], scores: Scores) -> Markup:
    """A bar for each of the largest scores beside its unit's name."""
    order = np.argsort(-np.abs(scores), kind="stable")[:_NAMES].tolist()
    shaded, half, middle = shades(scores), 90, 300
    parts = []
    for line, i in enumerate(order):
        top, long = line * _LINE + 4, abs(float(shaded[i])) * half
        left = middle if shaded[i] > 0 else middle - long
        parts += [
            f'<text x="{middle - half - 8}" y="{top + 10}" text-anchor="end" font-size="12" fill="currentColor">'
            f"{escape(_short(names[i]))}</text>",
            f'<rect x="{left:.1f}" y="{top}" width="{long:.1f}" height="12" fill="{_solid(float(shaded[i]))}"/>',
            f'<text x="{middle + half + 8}" y="{top + 10}" font-size="12" fill="currentColor">'
            f"{number(float(scores[i]), signed=True)}</text>",
        ]
    return _svg(_WIDTH, len(order) * _LINE + 6, parts)


def _cells(scores: Scores) -> Markup:
    """The map's own cells ``[height, width]``, without the picture under them."""
    height, width = scores.shape
    side = max(_SIDE // max(height, width), 1)
    frame = (
        f'<rect width="{width * side}" height="{height * side}" fill="none" stroke="currentColor" stroke-width="0.6"/>'
    )
    cells = [
        f'<rect x="{column * side}" y="{row * side}" width="{side}" height="{side}" fill="{colour(shade * 1.6)}"/>'
        for (row, column), shade in np.ndenumerate(shades(scores))
    ]
    return _svg(width * side, height * side, [*cells, frame])


def _over(picture: NDArray[np.uint8], scores: Scores) -> Markup:
    """The picture, and beside it the same under its map, as one image within the page."""
    side = max(1, -(-_SIDE // min(picture.shape[:2])))
    plain = Image.fromarray(picture).convert("RGB")
    plain = plain.resize((plain.width * side, plain.height * side), Image.Resampling.BICUBIC)
    smooth = Image.fromarray(shades(scores).astype(np.float32)).resize(plain.size, Image.Resampling.BICUBIC)
    shade = np.asarray(smooth, dtype=np.float64)[..., None].clip(-1, 1)
    paint = np.where(shade > 0, np.array(FOR), np.array(AGAINST))
    under = np.asarray(plain, dtype=np.float64)
    mixed = under + (paint - under) * (_STRONGEST * 1.2 * np.abs(shade))
    both = np.concatenate([under, np.full((len(under), 8, 3), 255.0), mixed], axis=1)
    buffer = BytesIO()
    Image.fromarray(both.round().clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    alt = escape(say("the picture, and the same under its map"))
    return Markup(f'<img style="max-width:100%" alt="{alt}" src="data:image/png;base64,{data}">')


def _solid(shade: float) -> str:
    return "rgb({},{},{})".format(*(FOR if shade > 0 else AGAINST))


def _svg(width: int, height: int, parts: list[str]) -> Markup:
    alt = escape(say("the scores of the row's parts"))
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return Markup(f'<svg role="img" aria-label="{alt}" {size}>{"".join(parts)}</svg>')


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"
