"""What every backbone keeps of the features of a batch: shapes and masks, and that nothing but a row's value counts."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from medplug.core.backbone import Backbone, Inputs
from medplug.core.conformance.backbone_weights import WeightChecks
from medplug.core.conformance.bench import Bench, encoded, same
from medplug.core.conformance.checks import Named, Skipped, name_of, require
from medplug.core.conformance.subject import Subject
from medplug.core.conformance.values import volumes
from medplug.core.features import Features
from medplug.core.specs import BackboneSpec

_BUDGET = 64
"""Tokens a batch, as batches are checked."""


class BackboneChecks:
    """The checks of one backbone, made with the kit's values and the options given."""

    def __init__(self, subject: Subject, spec: BackboneSpec) -> None:
        self.bench = Bench(subject, spec)

    def checks(self) -> Iterator[Named]:
        """Those of features, then those of weights."""
        own = (self.maps, self.batches, self.padding, self.company, self.reads_values, self.determinism)
        first = (self.shapes, self.slices) if self.bench.spec.modality == "image" else (self.shapes,)
        for check in (*first, *own, *WeightChecks(self.bench).checks()):
            yield f"backbone:{self.bench.spec.name}:{name_of(check)}", check

    def shapes(self) -> None:
        """Pooled ``[batch, width]``, tokens ``[batch, tokens, width]``, a mask ``[batch, tokens]`` of bool; finite."""
        bench = self.bench
        rows, width, items = len(bench.values), bench.backbone.width, len(bench.items)
        require(items == rows, f"prepare made {items} items of {rows} values", "make one item a value, in order")
        found = bench.together
        pooled, tokens, mask = (list(each.shape) for each in (found.pooled, found.tokens, found.mask))
        require(pooled == [rows, width], f"pooled is {pooled}, not [{rows}, {width}]", "give [batch, width]")
        require(
            len(tokens) == 3 and tokens[0] == rows and tokens[2] == width and mask == tokens[:2],
            f"tokens are {tokens} and the mask is {mask}, where the width is {width}",
            "give tokens [batch, tokens, width] and a mask [batch, tokens]",
        )
        require(
            found.mask.dtype == torch.bool,
            f"the mask is of {found.mask.dtype}",
            "give a mask of torch.bool, True where a token is real",
        )
        require(
            bool(found.mask.any(1).all()),
            "a row has no real token, which says that its modality is missing",
            "give each row that has a value one real token at least",
        )
        whole = bool(found.pooled.isfinite().all() and found.tokens[found.mask].isfinite().all())
        require(whole, "features are not finite", "look for divisions by zero and for empty rows")

    def slices(self) -> None:
        """Of images: `pixels` and `owner` as tasks augment them, and features that are made of these pixels."""
        backbone = self.bench.backbone
        items = backbone.prepare(volumes())
        inputs = backbone.collate(items)
        _check_slices(inputs, len(items))
        before = _pooled(backbone, inputs)
        for row in range(len(items)):
            mine = (inputs["owner"] == row)[:, None, None, None]
            changed = torch.where(mine, 255 - inputs["pixels"], inputs["pixels"])
            found = _pooled(backbone, {**inputs, "pixels": changed})
            moved = (found - before).abs().amax(1) > 1e-5 * before.abs().max()
            others = ", ".join(str(other + 1) for other in moved.nonzero()[:, 0].tolist() if other != row)
            what = f"other pixels in the slices of row {row + 1} change"
            require(not others, f"{what} the features of {others}", "let owner say which row each slice is of")
            require(moved[row], f"{what} nothing of its features", "let forward() read pixels as they are then")

    def maps(self) -> None:
        """Where masks can be decoded from it: feature maps of the channels declared, finest first."""
        backbone = self.bench.backbone
        widths = list(backbone.map_widths)
        if not widths:
            raise Skipped("it gives no feature maps (map_widths is empty)")
        with torch.no_grad():
            features, found = backbone.maps(backbone.collate(self.bench.items))
        channels, areas = [each.shape[1] for each in found], [each.shape[2] * each.shape[3] for each in found]
        require(
            channels == widths,
            f"the maps have {channels} channels, and map_widths says {widths}",
            "give maps [batch, channels, height, width] as map_widths says",
        )
        require(areas == sorted(areas, reverse=True), f"the maps have {areas} places", "give the finest map first")
        what = "the pooled features of maps() are not those of forward()"
        same(features.pooled, self.bench.together.pooled, what, "compute both the same way")

    def batches(self) -> None:
        """Every item costs a token at least, and stands in one batch."""
        bench = self.bench
        sizes = [bench.backbone.size(item) for item in bench.items]
        require(min(sizes) >= 1, f"an item's size is {min(sizes)}", "count one token at least")
        cut = bench.backbone.batches(bench.items, _BUDGET)
        placed = sorted(int(position) for batch in cut for position in batch)
        require(
            placed == list(range(len(sizes))),
            f"batches() gives the positions {placed} of {len(sizes)} items",
            "give each position once",
        )

    def padding(self) -> None:
        """A row in a batch of longer ones has the features that it has alone."""
        for row in range(len(self.bench.items)):
            self.bench.same_row(self.bench.encode([row]), 0, row, "alone")

    def company(self) -> None:
        """Neither the other rows of a batch nor their order change a row's features."""
        last = len(self.bench.items) - 1
        for order in ([*range(last, -1, -1)], [last, 0, 2], [1, 1, 2]):
            found = self.bench.encode(order)
            for place, row in enumerate(order):
                self.bench.same_row(found, place, row, f"as number {place + 1} of a batch of {len(order)}")

    def reads_values(self) -> None:
        """Different values have different features."""
        pooled = self.bench.together.pooled.double()
        apart = torch.cdist(pooled, pooled).fill_diagonal_(torch.inf).min().item()
        require(
            apart > 1e-5 * pooled.abs().max().item(),
            "two different values have the same features",
            "see that prepare keeps what tells values apart, and that forward reads it",
        )

    def determinism(self) -> None:
        """In eval mode twice the same; made twice from one seed, twice the same."""
        bench = self.bench
        again = bench.encode(range(len(bench.items)))
        require(
            torch.equal(again.pooled, bench.together.pooled),
            "the same batch has other features the second time",
            "act at random in training mode only (self.training)",
        )
        other = bench.made()
        require(
            torch.equal(encoded(other, other.prepare(bench.values)).pooled, bench.together.pooled),
            "made twice from one seed it has two sets of weights",
            "draw weights from torch's global generator, which the core seeds",
        )


