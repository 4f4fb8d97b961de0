"""What an adapter keeps of the targets that its spec names beyond classes: a step of training on each."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from medplug.core.adapter import Adapter
from medplug.core.conformance.checks import Skipped, require, told
from medplug.core.conformance.mask_trial import MaskTrial
from medplug.core.conformance.trial import Trial, served
from medplug.core.errors import ConfigError
from medplug.core.losses import make_loss
from medplug.core.model import Model
from medplug.core.segmentation.loss import MaskLoss
from medplug.core.specs import AdapterSpec
from medplug.core.training.seeds import seeded

_CLASSES = ("binary", "multiclass", "multilabel")
_RATE = 1e-2
_ROWS = 6


class TargetChecks:
    """The check of one adapter that says what is trained, adds to what training minimises, or fits a head.

    `named` are the kinds of target beyond classes that its spec names.
    """

    def __init__(self, spec: AdapterSpec, made: Callable[[], Adapter]) -> None:
        self.spec, self._made = spec, made
        self.named = [kind for kind in spec.targets if kind not in _CLASSES]

    def targets(self) -> None:
        """Of each target beyond classes the prepared model gives finite logits, before a step of training and after."""
        trials = [trial for trial in served(self.spec) if trial.target.kind in self.named]
        trials += [MaskTrial(self.spec)] if "mask" in self.named else []
        if not trials:
            raise Skipped(f"the kit has no rows of the targets {', '.join(self.named)}")
        refused = [why for why in map(self._refusal, trials) if why]
        if len(refused) == len(trials):
            raise Skipped(refused[0])

    def _refusal(self, trial: Trial) -> str:
        """Check one kind of target; why the adapter will have nothing of the kit's problem, or nothing."""
        try:
            self._check(trial)
        except ConfigError as error:
            return f"it refused the kit's {trial.target.kind} problem: {told(error)}"
        return ""

    def _check(self, trial: Trial) -> None:
        model, adapter = trial.model(), self._made()
        with seeded(7):
            adapter.prepare(model)
        self._check_logits(trial, model, "prepared")
        if "fit" not in self.spec.answers:  # what fits a head takes no step, and the check of that fits all kinds
            self._step(trial, model, adapter)
            self._check_logits(trial, model, "trained a step")

    def _step(self, trial: Trial, model: Model, adapter: Adapter) -> None:
        """One update by the target's own loss, and by the penalty where the adapter has one."""
        kind, penalises = trial.target.kind, "penalty" in self.spec.answers
        attached = adapter.attach(model) if penalises else None
        adapter.schedule(model, 0.5)
        weights = [*model.parameters(), *([] if attached is None else attached.parameters())]
        trainable = [each for each in weights if each.requires_grad]
        batch = trial.batch(adapter, model)
        criterion = MaskLoss(trial.target.outputs) if kind == "mask" else make_loss(trial.target)
        loss = criterion(batch.outputs.logits[: len(batch.labels)], batch.labels).mean()
        loss = loss + adapter.penalty(batch) if penalises else loss
        require(bool(loss.isfinite()), f"of a {kind} target a step's loss is {loss.item()}", _FIX)
        optimizer = torch.optim.SGD(trainable, lr=_RATE)
        loss.backward()
        optimizer.step()

    def _check_logits(self, trial: Trial, model: Model, how: str) -> None:
        kind = trial.target.kind
        pixels = trial.labels(_ROWS).shape[1:] if kind == "mask" else ()
        wanted = [_ROWS, trial.target.outputs, *pixels]
        with torch.no_grad():
            logits: Tensor = model.eval()(trial.inputs(model, _ROWS))
        shape = list(logits.shape)
        require(shape == wanted, f"{how} for a {kind} target it gives {shape}, not {wanted}", _FIX)
        require(bool(logits.isfinite().all()), f"{how} for a {kind} target it gives logits that are not finite", _FIX)


_FIX = "let nothing depend on the number of outputs but the head's size; or take the kind out of targets"
