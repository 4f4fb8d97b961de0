"""The kit as tests of a plugin's own, by pytest."""

from __future__ import annotations

from collections.abc import Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from medplug.core.conformance.checks import Check, Skipped
from medplug.core.conformance.kit import plugin_checks


def parametrize(
    plugin: Any,
    *,
    expected_failures: Mapping[str, str] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    sources: Mapping[str, Path] | None = None,
) -> pytest.MarkDecorator:
    """Give a test that takes ``check`` one case for each check of a plugin; the other arguments as in `plugin_checks`.

    `expected_failures` maps names of checks to reasons: they are reported as expected
    failures, and fail once they pass. A name that is no check's is a ValueError.
    """
    expected = dict(expected_failures or {})
    checks = dict(plugin_checks(plugin, options=options, sources=sources))
    if stray := sorted(set(expected) - set(checks)):
        raise ValueError(f"expected_failures names no check: {', '.join(stray)} (checks: {', '.join(checks)})")
    cases = [
        pytest.param(_skipping(check), id=name, marks=_marks(expected[name]) if name in expected else ())
        for name, check in checks.items()
    ]
    return pytest.mark.parametrize("check", cases)


def _marks(reason: str) -> pytest.MarkDecorator:
    return pytest.mark.xfail(reason=reason, strict=True)


def _skipping(check: Check) -> Check:
    """The check, whose `Skipped` is pytest's."""

    @wraps(check)
    def act() -> None:
        try:
            check()
        except Skipped as reason:
            pytest.skip(str(reason))

    return act
