"""A recurrent network over patches of a signal that learns from scratch."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from medplug.core.backbone import Inputs
from medplug.core.features import Features
from medplug.plugins.backbones.recordings import Recording
from medplug.plugins.backbones.signal_backbone import SignalBackbone, features, patch_size
from medplug.plugins.backbones.signal_options import SignalGRUOptions
from medplug.plugins.backbones.signal_transformer import Patches


class SignalGRU(SignalBackbone):
    """A bidirectional GRU (Cho et al. 2014) over patches; tokens are its states.

    Each direction reads a signal's real patches only (packed sequences).
    """

    options_model = SignalGRUOptions
    options: SignalGRUOptions

    def _build(self) -> None:
        hidden, layers, dropout = self.options.hidden, self.options.layers, self.options.dropout
        self.width = 2 * hidden
        self.patches = Patches(self.format.channels, hidden, patch_size(self.options, self.format.length))
        self.recurrent = nn.GRU(
            hidden, hidden, layers, batch_first=True, bidirectional=True, dropout=dropout if layers > 1 else 0.0
        )
        self.dropout = nn.Dropout(dropout)

    def size(self, item: Recording) -> int:
        """Patches."""
        return -int(-item.samples.shape[1] // self.patches.size)

    def forward(self, inputs: Inputs) -> Features:
        """Read every signal in both directions."""
        patches, mask = self.patches(inputs["samples"], inputs["mask"])
        lengths = mask.sum(1).cpu()  # torch packs by lengths on the CPU only
        packed = pack_padded_sequence(patches.relu(), lengths, batch_first=True, enforce_sorted=False)
        tokens, _ = pad_packed_sequence(self.recurrent(packed)[0], batch_first=True, total_length=patches.shape[1])
        return features(tokens, mask, self.dropout)
