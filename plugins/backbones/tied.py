"""Weights that a network has under several names: written once, and found again under all of them."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from torch import nn


def save_tied_once(module: nn.Module) -> None:
    """Leave all but the first name of a tied parameter out of the module's state, as a file of weights must.

    What is loaded without them is given to them from the first.
    """
    module.register_state_dict_post_hook(_leave_out)  # type: ignore[no-untyped-call]
    module.register_load_state_dict_pre_hook(_fill_in)  # type: ignore[no-untyped-call]


def _leave_out(module: nn.Module, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    for _, others in _tied(module):
        for name in others:
            state.pop(prefix + name, None)


def _fill_in(module: nn.Module, state: dict[str, Any], prefix: str, *others: Any) -> None:
    for first, names in _tied(module):
        for name in names:
            if prefix + first in state:
                state.setdefault(prefix + name, state[prefix + first])


def _tied(module: nn.Module) -> list[tuple[str, list[str]]]:
    """The first and the other names of every parameter that has several."""
    names: defaultdict[int, list[str]] = defaultdict(list)
    for name, parameter in module.named_parameters(remove_duplicate=False):
        names[id(parameter)].append(name)
    return [(each[0], each[1:]) for each in names.values() if len(each) > 1]
