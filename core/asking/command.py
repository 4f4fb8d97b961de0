"""A question as the command line asks it, and its answer in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medplug.core.errors import DataError, UsageError

if TYPE_CHECKING:
    from medplug.core.asking.answer import Answer

_LONGEST = 16 * 2**20
"""Bytes; a longer file is no text that one question is asked of."""


def read_context(file: Path | None) -> str | None:
    """The text of a file that a question is asked of; `DataError` where it is none."""
    if file is None:
        return None
    try:
        if file.stat().st_size > _LONGEST:
            raise DataError(f"--context {file}: above 16 MB; give the text that holds the answer, or index a corpus")
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"--context {file}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise DataError(f"--context {file}: not UTF-8 text; save it as plain text in UTF-8") from None
    if not text.strip():
        raise DataError(f"--context {file}: the file is empty; give the text that the question is asked of")
    return text


def ask_run(
    folder: Path, question: str, *, context: Path | None, options: Sequence[str], top: int, device: str
) -> Answer:
    """Ask a finished run. Raises from `medplug.core.errors`."""
    from medplug.core.api import load

    if top < 1:
        raise UsageError(f"--top {top}: at least one passage is shown")
    text = read_context(context)  # before a model is loaded for it
    return load(folder, device=device).ask(question, context=text, options=options, top=top)


def told(answer: Answer) -> list[str]:
    """The answer in lines: what it is or that it is not sure, by which score, and what it rests on."""
    found = "the text holds no answer" if answer.text is None else answer.text
    lines = [found] if answer.sure else [f"not sure; the likeliest answer is: {found}"]
    lines.append(_by_which_score(answer))
    if len(answer.shares) > 1:
        ordered = sorted(answer.shares.items(), key=lambda each: -each[1])
        lines.append("probabilities: " + ", ".join(f"{name} {share:.3f}" for name, share in ordered))
    for place, passage in enumerate(answer.passages, start=1):
        score = "" if passage.score is None else f" ({passage.score:.3f})"
        head = f"[{place}] {passage.id}{score}"
        # the answer may be the passage itself, and that can be long
        lines += ["", head] if passage.text == answer.text else ["", head, passage.text]
    return lines


def _by_which_score(answer: Answer) -> str:
    score = f"score {answer.score:.3f}"
    if answer.certain_from is None:
        return f"{score}; this run has no threshold below which it is not sure"
    if math.isinf(answer.certain_from):
        return f"{score}; no score was right often enough on the validation rows, so this run is never sure"
    return f"{score}, sure from {answer.certain_from:.3f} on (set on the validation rows)"
