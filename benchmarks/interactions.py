"""Which fusions learn what no modality tells alone, on a generated set whose answer is known.

    python benchmarks/interactions.py

Each row has two modalities of 6 to 10 tokens; every token carries its modality's hidden sign, the same direction for
all rows, in noise. The label is the product of the two signs: either modality alone says nothing, and no linear map of
both does. A linear head stands behind each fusion; both are trained by Adam on 2,048 rows. Accuracy is on 4,096 new
rows, its interval Student's over the seeds (two-sided, 95 %).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional

from medplug.core import fusion
from medplug.core.features import Features

WIDTHS = {"text": 24, "image": 16}
MOST = 10
"""Tokens of the longest row."""
FUSIONS: dict[str, Callable[[Mapping[str, int]], fusion.Fusion]] = {
    "concat": fusion.Concat,
    "late": lambda widths: fusion.Late(widths, outputs=1),
    "gated": lambda widths: fusion.Gated(widths, hidden=32),
    "film": lambda widths: fusion.Film(widths, hidden=32),
    "hybrid": lambda widths: fusion.Hybrid(widths, outputs=1, hidden=32),
    "lowrank": lambda widths: fusion.LowRank(widths, hidden=32),
    "bilinear_attention": lambda widths: fusion.BilinearAttention(widths, hidden=32),
    "cross_attention": lambda widths: fusion.CrossAttention(widths, hidden=32),
    "bottleneck": lambda widths: fusion.Bottleneck(widths, hidden=32),
}


def patients(rows: int, seed: int) -> tuple[dict[str, Features], Tensor]:
    """Features of two modalities and the product of their signs, as 0 or 1."""
    draw = torch.Generator().manual_seed(seed)
    labels, features = torch.ones(rows), {}
    for name, width in WIDTHS.items():
        sign = torch.randint(0, 2, (rows,), generator=draw) * 2.0 - 1
        direction = functional.normalize(torch.linspace(-1, 2, width), dim=0)
        tokens = sign[:, None, None] * direction + torch.randn(rows, MOST, width, generator=draw)
        lengths = torch.randint(6, MOST + 1, (rows, 1), generator=draw)
        mask = torch.arange(MOST) < lengths
        pooled = (tokens * mask[..., None]).sum(1) / lengths
        features[name] = Features(pooled, tokens, mask)
        labels = labels * sign
    return features, (labels + 1) / 2


class Joint(nn.Module):
    """A fusion and a linear head, unless the fusion decides itself."""

    def __init__(self, joined: fusion.Fusion) -> None:
        super().__init__()
        self.fusion = joined
        self.head: nn.Module = nn.Identity() if joined.decides else nn.Linear(joined.width, 1)

    def forward(self, features: Mapping[str, Features]) -> Tensor:
        """Logits ``[batch]``."""
        logits: Tensor = self.head(self.fusion(features).joined)
        return logits[:, 0]


def accuracy(name: str, seed: int, updates: int) -> float:
    """What one fusion gets right on new rows after training."""
    torch.manual_seed(seed)
    features, labels = patients(2048, 2 * seed)
    model = Joint(FUSIONS[name](WIDTHS))
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(updates):
        rows = torch.randint(0, len(labels), (128,))
        batch = {each: Features(f.pooled[rows], f.tokens[rows], f.mask[rows]) for each, f in features.items()}
        optimiser.zero_grad()
        functional.binary_cross_entropy_with_logits(model(batch), labels[rows]).backward()
        optimiser.step()
    features, labels = patients(4096, 2 * seed + 1)
    with torch.inference_mode():
        return float(((model.eval()(features) > 0) == labels.bool()).double().mean())


def interval(values: list[float]) -> str:
    """The mean of the seeds with Student's 95 % interval."""
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
    return f"{np.mean(values):.3f} ± {half:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--updates", type=int, default=500)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print("| fusion, then a linear head | accuracy |\n|---|---|")
    for name in FUSIONS:
        found = [accuracy(name, seed, given.updates) for seed in range(given.seeds)]
        print(f"| `{name}` | {interval(found)} |", flush=True)


if __name__ == "__main__":
    main()
