"""Answers to many prompts, in batches of like length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from medplug.core.data.batches import budget_batches
from medplug.core.generation.model import TextModel
from medplug.core.generation.prompt import Prompt
from medplug.core.training.compute import Compute, Report, infer, to_device


@dataclass(frozen=True, slots=True)
class Answered:
    """What a model wrote for one row, the mean log-probability of its tokens, and the ids of the passages given."""

    text: str
    score: float
    passages: tuple[str, ...]


def write(
    model: TextModel, prompts: Sequence[Prompt], compute: Compute, report: Report = lambda done, total: None
) -> list[Answered]:
    """An answer to each prompt, in order; prompts that are equal are answered once.

    With several processes each takes every n-th batch, and all get the whole.
    """
    reader = model.eval().reader
    distinct = list(dict.fromkeys(prompt.asked() for prompt in prompts))
    # what is written takes room beside what is read
    sizes = [reader.size(item) + reader.answer_tokens for item in distinct]
    batches = budget_batches(sizes, budget=compute.tokens)
    mine, parts, done = batches[compute.processes.rank :: compute.processes.world], [], 0
    with torch.inference_mode(), compute.autocast():
        for batch in mine:
            inputs = to_device(reader.collate([distinct[i] for i in batch]), compute.device)
            parts.append((batch, reader.text.write(inputs, reader.answer_tokens)))
            done += len(batch) * compute.processes.world
            report(min(done, len(distinct)), len(distinct))
    found: dict[Prompt, Answered] = {}
    for batch, written in (part for shared in compute.processes.gather(parts) for part in shared):
        for i, each in zip(batch, written, strict=True):
            found[distinct[i]] = Answered(each.text, each.score, distinct[i].passages)
    return [found[prompt.asked()] for prompt in prompts]


def likelihoods(
    model: TextModel, prompts: Sequence[Prompt], compute: Compute, report: Report = lambda done, total: None
) -> NDArray[np.float32]:
    """The mean negative log-likelihood of each prompt's right answer ``[rows]``."""
    return infer(model.eval(), model.backbone, prompts, compute, report)[:, 0]
