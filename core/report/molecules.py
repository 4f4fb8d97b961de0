"""A molecule drawn with its atoms shaded."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup

from medplug.core.explaining.attribution import Scores
from medplug.core.molecules.reading import parsed, rdkit

_WIDE, _HIGH = 420, 280
_LEAST = 0.05  # fainter shades are not drawn


def molecule(smiles: str, shades: Scores) -> Markup:
    """An ``<svg>`` of the molecule; `shades` ``[atoms]`` from -1 to 1 colour its atoms, in the order of its SMILES."""
    from rdkit.Chem.Draw import rdMolDraw2D

    from medplug.core.report.attributions import AGAINST, FOR

    rdkit()
    drawing: Any = rdMolDraw2D.MolDraw2DSVG(_WIDE, _HIGH)
    options = drawing.drawOptions()
    options.useBWAtomPalette()
    options.clearBackground = False
    options.setHighlightColour((0.5, 0.5, 0.5, 0.5))
    strong = {i: float(shade) for i, shade in enumerate(shades) if abs(shade) >= _LEAST}
    colours = {
        i: (*(part / 255 for part in (FOR if shade > 0 else AGAINST)), 0.65 * abs(shade)) for i, shade in strong.items()
    }
    rdMolDraw2D.PrepareAndDrawMolecule(
        drawing, parsed(smiles), highlightAtoms=list(strong), highlightAtomColors=colours, highlightBonds=[]
    )
    drawing.FinishDrawing()
    text = drawing.GetDrawingText()
    text = re.sub(r"<\?xml.*?\?>|<!--.*?-->", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r"\s(xmlns(:\w+)?|xml:space|version|baseProfile)='[^']*'", "", text).replace(
        "#000000", "currentColor"
    )
    return Markup(text.strip())
