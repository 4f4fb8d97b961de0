"""The keys that every run has."""

from __future__ import annotations

from generator.options import option_table
from generator.writing import code, plain, table
from medplug.core.config import DataConfig, FusionConfig, ReportConfig, RunConfig, Section, SelectionConfig, TrainConfig
from medplug.core.grammar import SELECTORS

_SELECTS = {
    "task": "what is to be solved ([Tasks](tasks.md))",
    "backbone": "what encodes the inputs: a name, a folder, a hub name ([Backbones](backbones.md))",
    "adapter": "how knowledge is transferred; several are joined by `+` ([Adapters](adapters.md))",
    "fusion": "what joins several modalities ([Fusions](fusions.md))",
    "recipe": "a named set of defaults ([Recipes](recipes.md))",
}
_SECTIONS: dict[str, tuple[str, type[Section]]] = {
    "": ("Of the run itself", RunConfig),
    "data.": ("Data", DataConfig),
    "train.": ("Training", TrainConfig),
    "selection.": ("Selection", SelectionConfig),
    "report.": ("Report", ReportConfig),
    "fusion.": ("Fusion", FusionConfig),
}


def page() -> str:
    """Selectors and sections, each key with what it takes, its default and its meaning."""
    intro = (
        "Keys are written `key=value`; how they are read, and which of several values holds, tells "
        "[Configuration](../configuration.md). Columns and options of a task stand with the [task](tasks.md), those of "
        "a backbone, an adapter or a fusion with it."
    )
    names = dict.fromkeys((*SELECTORS, "recipe"))
    selectors = table(("key", "selects"), [(code(name), _SELECTS.get(name, f"the {name}")) for name in names])
    parts = ["# Keys of a run", intro, "## What is chosen by name", selectors]
    for prefix, (title, model) in _SECTIONS.items():
        parts += [f"## {title}", plain((model.__doc__ or "").partition("\n")[0]), option_table(prefix, model)]
    return "\n\n".join(parts)
