"""Windows of contexts: what their tokens stand for, where an answer lies in them, and what a model is given."""

from __future__ import annotations

import random
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medplug.core.answers.questions import Pair
from medplug.core.answers.windows import NONE, character_span
from medplug.core.backbone import Backbone
from medplug.core.errors import BackboneError
from medplug.core.features import Features
from medplug.core.readers.span import SpanReader, each_window
from medplug.core.readers.windows import SpanWindow, label_tokens, place_tokens
from medplug.core.registry import Source
from medplug.core.training.vectors import Vectors
from medplug.plugins.backbones.pretrained_options import PretrainedTextOptions
from medplug.plugins.backbones.pretrained_text import PretrainedText
from medplug.plugins.backbones.scratch_options import TextCNNOptions, TextGRUOptions
from medplug.plugins.backbones.scratch_text import TextCNN, TextGRU
from medplug.plugins.backbones.vocabulary import place_units, split_units

pytestmark = pytest.mark.usefixtures("one_thread")

SCRIPTS = {
    "english": "The patient had 5.3 mg of it, twice; no rash. ",
    "composed": "Caf\u00e9 na\u00efve \u00fcber, \u00bd ma\u00df. ",
    "combining": "cafe\u0301 nai\u0308ve u\u0308ber x\u0301\u0323. ",
    "chinese": "\u60a3\u8005\u54b3\u55fd\u4e09\u5929\uff0c\u65e0\u53d1\u70ed\u3002",
    "korean": "\ud55c\uad6d \u1112\u1161\u11ab \uae30\uce68. ",
    "odd": "\ufb01ne \uff76\uff9e \u0130stanbul \U0001f600 a\u00a0b\n\u03a3\u0399\u03a3. ",
}
CHOICES = ["bert", "gpt2", "cnn", "gru"]


