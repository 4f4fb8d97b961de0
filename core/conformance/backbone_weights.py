"""What every backbone keeps of its weights: who may change them, and that they come back."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from medplug.core.backbone import Backbone, Inputs
from medplug.core.conformance.bench import Bench, encoded, same
from medplug.core.conformance.checks import Check, Fault, Skipped, require, told
from medplug.core.conformance.values import WORDED, with_secret
from medplug.core.errors import BackboneError
from medplug.core.specs import resolve
from medplug.core.training.seeds import seeded

_GPU = 2e-3
"""How far a GPU may be from the CPU, as a share of the largest feature: its convolutions round to ten bits."""


class WeightChecks:
    """The checks of one backbone's weights and state."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def checks(self) -> Iterator[Check]:
        """Those that concern it: weights are asked of pretrained ones, and words of modalities that have some."""
        yield from (self.eval_state, self.frozen, self.round_trip, self.gpu)
        if self.bench.spec.modality in WORDED:
            yield self.privacy
        if self.bench.spec.pretrained:
            yield self.source

    def eval_state(self) -> None:
        """Encoding in eval mode changes no weight and no statistic; after train() and eval() it is as before."""
        backbone = self.bench.made()
        before, items = _state(backbone), backbone.prepare(self.bench.values)
        first = encoded(backbone, items).pooled
        moved = _moved(backbone, before)
        require(not moved, f"encoding in eval mode changes {moved}", "keep statistics in training mode only")
        fix = "let train() and eval() set modes, and change nothing else"
        after = encoded(backbone.train().eval(), items).pooled
        same(after, first, "after train() and eval() the features are others", fix)

    def frozen(self) -> None:
        """Where all is frozen a pass in training mode changes nothing; frozen parameters get no gradient, others do."""
        backbone = self.bench.made()
        if not any(True for _ in backbone.parameters()):
            raise Skipped("it has no parameters")
        inputs, before = backbone.collate(backbone.prepare(self.bench.values)), _state(backbone)
        with torch.no_grad(), seeded(0):
            backbone.requires_grad_(False).train()(inputs)
        moved = _moved(backbone, before)
        require(
            not moved,
            f"all is frozen, and a pass in training mode changes {moved}",
            "leave train() as Backbone has it, and keep running statistics in batch norms of torch",
        )
        _check_gradients(backbone, inputs)

    def round_trip(self) -> None:
        """Assets as JSON and weights as safetensors make the same features in a new one."""
        backbone = self.bench.backbone
        try:
            assets = json.loads(json.dumps(backbone.assets(), allow_nan=False))
        except (TypeError, ValueError) as error:
            raise Fault(f"assets() is no JSON data: {error}", "give texts, numbers, lists and mappings") from None
        with seeded(1):
            again = type(backbone).restore(assets).eval()
        _through_a_file(backbone, again)
        found = encoded(again, again.prepare(self.bench.values)).pooled
        fix = "keep in assets() all that restore() needs, and what learn() learned"
        same(found, self.bench.together.pooled, "restored from assets() and weights it has other features", fix)
        require(
            json.loads(json.dumps(again.assets())) == assets,
            "the assets of a restored one are not those it was made of",
            fix,
        )

    def privacy(self) -> None:
        """What one patient alone has is not kept, as it would be saved with the model."""
        values, groups, secret = with_secret(self.bench.spec.modality)
        backbone = self.bench.created()
        backbone.learn(values, groups)
        require(
            secret not in json.dumps(backbone.assets()),
            "assets() holds a word that stands in one patient's rows alone",
            "in learn(values, groups) keep what two groups have, and nothing else: it is saved with the model",
        )

    def source(self) -> None:
        """A pretrained one without weights refuses, and does not start from noise."""
        spec = self.bench.spec
        factory: type[Backbone] = resolve(spec.factory, owner=f"backbone {spec.name}")
        try:
            factory.create(self.bench.subject.made_options(spec), None)
        except BackboneError:
            return
        raise Fault("create(options, None) makes one without weights", "raise BackboneError where source is None")

    def gpu(self) -> None:
        """On a GPU the features are those of the CPU, but for rounding."""
        if not torch.cuda.is_available():
            raise Skipped("no GPU here")
        backbone = self.bench.made().to("cuda")
        found, wanted = encoded(backbone, self.bench.items, "cuda").pooled.cpu(), self.bench.together.pooled
        apart, scale = (found - wanted).abs().max().item(), wanted.abs().max().item()
        require(apart <= _GPU * scale, f"GPU and CPU are {apart:.2g} apart", "compute in float32 unless autocast asks")


def _state(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def _moved(module: nn.Module, before: dict[str, Tensor]) -> str:
    """The first names of what is not as it was."""
    return ", ".join([name for name, value in module.state_dict().items() if not torch.equal(value, before[name])][:3])


def _check_gradients(backbone: Backbone, inputs: Inputs) -> None:
    """Every other parameter frozen: these get no gradient, and of the others one at least a finite one."""
    parameters = list(backbone.named_parameters())
    for place, (_, parameter) in enumerate(parameters):
        parameter.requires_grad_(place % 2 == 0 and parameter.is_floating_point())
    backbone.train()
    with seeded(0):
        features = backbone(inputs)
        total = features.pooled.float().square().sum() + features.tokens[features.mask].float().square().sum()
    require(total.requires_grad, "no parameter learns: features do not depend on any", "detach nothing in forward()")
    total.backward()
    stray = [name for name, each in parameters if each.grad is not None and not each.requires_grad]
    require(not stray, f"frozen, and yet with a gradient: {', '.join(stray[:3])}", "set no gradient by hand")
    learned = [each.grad for _, each in parameters if each.grad is not None]
    require(
        any(bool(grad.any()) for grad in learned) and all(bool(grad.isfinite().all()) for grad in learned),
        "gradients are all zero, or not finite",
        "detach nothing in forward(), and look for roots and divisions at zero",
    )


def _through_a_file(backbone: Backbone, again: Backbone) -> None:
    """Bring the weights of one into the other as a run does it."""
    fix = (
        "build in restore() every parameter and buffer that create() and learn() leave, and let no two names hold one "
        "tensor"
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.safetensors"
        try:
            save_file({name: tensor.detach().contiguous() for name, tensor in backbone.state_dict().items()}, file)
            again.load_state_dict(load_file(file))
        except RuntimeError as error:
            raise Fault(f"the saved weights do not come back: {told(error)}", fix) from None
