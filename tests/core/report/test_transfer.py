"""What the report says of transfer between domains: whether it helped, and how the model was chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medplug.core.report.cautions import cautions
from medplug.core.report.comparisons import transfer
from medplug.core.report.data_tables import splits
from medplug.core.report.evidence import Evidence, SplitFacts
from medplug.core.report.label_tables import labels
from medplug.core.report.making_tables import history, making
from medplug.core.report.page import write_report
from medplug.core.report.verdicts import transfer_verdict

Make = Callable[..., Evidence]


def between(
    make: Make, interval: list[float], *, metric: str = "macro_f1", backbone: str = "frozen", **selection: Any
) -> Evidence:
    """Evidence of a run between domains, whose difference from a head without transfer has this interval."""
    plain = make("multiclass", metric=metric)
    difference = {name: {"value": sum(interval) / 2, "ci95": interval} for name in plain.scores["metrics"]}
    without = {"backbone": backbone, "metrics": plain.scores["baseline"]["linear"], "difference": difference}
    chosen = {"metric": metric, "split": "validation", "criterion": "validation", "oracle": False, **selection}
    return make("multiclass", metric=metric, scores={**plain.scores, "without_transfer": without, "selection": chosen})


@pytest.mark.parametrize(
    ("interval", "kind", "word"),
    [([0.01, 0.1], "better", "helped"), ([-0.1, -0.01], "worse", "hurt"), ([-0.1, 0.1], "unclear", "no clear")],
)
def test_the_interval_says_whether_transfer_helped(make: Make, interval: list[float], kind: str, word: str) -> None:
    found = transfer_verdict(between(make, interval))
    assert found is not None and found.kind == kind and word in found.headline


def test_a_trained_backbone_is_not_laid_to_transfer(make: Make) -> None:
    found = transfer_verdict(between(make, [0.01, 0.1], backbone="trained"))
    assert found is not None and found.kind == "better" and "helped" not in found.headline
    assert "what the transfer alone added was not measured" in found.text


def test_a_lower_loss_is_a_gain(make: Make) -> None:
    found = transfer_verdict(between(make, [-0.1, -0.01], metric="log_loss"))
    assert found is not None and found.kind == "better"


def test_transfer_that_hurts_is_a_caution_and_transfer_that_helps_is_none(make: Make) -> None:
    assert any("between the domains hurt" in each for each in cautions(between(make, [-0.1, -0.01])))
    assert not any("between the domains" in each for each in cautions(between(make, [0.01, 0.1])))


def test_without_domains_nothing_is_said_of_transfer_between_them(make: Make, tmp_path: Path) -> None:
    evidence = make("multiclass")
    assert transfer_verdict(evidence) is None and not transfer(evidence).rows
    write_report(tmp_path, evidence)
    assert "between the domains" not in (tmp_path / "report.html").read_text()


def test_both_pages_tell_the_verdict_and_the_table(make: Make, tmp_path: Path) -> None:
    write_report(tmp_path, between(make, [-0.1, -0.01]))
    for page in ("report.html", "model_card.md"):
        assert "Transfer between the domains hurt." in (tmp_path / page).read_text()
    assert "With transfer, and with a plain head" in (tmp_path / "report.html").read_text()


def test_choice_by_target_labels_is_told_before_all_else(make: Make) -> None:
    told = cautions(between(make, [0.01, 0.1], oracle=True))
    assert told[0].startswith("ORACLE") and "selection.oracle=true" in told[0]


def test_choice_on_source_rows_is_told(make: Make) -> None:
    evidence = between(make, [0.01, 0.1])
    chosen = make("multiclass", scores=evidence.scores, chosen_on_source=True)
    assert any("rows of the source domain" in each for each in cautions(chosen))
    assert not any("rows of the source domain" in each for each in cautions(evidence))


def test_choice_by_unlabelled_target_rows_is_not_told_as_choice_on_the_source(make: Make) -> None:
    scores = between(make, [0.01, 0.1], criterion="snd").scores
    told = cautions(make("multiclass", scores=scores, chosen_on_source=True))
    assert not any("chosen on rows of the source" in each for each in told)


def test_the_domains_of_the_splits_are_told_where_there_are_two(make: Make) -> None:
    plain = make("multiclass")
    named = {name: replace(split, domain="target") for name, split in plain.splits.items()}
    assert splits(plain).header[-1] == "patients"
    assert splits(make("multiclass", splits=named)).header[-1] == "domain"
    assert splits(make("multiclass", splits=named)).rows[0][-1] == "target"


def test_unlabelled_rows_that_nothing_learns_from_are_told(make: Make) -> None:
    given = {**make("multiclass").splits, "unlabelled": SplitFacts(50, None, {})}
    unused, used = (make("multiclass", splits=given, uses_unlabelled=each) for each in (False, True))
    assert any("no adapter of this run learns from them" in each for each in cautions(unused))
    assert not any("no adapter of this run learns from them" in each for each in cautions(used))
    assert "unlabelled" not in labels(unused).header


def test_a_test_split_of_the_wrong_domain_is_told(make: Make) -> None:
    assert any("is not measured" in each for each in cautions(make("multiclass", tested_on_source=True)))
    assert not any("is not measured" in each for each in cautions(make("multiclass")))


def test_a_criterion_is_named_where_it_chose(make: Make) -> None:
    evidence = between(make, [0.01, 0.1], criterion="infomax")
    assert "InfoMax" in making(evidence).rows[0][1]
    epochs = make("multiclass", history=[{"epoch": 1.0, "loss": 0.5, "macro_f1": 0.6, "infomax": 0.3}])
    assert history(epochs).header == [
        "epoch",
        "training loss",
        "validation macro F1",
        "information of target predictions (InfoMax)",
    ]
