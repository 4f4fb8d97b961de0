"""The backbone made of several: what a row lacks, what stands beside it and how it is batched change nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medplug.core import fusion as layers
from medplug.core.backbone import Backbone, Inputs
from medplug.core.data.content import JointRow
from medplug.core.data.targets import Target
from medplug.core.discovery.plugins import Plugins
from medplug.core.features import Features
from medplug.core.fusion import Fusion
from medplug.core.joint.backbone import JointBackbone, only
from medplug.core.joint.on_part import OnPart
from medplug.core.model import Model
from medplug.core.specs import resolve
from medplug.core.training.rows import Collate, Row

FUSIONS = tuple(spec.name for spec in Plugins(found=()).all("fusion"))
POOLED = tuple(spec.name for spec in Plugins(found=()).all("fusion") if not spec.needs_tokens)


class Sums(Backbone):
    """Tokens of a list of numbers, padded; with a batch norm and, where it is told so, of pretrained weights."""

    def __init__(self, width: int, scale: float = 1.0) -> None:
        super().__init__()
        self.width, self.scale = width, scale
        self.embed = nn.Linear(1, width)
        self.norm = nn.BatchNorm1d(width)
        self.forwards = 0

    @classmethod
    def create(cls, options: Any, source: Any) -> Self:
        return cls(int(options))

    @classmethod
    def restore(cls, assets: Mapping[str, Any]) -> Self:
        return cls(**assets)

    def assets(self) -> dict[str, Any]:
        return {"width": self.width, "scale": self.scale}

    def prepare(self, values: Sequence[Any]) -> list[Any]:
        return [np.asarray(value, dtype=np.float32) * self.scale for value in values]

    def size(self, item: Any) -> int:
        return len(item)

    def collate(self, items: Sequence[Any]) -> Inputs:
        longest = max(map(len, items))
        numbers, mask = np.zeros((len(items), longest, 1), np.float32), np.zeros((len(items), longest), np.bool_)
        for row, item in enumerate(items):
            numbers[row, : len(item), 0], mask[row, : len(item)] = item, True
        return {"numbers": torch.from_numpy(numbers), "mask": torch.from_numpy(mask)}

    def forward(self, inputs: Inputs) -> Features:
        self.forwards += 1
        mask = inputs["mask"]
        tokens = torch.tanh(self.embed(inputs["numbers"]))
        tokens = self.norm(tokens.flatten(0, 1)).view_as(tokens)
        share = mask.unsqueeze(-1).float()
        return Features((tokens * share).sum(1) / share.sum(1), tokens, mask)

    def provenance(self) -> dict[str, str]:
        return {"source": f"width {self.width}"}

    def reading(self) -> str:
        return "numbers" if self.width == 4 else ""


SLOTS = ("text", "signal", "genes")
WIDTHS = dict(zip(SLOTS, (4, 6, 8), strict=True))


def made(name: str = "concat", dropout: float = 0.0, seed: int = 0) -> JointBackbone:
    spec = Plugins(found=()).fusion(name)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        parts = {slot: Sums(width) for slot, width in WIDTHS.items()}
        options = resolve(spec.config, owner=name)()
        fusion: Fusion = resolve(spec.factory, owner=name)(WIDTHS, 3, options)
        for parameter in fusion.parameters():  # zeros at the start would hide what they multiply
            if parameter.requires_grad:
                nn.init.normal_(parameter, std=0.3)
    return JointBackbone(parts, fusion, dropout).eval()


def rows(count: int = 12, seed: int = 1) -> list[JointRow]:
    """Rows of lists of different lengths; about a third of the modalities are missing, never all of a row."""
    draw = np.random.default_rng(seed)
    found = []
    for number in range(count):
        keeps = SLOTS[number % len(SLOTS)]
        found.append(
            JointRow(
                {
                    slot: draw.normal(size=draw.integers(1, 7)).tolist()
                    if slot == keeps or draw.random() < 0.6
                    else None
                    for slot in SLOTS
                }
            )
        )
    return found


def encoded(backbone: JointBackbone, values: Sequence[JointRow]) -> Tensor:
    with torch.inference_mode():
        features: Features = backbone(backbone.collate(backbone.prepare(values)))
    return features.pooled


@pytest.mark.parametrize("name", FUSIONS)
def test_a_rows_features_depend_on_neither_the_other_rows_nor_padding_nor_order(name: str) -> None:
    backbone, values = made(name), rows()
    together = encoded(backbone, values)
    assert together.shape == (12, backbone.width) and torch.isfinite(together).all()
    alone = torch.cat([encoded(backbone, [value]) for value in values])
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=1e-4)
    order = [7, 2, 11, 0, 4]
    torch.testing.assert_close(encoded(backbone, [values[i] for i in order]), together[order], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", FUSIONS)
def test_a_modality_that_no_row_of_a_batch_has_changes_nothing(name: str) -> None:
    backbone = made(name)
    values = [JointRow({**row.values, "signal": None}) for row in rows() if row["text"] or row["genes"]]
    inputs = backbone.collate(backbone.prepare(values))
    assert not any(key.startswith("signal.") for key in inputs)
    beside = encoded(backbone, [*values, JointRow({"text": None, "signal": [1.0, 2.0], "genes": None})])
    torch.testing.assert_close(encoded(backbone, values), beside[:-1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", FUSIONS)
def test_the_weights_of_a_missing_modality_get_no_gradient_and_what_others_have_do(name: str) -> None:
    backbone = made(name)
    values = [JointRow({"text": [1.0], "signal": None, "genes": [0.5, 2.0]}) for _ in range(3)]
    features = backbone(backbone.collate(backbone.prepare(values)))
    features.pooled.square().sum().backward()
    assert all(parameter.grad is None for parameter in backbone.part("signal").parameters())
    reached = [p.grad for slot in ("text", "genes") for p in backbone.part(slot).parameters()]
    assert all(grad is not None and torch.isfinite(grad).all() for grad in reached)


def test_the_encoded_places_of_missing_rows_have_no_real_token() -> None:
    backbone, values = made(), rows()
    found = backbone.encoded(backbone.collate(backbone.prepare(values)))
    for slot in SLOTS:
        has = torch.tensor([row[slot] is not None for row in values])
        assert torch.equal(found[slot].present, has)
        lengths = torch.tensor([len(row[slot] or []) for row in values])
        assert torch.equal(found[slot].mask.sum(1), lengths)


def test_each_part_runs_once_a_batch_and_only_for_the_rows_that_have_it() -> None:
    backbone, values = made(), rows()
    inputs = backbone.collate(backbone.prepare(values))
    backbone(inputs)
    for slot, part in backbone.each():
        assert isinstance(part, Sums) and part.forwards == 1
        has = [i for i, row in enumerate(values) if row[slot] is not None]
        distinct = list(dict.fromkeys(repr(values[i][slot]) for i in has))
        assert len(inputs[f"{slot}.numbers"]) == len(distinct)
        assert [inputs[f"{slot}.of"].tolist()[i] for i in has] == [distinct.index(repr(values[i][slot])) for i in has]
    assert inputs["present"].tolist() == [[row[slot] is not None for slot in SLOTS] for row in values]


def test_what_rows_share_is_encoded_once_and_is_the_same_for_each() -> None:
    backbone = made().eval()
    shared = [
        JointRow({"text": [1.0, 2.0], "signal": [float(i)], "genes": None if i == 2 else [3.0]}) for i in range(4)
    ]
    inputs = backbone.collate(backbone.prepare(shared))
    assert [len(inputs[f"{slot}.numbers"]) for slot in SLOTS] == [1, 4, 1]
    together = backbone(inputs).pooled
    alone = [backbone(backbone.collate(backbone.prepare([row]))).pooled for row in shared]
    torch.testing.assert_close(together, torch.cat(alone))


def pairs(count: int = 40, seed: int = 2) -> list[JointRow]:
    """Rows of a few texts and signals that many of them share, and a vector of genes that some have."""
    draw = np.random.default_rng(seed)
    texts, signals = ([draw.normal(size=size).tolist() for size in sizes] for sizes in ((5, 2, 9, 3), (1, 7, 4)))
    genes = [None, [1.0], [2.0, 3.0]]
    return [
        JointRow({"text": texts[i], "signal": signals[j], "genes": genes[k]})
        for i, j, k in draw.integers(0, [len(texts), len(signals), len(genes)], (count, 3)).tolist()
    ]


@pytest.mark.parametrize("name", POOLED)
def test_pooled_features_alone_give_the_same_logits_as_with_tokens(name: str) -> None:
    with_tokens, without = made(name), made(name)
    without.reads_tokens = False
    without.load_state_dict(with_tokens.state_dict())
    for values in (pairs(), rows(), [*rows(), *rows()]):
        inputs = with_tokens.collate(with_tokens.prepare(values))
        assert torch.equal(encoded(with_tokens, values), encoded(without, values))
        features = without.encoded(inputs)
        assert all(each.tokens.shape[1] == 1 for each in features.values() if len(each.tokens) > 12)
        present = {slot: [row[slot] is not None for row in values] for slot in SLOTS}
        assert {slot: each.present.tolist() for slot, each in features.items()} == present


@pytest.mark.parametrize("reads_tokens", [False, True])
@pytest.mark.parametrize("budget", [1, 12, 40, 10_000])
def test_batches_hold_every_row_once_within_the_budget_in_which_a_shared_item_counts_once(
    reads_tokens: bool, budget: int
) -> None:
    backbone = made()
    backbone.reads_tokens = reads_tokens
    items = backbone.prepare(pairs())
    batches = backbone.batches(items, budget)
    assert sorted(row for batch in batches for row in batch.tolist()) == list(range(len(items)))
    for batch in batches:
        each_slot = [[items[row][slot] for row in batch if slot in items[row]] for slot in SLOTS]
        if reads_tokens:
            cost = len(batch) * max(backbone.size(items[row]) for row in batch)
        else:
            distinct = [{id(item): len(item) for item in held} for held in each_slot]
            cost = sum(len(held) * max(held.values(), default=0) for held in distinct)
        assert len(batch) == 1 or cost <= budget
    together = encoded(backbone, pairs())
    for batch in batches:
        apart = encoded(backbone, [pairs()[row] for row in batch.tolist()])
        torch.testing.assert_close(apart, together[batch], atol=1e-5, rtol=1e-4)


def test_shared_items_make_fewer_batches_where_no_tokens_are_read() -> None:
    backbone = made()
    items = backbone.prepare(pairs(200))
    by_row = len(backbone.batches(items, 60))
    backbone.reads_tokens = False
    assert len(backbone.batches(items, 60)) < by_row / 4


@pytest.mark.parametrize("tokens", [10_000, 40])
def test_a_training_batch_encodes_an_item_once_for_the_rows_that_it_computes_together(tokens: int) -> None:
    backbone, values = made("feed_forward"), pairs()
    backbone.reads_tokens = False
    lengths: dict[str, list[int]] = {slot: [] for slot in SLOTS}
    for slot, part in backbone.each():
        part.register_forward_pre_hook(lambda _, given, slot=slot: lengths[slot].append(len(given[0]["numbers"])))
    items, labels = backbone.prepare(values), np.arange(len(values)) % 3
    parts = Collate(backbone, tokens)(
        [Row(item, label, 1.0, True, {}) for item, label in zip(items, labels, strict=True)]
    )
    for part in parts:
        for inputs in part.inputs:
            backbone(inputs)
    assert sum(sum(part.counts) for part in parts) == len(values)
    distinct = {slot: len({repr(row[slot]) for row in values} - {"None"}) for slot in SLOTS}
    if tokens == 10_000:
        assert lengths == {slot: [count] for slot, count in distinct.items()}
    assert all(
        distinct[slot] <= sum(each) < len(values) and max(each) <= distinct[slot] for slot, each in lengths.items()
    )


def test_a_rows_size_is_the_sum_over_what_it_has() -> None:
    backbone = made()
    items = backbone.prepare([JointRow({"text": [1, 2, 3], "signal": None, "genes": [4]})])
    assert backbone.size(items[0]) == 4 and list(items[0]) == ["text", "genes"]


def test_modalities_are_withheld_in_training_alone_and_never_a_rows_last() -> None:
    backbone, values = made("concat", dropout=0.5), rows(300)
    inputs = backbone.collate(backbone.prepare(values))
    has = torch.tensor([[row[slot] is not None for slot in SLOTS] for row in values])

    def shown() -> Tensor:
        with torch.inference_mode():
            return backbone(inputs).pooled[:, -len(SLOTS) :] > 0  # concat ends in who has what

    assert torch.equal(shown(), has) and torch.equal(shown(), has)
    torch.manual_seed(0)
    backbone.train()
    drawn = shown()
    assert not (drawn & ~has).any() and drawn.any(1).all()
    several = has.sum(1) > 1
    assert 0.3 < (has & ~drawn)[several].sum() / has[several].sum() < 0.6
    assert torch.equal(drawn[~several], has[~several])
    backbone.modality_dropout = 0.0
    assert torch.equal(shown(), has)


def test_what_is_told_of_the_parts_is_told_slot_by_slot() -> None:
    backbone = made()
    assert backbone.provenance() == {f"{slot}.source": f"width {width}" for slot, width in WIDTHS.items()}
    assert backbone.reading() == "text: numbers"
    assert backbone.assets() == {slot: {"width": width, "scale": 1.0} for slot, width in WIDTHS.items()}


def test_it_is_made_of_parts_and_neither_created_nor_restored_whole() -> None:
    for make in (lambda: JointBackbone.create(None, None), lambda: JointBackbone.restore({})):
        with pytest.raises(TypeError):
            make()


def test_again_has_random_parts_and_a_fusion_that_can_change_without_the_first_ones() -> None:
    backbone = made("concat")
    other = backbone.again()
    assert not torch.equal(other.part("text").embed.weight, backbone.part("text").embed.weight)  # type: ignore[union-attr]
    assert isinstance(other.fusion, layers.Concat) and isinstance(backbone.fusion, layers.Concat)
    before = backbone.fusion.placeholders["text"].clone()
    other.fusion.set_placeholders({"text": torch.full((4,), 9.0)})
    assert torch.equal(backbone.fusion.placeholders["text"], before)
    assert (other.width, other.modality_dropout) == (backbone.width, backbone.modality_dropout)


def test_every_choice_of_modalities_is_there_once_the_whole_last() -> None:
    found = made().subsets
    assert len(found) == len(set(found)) == 7
    assert found[:3] == [("text",), ("signal",), ("genes",)] and found[-1] == SLOTS


def test_only_withholds_the_rest_but_not_from_rows_that_would_be_left_with_nothing() -> None:
    backbone, values = made(), rows()
    features = backbone.encoded(backbone.collate(backbone.prepare(values)))
    kept = only(features, ("text", "genes"))
    for i, row in enumerate(values):
        has = {slot: row[slot] is not None for slot in SLOTS}
        left = {slot: bool(kept[slot].present[i]) for slot in SLOTS}
        assert left == ({**has, "signal": False} if has["text"] or has["genes"] else has)


@pytest.mark.parametrize("name", FUSIONS)
def test_withholding_a_modality_is_as_if_the_row_lacked_it(name: str) -> None:
    backbone = made(name)
    whole = [JointRow({slot: [float(i), 1.0] for slot in SLOTS}) for i in range(4)]
    features = backbone.encoded(backbone.collate(backbone.prepare(whole)))
    withheld = backbone.joined(only(features, ("text", "genes"))).joined
    lacking = encoded(backbone, [JointRow({**row.values, "signal": None}) for row in whole])
    torch.testing.assert_close(withheld, lacking, atol=1e-5, rtol=1e-4)


def norms(backbone: JointBackbone) -> dict[str, bool]:
    """Which batch norms are learning statistics."""
    return {slot: part.norm.training for slot, part in backbone.each() if isinstance(part, Sums)}


def test_a_frozen_parts_batch_norm_keeps_its_statistics_beside_one_that_is_trained() -> None:
    backbone = made()
    backbone.part("text").requires_grad_(False)
    backbone.part("genes").keeps_statistics = True
    backbone.train()
    assert norms(backbone) == {"text": False, "signal": True, "genes": False}
    model = Model(backbone, Target("multiclass", ("a", "b", "c"))).train()
    assert norms(backbone) == {"text": False, "signal": True, "genes": False}
    before = {slot: part.norm.running_mean.clone() for slot, part in backbone.each() if isinstance(part, Sums)}
    model(backbone.collate(backbone.prepare(rows())))
    moved = {slot: not torch.equal(backbone.part(slot).norm.running_mean, was) for slot, was in before.items()}  # type: ignore[union-attr]
    assert moved == {"text": False, "signal": True, "genes": False}
    model.eval()
    assert not any(norms(backbone).values())


def adapter(name: str, **options: Any) -> Any:
    spec = Plugins(found=()).adapter(name)
    return resolve(spec.factory, owner=name)(resolve(spec.config, owner=name)(**options))


@pytest.mark.parametrize("pretrained", [True, False])
def test_statistics_are_kept_only_of_a_part_that_was_pretrained(pretrained: bool) -> None:
    backbone = made()
    model = Model(backbone, Target("multiclass", ("a", "b", "c")))
    OnPart(adapter("finetune", statistics="keep"), "genes", pretrained=pretrained).prepare(model)
    assert backbone.part("genes").keeps_statistics is pretrained
    assert not backbone.part("text").keeps_statistics


def test_an_adapter_on_a_part_touches_nothing_else_and_names_its_rates_in_the_whole() -> None:
    backbone = made("gated")
    model = Model(backbone, Target("multiclass", ("a", "b", "c")))
    OnPart(adapter("frozen"), "text", pretrained=True).prepare(model)
    assert not any(p.requires_grad for p in backbone.part("text").parameters())
    others = [*backbone.part("genes").parameters(), *backbone.fusion.parameters(), *model.head.parameters()]
    assert all(p.requires_grad for p in others)
    assert isinstance(model.neck, nn.Identity)
    new, old = (OnPart(adapter("finetune"), "genes", pretrained=each) for each in (False, True))
    names = {name for name, _ in model.named_parameters() if name.startswith("backbone.parts.genes.")}
    assert names == set(new.rates(model)) == set(old.rates(model))
    assert set(new.rates(model).values()) == {1.0} and max(old.rates(model).values()) < 0.2
    assert OnPart(adapter("frozen"), "text", pretrained=True).rates(model) == {}


def test_without_an_adapter_a_part_is_trained_whole() -> None:
    backbone = made()
    backbone.requires_grad_(False)
    OnPart(None, "genes", pretrained=False).prepare(Model(backbone, Target("binary", ("a", "b"))))
    assert {slot: all(p.requires_grad for p in part.parameters()) for slot, part in backbone.each()} == {
        "text": False,
        "signal": False,
        "genes": True,
    }


def test_equal_rows_have_equal_contents_whatever_the_order_of_their_slots() -> None:
    one = JointRow({"text": "cough", "genes": None})
    assert one.digest == JointRow({"genes": None, "text": "cough"}).digest == JointRow({"text": "cough"}).digest
    assert one.digest != JointRow({"note": "cough"}).digest
    assert one.digest != replace(one, values={"text": "coughs", "genes": None}).digest
    assert len(one.digest) == 16
