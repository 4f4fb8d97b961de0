"""What every adapter keeps of the questions that it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from medplug.core.adapter import Adapter, LinearHead
from medplug.core.composition import NEEDED, check_composition
from medplug.core.config import DataConfig, SelectionConfig
from medplug.core.conformance.adapter_targets import TargetChecks
from medplug.core.conformance.checks import Fault, Named, Skipped, name_of, require, told
from medplug.core.conformance.prepared import PreparedChecks
from medplug.core.conformance.subject import Subject
from medplug.core.conformance.trial import Trial, domains, served
from medplug.core.errors import ConfigError, DataError
from medplug.core.specs import AdapterSpec, Question, resolve

_T = TypeVar("_T")
_QUESTIONS: tuple[Question, ...] = ("prepare", "weigh", "penalty", "schedule", "fit")


class AdapterChecks:
    """The checks of one adapter, on a small problem of each kind of target that it serves."""

    def __init__(self, subject: Subject, spec: AdapterSpec) -> None:
        self.subject, self.spec = subject, spec

    def checks(self) -> Iterator[Named]:
        """Those of every adapter, and those of the questions that it answers."""
        prepared = PreparedChecks(self.spec, self.made)
        of_training = () if "fit" in self.spec.answers else (prepared.identity_at_start, prepared.composes)
        asked: dict[Question, tuple[Callable[[], None], ...]] = {
            "prepare": (prepared.trains, prepared.round_trip, *of_training),
            "weigh": (self.weigh, self.weigh_few),
            "penalty": (self.penalty, self.penalty_few),
            "schedule": (prepared.schedule,),
            "fit": (self.fit,),
        }
        of_questions = [check for question in self.spec.answers for check in asked.get(question, ())]
        targets = TargetChecks(self.spec, self.made)
        of_targets = (targets.targets,) if targets.named and set(self.spec.answers) != {"weigh"} else ()
        for check in (self.answers, self.needs, *of_questions, *of_targets):
            yield f"adapter:{self.spec.name}:{name_of(check)}", check

    def made(self) -> Adapter:
        """A new one with the options given; `Fault` where the factory makes something else."""
        options = self.subject.made_options(self.spec)
        adapter = resolve(self.spec.factory, owner=f"adapter {self.spec.name}")(options)
        if not isinstance(adapter, Adapter):
            raise Fault(f"the factory made a {type(adapter).__name__}", "derive it from medplug.core.adapter:Adapter")
        return adapter

    def answers(self) -> None:
        """The spec lists the questions that the class answers: no more, which would fail, and no fewer, never asked."""
        own = type(self.made())
        for question in _QUESTIONS:
            overrides = getattr(own, question) is not getattr(Adapter, question)
            listed = question in self.spec.answers
            require(
                overrides or not listed,
                f"the spec says that it answers {question!r}, and {own.__name__} has no method of that name",
                f"write {own.__name__}.{question}, or take {question!r} out of answers",
            )
            require(
                listed or not overrides,
                f"{own.__name__}.{question} is never asked: the spec's answers are {', '.join(self.spec.answers)}",
                f"add {question!r} to answers, or take the method out",
            )

    def needs(self) -> None:
        """A run that lacks what it needs is refused, with the adapter named and the next step."""
        for need in self.spec.needs:
            if need == "labels":
                continue
            try:
                check_composition([self.spec], DataConfig(), SelectionConfig(), backbone="text_cnn", pretrained=False)
            except ConfigError as error:
                require(
                    self.spec.name in str(error), f"the refusal names no adapter: {error}", "see medplug.core.specs"
                )
                continue
            raise Fault(f"a run without {NEEDED[need][0]} is not refused", "see needs of medplug.core.specs")

    def weigh(self) -> None:
        """One finite weight a source row, none below 0 and not all 0; the same from the same seed."""
        source, target = domains()
        weights = np.asarray(self.made().weigh(source.copy(), target.copy(), 0))
        fix = "give float64 [source rows]"
        require(weights.shape == (len(source),), f"weights are {list(weights.shape)}, not [{len(source)}]", fix)
        require(np.isfinite(weights).all() and weights.min() >= 0, "weights are not finite, or below 0", fix)
        require(weights.any(), "all weights are 0", "raise DataError where no source row is like the target")
        again = np.asarray(self.made().weigh(source, target, 0))
        require(np.array_equal(weights, again), "the same seed gives other weights", "draw from the seed that is given")

    def penalty(self) -> None:
        """A finite scalar that has a gradient, and leaves the batch as it was, for each kind of target served."""
        for trial in self._trials():
            model, adapter = trial.model(), self.made()
            adapter.prepare(model)
            attached = adapter.attach(model)
            batch = _refused(partial(trial.batch, adapter, model))
            value = adapter.penalty(batch)
            kind = trial.target.kind
            _is_scalar(value, kind)
            require(value.isfinite(), f"for a {kind} target the penalty is {value}", "look for roots and logs at zero")
            self._has_gradient(value, [*model.parameters(), *([] if attached is None else attached.parameters())], kind)

    def fit(self) -> None:
        """A finite linear head on features of the model's width; the same each time; the data left as they were."""
        for trial in self._trials():
            data = trial.fit_data()
            before = data.features.copy(), np.copy(data.labels)
            head = _refused(partial(self.made().fit, data))
            kind = trial.target.kind
            require(isinstance(head, LinearHead), f"fit gives a {type(head).__name__}", "give a LinearHead")
            shapes, wanted = (head.weight.shape, head.bias.shape), ((trial.target.outputs, 5), (trial.target.outputs,))
            require(
                shapes == wanted,
                f"for a {kind} target weight and bias are {shapes}, not {wanted}",
                "give weight [outputs, width] and bias [outputs]",
            )
            require(
                np.isfinite(head.weight).all() and np.isfinite(head.bias).all(), "the head is not finite", "see fit"
            )
            kept = np.array_equal(before[0], data.features) and np.array_equal(before[1], data.labels)
            require(kept, "fit changes the features or labels that it is given", "work on a copy")
        again = self.made().fit(data)
        same = np.array_equal(head.weight, again.weight) and np.array_equal(head.bias, again.bias)
        require(same, "the same data and seed give another head", "draw from data.seed")

    def weigh_few(self) -> None:
        """Of one row a domain it makes finite weights, or says with `DataError` or `ConfigError` what it lacks."""
        weights = _allowed(lambda: self.made().weigh(*domains((1, 1)), 0))
        require(weights is None or np.isfinite(weights).all(), "weights of one row a domain are not finite", _FEW)

    def penalty_few(self) -> None:
        """Of one row a domain, as a last batch may have, it makes something finite, or says what it lacks."""
        for trial in self._trials():
            model, adapter = trial.model(), self.made()
            adapter.prepare(model)
            adapter.attach(model)
            batch = _refused(partial(trial.batch, adapter, model, 1, 1))
            value, kind = _allowed(partial(adapter.penalty, batch)), trial.target.kind
            if value is None:  # it said what it lacks
                continue
            _is_scalar(value, kind)
            require(value.isfinite(), f"of one row a domain the penalty is {value} for a {kind} target", _FEW)

    def _trials(self) -> list[Trial]:
        found = served(self.spec)
        if not found:
            raise Skipped(f"the kit has no rows of the targets {', '.join(self.spec.targets)}")
        return found

    def _has_gradient(self, value: torch.Tensor, parameters: list[nn.Parameter], kind: str) -> None:
        require(value.requires_grad, f"for a {kind} target the penalty depends on no weight", "detach nothing of batch")
        found = torch.autograd.grad(value, parameters, allow_unused=True)
        finite = all(bool(grad.isfinite().all()) for grad in found if grad is not None)
        require(finite, f"for a {kind} target gradients of the penalty are not finite", "add a small number to roots")


def _is_scalar(value: object, kind: str) -> None:
    require(
        isinstance(value, torch.Tensor) and value.shape == () and value.is_floating_point(),
        f"for a {kind} target the penalty is no scalar tensor",
        "give a float tensor of no dimension, already multiplied by its coefficient",
    )


_FEW = "raise DataError that says how many rows are needed, or make a neutral value of so few"


def _refused(act: Callable[[], _T]) -> _T:
    """What `act` gives; `Skipped` where the adapter says that the kit's problem is none of its."""
    try:
        return act()
    except ConfigError as error:
        raise Skipped(f"it refused the kit's problem: {told(error)}") from None


def _allowed(act: Callable[[], _T]) -> _T | None:
    """What `act` gives, None where it refuses with an error that users are told."""
    try:
        return act()
    except (DataError, ConfigError):
        return None
