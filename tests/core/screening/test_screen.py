"""A stream gives what scoring all pairs at once gives, and holds no more than a chunk and what it keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from medplug.core.data.content import JointRow
from medplug.core.data.targets import Target
from medplug.core.ensemble import Ensemble
from medplug.core.errors import DataError, RowsError, UsageError
from medplug.core.predictor import Predictor
from medplug.core.screening.options import Screen
from medplug.core.screening.screen import Screening, screen

Make = Callable[..., Predictor]
BINARY = Target("binary", ("inactive", "active"))


def screened(*models: Predictor, library: Any, against: Any, **how: Any) -> Screening:
    return screen(models, library, against, Screen(**{"draws": 0, **how}), lambda done, total: None)


def all_pairs(model: Predictor, library: pl.DataFrame, few: pl.DataFrame) -> pl.DataFrame:
    """Every pair scored by the model as a whole, as `predict` does it."""
    pairs = few.join(library.with_row_index("row", 1), how="cross")
    rows = [JointRow({"many": many, "few": other}) for many, other in pairs.select("number", "other").iter_rows()]
    scores = model.target.probabilities(model.logits(rows))[:, -1]
    return pairs.with_columns(pl.Series("score", scores))


def ranked(pairs: pl.DataFrame, name: str, top: int, *, lowest: bool = False) -> pl.DataFrame:
    mine = pairs.filter(pl.col("name") == name)
    return mine.sort("score", descending=not lowest, maintain_order=True).head(top)


@pytest.mark.parametrize("fusion", ["concat", "lowrank", "bilinear_attention", "cross_attention", "late"])
@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_a_stream_gives_what_all_pairs_at_once_give(
    make: Make, numbers: pl.DataFrame, few: pl.DataFrame, fusion: str, chunk: int
) -> None:
    model = make(fusion)
    found = screened(model, library=numbers, against=few, chunk=chunk).frame
    assert found.columns == ["rank", "few", "many", "row", "number", "prediction"]
    pairs = all_pairs(model, numbers, few)
    for name in few["name"]:
        mine, wanted = found.filter(pl.col("few") == name), ranked(pairs, name, 60)
        assert mine["rank"].to_list() == list(range(1, 61))
        np.testing.assert_allclose(mine["prediction"], wanted["score"], rtol=1e-5)
        by_row = mine.sort("row").join(wanted.with_columns(pl.col("row").cast(pl.Int64)).sort("row"), on="row")
        np.testing.assert_allclose(by_row["prediction"], by_row["score"], rtol=1e-5)
        assert by_row["many"].to_list() == by_row["id"].to_list()


def test_small_batches_of_tokens_change_nothing(make: Make, numbers: pl.DataFrame, few: pl.DataFrame) -> None:
    model = make("bilinear_attention")
    whole = screened(model, library=numbers, against=few).frame
    model.compute = replace(model.compute, tokens=16)
    np.testing.assert_allclose(
        screened(model, library=numbers, against=few).frame["prediction"], whole["prediction"], rtol=1e-5
    )


@pytest.mark.parametrize("lowest", [False, True])
def test_the_best_are_those_of_sorting_all(make: Make, numbers: pl.DataFrame, few: pl.DataFrame, lowest: bool) -> None:
    model = make()
    found = screened(model, library=numbers, against=few, top=5, lowest=lowest, chunk=8).frame
    pairs = all_pairs(model, numbers, few)
    for name in few["name"]:
        wanted = ranked(pairs, name, 5, lowest=lowest)
        assert found.filter(pl.col("few") == name)["row"].to_list() == wanted["row"].to_list()


def test_a_binary_model_ranks_by_the_positive_class(make: Make, numbers: pl.DataFrame, few: pl.DataFrame) -> None:
    model = make(target=BINARY)
    found = screened(model, library=numbers, against=few, top=1).frame
    assert found["p_active"].to_list() == pytest.approx(
        [ranked(all_pairs(model, numbers, few), name, 1)["score"][0] for name in few["name"]]
    )


def test_each_entity_is_prepared_and_encoded_once(make: Make, numbers: pl.DataFrame, few: pl.DataFrame) -> None:
    model = make()
    many, other = (model.model.backbone.part(slot) for slot in ("many", "few"))  # type: ignore[operator, union-attr]
    screened(model, library=numbers, against=few)
    assert sorted(many.prepared) == sorted(set(numbers["number"])) and many.encoded == len(many.prepared)
    assert sorted(other.prepared) == sorted(set(few["other"])) and other.encoded == 2


def test_no_more_than_a_chunk_is_in_memory(make: Make, few: pl.DataFrame, tmp_path: Path) -> None:
    file = tmp_path / "library.csv"
    file.write_text("number\n" + "".join(f"{i}\n" for i in range(2000)))
    model = make()
    item = type(model.model.backbone.part("many").prepare(["1"])[0])  # type: ignore[operator, union-attr]
    item.most = 0
    found = screened(model, library=file, against=few, chunk=50, top=3)
    assert found.scored == 2000 and found.frame.height == 9
    assert item.most <= 2 * 50 + 10  # those of a chunk, while the last one's go


def test_draws_tell_a_spread_that_chunks_and_batches_do_not_change(
    make: Make, numbers: pl.DataFrame, few: pl.DataFrame
) -> None:
    model = make("cross_attention")
    plain = screened(model, library=numbers, against=few)
    found = screened(model, library=numbers, against=few, draws=8, top=20)
    assert "std" not in plain.frame.columns and plain.spread == ""
    assert found.spread == "std is the standard deviation over 8 draws of dropout"
    assert found.frame["std"].min() > 0  # type: ignore[operator]
    kept = plain.frame.filter(pl.col("rank") <= 20)
    assert found.frame["prediction"].to_list() == pytest.approx(kept["prediction"].to_list(), rel=1e-5)
    model.compute = replace(model.compute, tokens=16)
    again = screened(model, library=numbers, against=few, draws=8, top=20, chunk=7)
    assert again.frame["std"].to_list() == pytest.approx(found.frame["std"].to_list(), rel=1e-4)
    other = screened(model, library=numbers, against=few, draws=8, top=20, seed=1)
    assert other.frame["std"].to_list() != pytest.approx(found.frame["std"].to_list(), rel=1e-2)


def test_the_spread_of_one_does_not_depend_on_what_is_kept_beside_it(
    make: Make, numbers: pl.DataFrame, few: pl.DataFrame
) -> None:
    model = make()
    wide, narrow = (screened(model, library=numbers, against=few, draws=5, top=top).frame for top in (30, 2))
    first = wide.filter(pl.col("rank") <= 2)
    assert narrow["std"].to_list() == pytest.approx(first["std"].to_list(), rel=1e-5)


def test_a_model_without_dropout_tells_no_spread(make: Make, numbers: pl.DataFrame, few: pl.DataFrame) -> None:
    found = screened(make(dropout=0.0), library=numbers, against=few, draws=4)
    assert "std" not in found.frame.columns
    assert found.spread.startswith("no std: this model has no dropout")


def test_a_backbone_that_was_not_trained_stands_still_in_every_draw(
    make: Make, numbers: pl.DataFrame, few: pl.DataFrame
) -> None:
    model = make()
    model.model.backbone.part("many").requires_grad_(False)  # type: ignore[operator, union-attr]
    one_sided = screened(model, library=numbers, against=few, draws=4, top=2)
    assert one_sided.frame["std"].min() > 0  # type: ignore[operator]
    model.model.backbone.part("few").requires_grad_(False)  # type: ignore[operator, union-attr]
    assert "std" not in screened(model, library=numbers, against=few, draws=4).frame.columns


def test_an_ensemble_scores_by_the_mean_and_spreads_over_its_models(
    make: Make, numbers: pl.DataFrame, few: pl.DataFrame
) -> None:
    models = [make(seed=seed) for seed in range(3)]
    found = screened(*models, library=numbers, against=few, draws=None, chunk=9)
    each = [all_pairs(model, numbers, few)["score"].to_numpy() for model in models]
    pairs = all_pairs(models[0], numbers, few).with_columns(
        pl.Series("score", np.mean(each, axis=0)), pl.Series("std", np.std(each, axis=0))
    )
    for name in few["name"]:
        mine, wanted = found.frame.filter(pl.col("few") == name), ranked(pairs, name, 60)
        np.testing.assert_allclose(mine["prediction"], wanted["score"], rtol=1e-5)
        np.testing.assert_allclose(mine["std"], wanted["std"], rtol=1e-4)
    assert found.spread == "std is the standard deviation over 3 models"
    both = screened(*models, library=numbers, against=few, draws=4, top=3)
    assert both.spread == "std is the standard deviation over 4 draws of dropout of each of 3 models"


def test_the_members_of_one_run_are_an_ensemble_as_in_predict(
    make: Make, numbers: pl.DataFrame, few: pl.DataFrame
) -> None:
    models = [make(seed=seed, target=BINARY) for seed in range(3)]
    apart = screened(*models, library=numbers, against=few, draws=None)
    run = replace(models[0], model=Ensemble([each.model for each in models], BINARY))
    found = screened(run, library=numbers, against=few, draws=None)
    assert found.spread == apart.spread and found.frame.equals(apart.frame)
    wanted = ranked(all_pairs(run, numbers, few), "b", 60)["score"]
    np.testing.assert_allclose(found.frame.filter(pl.col("few") == "b")["p_active"], wanted, rtol=1e-5)
    again = [make(seed=seed, target=BINARY) for seed in range(3)]
    run = replace(again[0], model=Ensemble([each.model for each in again], BINARY))
    screened(run, library=numbers, against=few)
    first, *others = (each.model.backbone.part("many") for each in again)  # type: ignore[operator, union-attr]
    assert len(first.prepared) == 59 and not any(each.prepared for each in others)
    assert [each.encoded for each in (first, *others)] == [59, 59, 59]


def test_models_that_predict_different_things_are_no_ensemble(
    make: Make, numbers: pl.DataFrame, few: pl.DataFrame
) -> None:
    with pytest.raises(UsageError, match=r"regression: pKd\) is not pairs \(binary: inactive, active"):
        screened(make(), make(target=BINARY), library=numbers, against=few)


def test_a_task_of_rows_says_that_it_screens_nothing(make: Make, numbers: pl.DataFrame, few: pl.DataFrame) -> None:
    model = make(task=SimpleNamespace(screening=lambda: None))
    with pytest.raises(UsageError, match="leave out --against"):
        screened(model, library=numbers, against=few)
    many_classes = make(target=Target("multiclass", ("a", "b", "c")))
    with pytest.raises(UsageError, match="this model predicts a multiclass target"):
        screened(many_classes, library=numbers, against=few)


def test_bad_rows_stop_with_their_number_in_the_whole_library_or_are_set_aside(make: Make, few: pl.DataFrame) -> None:
    bad = pl.DataFrame({"number": ["1", "2", "x", "3", "y", ""]})
    with pytest.raises(RowsError, match=r"1 bad row.*\n  row 3, column number: it is no number"):
        screened(make(), library=bad, against=few, chunk=2)
    found = screened(make(), library=bad, against=few, chunk=2, on_error="skip")
    (aside,) = found.set_aside
    assert (found.scored, aside.count) == (3, 3) and [each.row for each in aside.shown] == [3, 5, 6]
    assert sorted(set(found.frame["row"])) == [1, 2, 4]


def test_of_many_bad_rows_twenty_are_told(make: Make, few: pl.DataFrame) -> None:
    bad = pl.DataFrame({"number": ["1", *["x"] * 50]})
    (aside,) = screened(make(), library=bad, against=few, chunk=8, on_error="skip").set_aside
    assert aside.count == 50 and [each.row for each in aside.shown] == list(range(2, 22))


def test_nothing_to_score_is_an_error(make: Make, numbers: pl.DataFrame, few: pl.DataFrame, tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text("number\n")
    with pytest.raises(DataError, match=r"INPUT .*: it has no row that can be scored"):
        screened(make(), library=empty, against=few)
    bad = pl.DataFrame({"number": ["x"] * 9})
    with pytest.raises(DataError, match=r"can be scored: all 9 are bad, the first of them:\n  row 1, column number"):
        screened(make(), library=bad, against=few, on_error="skip")
    empty.write_text("other\n")
    with pytest.raises(DataError, match=r"against .*: it has no row to score against"):
        screened(make(), library=numbers, against=empty)


def test_two_of_one_name_to_screen_against_are_refused(make: Make, numbers: pl.DataFrame) -> None:
    few = pl.DataFrame({"id": ["a", "b", "a"], "other": ["1", "2", "3"]})
    with pytest.raises(DataError, match=r"1 name\(s\) stand there more than once \(the repeats are number 3\)"):
        screened(make(), library=numbers, against=few)


def test_what_has_no_name_is_told_by_its_row(make: Make) -> None:
    found = screened(make(), library=pl.DataFrame({"number": ["1"]}), against=pl.DataFrame({"other": ["2", "3"]}))
    assert found.frame.columns == ["rank", "few", "row", "number", "prediction"]
    assert found.frame["few"].to_list() == ["1", "2"]


def test_a_file_that_is_no_table_is_read_in_its_own_way(make: Make, few: pl.DataFrame, tmp_path: Path) -> None:
    file = tmp_path / "library.TXT"
    file.write_text("1 2 3")
    assert screened(make(), library=file, against=few).scored == 3
    with pytest.raises(DataError, match=r"its ending is '.odd'; allowed: .txt \(these also with .gz\); tables: .csv"):
        (tmp_path / "library.odd").touch()
        screened(make(), library=tmp_path / "library.odd", against=few)


@pytest.mark.parametrize(
    ("how", "told"), [({"top": 0}, "at least 1"), ({"draws": 1}, "at least 2"), ({"draws": -1}, "at least 2")]
)
def test_numbers_that_make_no_screening_are_refused(how: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        Screen(**how)


def test_a_predictor_screens_tables_in_any_form(make: Make, few: pl.DataFrame) -> None:
    rows = [{"number": "1", "id": "one"}, {"number": "2", "id": "two"}]
    found = make().screen(rows, against=few, draws=2)
    assert set(found["many"]) == {"one", "two"} and "std" in found.columns
