from __future__ import annotations

import json
from typing import Any

import numpy as np

from medplug.core.data.tabular import TableColumns, TableRow
from medplug.core.images.store import ImageStore
from medplug.core.judging.shift import rows_told
from medplug.core.signals.signal import Signal
from medplug.core.task import Examples

COLUMNS = TableColumns(("age",), ("ward",))


def table(ages: list[float], wards: list[str | None]) -> list[TableRow | None]:
    return [TableRow(COLUMNS, np.array([age]), (ward,)) for age, ward in zip(ages, wards, strict=True)]


def split(values: list[Any], slot: str = "tabular", **more: Any) -> Examples:
    return Examples(np.arange(1, len(values) + 1), {slot: values}, **more)


def test_characteristics_are_told_by_split_with_what_is_missing_and_rare_names_hidden() -> None:
    train = split(table([40.0, 60.0, np.nan] * 10, (["a"] * 14 + ["Zanzibar", None]) + ["b"] * 14))
    test = split(table([50.0] * 4, ["b"] * 4))
    found = rows_told({"train": train, "test": test}, {"tabular": "tabular"}, 0)["characteristics"]
    age, ward = found["features"]
    assert found["rows"] == {"train": 30, "test": 4}
    assert (age["splits"]["train"]["mean"], age["splits"]["train"]["missing"]) == (50.0, 10)
    assert ward["splits"]["train"] == {"missing": 1, "rows": 30, "names": {"b": 14, "a": 14}, "other": 1}
    assert "Zanzibar" not in json.dumps(found)


def test_a_shift_between_training_and_test_is_told_feature_by_feature_and_as_a_whole() -> None:
    draw = np.random.default_rng(0)
    train = split(table(draw.normal(50, 5, 200).tolist(), draw.choice(["a", "b"], 200).tolist()))
    test = split(table(draw.normal(70, 5, 100).tolist(), draw.choice(["a", "b"], 100).tolist()))
    found = rows_told({"train": train, "test": test}, {"tabular": "tabular"}, 0)["shift"]["train and test"]
    assert found["rows"] == [200, 100]
    assert found["auroc"]["ci95"][0] > 0.9
    assert [each["name"] for each in found["features"]] == ["age", "ward"]
    assert found["features"][0]["smd"] > 3 and found["features"][0]["ks"] > 0.8 > found["features"][1]["tv"]


def test_source_and_target_are_compared_where_domains_are_named() -> None:
    texts = ["fever and a cough for days"] * 60 + ["a broken arm after a fall"] * 60
    of_target = np.repeat([False, True], 60)
    train = split(texts, "text", of_target=of_target)
    test = split(texts[60:], "text", of_target=np.ones(60, dtype=bool))
    found = rows_told({"train": train, "test": test}, {"text": "text"}, 0)["shift"]
    assert found["source and target"]["rows"] == [60, 120]
    assert found["source and target"]["auroc"]["value"] == 1.0
    assert {each["word"] for each in found["source and target"]["words"]} >= {"fever", "cough", "broken", "arm"}


def test_words_of_few_rows_and_numbers_are_not_named() -> None:
    texts = [f"fever 1234 {'zanzibar' if i < 9 else ''} {'cough' if i % 2 else ''}" for i in range(60)]
    found = rows_told({"train": split(texts, "text"), "test": split(texts, "text")}, {"text": "text"}, 0)
    words = {each["word"] for each in found["shift"]["train and test"]["words"]}
    assert words == {"zanzibar", "cough"}  # 18 rows of both together have the one


def test_images_and_signals_have_measures_of_their_own() -> None:
    store, draw = ImageStore(), np.random.default_rng(0)
    images = [store.add(draw.integers(256, size=(1, 20, 30)).astype(np.uint8)) for _ in range(20)]
    dark = [store.add((image.pixels() // 2).astype(np.uint8)) for image in images]
    found = rows_told({"train": split(images, "image"), "test": split(dark, "image")}, {"image": "image"}, 0)
    first = found["shift"]["train and test"]["features"][0]
    assert first["name"].startswith("image: ") and first["ks"] == 1.0
    assert [each["name"] for each in found["characteristics"]["features"]][2:] == [
        "image: width (pixels)",
        "image: height (pixels)",
    ]
    waves = [Signal(draw.normal(size=(2, 50)).astype(np.float32)) for _ in range(20)]
    found = rows_told({"train": split(waves, "ecg"), "test": split([None] * 20, "ecg")}, {"ecg": "signal"}, 0)
    assert found["shift"]["train and test"]["features"][0]["missing"] == [0.0, 1.0]


def test_what_one_patient_has_in_many_rows_is_not_named() -> None:
    """A name in twelve notes, and a ward of twelve stays, of one patient."""
    patients = ["p0"] * 12 + [f"p{i}" for i in range(1, 49)]
    notes = [f"note {'zanzibar' if who == 'p0' else ''} {'cough' if i % 2 else ''}" for i, who in enumerate(patients)]
    wards = table([1.0] * 60, ["Zanzibar" if who == "p0" else "b" for who in patients])
    some = Examples(np.arange(1, 61), {"text": notes, "tabular": wards}, groups=patients)
    found = rows_told({"train": some, "test": some}, {"text": "text", "tabular": "tabular"}, 0)
    assert "zanzibar" not in json.dumps(found).casefold()
    assert [each["word"] for each in found["shift"]["train and test"]["words"]] == ["cough"]
