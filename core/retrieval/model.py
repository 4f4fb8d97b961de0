"""The bi-encoder: one set of weights reads questions and passages, and their cosine says how well they go together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from medplug.core.backbone import Backbone, Inputs
from medplug.core.data.targets import Target
from medplug.core.model import Model, Outputs
from medplug.core.retrieval.index import Index

if TYPE_CHECKING:
    from medplug.core.predicting.reranker import Reranker


class RankingModel(Model):
    """Vectors of unit length ``[batch, width]`` of single texts, questions and passages alike; there is no head.

    Two towers of shared weights (Karpukhin et al., Dense passage retrieval, 2020, with one encoder in place of
    two, as Reimers and Gurevych, Sentence-BERT, 2019).
    """

    def __init__(self, backbone: Backbone, target: Target) -> None:
        nn.Module.__init__(self)
        self.backbone = backbone
        self.neck, self.head = nn.Identity(), nn.Identity()  # type: ignore[assignment]
        self.others = nn.ModuleList()
        self.index: Index | None = None
        """The passages that it is asked of, opened when a prediction first needs them."""
        self.reranker: Reranker | None = None
        """What reads the first passages again, where there is such a run, loaded when it is first needed."""

    @property
    def encoder(self) -> Backbone:
        """The text backbone, through which the reader of pairs reads."""
        inner = getattr(self.backbone, "text", None)
        return inner if isinstance(inner, Backbone) else self.backbone

    def outputs(self, inputs: Inputs) -> Outputs:
        """The vectors of a batch of texts, in float32 whatever the arithmetic of the encoder."""
        pooled = self.encoder(inputs).pooled
        with torch.autocast(pooled.device.type, enabled=False):
            vectors = functional.normalize(pooled.float(), dim=1)
        return Outputs(vectors, vectors)

    @property
    def columns(self) -> int:
        """The width of a vector."""
        return self.feature_width

    @property
    def feature_width(self) -> int:
        """The width of a vector."""
        return self.encoder.width

    def set_neck(self, neck: nn.Module, width: int) -> None:
        """Nothing: the vectors are the encoder's own."""
