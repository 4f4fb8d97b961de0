"""Shared transfer layers: plain torch functions and modules, usable without the rest of medplug.

Samples of features are ``[rows, width]``, with any number of rows each. Losses
give a scalar to minimise and compute in float32 or better whatever the samples
are stored in, also under autocast. Discrepancies are zero on equal samples;
those by kernels and by covariances make their gradient in closed form, once: no
second derivatives. Methods that weigh rows work on numpy arrays.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medplug.core.transfer.adversary import DomainAdversary as DomainAdversary
    from medplug.core.transfer.anchor import Anchor as Anchor
    from medplug.core.transfer.boosting import tradaboost as tradaboost
    from medplug.core.transfer.boosting_r2 import two_stage_tradaboost_r2 as two_stage_tradaboost_r2
    from medplug.core.transfer.bottleneck import Bottleneck as Bottleneck
    from medplug.core.transfer.bottleneck import insert_bottlenecks as insert_bottlenecks
    from medplug.core.transfer.covariance import coral as coral
    from medplug.core.transfer.depth import depth_groups as depth_groups
    from medplug.core.transfer.depth import rates_by_depth as rates_by_depth
    from medplug.core.transfer.depth import thaw as thaw
    from medplug.core.transfer.discrepancies import joint_mmd as joint_mmd
    from medplug.core.transfer.discrepancies import linear_mmd as linear_mmd
    from medplug.core.transfer.discrepancies import local_mmd as local_mmd
    from medplug.core.transfer.discrepancies import mmd as mmd
    from medplug.core.transfer.distillation import distillation_loss as distillation_loss
    from medplug.core.transfer.entropy import class_confusion as class_confusion
    from medplug.core.transfer.entropy import information_maximisation as information_maximisation
    from medplug.core.transfer.entropy import prediction_entropy as prediction_entropy
    from medplug.core.transfer.entropy import two_sided as two_sided
    from medplug.core.transfer.importance import classifier_density_ratio as classifier_density_ratio
    from medplug.core.transfer.importance import effective_rows as effective_rows
    from medplug.core.transfer.importance import kernel_mean_matching as kernel_mean_matching
    from medplug.core.transfer.importance import kliep as kliep
    from medplug.core.transfer.map_fitting import fit_map as fit_map
    from medplug.core.transfer.mapping import AdversarialMap as AdversarialMap
    from medplug.core.transfer.mapping import AutoencoderMap as AutoencoderMap
    from medplug.core.transfer.multitask import FixedWeights as FixedWeights
    from medplug.core.transfer.multitask import MultiHead as MultiHead
    from medplug.core.transfer.multitask import UncertaintyWeights as UncertaintyWeights
    from medplug.core.transfer.multitask import pcgrad_backward as pcgrad_backward
    from medplug.core.transfer.multitask import project_conflicts as project_conflicts
    from medplug.core.transfer.recolouring import recolour as recolour
    from medplug.core.transfer.relational import label_graph as label_graph
    from medplug.core.transfer.relational import label_graph_loss as label_graph_loss
    from medplug.core.transfer.relational import relational_angles as relational_angles
    from medplug.core.transfer.relational import relational_distances as relational_distances
    from medplug.core.transfer.reversal import reversal_coefficient as reversal_coefficient
    from medplug.core.transfer.reversal import reverse_gradient as reverse_gradient
    from medplug.core.transfer.transferability import h_score as h_score
    from medplug.core.transfer.transferability import leep as leep
    from medplug.core.transfer.transferability import logme as logme
    from medplug.core.transfer.transferability import nce as nce
    from medplug.core.transfer.transferability import proxy_a_distance as proxy_a_distance
    from medplug.core.transfer.transport import sinkhorn as sinkhorn
    from medplug.core.transfer.transport import sliced_wasserstein as sliced_wasserstein

_MODULES = {
    "adversary": ("DomainAdversary",),
    "anchor": ("Anchor",),
    "boosting": ("tradaboost",),
    "boosting_r2": ("two_stage_tradaboost_r2",),
    "bottleneck": ("Bottleneck", "insert_bottlenecks"),
    "covariance": ("coral",),
    "depth": ("depth_groups", "rates_by_depth", "thaw"),
    "discrepancies": ("joint_mmd", "linear_mmd", "local_mmd", "mmd"),
    "distillation": ("distillation_loss",),
    "entropy": ("class_confusion", "information_maximisation", "prediction_entropy", "two_sided"),
    "importance": ("classifier_density_ratio", "effective_rows", "kernel_mean_matching", "kliep"),
    "map_fitting": ("fit_map",),
    "mapping": ("AdversarialMap", "AutoencoderMap"),
    "multitask": ("FixedWeights", "MultiHead", "UncertaintyWeights", "pcgrad_backward", "project_conflicts"),
    "recolouring": ("recolour",),
    "relational": ("label_graph", "label_graph_loss", "relational_angles", "relational_distances"),
    "reversal": ("reversal_coefficient", "reverse_gradient"),
    "transferability": ("h_score", "leep", "logme", "nce", "proxy_a_distance"),
    "transport": ("sinkhorn", "sliced_wasserstein"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(_HOME)  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    """Import a layer when it is first asked for (PEP 562): one needs torch alone, another scikit-learn."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """The public names."""
    return __all__
