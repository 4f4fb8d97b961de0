"""The built-in adapters: ways for knowledge to move from a pretrained model, or another domain, to the target."""

from __future__ import annotations

from medplug.core.hooks import hookimpl
from medplug.core.specs import AdapterSpec, Family, Need, Question, TargetKind

medplug_api = 1

_HERE = "medplug.plugins.adapters"
_LABELS: tuple[Need, ...] = ("labels",)
_FROZEN: tuple[Need, ...] = ("labels", "pretrained_backbone")
_DOMAINS: tuple[Need, ...] = ("source_labels", "unlabelled_target")
_FROZEN_DOMAINS: tuple[Need, ...] = (*_DOMAINS, "pretrained_backbone")
_BOTH_LABELLED: tuple[Need, ...] = ("source_labels", "target_labels", "pretrained_backbone")

_ONE_LABEL: tuple[TargetKind, ...] = ("binary", "multiclass")
_CLASSES: tuple[TargetKind, ...] = (*_ONE_LABEL, "multilabel")
_NUMBER: tuple[TargetKind, ...] = ("regression",)
_TIME: tuple[TargetKind, ...] = ("survival",)
_ARMS: tuple[TargetKind, ...] = ("treatment",)
_MASK: tuple[TargetKind, ...] = ("mask",)
_TEXT: tuple[TargetKind, ...] = ("text",)
_OPTIONS: tuple[TargetKind, ...] = ("choice",)
_SPAN: tuple[TargetKind, ...] = ("span",)
_TARGETS: dict[str, tuple[TargetKind, ...]] = {
    **dict.fromkeys(("cdan", "label_graph"), _ONE_LABEL),
    **dict.fromkeys(("jmmd", "entropy", "prototypes"), _CLASSES),
    "tradaboost": (*_ONE_LABEL, *_NUMBER),
    **dict.fromkeys(("svm", "mapping", "distill"), (*_CLASSES, *_NUMBER)),
    "linear_probe": (*_CLASSES, *_NUMBER, *_TIME, *_ARMS, *_OPTIONS),
    "relation": (*_CLASSES, *_NUMBER, *_TIME, *_ARMS, *_MASK),
}
"""What adapters serve that do not serve every kind of target.

Some need classes, or classes that exclude each other, or losses of single rows, or a linear head in place of a
decoder of masks; relations compare the features of a row with its own of before, and options are rows by themselves.
"""

_RANKING: tuple[TargetKind, ...] = ("ranking",)
_OF_WEIGHTS = ("frozen", "finetune", "gradual", "l2sp", "lora", "ia3", "prefix", "bottleneck")
"""Adapters that say which weights are trained, and look at no row: they serve encoders without a head.

But for prefixes they serve generators, too, whose own cache a prefix would have to stand in.
"""

_FIT: tuple[Question, ...] = ("prepare", "fit")
_PENALTY: tuple[Question, ...] = ("penalty",)
_PREPARE: tuple[Question, ...] = ("prepare",)
_WEIGH: tuple[Question, ...] = ("weigh",)
_SCHEDULE: tuple[Question, ...] = ("prepare", "schedule")

Row = tuple[str, tuple[Question, ...], tuple[Need, ...], str, str, str | None, str]
"""Name, answers, needs, ``module:class``, ``module:Options``, recipe, summary."""

