from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from medplug.core.data.revealing import Revealing, revealing, words_of
from medplug.core.data.tabular import TableColumns, TableRow
from medplug.core.data.targets import Target
from medplug.core.specs import Modality
from medplug.core.task import Examples

BINARY = Target("binary", ("no", "yes"))
TABLE: dict[str, Modality] = {"tabular": "tabular"}
TEXT: dict[str, Modality] = {"text": "text"}


def splits(values: list[Any], labels: list[Any], slot: str) -> dict[str, Examples]:
    n = len(values)
    cuts = {"train": slice(0, n // 2), "validation": slice(n // 2, 5 * n // 8), "test": slice(5 * n // 8, n)}
    return {name: Examples(np.arange(n)[at] + 1, {slot: values[at]}, labels[at]) for name, at in cuts.items()}


def table(numeric: dict[str, Any], categorical: dict[str, list[str | None]]) -> list[TableRow]:
    columns = TableColumns(tuple(numeric), tuple(categorical))
    matrix = np.stack([np.asarray(each, dtype=np.float64) for each in numeric.values()], axis=1)
    names = zip(*categorical.values(), strict=True) if categorical else [()] * len(matrix)
    return [TableRow(columns, row, tuple(each)) for row, each in zip(matrix, names, strict=True)]


@pytest.fixture
def draw() -> np.random.Generator:
    return np.random.default_rng(0)


def labels_of(draw: np.random.Generator, rows: int = 400) -> list[str]:
    return draw.choice(["no", "yes"], rows, p=[0.7, 0.3]).tolist()


def names(found: list[Revealing]) -> list[str]:
    return [each.name for each in found]


def test_columns_that_tell_the_label_are_found_whatever_their_form(draw: np.random.Generator) -> None:
    labels = labels_of(draw)
    yes = np.array(labels) == "yes"
    numeric = {
        "age": draw.normal(60, 10, 400),
        "above": draw.normal(size=400) + 20 * yes,
        "between": np.where(yes, 5.0, draw.choice([1.0, 9.0], 400)),
        "filled_when_yes": np.where(yes, draw.normal(size=400), np.nan),
        "strong": draw.normal(size=400) + 2 * yes,
    }
    categorical = {
        "discharge": [("icu" if each else "home") for each in yes],
        "patient": [f"p{i}" for i in range(400)],
        "sex": draw.choice(["f", "m"], 400).tolist(),
    }
    found = revealing(splits(table(numeric, dict(categorical)), labels, "tabular"), BINARY, TABLE)
    assert set(names(found)) == {"above", "between", "filled_when_yes", "discharge"}
    assert all(each.score >= 0.95 and each.what == "column" and each.rows == 200 for each in found)


def test_columns_of_chance_tell_nothing(draw: np.random.Generator) -> None:
    numeric = {f"c{i}": draw.normal(size=120) for i in range(300)}
    assert revealing(splits(table(numeric, {}), labels_of(draw, 120), "tabular"), BINARY, TABLE) == []


def test_a_copy_of_a_number_tells_it(draw: np.random.Generator) -> None:
    stay = draw.gamma(3, 2, 400)
    numeric = {"bill": 100 * stay + 5, "age": draw.normal(60, 10, 400)}
    target = Target("regression", ("stay",), float(stay.mean()), float(stay.std()))
    assert names(revealing(splits(table(numeric, {}), stay.tolist(), "tabular"), target, TABLE)) == ["bill"]


def test_a_column_of_the_event_tells_a_time_to_it(draw: np.random.Generator) -> None:
    event = draw.random(400) < 0.4
    labels = list(zip(draw.gamma(2, 5, 400).tolist(), event.tolist(), strict=True))
    rows = table({"autopsy": event.astype(float), "age": draw.normal(size=400)}, {})
    assert names(revealing(splits(rows, labels, "tabular"), Target("survival", ("death",)), TABLE)) == ["autopsy"]


def note(draw: np.random.Generator, *more: str) -> str:
    words = draw.choice([f"word{i}" for i in range(200)], 30).tolist()
    return " ".join([*words, *more])


def test_a_word_that_tells_the_label_is_found_and_so_is_one_that_is_then_lacking(draw: np.random.Generator) -> None:
    labels = labels_of(draw)
    texts = [note(draw, "Code-7" if each == "yes" else "routine", "seen") for each in labels]
    found = revealing(splits(texts, labels, "text"), BINARY, TEXT)
    assert {"code", "7", "routine"} == set(names(found))
    assert {each.label for each in found} == {None}


def test_texts_of_chance_and_a_telling_symptom_raise_nothing(draw: np.random.Generator) -> None:
    labels = labels_of(draw)
    texts = [note(draw, *(["wheeze"] if (each == "yes") == (draw.random() < 0.85) else [])) for each in labels]
    assert revealing(splits(texts, labels, "text"), BINARY, TEXT) == []


def test_of_many_classes_one_with_a_word_of_its_own_is_no_leak_but_most_are(draw: np.random.Generator) -> None:
    classes = ("acne", "asthma", "gout", "stroke")
    labels = draw.choice(classes, 400).tolist()
    target = Target("multiclass", classes)
    one = [note(draw, "pimple" if each == "acne" else "x") for each in labels]
    assert revealing(splits(one, labels, "text"), target, TEXT) == []
    every = [note(draw, f"code{classes.index(each)}") for each in labels]
    assert {(each.name, each.label) for each in revealing(splits(every, labels, "text"), target, TEXT)} == {
        (f"code{i}", name) for i, name in enumerate(classes)
    }


def test_few_rows_show_nothing(draw: np.random.Generator) -> None:
    labels = ["no", "yes"] * 10
    texts = [note(draw, "code" if each == "yes" else "") for each in labels]
    assert revealing(splits(texts, labels, "text"), BINARY, TEXT) == []


def test_chinese_is_read_by_two_characters() -> None:
    assert words_of("发热三天 CT") == {"发热", "热三", "三天", "ct"}


def test_a_word_of_few_patients_is_not_named_however_many_notes_hold_it(draw: np.random.Generator) -> None:
    """Nine patients of forty notes each have the disease, and one family name."""
    labels = (["yes"] * 360 + ["no"] * 360) * 2
    texts = [note(draw, "Zanzibar" if each == "yes" else "") for each in labels]
    who = [f"{each}{i % (9 if each == 'yes' else 60)}" for i, each in enumerate(labels)]
    found = splits(texts, labels, "text")
    assert "zanzibar" in names(revealing(found, BINARY, TEXT))
    owned = {name: replace(each, groups=[who[i - 1] for i in each.rows.tolist()]) for name, each in found.items()}
    assert "zanzibar" not in names(revealing(owned, BINARY, TEXT))
