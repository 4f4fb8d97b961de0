"""Depth: a model's blocks from the input to the output, and what learns when and how fast by its place among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from torch import nn

Blocks = list[tuple[str, nn.Module]]
Group = list[tuple[str, nn.Parameter]]

_CONTAINERS = (nn.ModuleList, nn.Sequential)


def main_stack(module: nn.Module) -> Blocks:
    """The repeated blocks that hold most of `module`, each with its name, from the input to the output.

    A block is a module with parts of its own in an `nn.ModuleList` or
    `nn.Sequential`, of a class that occurs there at least twice; containers
    within containers are opened, and of several classes that with the most
    parameters says which containers count. Stages (blocks of unequal size that
    are mostly blocks themselves) are opened too: ResNet, MobileNetV2 and
    ConvNeXt count block by block. Empty where nothing is repeated.
    """
    return _largest(list(_runs(module, "")))


def depth_groups(module: nn.Module) -> list[Group]:
    """Every named parameter once, in groups from the input to the output.

    The first group is what comes before the main stack, then one group a block,
    then what follows; what is registered between two blocks belongs to the
    later one, and embeddings outside the blocks to the input wherever they are
    registered. Without a main stack each child of `module` is a group, in the
    order of registration, a lone child standing for its own. No group is empty.
    """
    named = list(module.named_parameters())
    blocks = main_stack(module)
    if not blocks:
        return _by_child(named)
    place = {id(owned): i for i, (_, block) in enumerate(blocks, 1) for owned in block.parameters()}
    embedded = {id(p) for m in module.modules() if isinstance(m, nn.Embedding) for p in m.parameters(recurse=False)}
    groups: list[Group] = [[] for _ in range(len(blocks) + 2)]
    reached = 0
    for name, parameter in named:
        between = reached + 1 if reached and id(parameter) not in embedded else 0
        at = place.get(id(parameter), between)
        reached = max(reached, place.get(id(parameter), 0))
        groups[at].append((name, parameter))
    return [group for group in groups if group]


def trainable_groups(module: nn.Module) -> list[Group]:
    """`depth_groups` less the parameters that are frozen now, and the groups that this leaves empty."""
    kept = [[(name, p) for name, p in group if p.requires_grad] for group in depth_groups(module)]
    return [group for group in kept if group]


def rates_by_depth(module: nn.Module, decay: float) -> dict[str, float]:
    """Each named parameter's share of the learning rate: ``decay ** groups above its own``, 1 at the top.

    `decay` lies in (0, 1]; the source divides by 2.6 from layer to layer, a
    decay of 0.38, in a model of few layers.

    Howard and Ruder, Universal Language Model Fine-tuning for Text Classification (2018).
    """
    if not 0 < decay <= 1:
        raise ValueError(f"decay must lie in (0, 1], the share that a group keeps of the rate above it; got {decay}")
    downwards = enumerate(reversed(depth_groups(module)))
    return {name: decay**below for below, group in downwards for name, _ in group}


def thaw(groups: Sequence[Group], progress: float, *, until: float = 0.5) -> int:
    """Let the top groups train and freeze those below, by the `progress` of training in [0, 1]; how many train.

    At 0 only the last of `groups` trains, from `until` on all of them, and they
    join at even steps from the output to the input. `groups` are made once,
    before the first call, by `trainable_groups` so that what was frozen stays
    so, or by `depth_groups`. Nothing is written where nothing changes.

    Under `DistributedDataParallel` wrap the model before the first call, and
    with ``find_unused_parameters=True``: it never reduces the gradient of a
    parameter that was frozen when it was wrapped.

    Howard and Ruder, Universal Language Model Fine-tuning for Text Classification (2018).
    """
    if not 0 < until <= 1:
        raise ValueError(f"until must lie in (0, 1], the share of training after which all groups train; got {until}")
    if progress < 0:
        raise ValueError(f"progress must be the share of training that is done, from 0 to 1; got {progress}")
    thawed = min(len(groups), 1 + int((len(groups) - 1) * min(progress / until, 1.0))) if groups else 0
    frozen = len(groups) - thawed
    for at, group in enumerate(groups):
        for _, parameter in group:
            if parameter.requires_grad is not (at >= frozen):
                parameter.requires_grad_(at >= frozen)
    return thawed


def _runs(module: nn.Module, name: str) -> Iterator[Blocks]:
    """What each outermost container under `module` holds, and then what those within its blocks hold."""
    if isinstance(module, _CONTAINERS):
        held = list(_held(module, name))
        yield held
        for inner, block in held:
            yield from _runs(block, inner)
    else:
        for key, child in module.named_children():
            yield from _runs(child, _join(name, key))


def _held(container: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    """The modules with parts of their own in a container and in the containers directly within it."""
    for key, child in container.named_children():
        if isinstance(child, _CONTAINERS):
            yield from _held(child, _join(name, key))
        elif any(_size(part) for part in child.children()):
            yield _join(name, key), child


def _largest(runs: Sequence[Blocks]) -> Blocks:
    """The repeated blocks of the runs that hold the class with the most parameters."""
    sizes, counts = Counter[type](), Counter[type]()
    for _, block in (entry for run in runs for entry in run):
        sizes[type(block)] += _size(block)
        counts[type(block)] += 1
    repeated = {kind: size for kind, size in sizes.items() if counts[kind] > 1}
    if not repeated:
        return []
    main = max(repeated, key=repeated.__getitem__)
    holding = [run for run in runs if any(type(block) is main for _, block in run)]
    blocks = [(name, block) for run in holding for name, block in run if type(block) in repeated]
    return _opened(blocks) or blocks


def _opened(blocks: Blocks) -> Blocks:
    """The blocks within stages; none where `blocks` are no stages."""
    weights = [_size(block) for _, block in blocks]
    if len(set(weights)) == 1:  # a network widens from stage to stage; equal blocks may hold experts side by side
        return []
    inner = _largest([run for name, block in blocks for run in _runs(block, name)])
    return inner if 2 * sum(_size(block) for _, block in inner) > sum(weights) else []


def _by_child(named: Group, skipped: int = 0) -> list[Group]:
    """The parameters by the child that holds them, under the names that the first parts of all paths share."""
    groups: dict[str, Group] = {}
    for name, parameter in named:
        path = name.split(".")[skipped:-1]
        groups.setdefault(path[0] if path else "", []).append((name, parameter))
    return _by_child(named, skipped + 1) if len(groups) == 1 and "" not in groups else list(groups.values())


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _join(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key