# two lines an adapter, to be read at a glance
# fmt: off
_ROWS: dict[Family, tuple[Row, ...]] = {
    "instance": (
        ("kmm", _WEIGH, _FROZEN_DOMAINS, "importance:KernelMeanMatching", "options:KmmOptions", None,
         "source rows weighed so that their mean in a kernel space is the target's"),
        ("density_ratio", _WEIGH, _FROZEN_DOMAINS, "importance:DensityRatio", "options:DensityRatioOptions", None,
         "source rows weighed by the target's density over the source's"),
        ("tradaboost", _FIT, _BOTH_LABELLED, "boosting:Tradaboost", "options:TradaboostOptions", None,
         "source rows that contradict the target's labels lose weight by boosting"),
    ),
    "feature": (
        ("mmd", _PENALTY, _DOMAINS, "aligning:Mmd", "penalty_options:MmdOptions", None,
         "maximum mean discrepancy between the domains, or class by class"),
        ("jmmd", _PENALTY, _DOMAINS, "aligning:Jmmd", "penalty_options:JmmdOptions", None,
         "joint discrepancy between the domains of features and predictions together"),
        ("coral", _PENALTY, _DOMAINS, "aligning:Coral", "penalty_options:CoralOptions", None,
         "covariances of the domains brought together"),
        ("wasserstein", _PENALTY, _DOMAINS, "aligning:Wasserstein", "penalty_options:WassersteinOptions", None,
         "optimal transport between the domains, sliced or regularised"),
        ("dann", _PENALTY, _DOMAINS, "aligning:Dann", "penalty_options:DannOptions", None,
         "features that a domain discriminator cannot tell apart"),
        ("cdan", _PENALTY, _DOMAINS, "aligning:Cdan", "penalty_options:CdanOptions", None,
         "features that, with their predictions, a domain discriminator cannot tell apart"),
        ("mapping", _FIT, _FROZEN_DOMAINS, "mapping:Mapping", "options:MappingOptions", None,
         "source features mapped to where the target lies: recoloured, by an autoencoder or a GAN"),
        ("entropy", _PENALTY, _DOMAINS, "aligning:Entropy", "penalty_options:EntropyOptions", None,
         "predictions on the target made certain (minimum class confusion, entropy, infomax)"),
    ),
    "model": (
        ("linear_probe", _FIT, _FROZEN, "linear_probe:LinearProbe", "options:LinearProbeOptions", None,
         "a logistic head (of numbers: ridge, of times: Cox) on frozen features, its strength chosen on validation"),
        ("svm", _FIT, _FROZEN, "svm:Svm", "options:SvmOptions", None,
         "a linear support vector machine on the features of the frozen backbone"),
        ("prototypes", _FIT, _FROZEN, "prototypes:Prototypes", "options:PrototypesOptions", None,
         "the nearest mean of a class, for few labels; no gradient"),
        ("frozen", _PREPARE, _FROZEN, "frozen:Frozen", "options:FrozenOptions", "frozen",
         "a small network trained on frozen features; what penalties can act on at little cost"),
        ("finetune", _PREPARE, _LABELS, "finetune:Finetune", "options:FinetuneOptions", None,
         "every weight trained by gradient, the best epoch chosen on validation"),
        ("gradual", _SCHEDULE, _LABELS, "finetune:Gradual", "options:GradualOptions", None,
         "layers thawed from the top, each learning slower than the one above it"),
        ("l2sp", _PENALTY, _FROZEN, "anchored:L2sp", "options:L2spOptions", None,
         "weights pulled back to where pretraining left them"),
        ("lora", _PREPARE, _FROZEN, "efficient:Lora", "options:LoraOptions", "few_weights",
         "low-rank updates beside frozen weights"),
        ("ia3", _PREPARE, _FROZEN, "efficient:Ia3", "options:Ia3Options", "few_weights",
         "learned scales of keys, values and feed-forward inputs"),
        ("prefix", _PREPARE, _FROZEN, "efficient:Prefix", "options:PrefixOptions", "few_weights",
         "learned positions that every attention layer sees first"),
        ("bottleneck", _PREPARE, _FROZEN, "efficient:Bottlenecks", "options:BottleneckOptions", "few_weights",
         "small residual maps after each block of a frozen backbone"),
        ("distill", _PENALTY, _LABELS, "anchored:Distill", "options:DistillOptions", None,
         "the softened predictions of a larger model, beside the labels"),
    ),
    "relation": (
        ("relation", _PENALTY, _FROZEN, "anchored:Relation", "options:RelationOptions", None,
         "distances and angles between examples kept as the pretrained backbone has them"),
        ("label_graph", _PENALTY, _DOMAINS, "aligning:LabelGraph", "penalty_options:LabelGraphOptions", None,
         "how classes resemble each other, carried from source to target"),
    ),
}
# fmt: on


@hookimpl
def medplug_adapters() -> list[AdapterSpec]:
    """Give the adapters, family by family."""
    return [_spec(family, row) for family, rows in _ROWS.items() for row in rows]


def _spec(family: Family, row: Row) -> AdapterSpec:
    name, answers, needs, factory, options, recipe, summary = row
    return AdapterSpec(
        name=name,
        summary=summary,
        family=family,
        answers=answers,
        needs=needs,
        targets=(
            *_TARGETS.get(name, (*_CLASSES, *_NUMBER, *_TIME, *_ARMS, *_MASK, *_OPTIONS, *_SPAN)),
            *(_RANKING if name in _OF_WEIGHTS else ()),
            *(_TEXT if name in _OF_WEIGHTS and name != "prefix" else ()),
        ),
        recipe=recipe,
        factory=f"{_HERE}.{factory}",
        config=f"{_HERE}.{options}",
    )
