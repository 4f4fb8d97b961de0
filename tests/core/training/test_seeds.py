"""Seeding: the same numbers inside, nothing changed outside."""

from __future__ import annotations

import random
import threading

import numpy as np
import pytest
import torch

from medplug.core.training.seeds import seeded


def draws() -> list[float]:
    return [random.random(), float(np.random.rand()), float(torch.rand(()))]


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others() -> None:
    with seeded(3):
        first = draws()
    with seeded(3):
        assert draws() == first
    with seeded(4):
        assert all(a != b for a, b in zip(draws(), first, strict=True))


def test_the_callers_sequences_go_on_as_if_nothing_had_happened() -> None:
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    expected = [draws() for _ in range(3)]
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    got = [draws()]
    with seeded(9):
        draws()
    got.append(draws())
    with pytest.raises(ZeroDivisionError), seeded(9):
        draws()
        _ = 1 / 0
    got.append(draws())
    assert got == expected


def test_seeded_parts_nest() -> None:
    with seeded(1):
        expected = [draws(), draws()]
    with seeded(1):
        got = [draws()]
        with seeded(2):
            draws()
        got.append(draws())
    assert got == expected


def test_threads_take_turns_so_that_none_draws_from_anothers_sequence() -> None:
    with seeded(5):
        expected = [draws() for _ in range(200)]
    found: list[list[list[float]]] = []

    def work() -> None:
        with seeded(5):
            found.append([draws() for _ in range(200)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4
