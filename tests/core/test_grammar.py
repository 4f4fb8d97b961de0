from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from medplug.core.errors import ConfigError
from medplug.core.grammar import flatten, parse_arguments, parse_value, read_file, written


def file(folder: Path, text: str) -> Path:
    path = folder / "keys.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("value", ["a=b", "x==", "=", "key=value=more"])
def test_a_word_is_split_at_its_first_equals_sign(value: str) -> None:
    assert parse_arguments([f"report.title={value}"]) == {"report.title": value}


@pytest.mark.parametrize("text", ["1E50", "007", "1e-3", "true", "yes", "NaN", " a ", "", "12", "None", "~", "感冒"])
def test_a_value_stays_the_text_it_was(text: str) -> None:
    assert parse_arguments([f"task.positive={text}"]) == {"task.positive": text}


def test_null_and_brackets_are_read_as_json() -> None:
    assert parse_value("null", "k") is None
    assert parse_value("[0.7, null, true]", "k") == [0.7, None, True]
    assert parse_value('{"a": ["007"]}', "k") == {"a": ["007"]}


def test_a_value_that_looks_like_json_and_is_not_names_its_key_and_the_right_form() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_arguments(["data.label=[cough,fever]"])
    assert "data.label" in str(caught.value)
    assert 'data.label=["a","b"]' in str(caught.value)
    assert "position 2" in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        ["seed=1", "seed=1"],
        ["train.epochs=1", 'train={"epochs": 2}'],
        ['backbone={"name": "minilm"}', "backbone=bert"],
    ],
)
def test_a_repeated_key_is_refused_however_it_is_written(words: list[str]) -> None:
    key = "backbone" if "backbone" in words[1] else "seed" if "seed" in words[0] else "train.epochs"
    with pytest.raises(ConfigError, match=f"^{key} is given twice; give it once$"):
        parse_arguments(words)


@pytest.mark.parametrize("word", ["=3", ".epochs=3", "train.=3", "train..epochs=3", "train. .x=3", 'train={"": 3}'])
def test_an_empty_segment_is_refused_and_shows_a_whole_key(word: str) -> None:
    with pytest.raises(ConfigError, match=r"has an empty part; a key looks like train\.epochs"):
        parse_arguments([word])


@pytest.mark.parametrize(
    ("words", "form"),
    [
        (["--epochs", "3"], "train.epochs=3"),
        (["--epochs=3"], "train.epochs=3"),
        (["--epoch", "3"], "train.epochs=3"),
        (["--epochs"], "train.epochs=VALUE"),
        (["--epochs", "seed=1"], "train.epochs=VALUE"),
        (["--learning-rate", "1e-3"], "train.learning_rate=1e-3"),
        (["--train", "notes.csv"], "data.train=notes.csv"),
        (["--metric", "auroc"], "selection.metric=auroc"),
        (["--seed", "7"], "seed=7"),
        (["--task", "text_diagnosis"], "task=text_diagnosis"),
        (["--adapter.lora.rank", "8"], "adapter.lora.rank=8"),
        (["--text", "note"], "SECTION.text=note"),
        (["epochs", "3"], "train.epochs=3"),
        (["train.epochs", "=", "3"], "train.epochs=VALUE"),
        (["text_diagnosis"], "task=text_diagnosis"),
    ],
)
def test_a_word_in_another_form_is_shown_the_right_one(words: list[str], form: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_arguments(words)
    said = str(caught.value)
    assert f"key=value, as in {form}" in said
    assert words[0].partition("=")[0] in said
    assert "\n" not in said


def test_a_file_may_nest_its_keys_or_dot_them(tmp_path: Path) -> None:
    nested = "task: text_diagnosis\nbackbone:\n  name: minilm\n  pooling: mean\ntrain: {epochs: 3}\n"
    dotted = "task: text_diagnosis\nbackbone: minilm\nbackbone.pooling: mean\ntrain.epochs: 3\n"
    keys = {"task": "text_diagnosis", "backbone": "minilm", "backbone.pooling": "mean", "train.epochs": "3"}
    assert read_file(file(tmp_path, nested)) == keys
    assert read_file(file(tmp_path, dotted)) == keys


def test_values_of_a_file_stay_text_too(tmp_path: Path) -> None:
    text = "data.label: 1E50\ndata.text: 007\ntask.unicode: yes\nreport.by: [sex, 010]\ntask.positive: null\nseed:\n"
    assert read_file(file(tmp_path, text)) == {
        "data.label": "1E50",
        "data.text": "007",
        "task.unicode": "yes",
        "report.by": ["sex", "010"],
        "task.positive": None,
        "seed": None,
    }


def test_what_a_file_quotes_is_text_as_it_stands(tmp_path: Path) -> None:
    text = "data.label: \"null\"\nreport.title: '[draft] flu'\ntask.separator: ''\n"
    assert read_file(file(tmp_path, text)) == {
        "data.label": "null",
        "report.title": "[draft] flu",
        "task.separator": "",
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("seed: 1\nseed: 2\n", "line 2: seed is given twice"),
        ("train:\n  epochs: 1\n  epochs: 2\n", "line 3: epochs is given twice"),
        ("train: {epochs: 1}\ntrain.epochs: 2\n", "train.epochs is given twice"),
        ("train: [\n", "not YAML at line"),
        ("- seed\n", "holds no keys"),
        ("just words\n", "holds no keys"),
        ("train..epochs: 3\n", "empty part"),
        ("? [a, b]\n: 3\n", "line 1: a key must be a word"),
        ("seed: 1\n---\nseed: 2\n", "not YAML at line"),
        ("seed: *nowhere\n", "not YAML at line 1"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_file(file(tmp_path, text))
    assert "keys.yaml" in str(caught.value)
    assert told in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.yaml: cannot be read: No such file"):
        read_file(tmp_path / "missing.yaml")
    (tmp_path / "latin.yaml").write_bytes("report.title: fièvre".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin\.yaml: not UTF-8"):
        read_file(tmp_path / "latin.yaml")


def test_an_empty_file_gives_no_keys(tmp_path: Path) -> None:
    assert read_file(file(tmp_path, "# nothing yet\n")) == {}


def test_a_file_never_makes_python_objects(tmp_path: Path) -> None:
    assert read_file(file(tmp_path, "report.title: !!python/name:os.system x\n")) == {"report.title": "x"}


def test_python_mappings_are_opened_to_the_depth_of_their_section() -> None:
    given: dict[str, Any] = {
        "task": "text_diagnosis",
        "train": {"epochs": 3, "clip": 0.5},
        "adapter": {"name": "lora+mmd", "lora": {"rank": 8}, "mmd.weight": 0.1},
        "data.text": "note",
    }
    assert flatten(given) == {
        "task": "text_diagnosis",
        "train.epochs": 3,
        "train.clip": 0.5,
        "adapter": "lora+mmd",
        "adapter.lora.rank": 8,
        "adapter.mmd.weight": 0.1,
        "data.text": "note",
    }


@pytest.mark.parametrize("form", ["nested", "dotted"])
def test_a_mapping_of_columns_stays_one_table(form: str) -> None:
    table = {"text": ["cough", "rash"], "label": ["a", "b"]}
    flat = flatten({"data": {"train": table}} if form == "nested" else {"data.train": table})
    assert flat == {"data.train": table}
    assert flat["data.train"] is table


@pytest.mark.parametrize("value", [None, [0.7, 0.1, 0.2], ["a", "b"], {"a": "007"}, "1E50", "note.csv"])
def test_a_value_is_written_as_it_is_typed(value: Any) -> None:
    assert parse_value(written(value), "k") == value
