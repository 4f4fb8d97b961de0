"""The model of spans: what its logits depend on, what they cost, and what is decoded from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from medplug.core.answers.questions import Pair
from medplug.core.answers.windows import NONE
from medplug.core.data.targets import Target
from medplug.core.readers.span import SpanReader, each_window
from medplug.core.registry import Source
from medplug.core.span_model import ABSENT, SpanLoss, SpanModel
from medplug.core.training.compute import Compute
from medplug.core.training.encodings import encode_items
from medplug.core.training.processes import Processes
from medplug.core.training.rows import Rows
from medplug.core.training.span_learner import _encoded, window_rows
from medplug.core.training.span_search import find_spans
from medplug.core.training.vectors import Encodings
from medplug.plugins.backbones.pretrained_options import PretrainedTextOptions
from medplug.plugins.backbones.pretrained_text import PretrainedText
from medplug.plugins.backbones.scratch_options import TextCNNOptions
from medplug.plugins.backbones.scratch_text import TextCNN

pytestmark = pytest.mark.usefixtures("one_thread")

TARGET = Target("span", ("answer",))
PAIRS = [
    Pair("no rash", "the patient has had a cough, 5.3 mg; acute fever for 3 weeks " * 4),
    Pair("fever", "no chest pain"),
    Pair("for the mild rash and severe chest pain", "cafe\u0301 \u54b3\u55fd acute"),
    Pair("fever", "  "),
    Pair("fever", "no chest pain"),
]


def compute(tokens: int = 4096) -> Compute:
    return Compute(torch.device("cpu"), None, tokens, Processes(cpu=True))


def _silent(done: int, total: int) -> None:
    """Report to nobody."""


@pytest.fixture(params=["bert", "gpt2"])
def made(request: pytest.FixtureRequest) -> Callable[..., SpanModel]:
    """A model with random weights; of windows of so many tokens."""
    folder: Path = request.getfixturevalue(f"tiny_{request.param}")

    def make(window: int = 64, overlap: int = 8, longest: int = 30) -> SpanModel:
        options = PretrainedTextOptions(window=window, overlap=0)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            text = PretrainedText.create(options, Source(path=folder))
            model = SpanModel(SpanReader(text, overlap=overlap, longest=longest), TARGET).eval()
            for parameter in model.head.parameters():
                nn.init.normal_(parameter, std=0.5)
        return model

    return make


def logits(model: SpanModel, rows: Any) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model(model.backbone.collate(rows))
    return found


def windows_of(model: SpanModel, pairs: list[Pair]) -> list[Any]:
    return [row for item in model.backbone.prepare(pairs) for row in each_window(item)]


# ---- logits and their loss


def test_what_is_no_token_of_the_context_has_no_chance(made: Callable[..., SpanModel]) -> None:
    model = made()
    rows = windows_of(model, PAIRS)
    found = logits(model, rows).softmax(-1)
    for (window,), each in zip(rows, found, strict=True):
        outside = np.ones(each.shape[1], dtype=bool)
        outside[0] = False
        outside[1 : 1 + len(window.offsets)] = ~window.of_context
        assert (each[:, outside] == 0).all() and (each[:, ~outside] > 0).all()


def test_neither_padding_nor_the_batch_change_logits(made: Callable[..., SpanModel]) -> None:
    model = made()
    rows = windows_of(model, PAIRS)
    together = logits(model, rows)
    for place, row in enumerate(rows):
        alone = logits(model, [row])[0]
        torch.testing.assert_close(together[place, :, : alone.shape[1]], alone, atol=1e-4, rtol=1e-4)
        assert (together[place, :, alone.shape[1] :] == ABSENT).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_the_cross_entropy_of_start_and_end(smoothing: float) -> None:
    draw = np.random.default_rng(0)
    values, columns = draw.normal(size=(5, 2, 9)), draw.integers(0, 9, (5, 2))
    expected = []
    for each, (start, end) in zip(values, columns, strict=True):
        shares = np.exp(each) / np.exp(each).sum(axis=1, keepdims=True)
        logs = np.log(shares)
        expected.append(-((1 - smoothing) * (logs[0, start] + logs[1, end]) + smoothing * logs.mean(axis=1).sum()) / 2)
    found = SpanLoss(smoothing)(torch.from_numpy(values), torch.from_numpy(columns))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


def test_tokens_that_are_filled_up_cost_nothing() -> None:
    values = torch.randn(3, 2, 6, generator=torch.Generator().manual_seed(0))
    filled = torch.nn.functional.pad(values, (0, 4), value=ABSENT).requires_grad_()
    columns = torch.tensor([[0, 0], [1, 3], [5, 5]])
    loss = SpanLoss(0.1)(filled, columns)
    torch.testing.assert_close(loss, SpanLoss(0.1)(values, columns))
    loss.sum().backward()  # type: ignore[no-untyped-call]
    assert filled.grad is not None and filled.grad.isfinite().all() and (filled.grad[..., 6:] == 0).all()


def test_a_neck_stands_behind_tokens_and_pooled_features_alike(made: Callable[..., SpanModel]) -> None:
    model = made()
    rows, before = windows_of(model, PAIRS[:2]), model.head
    model.set_neck(nn.Linear(32, 5), 5)
    assert model.feature_width == 5 and model.head is not before
    outputs = model.outputs(model.backbone.collate(rows))
    assert outputs.features.shape == (len(rows), 5)
    outputs.logits[:, :, :2].sum().backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None for parameter in model.neck.parameters())


# ---- rows as windows


def test_windows_have_their_rows_weight_domain_and_numbers() -> None:
    items = [("a",), ("b", "c"), ("d", "e"), ("f",)]
    labels = [np.array([[1, 2]]), np.array([[0, 0], [3, 4]])]
    reference = {"x": np.arange(8, dtype=np.float32).reshape(4, 2)}
    rows = Rows(items, labels, np.array([0.5, 2.0]), np.array([True, False]), reference)
    found = window_rows(rows)
    assert [item for (item,) in found.items] == [*"abcdef"]
    assert np.asarray(found.labels).tolist() == [[1, 2], [0, 0], [3, 4]]
    assert [found[i].weight for i in range(6)] == [0.5, 2.0, 2.0, 1.0, 1.0, 1.0]
    assert [found[i].source for i in range(6)] == [True, False, False, False, False, False]
    assert [found[i].reference["x"][0] for i in range(6)] == [0, 2, 2, 4, 4, 6]
    assert found[3].label is None


# ---- decoding


def plain(model: SpanModel, pair: Pair) -> tuple[float, int, int]:
    """Score and characters of the best span, from all pairs of tokens of all windows, one window at a time."""
    best, null = (-np.inf, NONE, NONE), np.inf
    longest = model.backbone.longest
    for (window,) in windows_of(model, [pair]):
        start, end = logits(model, [(window,)])[0].double().log_softmax(-1).numpy()
        null = min(null, start[0] + end[0])
        tokens = np.flatnonzero(window.of_context).tolist()
        for i in tokens:
            for j in tokens:
                score = start[1 + i] + end[1 + j]
                if i <= j < i + longest and score > best[0] + 1e-9:
                    best = (score, int(window.offsets[i, 0]), int(window.offsets[j, 1]))
    return best[0] - null, best[1], best[2]


@pytest.mark.parametrize("longest", [1, 5, 30])
def test_what_is_found_is_the_best_of_all_pairs_of_tokens(longest: int, made: Callable[..., SpanModel]) -> None:
    model = made(longest=longest)
    contexts = [pair.context for pair in PAIRS]
    found = find_spans(model, model.backbone.prepare(PAIRS), contexts, compute())
    for row, pair in enumerate(PAIRS):
        score, start, end = plain(model, pair)
        if not pair.context[start:end].strip():
            assert found.start[row] == NONE and found.score[row] == -np.inf
            continue
        assert found.score[row] == pytest.approx(score, abs=1e-4)
        told = pair.context[found.start[row] : found.end[row]]
        assert told.strip() == told and told.startswith(pair.context[start:end].strip())
        assert all(letter == "\u0301" for letter in told[len(pair.context[start:end].strip()) :])


def test_neither_order_nor_budget_change_what_is_found(made: Callable[..., SpanModel]) -> None:
    model = made()
    order = [3, 0, 4, 2, 1]
    whole = find_spans(model, model.backbone.prepare(PAIRS), [pair.context for pair in PAIRS], compute())
    pairs = [PAIRS[i] for i in order]
    other = find_spans(model, model.backbone.prepare(pairs), [pair.context for pair in pairs], compute(tokens=64))
    for name in ("start", "end"):
        np.testing.assert_array_equal(getattr(whole, name)[order], getattr(other, name))
    np.testing.assert_allclose(whole.score[order], other.score, atol=1e-4)


def test_equal_rows_are_computed_once(made: Callable[..., SpanModel], monkeypatch: pytest.MonkeyPatch) -> None:
    model, told = made(), list[int]()
    items = model.backbone.prepare(PAIRS)
    find_spans(model, items, [pair.context for pair in PAIRS], compute(), lambda done, total: told.append(total))
    assert set(told) == {sum(len(item) for item in items) - 1}


@pytest.mark.parametrize("overlap", [0, 3, 8])
def test_overlapping_windows_find_what_one_long_window_finds(overlap: int) -> None:
    context = "the patient has had a dry cough and fever for 7 weeks with no rash and no pain at all"
    found = {}
    for window in (64, 14):
        options = TextCNNOptions(window=window, kernels=(1,), ngrams=1, min_count=1, embedding=32, filters=32)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            text = TextCNN.create(options, None)
            text.learn([context])
            model = SpanModel(SpanReader(text, overlap=overlap, longest=3), TARGET).eval()
        words = sorted(set(context.split()))
        tokens = np.stack([each[0] for _, each in encode_items(text, text.prepare(words), compute(), _silent)])
        for place, word in enumerate(("7", "weeks")):  # where a span begins, and where it ends
            wanted = np.array([20.0 * (each == word) for each in words])
            model.head.tokens.weight.data[place] = torch.from_numpy(np.linalg.lstsq(tokens, wanted)[0])
        items = model.backbone.prepare([Pair("no", context)])
        found[window] = (len(items[0]), find_spans(model, items, [context], compute()).texts([context]))
    assert found[64] == (1, ["7 weeks"]) and found[14][0] > 1 and found[14][1] == ["7 weeks"]


def test_windows_that_were_encoded_before_are_found_the_same_in(made: Callable[..., SpanModel]) -> None:
    model = made()
    items, contexts = model.backbone.prepare(PAIRS), [pair.context for pair in PAIRS]
    job: Any = SimpleNamespace(stage=lambda name: _silent, compute=compute())
    kept = _encoded(model.backbone, {"test": items}, job)["test"]
    assert kept[1] is kept[4] and kept[1][0].of_context.all()
    tail = model.behind(model.backbone.over(Encodings(32)), TARGET).eval()
    one, other = (find_spans(each, rows, contexts, compute()) for each, rows in ((model, items), (tail, kept)))
    np.testing.assert_array_equal(one.start, other.start)
    np.testing.assert_array_equal(one.end, other.end)
    np.testing.assert_allclose(one.score, other.score, atol=1e-4)
    tail.threshold.fill_(3)
    assert model.threshold == 3


def test_found_spans_have_the_models_threshold(made: Callable[..., SpanModel]) -> None:
    model = made()
    model.threshold.fill_(0.25)
    assert find_spans(model, model.backbone.prepare(PAIRS), [p.context for p in PAIRS], compute()).threshold == 0.25
    state = {name: each.clone() for name, each in model.state_dict().items()}
    other = made()
    other.load_state_dict(state)
    assert other.threshold == 0.25
