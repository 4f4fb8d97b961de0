"""Monte Carlo dropout: one network at a time, drawn from those that dropout made in training."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class Thinned(TorchFunctionMode):
    """While it is entered, dropout drops though the model is in eval mode: units are left out, the same for all rows.

    A draw is one thinned network, as in Gal and Ghahramani, Dropout as a Bayesian
    Approximation (ICML 2016): its masks are over the last dimension, those of
    features, and the same for every row, position and batch, so that neither
    batches nor chunks change what it says. Each is drawn from `seed` and from
    its place among the calls since it was entered. All but dropout computes as in
    eval mode: batch norms keep their statistics.
    """

    def __init__(self, *seed: int | str) -> None:
        super().__init__()
        self._seed = seed
        self._calls = 0

    def __enter__(self) -> Self:
        self._calls = 0
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is functional.dropout:
            return self._drop(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _drop(self, values: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        self._calls += 1
        if not p:
            return values
        kept = torch.rand(values.shape[-1], generator=self._generator()) >= p
        return values * (kept / (1 - p)).to(values)

    def _generator(self) -> torch.Generator:
        told = repr((*self._seed, self._calls)).encode()
        seed = int.from_bytes(hashlib.blake2b(told, digest_size=7).digest())
        return torch.Generator().manual_seed(seed)
