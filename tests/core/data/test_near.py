from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np

from medplug.core.answers.questions import Choice, Pair
from medplug.core.data.leakage import Leak, compare
from medplug.core.data.near import nearly_the_same
from medplug.core.data.sketched import Sketches
from medplug.core.images.store import ImageStore
from medplug.core.specs import Modality
from medplug.core.task import Examples

LONG = "the patient was seen in the emergency department with a fever of three days, a dry cough and chest pain"
OTHER = "after an uneventful operation the wound was dry, drains were removed and oral feeding was begun slowly"


def split(**inputs: list[Any]) -> Examples:
    return Examples(np.arange(1, len(next(iter(inputs.values()))) + 1), inputs)


def leaks(splits: dict[str, Examples], slots: dict[str, Modality]) -> list[Leak]:
    near = nearly_the_same(splits, slots, Sketches())
    assert near is not None
    return compare(splits, slots, near.rows, near.slots)[0]


def test_an_edited_note_is_a_leak_and_a_twin() -> None:
    splits = {"train": split(text=[LONG, "short"]), "test": split(text=[LONG + " again", OTHER, "short note"])}
    assert leaks(splits, {"text": "text"}) == [Leak("near-identical text", "train", "test", 1, None, 1 / 3)]
    near = nearly_the_same(splits, {"text": "text"}, Sketches())
    assert near is not None
    twins = compare(splits, {"text": "text"}, near.rows)[1]
    assert twins is not None and twins.near is not None
    assert (twins.same.tolist(), twins.near.tolist()) == ([False] * 3, [True, False, False])


def test_what_is_the_same_is_told_once() -> None:
    splits = {"train": split(text=[LONG]), "test": split(text=[LONG.upper()])}
    assert [leak.kind for leak in leaks(splits, {"text": "text"})] == ["same text"]


def test_clean_splits_have_no_leaks() -> None:
    assert leaks({"train": split(text=[LONG]), "test": split(text=[OTHER])}, {"text": "text"}) == []


def test_of_several_slots_each_is_compared_and_all_of_them() -> None:
    store, drawn = ImageStore(), np.random.default_rng(0)
    images = [store.add(drawn.integers(256, size=(1, 40, 40)).astype(np.uint8)) for _ in range(3)]
    again = store.add(images[0].pixels().repeat(2, axis=1).repeat(2, axis=2))
    splits = {
        "train": split(image=[images[0], images[1]], notes=[LONG, OTHER]),
        "test": split(image=[again, again, images[2], None], notes=[LONG + " now", "nothing new", None, None]),
    }
    found = leaks(splits, {"image": "image", "notes": "text"})
    assert [(leak.kind, leak.rows) for leak in found] == [
        ("near-identical inputs", 1),
        ("near-identical image", 2),
        ("near-identical notes", 1),
    ]


def test_a_short_note_that_many_rows_share_is_no_leak_of_its_slot() -> None:
    table = [0.0, 1.0]
    splits = {name: split(notes=["no finding", None], tabular=table) for name in ("train", "test")}
    near = nearly_the_same(splits, {"notes": "text", "tabular": "tabular"}, Sketches())
    assert near is not None
    assert near.slots == {"notes": {"train": ["", ""], "test": ["", ""]}}


def test_of_questions_both_the_question_and_what_it_is_asked_of_count() -> None:
    train = split(text=[Pair("Is there a fever?", LONG), Choice("Which organ is inflamed here?", ("lung", "liver"))])
    test = split(text=[Pair("Is there a cough?", LONG), Pair("is there a fever?", LONG + " again")])
    found = leaks({"train": train, "test": test}, {"text": "text"})
    assert [(leak.kind, leak.rows) for leak in found] == [("near-identical text", 1)]


def test_rows_of_molecules_are_left_to_their_task() -> None:
    assert (
        nearly_the_same({"train": split(drug=["CCO"]), "test": split(drug=["CCO"])}, {"drug": "molecule"}, Sketches())
        is None
    )


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, medplug.core.data.near, medplug.core.data.seen; assert not {'torch', 'PIL'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
