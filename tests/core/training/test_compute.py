"""The means of a run: device, arithmetic, and encoding under a token budget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from medplug.core.config import RunConfig, TrainConfig
from medplug.core.errors import ConfigError
from medplug.core.training.compute import compute_for, infer


@pytest.mark.parametrize("tokens", [1, 30, 97, 100_000])
def test_every_row_comes_back_in_its_place_whatever_the_budget(
    tokens: int, letters: Callable[..., Any], on_cpu: Callable[..., Any], texts: list[str]
) -> None:
    backbone = letters().eval()
    items = backbone.prepare(texts)
    together = infer(lambda inputs: backbone(inputs).pooled, backbone, items, on_cpu(tokens))
    alone = [backbone(backbone.collate([item])).pooled[0].detach().numpy() for item in items]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert together.dtype == np.float32


def test_no_batch_is_computed_beyond_the_budget(
    letters: Callable[..., Any], on_cpu: Callable[..., Any], texts: list[str]
) -> None:
    backbone, seen = letters().eval(), list[torch.Size]()

    def pooled(inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        seen.append(inputs["ids"].shape)
        result: torch.Tensor = backbone(inputs).pooled
        return result

    infer(pooled, backbone, backbone.prepare(texts), on_cpu(60))
    assert max(shape.numel() for shape in seen) <= 60 and len(seen) > 5
    assert sum(shape[0] for shape in seen) == len(texts)


def test_progress_is_told_up_to_the_last_row(
    letters: Callable[..., Any], on_cpu: Callable[..., Any], texts: list[str]
) -> None:
    backbone, told = letters().eval(), list[tuple[int, int]]()
    infer(
        lambda inputs: backbone(inputs).pooled,
        backbone,
        backbone.prepare(texts),
        on_cpu(60),
        lambda done, total: told.append((done, total)),
    )
    assert told == sorted(told) and told[-1] == (48, 48) and {total for _, total in told} == {48}


def test_half_precision_is_computed_when_asked_for_and_given_back_in_full(
    letters: Callable[..., Any], on_cpu: Callable[..., Any], texts: list[str]
) -> None:
    backbone, types = letters().eval(), set[torch.dtype]()

    def mixed(inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        result: torch.Tensor = backbone.mix(backbone(inputs).pooled)
        types.add(result.dtype)
        assert not torch.is_grad_enabled()
        return result

    assert infer(mixed, backbone, backbone.prepare(texts), on_cpu(dtype=torch.bfloat16)).dtype == np.float32
    assert types == {torch.bfloat16}


def test_the_arithmetic_follows_the_configuration() -> None:
    assert compute_for(RunConfig(device="cpu")).dtype is None
    assert compute_for(RunConfig(device="cpu", precision="bfloat16")).dtype is torch.bfloat16
    assert compute_for(RunConfig(device="cpu"), TrainConfig(tokens=77)).tokens == 77
    with pytest.raises(ConfigError, match="float16 needs a GPU; on cpu use auto"):
        compute_for(RunConfig(device="cpu", precision="float16"))


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert compute_for(RunConfig(device="auto")).device.type == "cpu"
    for device in ("cuda", "mps"):
        with pytest.raises(ConfigError, match=f"device={device}.*use device=auto"):
            compute_for(RunConfig(device=device))
