"""The tutorial on texts; a file of its own, that it may be followed beside the others."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.mark.shared
def test_it_does_and_prints_what_it_says(follow_tutorial: Callable[[str], None]) -> None:
    follow_tutorial("text_diagnosis")
