"""What `benchmarks/fusion.py` measures the fusions beside: the same formulas, with the same weights, written plainly.

Attention is an explicit softmax, modality by modality and head by head; low-rank fusion forms the outer product and its
whole tensor; bilinear attention goes glimpse by glimpse. The others are written for rows that have every modality, so
that what masks cost is seen. All give what the fusion gives where nothing is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from medplug.core import fusion
from medplug.core.features import Features

Batch = Mapping[str, Features]
Reference = Callable[[Batch], Tensor]


def reference(layer: fusion.Fusion) -> tuple[str, Reference]:
    """What stands beside a fusion, in words and as a function that has its weights."""
    words, make = _REFERENCES[type(layer)]
    return words, make(layer)


def _concat(layer: fusion.Concat) -> Reference:
    def joined(batch: Batch) -> Tensor:
        parts = [each.pooled for each in batch.values()]
        return torch.cat([*parts, parts[0].new_ones(len(parts[0]), len(parts))], 1)

    return joined


def _gated(layer: fusion.Gated) -> Reference:
    def joined(batch: Batch) -> Tensor:
        projected = {name: layer.project[name](each.pooled) for name, each in batch.items()}
        weights = torch.cat([layer.score[name](each) for name, each in projected.items()], 1).softmax(1)
        return sum(weights[:, i, None] * each for i, each in enumerate(projected.values()))

    return joined


def _film(layer: fusion.Film) -> Reference:
    def joined(batch: Batch) -> Tensor:
        changes = [layer.modulate[name](each.pooled) for name, each in batch.items() if name != layer.base]
        gamma, beta = sum(changes).chunk(2, 1)
        return functional.gelu((1 + gamma) * layer.project(batch[layer.base].pooled) + beta)

    return joined


def _late(layer: fusion.Late) -> Reference:
    return lambda batch: sum(layer.heads[name](each.pooled) for name, each in batch.items()) / len(batch)


def _hybrid(layer: fusion.Hybrid) -> Reference:
    early = _concat(layer.early)

    def joined(batch: Batch) -> Tensor:
        logits = [layer.heads[name](each.pooled) for name, each in batch.items()]
        return torch.cat([functional.gelu(layer.mix(early(batch))), *logits], 1)

    return joined


def _lowrank(layer: fusion.LowRank) -> Reference:
    """For two modalities: a tensor ``[hidden, (width + 1) (width + 1)]`` of its own."""
    sides = [torch.cat([each.weight, each.bias[:, None]], 1).detach() for each in layer.factors.values()]
    one, two = (side.view(layer.rank, layer.width, -1) for side in sides)
    tensor = torch.einsum("rhi,rhj->hij", one, two).flatten(1).requires_grad_()

    def joined(batch: Batch) -> Tensor:
        one, two = (functional.pad(each.pooled, (0, 1), value=1.0) for each in batch.values())
        outer = (one[:, :, None] * two[:, None]).flatten(1)
        return functional.linear(outer, tensor, layer.bias)

    return joined


def _bilinear_attention(layer: fusion.BilinearAttention) -> Reference:
    (pair,) = layer.pairs

    def joined(batch: Batch) -> Tensor:
        (x, x_values), (y, y_values) = (layer.project[name](batch[name].tokens).relu().chunk(2, -1) for name in pair)
        real = batch[pair[0]].mask[:, :, None] & batch[pair[1]].mask[:, None]
        gathered = []
        for glimpse in layer.glimpses["__".join(pair)]:
            logits = torch.einsum("bik,k,bjk->bij", x, glimpse, y).masked_fill(~real, -torch.inf)
            attention = logits.flatten(1).softmax(1).view_as(logits)
            gathered.append(torch.einsum("bik,bij,bjk->bk", x_values, attention, y_values))
        return layer.gather["__".join(pair)](torch.cat(gathered, 1))

    return joined


def _attended(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor, heads: int) -> Tensor:
    found = []
    for q, k, v in zip(*(part.chunk(heads, -1) for part in (queries, keys, values)), strict=True):
        products = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5
        found.append(products.masked_fill(~mask[:, None], -torch.inf).softmax(-1) @ v)
    return torch.cat(found, -1)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


def _cross_attention(layer: fusion.CrossAttention) -> Reference:
    def joined(batch: Batch) -> Tensor:
        tokens = {name: layer.tokens.project[name](each.tokens) for name, each in batch.items()}
        read = {name: layer.read(layer.norm(each)).chunk(3, -1) for name, each in tokens.items()}
        pooled = []
        for name, each in tokens.items():
            found = [
                _attended(read[name][0], *read[other][1:], batch[other].mask, layer.heads)
                for other in batch
                if other != name
            ]
            changed = layer.feed(each + layer.write(sum(found) / len(found)))
            pooled.append(_mean(layer.last_norm(changed), batch[name].mask))
        return sum(pooled) / len(pooled)

    return joined


def _bottleneck(layer: fusion.Bottleneck) -> Reference:
    def joined(batch: Batch) -> Tensor:
        tokens = {name: layer.tokens.project[name](each.tokens) for name, each in batch.items()}
        rows = len(next(iter(tokens.values())))
        latents = layer.latents.expand(rows, -1, -1)
        for each in layer.layers:
            normed, found = each.norm(latents), []
            for name, own in tokens.items():
                keys, values = each.read(torch.cat([each.token_norm(own), normed], 1)).chunk(2, -1)
                mask = functional.pad(batch[name].mask, (0, latents.shape[1]), value=True)
                found.append(_attended(each.ask(normed), keys, values, mask, each.heads))
            latents = each.feed(latents + each.write(sum(found) / len(found)))
        return layer.norm(latents).mean(1)

    return joined


_REFERENCES: dict[type[fusion.Fusion], tuple[str, Callable[..., Reference]]] = {
    fusion.Concat: ("no masks", _concat),
    fusion.Gated: ("no masks", _gated),
    fusion.Film: ("no masks", _film),
    fusion.Late: ("no masks", _late),
    fusion.Hybrid: ("no masks", _hybrid),
    fusion.LowRank: ("outer product", _lowrank),
    fusion.CrossAttention: ("softmax, loops", _cross_attention),
    fusion.Bottleneck: ("softmax, loops", _bottleneck),
    fusion.BilinearAttention: ("loop of glimpses", _bilinear_attention),
}
