"""What a bi-encoder is trained by: of all passages of a batch, a question's own must be nearest to it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class InBatchLoss(nn.Module):
    """Cross-entropy of a question's own passage among all distinct passages of the batch, by cosine over `temperature`.

    InfoNCE (van den Oord, Li and Vinyals, 2018) over in-batch negatives (Henderson et al., Efficient natural language
    response suggestion, 2017), and hard ones that are further passages of the batch (Karpukhin et al., 2020).
    A passage that is right for a question is no negative of it, whichever row brought it; `relevant`
    are the sorted keys ``question * texts + passage`` of all right pairs among so many numbered `texts`.
    A passage that comes twice counts once.
    """

    relevant: Tensor

    def __init__(self, relevant: NDArray[np.int64], texts: int, temperature: float) -> None:
        super().__init__()
        self.texts, self.temperature = texts, temperature
        self.register_buffer("relevant", torch.from_numpy(relevant), persistent=False)

    def forward(self, vectors: Tensor, labels: Tensor) -> Tensor:
        """One loss a row ``[batch]``, from unit vectors ``[batch, 2 + negatives, width]``, in float32.

        A row holds a question, its passage and its hard negatives; `labels` ``[batch, 2 + negatives]`` are the
        numbers of these texts. A hard negative that is missing repeats the row's own passage.
        """
        with torch.autocast(vectors.device.type, enabled=False):
            scores = vectors[:, 0].float() @ vectors[:, 1:].float().flatten(0, 1).T / self.temperature
        own = scores.gather(1, torch.arange(len(scores), device=scores.device)[:, None] * (vectors.shape[1] - 1))
        numbers = labels[:, 1:].flatten()
        repeated = (numbers[:, None] == numbers).tril(-1).any(1)
        others = scores.masked_fill(repeated | self._right(labels[:, :1], numbers), float("-inf"))
        return torch.cat([own, others], 1).logsumexp(1) - own[:, 0]

    def _right(self, questions: Tensor, passages: Tensor) -> Tensor:
        """Which passages are right for which questions ``[batch, passages]``."""
        keys = questions * self.texts + passages
        at = torch.searchsorted(self.relevant, keys).clamp(max=len(self.relevant) - 1)
        return self.relevant[at] == keys
