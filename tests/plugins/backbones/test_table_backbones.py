"""Backbones of table rows: what their features depend on and what they do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from medplug.core.data.encoding import Encoding
from medplug.core.data.tabular import TableColumns, TableRow
from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import BackboneError
from medplug.core.features import Features
from medplug.core.registry import Source
from medplug.core.specs import BackboneSpec, resolve
from medplug.plugins.backbones.table_backbone import Columns, Genes, TableBackbone
from medplug.plugins.backbones.table_networks import TabularResNet, TabularTransformer
from medplug.plugins.backbones.table_options import (
    ColumnsOptions,
    GenesOptions,
    TabularResNetOptions,
    TabularTransformerOptions,
)

KINDS: dict[str, tuple[type[TableBackbone], Any]] = {
    "columns": (Columns, ColumnsOptions()),
    "genes": (Genes, GenesOptions(hidden=6, log=True)),
    "resnet": (TabularResNet, TabularResNetOptions(hidden=6, embedding=3)),
    "transformer": (TabularTransformer, TabularTransformerOptions(hidden=8, heads=2)),
}
NETWORKS = ["genes", "resnet", "transformer"]
COLUMNS = TableColumns(("a", "b", "c"), ("d", "e"))

pytestmark = pytest.mark.usefixtures("one_thread")
every_kind = pytest.mark.parametrize("kind", KINDS)


def sample(rows: int = 30, seed: int = 0) -> list[TableRow]:
    generator = np.random.default_rng(seed)
    made = []
    for _ in range(rows):
        numbers = generator.normal([50, 0, 1e4], [9, 1, 3e3])
        numbers[1] = np.nan if generator.random() < 0.3 else numbers[1]
        made.append(
            TableRow(COLUMNS, numbers, (str(generator.choice(["x", "y", "z"])), generator.choice(["p", "q", None])))
        )
    return made


ROWS = sample()
STRANGE = [
    TableRow(COLUMNS, np.full(3, np.nan), (None, "new")),
    TableRow(COLUMNS, np.array([1e9, np.nan, -1e300]), ("new", None)),
]


def learned(kind: str, *, seed: int = 0, rows: list[TableRow] = ROWS, **changes: Any) -> TableBackbone:
    backbone, options = KINDS[kind]
    torch.manual_seed(seed)
    made = backbone.create(options.model_copy(update=changes), None)
    made.learn(rows)
    return made.eval()


def encode(backbone: TableBackbone, rows: list[TableRow]) -> Features:
    with torch.no_grad():
        features: Features = backbone(backbone.collate(backbone.prepare(rows)))
    return features


def pooled(backbone: TableBackbone, rows: list[TableRow]) -> Tensor:
    return encode(backbone, rows).pooled


def test_all_of_them_are_registered_for_tables() -> None:
    specs = [spec for spec in Plugins(found=()).known("backbone").values() if isinstance(spec, BackboneSpec)]
    tables = {spec.name: spec for spec in specs if spec.modality == "tabular"}
    assert set(tables) == {"columns", "genes", "tabular_resnet", "tabular_transformer"}
    for spec in tables.values():
        made = resolve(spec.factory, owner=spec.name).create(resolve(spec.config, owner=spec.name)(), None)
        made.learn(ROWS)
        assert spec.fixed == (not list(made.parameters()))


@every_kind
def test_shapes_are_those_of_the_contract(kind: str) -> None:
    backbone = learned(kind)
    features, (item, *_) = encode(backbone, ROWS), backbone.prepare(ROWS)
    tokens = 6 if kind == "transformer" else 1
    assert backbone.size(item) == tokens
    assert features.pooled.shape == (30, backbone.width) and features.tokens.shape == (30, tokens, backbone.width)
    assert features.mask.shape == (30, tokens) and features.mask.all()
    assert features.pooled.dtype == torch.float32


@every_kind
def test_a_saved_one_gives_equal_features(kind: str) -> None:
    backbone = learned(kind)
    again = type(backbone).restore(json.loads(json.dumps(backbone.assets()))).eval()
    again.load_state_dict(backbone.state_dict())
    assert again.width == backbone.width
    assert torch.equal(pooled(again, ROWS + STRANGE), pooled(backbone, ROWS + STRANGE))


@every_kind
def test_missing_and_unknown_values_have_finite_features(kind: str) -> None:
    backbone = learned(kind)
    assert pooled(backbone, STRANGE).isfinite().all()
    inputs = backbone.collate(backbone.prepare(STRANGE))
    assert all(values.isfinite().all() for values in inputs.values())


@every_kind
def test_a_missing_number_is_told_from_the_mean(kind: str) -> None:
    backbone = learned(kind)
    mean = np.array([50.0, np.nanmean([row.numbers[1] for row in ROWS]), 1e4])
    gap = np.where([False, True, False], np.nan, mean)
    first, second = pooled(backbone, [TableRow(COLUMNS, numbers, ("x", "p")) for numbers in (mean, gap)])
    assert not torch.allclose(first, second, atol=1e-4)


@every_kind
def test_every_column_changes_the_features(kind: str) -> None:
    backbone = learned(kind)
    before = TableRow(COLUMNS, np.array([50.0, 0.0, 1e4]), ("x", "p"))
    changed = [TableRow(COLUMNS, before.numbers * factor + [add, add, 0], before.names) for factor, add in ((1, 1),)]
    changed += [TableRow(COLUMNS, np.array([50.0, 0.0, 1.3e4]), before.names)]
    changed += [TableRow(COLUMNS, before.numbers, names) for names in (("y", "p"), ("x", "q"))]
    found = pooled(backbone, [before, *changed])
    assert all(not torch.allclose(found[0], other, atol=1e-5) for other in found[1:])


@every_kind
def test_what_one_patient_alone_has_is_not_saved(kind: str) -> None:
    backbone, options = KINDS[kind]
    made = backbone.create(options, None)
    secret = TableRow(COLUMNS, ROWS[0].numbers, ("only hers", "p"))
    made.learn([secret, secret, *ROWS], ["one", "one", *map(str, range(len(ROWS)))])
    assert "only hers" not in json.dumps(made.assets())
    assert made.census(made.prepare([secret])).get("rows with a category that training lacks") == 1


@every_kind
def test_rows_that_are_odd_are_counted(kind: str) -> None:
    backbone = learned(kind)
    whole = TableRow(COLUMNS, np.array([50.0, 0.0, 1e4]), ("x", "p"))
    assert backbone.census(backbone.prepare([whole])) == {}
    assert list(backbone.census(backbone.prepare([whole, *STRANGE])).values()) == [2, 2, 1]


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_seed_decides_the_weights_and_dropout_acts_in_training_only(kind: str) -> None:
    assert torch.equal(pooled(learned(kind), ROWS), pooled(learned(kind), ROWS))
    assert not torch.equal(pooled(learned(kind), ROWS), pooled(learned(kind, seed=1), ROWS))
    backbone = learned(kind).train()
    assert not torch.equal(pooled(backbone, ROWS), pooled(backbone, ROWS))


@pytest.mark.parametrize("kind", ["resnet", "transformer"])
def test_values_are_withheld_in_training_alone(kind: str) -> None:
    still = {"dropout": 0.0, "attention_dropout": 0.0} if kind == "transformer" else {"dropout": 0.0}
    assert torch.equal(pooled(learned(kind, withheld=0.0, **still).train(), ROWS), pooled(learned(kind), ROWS))
    backbone = learned(kind, withheld=0.999999, **still)
    nothing = TableRow(COLUMNS, np.full(3, np.nan), (None, None))
    torch.testing.assert_close(pooled(backbone.train(), ROWS[:3]), pooled(backbone.eval(), [nothing] * 3))


@pytest.mark.parametrize("kind", NETWORKS)
def test_it_learns_and_every_weight_takes_part(kind: str) -> None:
    rows = sample(64)
    labels = torch.tensor([float((row.numbers[0] > 50) == (row.names[0] == "x")) for row in rows])
    backbone = learned(kind, rows=rows, hidden=32).train()
    model = nn.ModuleList([backbone, nn.Linear(backbone.width, 1)])
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.01)
    inputs = backbone.collate(backbone.prepare(rows))
    moved = {name: torch.zeros_like(weight) for name, weight in backbone.named_parameters()}
    for _ in range(120):
        optimiser.zero_grad()
        functional.binary_cross_entropy_with_logits(model[1](backbone(inputs).pooled)[:, 0], labels).backward()
        for name, weight in backbone.named_parameters():
            assert weight.grad is not None
            moved[name] += weight.grad.abs()
        optimiser.step()
    assert all(gradients.any() for gradients in moved.values())
    right = (model[1](pooled(backbone.eval(), rows))[:, 0] > 0) == (labels > 0.5)
    assert right.float().mean() > 0.9


@every_kind
@pytest.mark.parametrize("columns", [TableColumns(("a",), ()), TableColumns((), ("d",))])
def test_numbers_alone_and_categories_alone_are_enough(kind: str, columns: TableColumns) -> None:
    rows = [
        TableRow(columns, np.arange(i, i + len(columns.numeric), dtype=np.float64), ("x",) * len(columns.categorical))
        for i in range(4)
    ]
    backbone = learned(kind, rows=rows).train()
    assert backbone(backbone.collate(backbone.prepare(rows))).pooled.isfinite().all()


def test_the_columns_are_the_encoding_itself() -> None:
    backbone, encoding = learned("columns"), Encoding.learn(ROWS)
    found = pooled(backbone, ROWS + STRANGE).numpy()
    assert np.array_equal(found, encoding.dense(encoding.encode(ROWS + STRANGE)))
    assert backbone.width == encoding.width


def test_the_attention_is_that_of_the_reference() -> None:
    backbone = learned("transformer").double()
    block: Any = backbone.get_submodule("blocks.0")
    tokens = torch.randn(2, 5, 8, dtype=torch.float64)
    mixed = block.mixed(block.attention_norm(tokens))
    query, key, value = (mixed[..., i * 8 : (i + 1) * 8] for i in range(3))
    heads = []
    for h in (slice(0, 4), slice(4, 8)):
        scores = (query[..., h] @ key[..., h].transpose(1, 2) / 2).softmax(-1)
        heads.append(scores @ value[..., h])
    torch.testing.assert_close(block._attend(mixed), torch.cat(heads, -1))


def test_what_a_transformer_cannot_be_built_for_is_said() -> None:
    with pytest.raises(BackboneError, match="backbone.hidden=10 is not divided by backbone.heads=4"):
        TabularTransformer.create(TabularTransformerOptions(hidden=10), None)
    wide = TableColumns(tuple(f"g{i}" for i in range(3000)), ())
    with pytest.raises(BackboneError, match="use backbone=genes"):
        learned("transformer", rows=[TableRow(wide, np.full(3000, float(i)), ()) for i in range(2)])


@every_kind
def test_weights_cannot_be_given(kind: str) -> None:
    backbone, options = KINDS[kind]
    with pytest.raises(BackboneError, match="reads no weights"):
        backbone.create(options, Source(path=Path("weights")))