@pytest.fixture(params=CHOICES)
def text(request: pytest.FixtureRequest) -> Backbone:
    """A text backbone that reads 60 tokens at once."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if request.param in ("cnn", "gru"):
            shape: dict[str, Any] = {"window": 60, "embedding": 8, "min_count": 1}
            made: Backbone = (
                TextCNN.create(TextCNNOptions(**shape, filters=6), None)
                if request.param == "cnn"
                else TextGRU.create(TextGRUOptions(**shape, hidden=6), None)
            )
            made.learn([*SCRIPTS.values()])
            return made.eval()
    folder: Path = request.getfixturevalue(f"tiny_{request.param}")
    return PretrainedText.create(PretrainedTextOptions(window=60, overlap=8), Source(path=folder)).eval()


def long_text(seed: int = 0, parts: int = 20) -> str:
    draw = random.Random(seed)
    return "".join(draw.choice([*SCRIPTS.values()]) for _ in range(parts))


def of(text: Backbone, overlap: int = 8) -> SpanReader:
    return SpanReader(text, overlap=overlap, longest=30).eval()


def encode(reader: SpanReader, items: Any) -> Features:
    with torch.inference_mode():
        features: Features = reader(reader.collate(items))
    return features


# ---- windows


@pytest.mark.parametrize("seed", range(3))
def test_windows_cover_the_context_and_every_token_stands_where_it_says(text: Backbone, seed: int) -> None:
    context = long_text(seed)
    (windows,) = text.span_windows(["no rash?"], [context], 8)
    assert len(windows) > 2
    covered = np.zeros(len(context), dtype=bool)
    known: dict[int, list[int]] = {}
    for window in windows:
        mask = window.of_context
        inside = np.flatnonzero(mask)
        assert len(window.offsets) == text.size(window.item) <= 60
        assert (np.diff(inside) == 1).all() and inside[0] > 0
        for place, (start, end) in enumerate(window.offsets[mask].tolist(), window.first):
            assert 0 <= start <= end <= len(context)
            assert known.setdefault(place, [start, end]) == [start, end]  # whatever the window
            covered[start:end] = True
    assert sorted(known) == list(range(len(known)))
    missed = {letter for letter, seen in zip(context, covered, strict=True) if not seen}
    assert all(letter.isspace() or unicodedata.combining(letter) for letter in missed)


def test_neighbouring_windows_share_what_they_are_asked_to(text: Backbone) -> None:
    for overlap, shared in ((0, 0), (8, 8)):
        (windows,) = text.span_windows(["no rash?"], [long_text()], overlap)
        counts = [int(window.of_context.sum()) for window in windows]
        for one, other, count in zip(windows[:-1], windows[1:], counts, strict=False):
            assert one.first + count - other.first == shared


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_labelled_answer_is_found_again_letter_by_letter(text: Backbone, script: str) -> None:
    if script == "chinese" and isinstance(text, TextCNN | TextGRU):
        pytest.skip("a run of characters is one word there")
    before, after = long_text(1, 5), long_text(2, 5)
    answer = SCRIPTS[script].split(",")[0].split("\uff0c")[0][:16].strip(" .")
    context = f"{before} {answer} {after}"
    start = len(before) + 1
    (windows,) = of(text, overlap=24).prepare([Pair("which?", context)])
    labels = label_tokens(windows, [(answer, start)])
    holding = labels[:, 0] != NONE
    assert holding.any() and not holding.all()
    for window, (first, last) in zip(windows, labels.tolist(), strict=True):
        if first == NONE:
            continue
        assert window.of_context[first : last + 1].all()
        found = slice(*character_span(window.offsets, first, last))
        tail = context[found.stop : start + len(answer)]
        assert context[found].strip() + tail == answer and all(map(unicodedata.combining, tail))


def test_a_window_without_all_of_the_answer_and_a_row_without_one_have_no_label(tiny_bert: Path) -> None:
    offsets = np.array([(i, i + 1) for i in range(9)])
    windows = [SpanWindow(None, place_tokens(offsets[a : a + 4], 3, 1), a) for a in (0, 2, 5)]
    assert label_tokens(windows, [("xx", 4)]).tolist() == [[NONE, NONE], [5, 6], [NONE, NONE]]
    assert label_tokens(windows, [("xx", 2)]).tolist() == [[5, 6], [3, 4], [NONE, NONE]]
    assert label_tokens(windows, [("xx", 2), ("x", 8)]).tolist() == label_tokens(windows, [("xx", 2)]).tolist()
    assert (label_tokens(windows, []) == NONE).all()


def test_a_long_question_is_cut_where_the_context_needs_room_and_told(text: Backbone) -> None:
    question = "no rash " * 40
    reader = of(text)
    items = reader.prepare([Pair(question, long_text()), Pair("no", "rash"), Pair("no", long_text())])
    for window in items[0]:
        assert len(window.offsets) <= 60 and window.of_context.sum() >= 20 or window is items[0][-1]
    assert reader.census(items) == {
        "rows whose context is read in several windows": 2,
        "rows whose question was cut": 1,
    }


def test_what_a_text_backbone_is_given_is_laid_out_as_pairs_are(tiny_bert: Path) -> None:
    text = PretrainedText.create(PretrainedTextOptions(), Source(path=tiny_bert)).eval()
    pair = Pair("no rash", "the patient has had a dry cough")
    ((window,),) = of(text).prepare([pair])
    (item,) = text.prepare_pairs([pair.question], [pair.context])
    np.testing.assert_array_equal(window.item.parts[0], item.parts[0])
    np.testing.assert_array_equal(window.item.types[0], item.types[0])


def test_equal_pairs_share_their_windows(text: Backbone) -> None:
    one, other, again = of(text).prepare([Pair("a", "b c"), Pair("b", "b c"), Pair("a", "b c")])
    assert one is again and one is not other


def test_a_backbone_that_reads_no_text_says_so() -> None:
    with pytest.raises(BackboneError, match="Vectors finds no spans in texts"):
        of(Vectors(4)).prepare([Pair("a", "b")])


# ---- features


def test_neither_padding_nor_other_windows_change_a_window(text: Backbone) -> None:
    reader = of(text)
    rows = [
        row
        for item in reader.prepare([Pair("no", long_text()), Pair("fever?", "no fever")])
        for row in each_window(item)
    ]
    together = encode(reader, rows)
    for place, row in enumerate(rows):
        alone, count = encode(reader, [row]), len(row[0].offsets)
        torch.testing.assert_close(together.pooled[place], alone.pooled[0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(together.tokens[place, :count], alone.tokens[0, :count], atol=1e-5, rtol=1e-4)
        assert together.mask[place].sum() == count


def test_a_row_of_several_windows_has_their_mean_and_all_their_tokens(text: Backbone) -> None:
    reader = of(text)
    items = reader.prepare([Pair("no", long_text()), Pair("fever?", "no fever")])
    whole, apart = encode(reader, items), encode(reader, each_window(items[0]))
    torch.testing.assert_close(whole.pooled[0], apart.pooled.mean(0), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(whole.tokens[0][whole.mask[0]], apart.tokens[apart.mask], atol=1e-5, rtol=1e-4)
    assert reader.size(items[0]) == int(whole.mask[0].sum())


def test_the_mask_of_the_context_leaves_out_questions_separators_and_padding(text: Backbone) -> None:
    reader = of(text)
    items = reader.prepare([Pair("no", "fever"), Pair("no rash, no rash", "the patient had mild fever")])
    context = reader.collate(items)["context"]
    assert context.shape == encode(reader, items).mask.shape
    for mask, (window,) in zip(context, items, strict=True):
        assert mask.sum() == window.of_context.sum()
        assert not mask[: int(window.of_context.argmax())].any() and not mask[len(window.offsets) :].any()


# ---- units of texts


@pytest.mark.parametrize("units", ["words", "characters"])
def test_units_with_places_are_the_units(units: Any) -> None:
    draw = random.Random(0)
    letters = [*"".join(SCRIPTS.values()), *"ab \n,", "\u0301", "\u3099", "\u11ab"]
    for _ in range(500):
        made = "".join(draw.choices(letters, k=12))
        found, offsets = place_units(made, units)
        assert found == split_units(made, units)
        for unit, (start, end) in zip(found, offsets.tolist(), strict=True):
            assert (
                unit in unicodedata.normalize("NFKC", made[start:end]).lower().replace("\u03c2", "\u03c3")
                or "\u03c3" in unit
                or "\u03c2" in unit
            )
