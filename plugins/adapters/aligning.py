"""Penalties that bring the features of two domains together."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from medplug.core.adapter import Adapter, Batch, Material
from medplug.core.errors import ConfigError
from medplug.core.model import Model, class_probabilities
from medplug.core.transfer import coral, joint_mmd, local_mmd, mmd, sinkhorn, sliced_wasserstein
from medplug.core.transfer.adversary import DomainAdversary
from medplug.core.transfer.entropy import class_confusion, information_maximisation, prediction_entropy, two_sided
from medplug.core.transfer.relational import label_graph, label_graph_loss
from medplug.core.transfer.reversal import reversal_coefficient

_LEAST_ROWS = 2
"""A covariance needs two rows a domain; a batch with fewer is left without penalty."""


class Aligning(Adapter):
    """A penalty between the domains of a batch, rising over training where ``ramp`` is set."""

    def penalty(self, batch: Batch) -> Tensor:
        """The weighted penalty; 0 for a batch that lacks rows of a domain."""
        if min(batch.sources, len(batch.outputs.features) - batch.sources) < _LEAST_ROWS:
            return batch.outputs.features.new_zeros(())
        strength = reversal_coefficient(batch.progress) if self.options.ramp else 1.0
        weighed: Tensor = self.options.trade_off * strength * self.between(batch)
        return weighed

    @abstractmethod
    def between(self, batch: Batch) -> Tensor:
        """The penalty of a batch that has rows of both domains."""


class Mmd(Aligning):
    """Maximum mean discrepancy (Long et al., 2015), or class by class (Zhu et al., 2020)."""

    def reference(self, material: Material) -> None:
        """No numbers; refuses what `penalty` could not compare, before any training."""
        if self.options.by_class and (not material.target.has_classes or material.target.kind in ("mask", "choice")):
            raise ConfigError(
                "adapter.mmd.by_class=true compares rows by class, and this target has none; leave it out"
            )

    def between(self, batch: Batch) -> Tensor:
        """The squared discrepancy of the features."""
        if not self.options.by_class:
            return mmd(batch.source_features, batch.target_features)
        return local_mmd(batch.source_features, batch.target_features, _known(batch), _predicted(batch))


class Jmmd(Aligning):
    """Joint discrepancy of features and predictions (Long et al., 2017)."""

    def between(self, batch: Batch) -> Tensor:
        """The squared joint discrepancy."""
        sides = [class_probabilities(logits, batch.target) for logits in (batch.source_logits, batch.target_logits)]
        return joint_mmd([batch.source_features, sides[0]], [batch.target_features, sides[1]])


class Coral(Aligning):
    """Covariances brought together (Sun and Saenko, 2016)."""

    def between(self, batch: Batch) -> Tensor:
        """The squared distance of the features' covariances."""
        return coral(batch.source_features, batch.target_features)


class Wasserstein(Aligning):
    """Optimal transport between the domains: averaged over lines, or regularised."""

    def between(self, batch: Batch) -> Tensor:
        """The transport cost of the features."""
        if self.options.kind == "sinkhorn":
            return sinkhorn(batch.source_features, batch.target_features)
        return sliced_wasserstein(batch.source_features, batch.target_features, projections=self.options.projections)


class Dann(Adapter):
    """A discriminator of the domains, which the features learn to defeat (Ganin et al., 2016)."""

    _adversary: DomainAdversary

    def attach(self, model: Model) -> nn.Module:
        """Make the discriminator."""
        width, device = model.feature_width, next(model.parameters()).device
        self._adversary = DomainAdversary(width, hidden=self.options.hidden).to(device)
        return self._adversary

    def penalty(self, batch: Batch) -> Tensor:
        """The discriminator's loss; what rises over training is the reversed gradient, not its own."""
        if min(batch.sources, len(batch.outputs.features) - batch.sources) < 1:
            return batch.outputs.features.new_zeros(())
        strength = reversal_coefficient(batch.progress) if self.options.ramp else 1.0
        return self.loss(batch, self.options.trade_off * strength)

    def loss(self, batch: Batch, coefficient: float) -> Tensor:
        """The discriminator's loss on features whose gradient is multiplied by minus `coefficient`."""
        return self._call(batch.source_features, batch.target_features, coefficient=coefficient)

    def _call(self, *rows: Tensor, coefficient: float) -> Tensor:
        loss: Tensor = self._adversary(*rows, coefficient=coefficient)
        return loss


class Cdan(Dann):
    """The same, class by class: the discriminator sees features times predictions (Long et al., 2018)."""

    def attach(self, model: Model) -> nn.Module:
        """Make the discriminator."""
        options, head = self.options, model.head
        self._adversary = DomainAdversary(
            head.in_features,
            classes=max(head.out_features, 2),
            hidden=options.hidden,
            randomised=options.randomised,
            entropy=options.entropy,
        ).to(head.weight.device)
        return self._adversary

    def loss(self, batch: Batch, coefficient: float) -> Tensor:
        """The discriminator's loss, given both sides' predictions."""
        sides = [class_probabilities(logits, batch.target) for logits in (batch.source_logits, batch.target_logits)]
        return self._call(batch.source_features, batch.target_features, *sides, coefficient=coefficient)


class Entropy(Aligning):
    """Predictions on the target made certain: minimum class confusion, entropy, or information maximisation."""

    def between(self, batch: Batch) -> Tensor:
        """The loss of the target rows' predictions; each label of a multilabel target is a question of its own."""
        losses = {"confusion": class_confusion, "entropy": prediction_entropy, "infomax": information_maximisation}
        logits, loss = batch.target_logits, losses[self.options.kind]
        questions = [*logits.T[:, :, None]] if batch.target.kind == "multilabel" else [logits]
        return torch.stack([loss(two_sided(each)) for each in questions]).mean()


class LabelGraph(Aligning):
    """How classes resemble each other, carried from source to target (after Tzeng et al., 2015)."""

    def between(self, batch: Batch) -> Tensor:
        """How far the target's mean predictions of each predicted class are from the source's."""
        temperature = self.options.temperature
        with torch.no_grad():
            softened = (two_sided(batch.source_logits) / temperature).softmax(1)
            graph = label_graph(softened, batch.labels[: batch.sources])
        logits = two_sided(batch.target_logits)
        return label_graph_loss(logits, logits.detach().softmax(1), graph, temperature=temperature)


def _known(batch: Batch) -> Tensor:
    """The source rows' classes ``[sources, classes]``, as ones and zeros."""
    labels = batch.labels[: batch.sources]
    if batch.target.kind == "multilabel":
        return labels.float()
    return torch.nn.functional.one_hot(labels, len(batch.target.classes)).float()


def _predicted(batch: Batch) -> Tensor:
    """The target rows' class probabilities ``[rows, classes]``."""
    return class_probabilities(batch.target_logits, batch.target).detach()
