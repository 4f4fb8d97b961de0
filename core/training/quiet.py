"""Keeping transformers off the caller's terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no advice from transformers inside, unless the user set its verbosity."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from transformers.utils import logging

    hub_bars = not are_progress_bars_disabled()
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    if "TRANSFORMERS_VERBOSITY" not in os.environ:
        logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        disable_progress_bars()
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if hub_bars:
            enable_progress_bars()
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
