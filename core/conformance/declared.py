"""What a plugin declares: that the core takes it, that it is light, and that each spec names what exists."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import cached_property, partial
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from medplug.core.conformance.checks import Fault, Named, Skipped, require, told
from medplug.core.conformance.subject import Subject
from medplug.core.config import DataConfig, FusionConfig, Section
from medplug.core.specs import BackboneSpec, FusionSpec, Spec, TaskSpec, resolve

HEAVY = ("torch", "transformers", "timm", "peft", "sklearn", "scipy", "polars", "matplotlib")
"""What no listing and no plan may import."""
SLOW = 2.0
"""Seconds to import a plugin and ask for its specs, after which it is called slow."""

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_LONGEST_SUMMARY = 250
_UNKNOWN = "no_such_option"
_AFRESH = """
import json, sys, time
paths, module, heavy, models = json.loads(sys.argv[1])
sys.path[:] = paths
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in heavy:
            raise ImportError(f"{name} is imported before it is needed")
sys.meta_path.insert(0, Blocked())
import medplug.core.config, medplug.core.plugins
from medplug.core.specs import resolve
began = time.perf_counter()
plugin = __import__(module, fromlist=["_"])
for hook in ("tasks", "backbones", "adapters", "fusions", "registry"):
    given = getattr(plugin, f"medplug_{hook}", None)
    if given is not None:
        given = given()
        list(given if hook != "registry" else ())
