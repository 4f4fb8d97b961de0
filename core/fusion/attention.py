"""The parts of a transformer's block that the attending fusions share."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor, heads: int) -> Tensor:
    """Multi-head scaled-dot-product attention in one fused call: ``[..., queries, hidden]``.

    `keys` and `values` are ``[..., keys, hidden]``; `mask` ``[..., keys]`` is True for
    those that count. Where none does, all do: what comes of it is finite, for the
    caller to weigh with 0.

    Vaswani et al., Attention Is All You Need (2017).
    """
    counted = (mask | ~mask.any(-1, keepdim=True)).reshape(-1, 1, 1, mask.shape[-1])
    split = [_split(part, heads) for part in (queries, keys, values)]
    mixed = functional.scaled_dot_product_attention(split[0], split[1], split[2], attn_mask=counted)
    return mixed.transpose(1, 2).reshape(queries.shape)


def _split(part: Tensor, heads: int) -> Tensor:
    """``[..., tokens, hidden]`` to ``[n, heads, tokens, hidden / heads]``."""
    *_, tokens, hidden = part.shape
    return part.reshape(-1, tokens, heads, hidden // heads).transpose(1, 2)


class FeedForward(nn.Module):
    """The feed-forward part of a block, normed first and added to what it reads.

    Attention is linear in the values it gathers; only behind this can a product
    of two modalities be told.
    """

    def __init__(self, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden)
        self.up, self.down = nn.Linear(hidden, 2 * hidden), nn.Linear(2 * hidden, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Tensor) -> Tensor:
        """``[..., hidden]`` to the same shape."""
        inner = functional.gelu(self.up(self.norm(values)))
        changed: Tensor = values + self.dropout(self.down(inner))
        return changed


def check_heads(hidden: int, heads: int) -> None:
    """ValueError unless `heads` divide `hidden`."""
    if hidden < 1 or heads < 1 or hidden % heads:
        raise ValueError(f"hidden must be a multiple of heads; got hidden={hidden} and heads={heads}")
