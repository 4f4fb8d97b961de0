"""The signal encoders: what they learn of signals, and what their features depend on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import BackboneError, DataError
from medplug.core.registry import Source
from medplug.core.signals.signal import Signal
from medplug.core.specs import resolve
from medplug.core.transfer.depth import main_stack
from medplug.plugins.backbones.recordings import Format
from medplug.plugins.backbones.signal_backbone import SignalBackbone
from medplug.plugins.backbones.signal_cnn import MaskedNorm, SignalCNN
from medplug.plugins.backbones.signal_gru import SignalGRU
from medplug.plugins.backbones.signal_options import SignalOptions, SignalTransformerOptions
from medplug.plugins.backbones.signal_transformer import SignalTransformer

pytestmark = pytest.mark.usefixtures("one_thread")

KINDS: list[type[SignalBackbone]] = [SignalCNN, SignalTransformer, SignalGRU]
SMALL: dict[type[SignalBackbone], dict[str, Any]] = {
    SignalCNN: {"width": 16},
    SignalTransformer: {"width": 16, "layers": 2},
    SignalGRU: {"hidden": 8},
}
LENGTHS = (150, 61, 97, 1, 128, 5)

kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def noise(*shape: int, seed: int = 0, rate: float | None = 100.0) -> Signal:
    return Signal(np.random.default_rng(seed).normal(size=shape).astype(np.float32), rate)


SIGNALS = [noise(2, length, seed=i) for i, length in enumerate(LENGTHS)]


def learned(kind: type[SignalBackbone], values: list[Signal] = SIGNALS, *, seed: int = 0, **options: Any) -> Any:
    torch.manual_seed(seed)
    made = kind.create(kind.options_model(**{**SMALL[kind], **options}), None)
    made.learn(values)
    with torch.random.fork_rng():
        for norm in made.modules():  # as after some training
            if isinstance(norm, nn.BatchNorm1d):
                assert norm.running_mean is not None and norm.running_var is not None
                norm.running_mean.normal_()
                norm.running_var.uniform_(0.5, 2.0)
                nn.init.normal_(norm.bias)
    return made.eval()


@torch.no_grad()
def given(backbone: Any, values: list[Signal]) -> Any:
    return backbone(backbone.collate(backbone.prepare(values)))


@kinds
def test_neither_padding_nor_the_other_rows_change_a_row(kind: type[SignalBackbone]) -> None:
    backbone = learned(kind)
    together = given(backbone, SIGNALS)
    for i, signal in enumerate(SIGNALS):
        alone = given(backbone, [signal])
        count = int(alone.mask.sum())
        assert alone.mask.all() and together.mask[i].sum() == count
        torch.testing.assert_close(together.pooled[i], alone.pooled[0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(together.tokens[i, :count], alone.tokens[0], atol=1e-5, rtol=1e-4)
    assert torch.cdist(together.pooled, together.pooled).fill_diagonal_(1).min() > 1e-3
    assert together.pooled.shape == (6, backbone.width) and together.tokens.shape[2] == backbone.width


@kinds
def test_a_longer_padding_and_another_order_change_nothing(kind: type[SignalBackbone]) -> None:
    backbone = learned(kind)
    inputs = backbone.collate(backbone.prepare(SIGNALS))
    padded = {name: functional.pad(value, (0, 77)) for name, value in inputs.items()}
    with torch.no_grad():
        kept, longer = backbone(inputs).pooled, backbone(padded).pooled
        turned = backbone({name: value.flip(0) for name, value in inputs.items()}).pooled.flip(0)
    torch.testing.assert_close(longer, kept, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(turned, kept, atol=1e-5, rtol=1e-4)


@kinds
def test_gradients_reach_every_weight_and_are_finite(kind: type[SignalBackbone]) -> None:
    backbone = learned(kind).train()
    features = backbone(backbone.collate(backbone.prepare(SIGNALS)))
    (features.pooled.square().sum() + features.tokens.square().sum()).backward()
    for name, parameter in backbone.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


@kinds
def test_the_seed_decides_the_weights_and_dropout_acts_in_training_only(kind: type[SignalBackbone]) -> None:
    assert torch.equal(given(learned(kind), SIGNALS).pooled, given(learned(kind), SIGNALS).pooled)
    assert not torch.equal(given(learned(kind), SIGNALS).pooled, given(learned(kind, seed=1), SIGNALS).pooled)
    backbone = learned(kind, dropout=0.5)
    assert torch.equal(given(backbone, SIGNALS).pooled, given(backbone, SIGNALS).pooled)
    backbone.dropout.train()
    assert not torch.equal(given(backbone, SIGNALS).pooled, given(backbone, SIGNALS).pooled)


@kinds
def test_the_size_of_an_item_tells_how_long_it_is(kind: type[SignalBackbone]) -> None:
    backbone = learned(kind)
    long, short = (backbone.size(item) for item in backbone.prepare([SIGNALS[0], SIGNALS[5]]))
    assert long > short >= 1
    if kind is not SignalCNN:
        assert long == given(backbone, SIGNALS[:1]).mask.shape[1]


@kinds
def test_weights_are_refused(kind: type[SignalBackbone]) -> None:
    with pytest.raises(BackboneError, match="learns from scratch"):
        kind.create(kind.options_model(), Source(hub="some/model"))


@kinds
def test_it_learns_which_of_two_rhythms_a_signal_has(kind: type[SignalBackbone]) -> None:
    rng = np.random.default_rng(0)
    labels = torch.arange(64) % 2
    values = []
    for label in labels.tolist():
        time = np.arange(rng.integers(80, 120)) / 50
        values.append(
            Signal((np.sin(2 * np.pi * (3 + 4 * label) * time + rng.normal()) * rng.uniform(1, 9))[None], 50.0)
        )
    values = [Signal(value.samples.astype(np.float32), value.rate) for value in values]
    torch.manual_seed(0)
    backbone = kind.create(kind.options_model(**{**SMALL[kind], "dropout": 0.0}), None)
    backbone.learn(values[:48])
    head = nn.Linear(backbone.width, 2)
    optimiser = torch.optim.AdamW([*backbone.parameters(), *head.parameters()], lr=1e-2)
    inputs = backbone.collate(backbone.prepare(values[:48]))
    for _ in range(60):
        optimiser.zero_grad()
        functional.cross_entropy(head(backbone(inputs).pooled), labels[:48]).backward()
        optimiser.step()
    predicted = head(given(backbone.eval(), values[48:]).pooled).argmax(1)
    assert (predicted == labels[48:]).float().mean() > 0.9


def test_the_format_is_that_of_the_training_signals() -> None:
    values = [noise(3, 200, rate=100.0), noise(3, 900, rate=500.0), noise(3, 120, rate=100.0), noise(3, 90, rate=None)]
    assert Format.learn(values, SignalOptions()) == Format(3, 100.0, 200)
    assert Format.learn(values, SignalOptions(rate=200, length=70)) == Format(3, 200.0, 70)
    assert Format.learn([noise(1, 9_000)], SignalOptions()).length == 5_000
    assert Format.learn([noise(1, 50, rate=None)], SignalOptions()).rate is None
    with pytest.raises(DataError, match="1 with 2, 2 with 3"):
        Format.learn([noise(2, 9), noise(3, 9), noise(3, 9)], SignalOptions())


def test_other_channels_than_in_training_are_refused() -> None:
    with pytest.raises(DataError, match=r"3 channel\(s\), and the model reads 2"):
        learned(SignalCNN).prepare([noise(3, 50)])


def test_a_signal_of_another_rate_gives_nearly_the_same_features() -> None:
    def wave(rate: float) -> Signal:
        time = np.arange(int(3 * rate)) / rate
        return Signal(np.stack([np.sin(2 * np.pi * f * time) for f in (2, 5)]).astype(np.float32), rate)

    backbone = learned(SignalCNN, [wave(100.0)])
    same, other = given(backbone, [wave(100.0), wave(250.0)]).pooled
    unlike = given(backbone, [Signal(wave(250.0).samples, 100.0)]).pooled[0]
    assert (same - other).norm() < 0.1 * (same - unlike).norm()


def test_what_was_done_to_signals_is_counted() -> None:
    backbone = learned(SignalCNN, [noise(1, 100)])
    flat = Signal(np.full((1, 50), 7.0, np.float32), 100.0)
    values = [noise(1, 300), noise(1, 100, rate=200.0), noise(1, 60, rate=None), flat, noise(1, 90)]
    assert backbone.census(backbone.prepare(values)) == {
        "signals longer than 100 samples, cropped to their middle": 1,
        "signals resampled to 100 a second": 1,
        "signals of unknown rate, read as if at 100 a second": 1,
        "signals with a flat channel": 1,
    }
    assert backbone.census(backbone.prepare(values[-1:])) == {}
    read = (
        "1 channel(s) at 100 a second, at most 100 samples; centred and scaled by each record's own mean and deviation"
    )
    assert backbone.reading() == read
    assert given(backbone, [flat]).pooled.isfinite().all()


def test_of_a_long_signal_the_middle_is_read() -> None:
    backbone = learned(SignalCNN, length=10, normalise="none")
    (item,) = backbone.prepare([Signal(np.arange(60, dtype=np.float32).reshape(2, 30))])
    assert item.samples.tolist() == [list(range(10, 20)), list(range(40, 50))]


def test_by_record_neither_offset_nor_gain_matters() -> None:
    backbone = learned(SignalCNN)
    shifted = [Signal(value.samples * np.float32(3) + np.float32(40), value.rate) for value in SIGNALS[:3]]
    torch.testing.assert_close(
        given(backbone, shifted).pooled, given(backbone, SIGNALS[:3]).pooled, atol=1e-3, rtol=1e-3
    )


def test_by_training_the_scale_is_one_for_all_and_spikes_do_not_set_it() -> None:
    values = [Signal(noise(2, 500, seed=i).samples * 5 + 4_000, 100.0) for i in range(20)]
    values[3].samples[0, 7] = 1e6
    backbone = learned(SignalCNN, values, normalise="training")
    assert backbone.format.mean == pytest.approx((4_000, 4_000), abs=0.5)
    assert backbone.format.std == pytest.approx((5, 5), rel=0.05)
    twice = Signal((values[0].samples - 4_000) * 2 + 4_000, 100.0)
    assert not torch.allclose(given(backbone, [twice]).pooled, given(backbone, values[:1]).pooled, atol=1e-2)


def test_the_norm_in_training_is_that_of_the_real_positions_alone() -> None:
    torch.manual_seed(0)
    norm, plain = MaskedNorm(4).double(), nn.BatchNorm1d(4).double()
    for each in (norm, plain):
        with torch.no_grad():
            each.weight.copy_(torch.arange(1.0, 5.0))
            each.bias.fill_(0.5)
    maps, mask = torch.randn(3, 4, 6, dtype=torch.float64), torch.arange(6) < torch.tensor([[6], [2], [4]])
    maps = maps.masked_fill(~mask[:, None], torch.nan)
    real: Tensor = maps.transpose(1, 2)[mask]  # [real, 4]
    found = norm(maps, mask)
    torch.testing.assert_close(found.transpose(1, 2)[mask], plain(real))
    assert not found.transpose(1, 2)[~mask].any()
    torch.testing.assert_close(norm.running_mean, plain.running_mean)
    torch.testing.assert_close(norm.running_var, plain.running_var)


def test_the_transformer_reads_signals_longer_than_those_of_the_training() -> None:
    backbone = learned(SignalTransformer, [noise(2, 64)], length=1_000, patch=8)
    assert given(backbone, [noise(2, 500)]).tokens.shape == (1, 63, 16)
    with pytest.raises(ValueError, match="heads must divide"):
        SignalTransformerOptions(width=10, heads=4)


def test_the_longer_the_signals_the_more_blocks_the_network_has() -> None:
    for length, blocks in ((40, 2), (140, 3), (1_000, 5), (5_000, 6)):
        backbone = learned(SignalCNN, [noise(1, length)])
        assert len(backbone.blocks) == len(main_stack(backbone)) == blocks
    assert len(main_stack(learned(SignalTransformer))) == 2


def test_they_are_listed_with_their_recipe() -> None:
    plugins = Plugins(found=())
    for name in ("signal_cnn", "signal_transformer", "signal_gru"):
        spec = plugins.backbone(name)
        assert (spec.modality, spec.recipe, spec.pretrained) == ("signal", "signal_scratch", False)
        assert resolve(spec.factory, owner=name).options_model is resolve(spec.config, owner=name)
