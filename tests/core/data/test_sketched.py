"""Each content is looked at once, whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from medplug.core.data import near_text
from medplug.core.data.sketched import Sketches

TEXTS = [f"a note of many words about the {what}, which the patient had for some days" for what in ("wrist", "chest")]


def test_sketches_are_those_of_the_texts_in_their_order_and_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    make = near_text.sketch

    def counted(texts: Sequence[str]) -> Any:
        looked.extend(texts)
        return make(texts)

    monkeypatch.setattr(near_text, "sketch", counted)
    sketches, asked = Sketches(), [TEXTS[1], "short", TEXTS[0], TEXTS[1]]
    for texts in (asked, asked[::-1], [*TEXTS, "another"]):
        found, long = sketches.of_texts(texts)
        rows, told = make(texts)
        assert np.array_equal(found, rows) and found.dtype == rows.dtype
        assert np.array_equal(long, told)
    assert sorted(looked) == sorted({*asked, "another"})


def test_of_nothing_there_are_no_sketches() -> None:
    texts, long = Sketches().of_texts([])
    images, told = Sketches().of_images([])
    assert (texts.shape, long.shape, images.shape, told.shape) == ((0, near_text.BINS), (0,), (0, 32), (0,))


def test_no_text_is_kept() -> None:
    sketches = Sketches()
    sketches.of_texts(TEXTS)
    assert "wrist" not in repr(vars(sketches))


def test_a_whole_run_looks_at_each_text_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    import medplug

    looked: list[str] = []
    make = near_text.sketch
    monkeypatch.setattr(near_text, "sketch", lambda texts: looked.extend(texts) or make(texts))
    notes = [f"{TEXTS[i % 2]} number {i}" for i in range(60)]
    medplug.run(
        task="text_diagnosis",
        backbone="text_cnn",
        data={"train": {"text": notes, "label": ["limb", "chest"] * 30}},
        train={"epochs": 1},
        report={"resamples": 100, "explain": 0},
        output=tmp_path / "run",
    )
    assert len(looked) == len(set(looked)) == len(notes)
