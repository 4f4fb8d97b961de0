"""medplug: move what pretrained models know onto medical problems with few labels.

>>> import medplug                                             # light: no torch yet
>>> run = medplug.run(task="text_diagnosis", data={"train": "notes.csv"})
>>> run.metrics["metrics"]["macro_f1"]["value"]
>>> medplug.load("runs/my-run").predict([{"text": "..."}])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medplug.core.api import compare, load, rank, run
    from medplug.core.comparing.comparison import Comparison
    from medplug.core.errors import MedplugError
    from medplug.core.hooks import hookimpl
    from medplug.core.progress import Progress
    from medplug.core.ranking.result import Ranking
    from medplug.core.run import Run

__version__ = "0.1.0"

_LAZY = {
    "Comparison": "medplug.core.comparing.comparison",
    "MedplugError": "medplug.core.errors",
    "Progress": "medplug.core.progress",
    "Ranking": "medplug.core.ranking.result",
    "Run": "medplug.core.run",
    "compare": "medplug.core.api",
    "hookimpl": "medplug.core.hooks",
    "load": "medplug.core.api",
    "rank": "medplug.core.api",
    "run": "medplug.core.api",
}

__all__ = ["Comparison", "MedplugError", "Progress", "Ranking", "Run", "compare", "hookimpl", "load", "rank", "run"]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'medplug' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_LAZY]
