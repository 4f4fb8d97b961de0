"""The recipes of drug-target interaction: each trains, and predicts the same when it is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import medplug
from medplug.core.discovery.plugins import Plugins
from medplug.core.evaluation import trees
from medplug.core.plan import make_plan
from medplug.core.training import frozen
from medplug.plugins.drug_target.sample import sample

pytest.importorskip("rdkit.Chem", reason="rdkit is an extra: pip install 'medplug[chem]'")
pytestmark = pytest.mark.usefixtures("one_thread")

SMILES_CNN, SEQUENCE_CNN = ({"filters": [4, 4, 4], "embedding": 4, **more} for more in ({}, {"window": 60}))
FINGERPRINTS, KMERS = {"hidden": 8, "bits": 64}, {"hidden": 8, "k": 1}
RECIPES: dict[str, dict[str, Any]] = {
    "ecfp": {"drug": FINGERPRINTS, "protein": KMERS},
    "deepdta": {"drug": SMILES_CNN, "protein": SEQUENCE_CNN},
    "graph": {"drug": {"width": 8, "layers": 1}, "protein": KMERS},
    "esm": {"drug": FINGERPRINTS},
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_trains_and_predicts_the_same_when_it_is_loaded(
    recipe: str, tmp_path: Path, tiny_esm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trees, "DEEP", ((0.1,), (8,), (5,)))
    backbone = RECIPES[recipe] if recipe != "esm" else {**RECIPES[recipe], "protein": str(tiny_esm)}
    table = sample().head(120)
    run = medplug.run(
        task="drug_target",
        recipe=recipe,
        data={"train": table},
        backbone=backbone,
        fusion={"hidden": [8]},
        train={"epochs": 1},
        report={"resamples": 100},
        device="cpu",
        output=tmp_path / "run",
    )
    ours = run.predict(table.head(20))
    assert "std" not in ours.columns and ours["prediction"].n_unique() > 10
    assert medplug.load(run.folder, device="cpu").predict(table.head(20)).equals(ours)


def test_members_share_what_a_frozen_encoder_gives(
    tmp_path: Path, tiny_esm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trees, "DEEP", ((0.1,), (8,), (5,)))
    encoded, plain = [], frozen.infer

    def counted(function: Any, backbone: Any, items: Any, *rest: Any) -> Any:
        encoded.append(len(items))
        return plain(function, backbone, items, *rest)

    monkeypatch.setattr(frozen, "infer", counted)
    table = sample().head(120)
    run = medplug.run(
        task="drug_target",
        recipe="esm",
        data={"train": table},
        backbone={**RECIPES["esm"], "protein": str(tiny_esm)},
        fusion={"hidden": [8]},
        train={"epochs": 1, "members": 2},
        report={"resamples": 100},
        device="cpu",
        output=tmp_path / "run",
    )
    assert encoded == [table["sequence"].n_unique()]
    assert run.predict(table.head(20))["std"].min() > 0  # type: ignore[operator]


@pytest.mark.parametrize(
    ("recipe", "drug", "protein", "hidden"),
    [
        ("ecfp", "ecfp", "kmer", (512, 512)),
        ("deepdta", "smiles_cnn", "sequence_cnn", (1024, 1024, 512)),
        ("graph", "molecule_graph", "kmer", (512, 512)),
    ],
)
def test_a_recipe_names_its_networks(recipe: str, drug: str, protein: str, hidden: tuple[int, ...]) -> None:
    plan = make_plan([("test", {"task": "drug_target", "recipe": recipe})], Plugins(found=()))
    assert {slot: each.choice.name for slot, each in plan.encoders.items()} == {"drug": drug, "protein": protein}
    assert plan.fusion is not None and plan.fusion[0].name == "feed_forward"
    assert plan.fusion[1].model_dump()["hidden"] == hidden and plan.train.members == 1
