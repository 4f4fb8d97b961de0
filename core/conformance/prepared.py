"""What an adapter keeps that prepares a model: what trains, what changes, what comes back, what it stands beside."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from medplug.core.adapter import Adapter
from medplug.core.backbone import Inputs
from medplug.core.conformance.bench import same
from medplug.core.conformance.checks import Fault, Skipped, require, told
from medplug.core.conformance.trial import TARGETS, Trial, served, texts
from medplug.core.errors import ConfigError
from medplug.core.model import Model
from medplug.core.specs import AdapterSpec
from medplug.core.training.seeds import seeded


class PreparedChecks:
    """The checks of one adapter that answers ``prepare``, on the kit's small transformer."""

    def __init__(self, spec: AdapterSpec, made: Callable[[], Adapter]) -> None:
        self.spec, self._made = spec, made
        self._trial = next(iter(served(spec)), Trial(spec, TARGETS["binary"]))

    def trains(self) -> None:
        """What is frozen gets no gradient, and of the rest something does; the head learns unless it is fitted."""
        model = self._prepared()
        trainable = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        if "fit" in self.spec.answers:
            require(not trainable, f"it fits the head, and leaves {len(trainable)} parameters trainable", _FREEZE)
            return
        heads = {name for name in trainable if name.startswith("head.")}
        require(heads, "the head is frozen, and nothing fits it", "leave model.head trainable")
        _move(model)
        model(_inputs(model)).square().sum().backward()
        stray = [n for n, each in model.named_parameters() if each.grad is not None and n not in trainable]
        require(not stray, f"frozen, and yet with a gradient: {', '.join(stray[:3])}", "use requires_grad_(False)")
        learned = [each.grad for _, each in model.named_parameters() if each.grad is not None]
        require(all(bool(grad.isfinite().all()) for grad in learned), "gradients are not finite", "look for divisions")

    def identity_at_start(self) -> None:
        """Where the class promises it, the prepared model gives what it gave before."""
        if not self._made().identity_at_start:
            raise Skipped("it does not promise that the model begins as it was (Adapter.identity_at_start)")
        model = self._trial.model()
        before = self._logits(model)
        self._prepare(model)
        fix = "let the new weights begin where they change nothing (one of two factors zero), or promise nothing"
        same(self._logits(model.eval()), before, "a prepared model gives other logits than before", fix)

    def round_trip(self) -> None:
        """Weights that were trained come back into a restored model that a new adapter prepared."""
        model = self._prepared()
        _move(model)
        wanted = self._logits(model.eval())
        again = self._prepared(seed=5)
        trained, anew = _trainable(model), _trainable(again)
        require(
            trained == anew, "what is trained depends on the weights", "prepare() may look at names and shapes only"
        )
        assets = json.loads(json.dumps(model.backbone.assets()))
        require(
            assets == self._trial.model().backbone.assets(), "prepare() changes the backbone's assets", "leave them"
        )
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.safetensors"
            try:
                save_file({n: tensor.detach().contiguous() for n, tensor in model.state_dict().items()}, file)
                again.load_state_dict(load_file(file))
            except RuntimeError as error:
                fix = "make in prepare() the same parameters each time, no two of them one tensor"
                raise Fault(f"trained weights do not come back: {told(error)}", fix) from None
        fix = "keep all that was learned in parameters and buffers of the model"
        same(self._logits(again.eval()), wanted, "a model that was saved and read gives other logits", fix)

    def composes(self) -> None:
        """Beside a penalty of another adapter its weights learn; two of it in one process share nothing."""
        one, other = self._made(), self._made()
        first, second = self._trial.model(), self._trial.model(seed=4)
        self._prepare(first, one)
        before = {name: value.clone() for name, value in first.state_dict().items()}
        self._prepare(second, other)
        moved = [name for name, value in first.state_dict().items() if not torch.equal(value, before[name])]
        require(not moved, f"preparing a second model changes the first: {', '.join(moved[:3])}", "keep no class state")
        _move(first)
        features = first.outputs(_inputs(first)).features
        require(
            features.shape[1] == first.feature_width,
            f"features are {features.shape[1]} wide, and the model says {first.feature_width}",
            "put a neck before the head with model.set_neck(neck, width)",
        )
        behind = [each for name, each in first.named_parameters() if each.requires_grad and "head." not in name]
        if not behind:
            return
        found = torch.autograd.grad(features.square().sum(), behind, allow_unused=True)
        fix = "detach nothing between the trained weights and the features that penalties read"
        require(any(grad is not None for grad in found), "a penalty on features reaches none of the weights", fix)

    def schedule(self) -> None:
        """At no moment of training is the head frozen, and nothing thaws that `prepare` froze."""
        model, adapter = self._trial.model(), self._made()
        self._prepare(model, adapter)
        asked = _trainable(model)
        for progress in (0.0, 0.25, 0.5, 0.75, 1.0):
            adapter.schedule(model, progress)
            head = any(parameter.requires_grad for parameter in model.head.parameters())
            require(head, f"at progress {progress} the head is frozen", "thaw and freeze what is behind it only")
        stray = sorted(set(_trainable(model)) - set(asked))
        fix = "thaw what prepare() left trainable"
        require(not stray, f"schedule thaws what prepare froze: {', '.join(stray[:3])}", fix)

    def _prepared(self, seed: int = 0) -> Model:
        model = self._trial.model(seed)
        self._prepare(model)
        return model

    def _prepare(self, model: Model, adapter: Adapter | None = None) -> None:
        try:
            with seeded(7):
                (adapter or self._made()).prepare(model)
        except ConfigError as error:
            raise Skipped(f"it refused the kit's small transformer: {told(error)}") from None

    def _logits(self, model: Model) -> Tensor:
        with torch.no_grad():
            logits: Tensor = model(_inputs(model))
        return logits


_FREEZE = "call model.requires_grad_(False) in prepare()"


def _inputs(model: Model) -> Inputs:
    return model.backbone.collate(model.backbone.prepare(texts(6)))


def _trainable(model: Model) -> dict[str, list[int]]:
    return {name: list(each.shape) for name, each in model.named_parameters() if each.requires_grad}


def _move(model: Model) -> None:
    """Give every trainable weight a value that it did not start from."""
    with seeded(8), torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn_like(parameter))