def _pooled(backbone: Backbone, inputs: Inputs) -> Tensor:
    with torch.no_grad():
        features: Features = backbone(inputs)
    return features.pooled.double()


def _check_slices(inputs: Inputs, rows: int) -> None:
    """`Fault` where a batch of images does not name its pixels, or whose they are, as augmentation reads them."""
    fix = (
        "collate pixels, uint8 [slices, channels, height, width], and owner, int64 [slices], the row of each slice: by "
        "these names task=imaging moves and lights training batches anew"
    )
    lacking = [name for name in ("pixels", "owner") if name not in inputs]
    require(not lacking, f"collate gives {', '.join(sorted(inputs))}, and no {' and no '.join(lacking)}", fix)
    pixels, owner = inputs["pixels"], inputs["owner"]
    found = f"{pixels.dtype} {list(pixels.shape)}"
    require(pixels.dtype == torch.uint8 and pixels.ndim == 4, f"pixels are {found}", fix)
    told = f"owner is {owner.dtype} {list(owner.shape)}, where pixels are {found}"
    require(owner.dtype == torch.int64 and owner.shape == pixels.shape[:1], told, fix)
    named = sorted(set(owner.tolist()))
    require(named == list(range(rows)), f"of {rows} rows owner names {named}, counted from 0", fix)
