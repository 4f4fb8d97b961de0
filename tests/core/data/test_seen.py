from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medplug.core.answers.questions import Span
from medplug.core.data.seen import FILE, Seen, find_seen, keep_seen
from medplug.core.data.sketched import Sketches
from medplug.core.errors import RunError
from medplug.core.images.store import ImageStore
from medplug.core.specs import Modality
from medplug.core.task import Examples

TEXT: dict[str, Modality] = {"text": "text"}
LONG = "the patient was seen in the emergency department with a fever of three days, a dry cough and chest pain"
OTHER = "after an uneventful operation the wound was dry, drains were removed and oral feeding was begun slowly"


def rows(values: list[Any], groups: list[str] | None = None, slot: str = "text") -> Examples:
    return Examples(np.arange(1, len(values) + 1), {slot: values}, None, groups)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    splits = {
        "train": rows([LONG, "a cough", ""], ["Zanzibar", "q", ""]),
        "validation": rows(["chosen by"], ["r"]),
        "test": rows([OTHER], ["t"]),
    }
    keep_seen(tmp_path, splits, TEXT, Sketches())
    return tmp_path


def test_rows_that_were_learned_from_or_chosen_by_are_found_exactly_and_nearly(folder: Path) -> None:
    asked = rows(["A  Cough", LONG + " again", OTHER, "chosen by", "", "new"], ["x", "q", "t", "", "Zanzibar", "y"])
    assert find_seen(folder, asked, TEXT) == Seen(6, [1, 4], [2], [2, 5])


def test_without_groups_none_are_compared(folder: Path) -> None:
    found = find_seen(folder, rows(["new"]), TEXT)
    assert found == Seen(1, [], [], None)
    assert found is not None and found.told() == []


def test_what_is_told_names_rows_and_no_content(folder: Path) -> None:
    found = find_seen(folder, rows([LONG, OTHER], ["Zanzibar", "z"]), TEXT)
    assert found is not None
    assert found.told() == [
        "1 of 2 row(s) learned from or chosen by: row 1",
        "1 of 2 row(s) of a group that was learned from or chosen by: row 1",
    ]


def test_the_file_holds_no_content_and_no_two_files_can_be_matched(folder: Path, tmp_path: Path) -> None:
    content = (folder / FILE).read_bytes()
    assert not any(word in content for word in (b"Zanzibar", b"zanzibar", b"cough", b"emergency"))
    again = tmp_path / "again"
    again.mkdir()
    keep_seen(again, {"train": rows([LONG], ["Zanzibar"])}, TEXT, Sketches())
    other = (again / FILE).read_bytes()
    assert not {content[i : i + 8] for i in range(1000, len(content) - 8)} & {
        other[i : i + 8] for i in range(len(other) - 300, len(other) - 8)
    }


def test_images_are_known_resized(tmp_path: Path) -> None:
    store, draw = ImageStore(), np.random.default_rng(0)
    first, second = (store.add(draw.integers(256, size=(1, 48, 48)).astype(np.uint8)) for _ in range(2))
    larger = store.add(first.pixels().repeat(2, axis=1).repeat(2, axis=2))
    slots: dict[str, Modality] = {"image": "image"}
    keep_seen(tmp_path, {"train": rows([first], slot="image")}, slots, Sketches())
    assert find_seen(tmp_path, rows([first, larger, second], slot="image"), slots) == Seen(3, [1], [2], None)


def test_letters_of_molecules_count(tmp_path: Path) -> None:
    slots: dict[str, Modality] = {"drug": "molecule"}
    keep_seen(tmp_path, {"train": rows(["c1ccccc1"], slot="drug")}, slots, Sketches())
    found = find_seen(tmp_path, rows(["C1CCCCC1", "c1ccccc1"], slot="drug"), slots)
    assert found is not None and found.same == [2]


def test_a_question_is_known_without_its_answers(tmp_path: Path) -> None:
    keep_seen(tmp_path, {"train": rows([Span("What is it?", LONG, (("fever", 3),))])}, TEXT, Sketches())
    found = find_seen(tmp_path, rows([Span("what is it?", LONG), Span("When was it?", LONG)]), TEXT)
    assert found == Seen(2, [1], [], None)


def test_many_rows_are_compared_by_bands(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    words = np.array([f"word{i}" for i in range(3000)])
    texts = [" ".join(draw.choice(words, 30).tolist()) for _ in range(1500)]
    keep_seen(tmp_path, {"train": rows(texts[:1000])}, TEXT, Sketches())
    asked = texts[1000:] + [each + " today" for each in texts[:600]]
    found = find_seen(tmp_path, rows(asked), TEXT)
    assert found is not None and found.same == []
    assert found.near == list(range(501, 1101))


def test_an_older_folder_tells_nothing_and_a_damaged_file_is_refused(tmp_path: Path) -> None:
    assert find_seen(tmp_path, rows(["a"]), TEXT) is None
    (tmp_path / FILE).write_bytes(b"nothing")
    with pytest.raises(RunError, match=r"seen\.safetensors: damaged"):
        find_seen(tmp_path, rows(["a"]), TEXT)
