"""Shared fusion layers: plain modules over the features of several modalities.

Each maps ``{modality: Features}`` to one vector a row, ``[batch, width]``. Any
modality may be missing in any row, whose mask is then False throughout: what its
features hold there, NaN included, changes neither values nor gradients. The
order of the mapping changes nothing.
"""

from medplug.core.fusion.bilinear import BilinearAttention
from medplug.core.fusion.bottleneck import Bottleneck
from medplug.core.fusion.concat import Concat
from medplug.core.fusion.cross_attention import CrossAttention
from medplug.core.fusion.feed_forward import FeedForward
from medplug.core.fusion.film import Film
from medplug.core.fusion.gated import Gated
from medplug.core.fusion.late import Hybrid, Late
from medplug.core.fusion.layer import Fused, Fusion
from medplug.core.fusion.lowrank import LowRank
from medplug.core.fusion.presence import presence, withhold

__all__ = [
    "BilinearAttention",
    "Bottleneck",
    "Concat",
    "CrossAttention",
    "FeedForward",
    "Film",
    "Fused",
    "Fusion",
    "Gated",
    "Hybrid",
    "Late",
    "LowRank",
    "presence",
    "withhold",
]
