"""Which columns test rows are told apart by."""

from __future__ import annotations

from medplug.core.task import Examples


def subgroups_of(test: Examples) -> dict[str, list[str]]:
    """The columns that scores are told by, each with one value a row: the site, and those of ``report.by``."""
    return {**({"site": test.sites} if test.sites else {}), **test.by}
