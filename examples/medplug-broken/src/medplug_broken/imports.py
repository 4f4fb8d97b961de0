"""Broken: it imports a package that is nowhere."""

from __future__ import annotations

import a_package_that_is_nowhere

from medplug.core.hooks import hookimpl
from medplug.core.specs import AdapterSpec

medplug_api = 1


@hookimpl
def medplug_adapters() -> list[AdapterSpec]:
    """Give what the absent package gives."""
    specs: list[AdapterSpec] = a_package_that_is_nowhere.specs()
    return specs
