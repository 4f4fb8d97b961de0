"""What holds of a plugin as a whole: that the core takes it, that it is light and quick, that its registry fits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from medplug.core.conformance.checks import Fault, Named, Skipped, require
from medplug.core.conformance.declared import models_of
from medplug.core.conformance.subject import Subject
from medplug.core.discovery.findings import HEAVY, SLOW
from medplug.core.errors import did_you_mean
from medplug.core.registry import NamedBackbone, Recipe
from medplug.core.specs import BackboneSpec, resolve

_AFRESH = """
import json, sys, time
paths, module, heavy, models = json.loads(sys.argv[1])
sys.path[:] = paths
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in heavy:
            raise ImportError(f"{name} is imported before it is needed")
sys.meta_path.insert(0, Blocked())
import medplug.core.config, medplug.core.discovery.plugins
from medplug.core.errors import PluginError
from medplug.core.specs import resolve
began = time.perf_counter()
plugin = __import__(module, fromlist=["_"])
for hook in ("tasks", "backbones", "adapters", "fusions", "observers", "registry"):
    given = getattr(plugin, f"medplug_{hook}", None)
    if given is not None:
        given = given()
        list(given if hook != "registry" else ())
seconds = time.perf_counter() - began
try:
    for model in models:
        resolve(model, owner=module)
except PluginError as error:
    sys.exit(error.what)
print(json.dumps(seconds))
"""


class PluginChecks:
    """The checks of a plugin as a whole."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject

    def checks(self) -> Iterator[Named]:
        """Those of every plugin; that of its registry concerns one that brings named backbones or recipes."""
        yield "plugin:loads", self.loads
        if not self.subject.problem:
            yield "plugin:light", self.light
            yield "plugin:quick", self.quick
            yield "plugin:registry", self.registry

    def loads(self) -> None:
        """The core takes it: its API number, its hooks, the types and names of what they give."""
        require(
            not self.subject.problem,
            f"the core sets the plugin aside: {self.subject.problem}",
            self.subject.fix or "mend that first",
        )
        require(
            any(self.subject.specs.values()) or self._own_registry(),
            "no hook gives anything",
            "mark a function medplug_tasks, medplug_backbones, medplug_adapters, medplug_fusions or medplug_observers "
            "with @hookimpl",
        )

    def light(self) -> None:
        """Importing it, asking for its specs and reading their option models imports nothing heavy."""
        require(
            isinstance(self._afresh, float),
            f"in a fresh Python without {', '.join(HEAVY)}: {self._afresh}",
            "import such packages in the modules that factories name, or inside functions; keep hooks and option "
            "models in modules of their own",
        )

    def quick(self) -> None:
        """Importing it and asking for its specs is done at once, as every listing waits for it."""
        seconds = self._afresh
        if not isinstance(seconds, float):
            raise Skipped("it could not be imported without heavy packages")
        require(
            seconds < SLOW,
            f"the import takes {seconds:.1f} s; a listing waits for each plugin, and {SLOW:.0f} s is too long",
            "read files, connect and compute where a factory is called, not where the module is imported",
        )

    def registry(self) -> None:
        """Backbones have a builder of their modality, and options that it takes; recipes name parts that there are."""
        own = self._own_registry()
        if own is None:
            raise Skipped("it brings no registry.yaml")
        from medplug.core.registry import read

        found = read(own)
        for name, entry in found.backbones.items():
            self._check_backbone(own, name, entry)
        for name, recipe in found.recipes.items():
            self._check_recipe(own, name, recipe)

    def _check_backbone(self, own: Any, name: str, entry: NamedBackbone) -> None:
        if entry.builder is None:
            return
        spec = self.subject.plugins.known("backbone").get(entry.builder)
        require(spec, f"{own}: {name} names the builder {entry.builder!r}, which nobody gives", "name a backbone")
        assert isinstance(spec, BackboneSpec)
        require(
            spec.modality == entry.modality and spec.pretrained,
            f"{own}: {name} is of modality {entry.modality}, and its builder {spec.name} reads {spec.modality}"
            + ("" if spec.pretrained else " and takes no weights"),
            "name a builder of the modality whose spec says pretrained=True",
        )
        try:
            resolve(spec.config, owner=spec.name).model_validate(entry.options)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            fix = f"see what it takes with: medplug show {spec.name}"
            raise Fault(f"{own}: {name}: options.{where}: {first['msg']}", fix) from None

    def _check_recipe(self, own: Any, name: str, recipe: Recipe) -> None:
        """The parts that it names by a plain name (no folder, no hub name) are there."""
        plugins = self.subject.plugins
        for kind in ("backbone", "adapter", "fusion"):
            known = {*plugins.known(kind), *(plugins.registry.backbones if kind == "backbone" else ())}
            for part in str(recipe.keys.get(kind, "")).split("+"):
                if part and "/" not in part:
                    what = f"{own}: the recipe {name} names the {kind} {part!r}, which nobody gives"
                    require(part in known, f"{what}{did_you_mean(part, known)}", f"name one of: medplug list {kind}s")

    def _own_registry(self) -> Any:
        given = getattr(self.subject.plugin, "medplug_registry", None)
        return None if given is None else given()

    @cached_property
    def _afresh(self) -> float | str:
        """Seconds to import the plugin in a Python of its own without heavy packages; or what is wrong."""
        module = self.subject.module
        if module is None:
            raise Skipped("the plugin is an object, which no fresh Python can import")
        models = [
            model for specs in self.subject.specs.values() for spec in specs for model in models_of(spec).values()
        ]
        told_to = json.dumps([sys.path, module, HEAVY, sorted(set(models))])
        done = subprocess.run(
            [sys.executable, "-c", _AFRESH, told_to],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "MEDPLUG_PLUGINS": ""},
        )
        if done.returncode:
            return done.stderr.strip().rpartition("\n")[2]
        return float(json.loads(done.stdout.strip().rpartition("\n")[2]))