seconds = time.perf_counter() - began
for model in models:
    resolve(model, owner=module)
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
            "mend that first; medplug_api = 1, @hookimpl on functions named as in medplug.core.hooks, lists of specs",
        )
        require(
            any(self.subject.specs.values()) or self._own_registry(),
            "no hook gives anything",
            "mark a function medplug_tasks, medplug_backbones, medplug_adapters or medplug_fusions with @hookimpl",
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
        """Each named backbone of its own has a builder of the modality, and options that this takes."""
        own = self._own_registry()
        if own is None:
            raise Skipped("it brings no registry.yaml")
        from medplug.core.registry import read

        plugins = self.subject.plugins
        for name, entry in read(own).backbones.items():
            if entry.builder is None:
                continue
            spec = plugins.known("backbone").get(entry.builder)
            require(spec, f"{own}: {name} names the builder {entry.builder!r}, which nobody gives", "name a backbone")
            assert isinstance(spec, BackboneSpec)
            require(
                spec.modality == entry.modality and spec.pretrained,
                f"{own}: {name} is of modality {entry.modality}, and its builder {spec.name} reads {spec.modality}"
                + ("" if spec.pretrained else " and takes no weights"),
                "name a builder of the modality whose spec says pretrained=True",
            )
            resolve(spec.config, owner=spec.name).model_validate(entry.options)

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


def models_of(spec: Spec) -> dict[str, str]:
    """The option models that a spec names, by its field."""
    named = {field: getattr(spec, field, None) for field in ("config", "data", "augment")}
    return {field: model for field, model in named.items() if model is not None}


class SpecChecks:
    """The checks of one spec."""

    def __init__(self, subject: Subject, kind: str, spec: Spec) -> None:
        self.subject, self.kind, self.spec = subject, kind, spec

    def checks(self) -> Iterator[Named]:
        """Those of every kind of spec."""
        before = f"{self.kind}:{self.spec.name}"
        yield f"{before}:declaration", self.declaration
        yield f"{before}:factory", self.factory
        for field, model in models_of(self.spec).items():
            yield f"{before}:{'options' if field == 'config' else field}", partial(self.options, field, model)

    def declaration(self) -> None:
        """A name that can be typed, a line about it, values that the contract knows, recipes that there are."""
        spec = self.spec
        require(
            _NAME.fullmatch(spec.name),
            f"the name {spec.name!r} cannot be typed as {self.kind}=NAME",
            "begin with a small letter; go on with small letters, digits, _ and -",
        )
        require(
            spec.summary.strip() == spec.summary and 0 < len(spec.summary) <= _LONGEST_SUMMARY,
            f"the summary has {len(spec.summary)} characters; a listing shows one line of 1 to {_LONGEST_SUMMARY}",
            "say in one line what it is",
        )
        require("\n" not in spec.summary, "the summary has more than one line", "say in one line what it is")
        try:
            TypeAdapter(type(spec)).validate_python(asdict(spec))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise Fault(f"{place}: {first['msg']}; got {first['input']!r}", "see medplug.core.specs") from None
        for recipe in _recipes(spec):
            known = self.subject.plugins.registry.recipes
            require(
                recipe in known,
                f"the recipe {recipe!r} is in no registry",
                "give it in a registry.yaml of the plugin's own (medplug_registry), or leave it out",
            )

    def factory(self) -> None:
        """``factory`` leads to code of the right kind, in which nothing abstract is left."""
        made: Any = resolve(self.spec.factory, owner=f"{self.kind} {self.spec.name}")
        wanted = _class_of(self.kind)
        if wanted is None:
            require(callable(made), f"{self.spec.factory} cannot be called", f"name a class or function ({self.kind})")
            return
        require(
            isinstance(made, type) and issubclass(made, wanted),
            f"{self.spec.factory} is no subclass of {wanted.__module__}:{wanted.__name__}",
            f"name a class that derives from {wanted.__name__}",
        )
        left = sorted(getattr(made, "__abstractmethods__", ()))
        require(not left, f"{made.__name__} leaves abstract: {', '.join(left)}", "implement them")

    def options(self, field: str, path: str) -> None:
        """A model that refuses what it does not know, cannot change, says what each option is, survives as JSON."""
        model: Any = resolve(path, owner=f"{self.kind} {self.spec.name}")
        wanted = DataConfig if field == "data" else FusionConfig if isinstance(self.spec, FusionSpec) else Section
        require(
            isinstance(model, type) and issubclass(model, wanted if wanted is not Section else BaseModel),
            f"{path} is no subclass of medplug.core.config:{wanted.__name__}",
            f"derive it from {wanted.__name__}",
        )
        require(
            _refuses_unknown(model),
            f"{path} takes options that it does not have",
            "derive it from medplug.core.config.Section and leave extra='forbid' as it is: a misspelt key would be "
            "taken for nothing",
        )
        require(
            model.model_config.get("frozen"),
            f"{path} can be changed after a run's configuration was written",
            "derive it from medplug.core.config.Section and leave frozen=True as it is",
        )
        silent = [name for name, each in model.model_fields.items() if not each.description]
        require(not silent, f"{path}: {', '.join(silent)} without a description", "Field(..., description=...)")
        if field == "config":
            made = self.subject.made_options(self.spec)
            again = model.model_validate_json(made.model_dump_json())
            require(again == made, f"{path}: options change when they are written as JSON and read", "use plain types")


def _refuses_unknown(model: Any) -> bool:
    try:
        model.model_validate({_UNKNOWN: 1})
    except ValidationError as error:
        return any(each["type"] == "extra_forbidden" for each in error.errors())
    except Exception as error:  # noqa: BLE001 - a validator of the plugin's may raise anything
        raise Fault(f"validating raises {told(error)}", "raise ValueError in validators") from error
    return False


def _recipes(spec: Spec) -> Iterator[str]:
    if spec.recipe is not None:
        yield spec.recipe
    if isinstance(spec, TaskSpec):
        yield from () if spec.token_recipe is None else (spec.token_recipe,)
        yield from () if spec.recipe_by is None else spec.recipe_by[1].values()


def _class_of(kind: str) -> type | None:
    """What a factory must be a subclass of; None for those that may be functions."""
    if kind == "task":
        from medplug.core.task import Task

        return Task
    if kind == "backbone":
        from medplug.core.backbone import Backbone

        return Backbone
    return None
