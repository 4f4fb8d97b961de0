"""The frozen probe: a linear head on features that are computed once."""

from __future__ import annotations

from medplug.core.adapter import Adapter, FitData, LinearHead
from medplug.core.evaluation.probe import fit_probe, fit_probe_again
from medplug.core.model import Model


class LinearProbe(Adapter):
    """A linear head on frozen features (Alain and Bengio, 2016), its strength chosen on validation.

    Logistic regression, for a number ridge regression, for the time to an event Cox regression,
    for treatments a head for each arm's outcome and one for the arm.
    """

    def prepare(self, model: Model) -> None:
        """Freeze everything."""
        model.requires_grad_(False)

    def fit(self, data: FitData) -> LinearHead:
        """Fit the head."""
        head = fit_probe(data, self.options.strengths, standardise=self.options.standardise)
        return fit_probe_again(data, head, standardise=self.options.standardise) if self.options.refit else head
