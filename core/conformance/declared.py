"""What each spec declares: a name and a line about it, code that exists, options that refuse what they do not know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from pydantic import BaseModel, ValidationError

from medplug.core.config import DataConfig, FusionConfig, Section
from medplug.core.conformance.checks import Fault, Named, require, told
from medplug.core.conformance.subject import Subject
from medplug.core.discovery.answers import check_values
from medplug.core.specs import FusionSpec, Spec, TaskSpec, resolve

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_LONGEST_SUMMARY = 250
_UNKNOWN = "no_such_option"


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
        check_values(self.kind, spec)
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


def models_of(spec: Spec) -> dict[str, str]:
    """The option models that a spec names, by its field."""
    named = {field: getattr(spec, field, None) for field in ("config", "data", "augment")}
    return {field: model for field, model in named.items() if model is not None}


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
