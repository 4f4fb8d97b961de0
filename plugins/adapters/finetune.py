"""Fine-tuning: every weight is trained."""

from __future__ import annotations

from torch import nn

from medplug.core.contracts import Adapter


class Finetune(Adapter):
    """Train the whole model from where the pretrained weights stand (or, without them, from scratch)."""

    def prepare(self, model: nn.Module) -> None:
        """Make everything trainable, the word embeddings only if they may move."""
        model.requires_grad_(True)
        if self.options.freeze_embeddings:
            for module in model.modules():
                if isinstance(module, nn.Embedding):
                    module.requires_grad_(False)
