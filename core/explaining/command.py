"""Explanations as the command line asks for them."""

from __future__ import annotations

from pathlib import Path

from medplug.core.data.output import check_output
from medplug.core.errors import UsageError
from medplug.core.explaining.output import ENDINGS, lines, write
from medplug.core.explaining.rows import parse_rows


def explain_file(
    folder: Path,
    table: Path,
    *,
    rows: str | None,
    method: str,
    show: bool,
    output: Path | None,
    on_error: str,
    device: str,
    root: Path | None,
) -> list[str]:
    """Explain rows of a table with a finished run: the lines to print, and a file where `output` names one.

    Raises from `medplug.core.errors`.
    """
    from medplug.core.api import load

    check_output(output, ENDINGS)
    chosen = None if rows is None else parse_rows(rows)
    if show and output is None:
        raise UsageError(
            "--show-examples is for a page: give -o FILE.html too (words do not go to a terminal's history)"
        )
    predictor = load(folder, device=device, root=root)
    found = predictor.explain(table, only=chosen, method=method, show_examples=show, on_error=on_error)
    if output is None:
        return lines(found)
    write(found, output, f"{predictor.task_name}: explanations", numeric=not predictor.target.has_classes)
    return [*lines([each.without_content() for each in found]), f"{len(found)} explanation(s) in {output}"]
