"""Pairs beside a plain script that encodes every pair: an epoch of DeepDTA, and frozen encoders, in one run.

    python benchmarks/drug_target.py --table TABLE [--epochs N] [--proteins N] [--threads N]
    python benchmarks/drug_target.py --table TABLE --frozen --drug-weights FILE [--proteins N] [--steps N]

TABLE has the columns smiles, sequence, affinity and split (train, validation). Both sides have the same layers, batches
of the same size, the same rates and schedule, in float32. The plain script is written as the published code of DeepDTA
is: every pair is two rows of character numbers, padded to 100 and 1,200, shuffled, and each batch encodes all of its
pairs. Ours is `recipe=deepdta`, whose batches encode each drug and each protein once and hold blocks of pairs of one
protein.

`--frozen` compares encoders that are not trained: a graph network of molecules (FILE) and a protein transformer in the
architecture of ESM-2 with 8 million weights, which are random, as only its cost matters here. The plain script encodes
both of every pair in every epoch; a few of its batches are timed and the epoch is scaled up from them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

BATCH, RATE, WARMUP, DECAY, CLIP = 256, 1e-3, 0.05, 0.01, 100
WINDOWS = {"smiles": 100, "sequence": 1200}
KERNELS = {"smiles": (4, 6, 8), "sequence": (4, 8, 12)}


def numbers(texts: list[str], window: int) -> Tensor:
    """Character numbers ``[texts, window]``, 0 behind the end."""
    known = {letter: place for place, letter in enumerate(sorted(set("".join(texts))), 1)}
    rows = np.zeros((len(texts), window), dtype=np.int64)
    for row, text in zip(rows, texts, strict=True):
        places = [known[letter] for letter in text[:window]]
        row[: len(places)] = places
    return torch.from_numpy(rows)


class PlainEncoder(nn.Module):
    """An embedding, three convolutions and the largest value of each filter."""

    def __init__(self, letters: int, kernels: tuple[int, ...]) -> None:
        super().__init__()
        self.embedding = nn.Embedding(letters + 1, 128, padding_idx=0)
        sizes = (128, 32, 64, 96)
        layers = [nn.Conv1d(a, b, k) for a, b, k in zip(sizes, sizes[1:], kernels, strict=False)]
        for layer in layers:
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.layers = nn.Sequential(*(part for layer in layers for part in (layer, nn.ReLU())))

    def forward(self, ids: Tensor) -> Tensor:
        """Encode ``[batch, window]`` to ``[batch, 96]``."""
        return self.layers(self.embedding(ids).transpose(1, 2)).amax(2)


class PlainDeepDTA(nn.Module):
    """Both encoders, and layers of 1,024, 1,024 and 512 behind them."""

    def __init__(self, letters: tuple[int, int]) -> None:
        super().__init__()
        self.drug = PlainEncoder(letters[0], KERNELS["smiles"])
        self.protein = PlainEncoder(letters[1], KERNELS["sequence"])
        sizes = (192, 1024, 1024, 512)
        layers = [
            nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Dropout(0.1)) for a, b in zip(sizes, sizes[1:], strict=False)
        ]
        self.head = nn.Sequential(nn.Dropout(0.1), *layers, nn.Linear(512, 1))

    def forward(self, drugs: Tensor, proteins: Tensor) -> Tensor:
        """One standardised affinity a pair."""
        return self.head(torch.cat([self.drug(drugs), self.protein(proteins)], 1))[:, 0]


def plain(table: pl.DataFrame, epochs: int, seed: int) -> list[dict[str, float]]:
    """Seconds, training loss and validation error of each epoch of the plain script."""
    torch.manual_seed(seed)
    ids = [numbers(table[name].to_list(), window) for name, window in WINDOWS.items()]
    affinity = torch.tensor(table["affinity"].to_list(), dtype=torch.float32)
    trains = torch.tensor((table["split"] == "train").to_list())
    centre, scale = affinity[trains].mean(), affinity[trains].std(correction=0)
    wanted = (affinity - centre) / scale
    model = PlainDeepDTA((int(ids[0].max()), int(ids[1].max())))
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    loader = DataLoader(TensorDataset(*(each[trains] for each in (*ids, wanted))), BATCH, shuffle=True)
    total = epochs * len(loader)

    def rate(step: int) -> float:
        warm = WARMUP * total
        return min((step + 1) / max(1.0, warm), (total - step) / max(1.0, total - warm))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
    found = []
    for _ in range(epochs):
        start, losses = time.perf_counter(), []
        model.train()
        for drugs, proteins, labels in loader:
            loss = nn.functional.mse_loss(model(drugs, proteins), labels)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        model.eval()
        with torch.inference_mode():
            held = DataLoader(TensorDataset(*(each[~trains] for each in (*ids, affinity))), BATCH)
            errors = [(model(d, p) * scale + centre - y).square() for d, p, y in held]
        seconds = time.perf_counter() - start
        found.append({"seconds": seconds, "loss": float(np.mean(losses)), "mse": float(torch.cat(errors).mean())})
    return found


def ours(table: pl.DataFrame, epochs: int, seed: int, **keys: Any) -> tuple[list[dict[str, float]], dict[str, float]]:
    """The same of a run of medplug, and the seconds of its stages."""
    import medplug

    marks: list[tuple[float, dict[str, float]]] = []

    def watch(progress: medplug.Progress) -> None:
        if progress.stage in ("training", "epoch") and (progress.facts or not marks):
            marks.append((time.perf_counter(), dict(progress.facts)))

    # a run wants a test split: the validation rows stand in for one, and are not looked at
    whole = pl.concat([table, table.filter(pl.col("split") == "validation").with_columns(split=pl.lit("test"))])
    with tempfile.TemporaryDirectory() as folder:
        run = medplug.run(
            task="drug_target",
            output=Path(folder) / "run",
            seed=seed,
            progress=watch,
            data={"train": whole, "label": "affinity", "split_column": "split", "duplicates": "keep"},
            report={"resamples": 100},
            train={"epochs": epochs, "patience": epochs},
            **keys,
        )
        stages = json.loads((run.folder / "manifest.json").read_text())["seconds"]
    times = [moment for moment, _ in marks]
    steps = zip(times, marks[1:], strict=False)
    found = [
        {"seconds": now - before, "loss": facts["loss"], "mse": facts["mse"]} for before, (now, facts) in steps if facts
    ]
    return found, stages


def esm(folder: Path) -> Path:
    """A protein transformer in the architecture of ESM-2 (8 million weights), random, with its tokenizer."""
    from transformers import EsmConfig, EsmModel, EsmTokenizer

    letters = ["<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWCXBUZO", ".", "-", "<null_1>", "<mask>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(letters))
    EsmTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    shape = {"hidden_size": 320, "num_hidden_layers": 6, "num_attention_heads": 20, "intermediate_size": 1280}
    config = EsmConfig(
        vocab_size=len(letters), pad_token_id=1, mask_token_id=32, max_position_embeddings=1026, **shape,
        position_embedding_type="rotary", token_dropout=True, emb_layer_norm_before=False,
    )  # fmt: skip
    torch.manual_seed(0)
    EsmModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


def plain_frozen(table: pl.DataFrame, folder: Path, weights: Path, steps: int, batch: int) -> float:
    """Seconds of an epoch that encodes both sides of every pair, from so many batches of `batch` pairs."""
    from transformers import AutoModel, AutoTokenizer

    from medplug.core.registry import Source
    from medplug.plugins.backbones.entity_options import PretrainedMoleculeOptions
    from medplug.plugins.backbones.molecule_graph import PretrainedMolecule

    graph = PretrainedMolecule.create(PretrainedMoleculeOptions(), Source(path=weights)).eval()
    tokenizer, protein = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    head = nn.Linear(graph.width + 320, 1)
    optimiser = torch.optim.AdamW(head.parameters(), lr=RATE)
    rows = table.filter(pl.col("split") == "train").sample(fraction=1.0, shuffle=True, seed=0)
    smiles, sequences = rows["smiles"].to_list(), rows["sequence"].to_list()
    labels = torch.tensor(rows["affinity"].to_list(), dtype=torch.float32)
    start = time.perf_counter()
    for step in range(steps):
        part = slice(step * batch, (step + 1) * batch)
        with torch.inference_mode():
            drugs = graph(graph.collate(graph.prepare(smiles[part]))).pooled
            tokens = tokenizer(sequences[part], padding=True, truncation=True, max_length=1024, return_tensors="pt")
            states, mask = protein(**tokens).last_hidden_state, tokens["attention_mask"][..., None]
            proteins = (states * mask).sum(1) / mask.sum(1)
        joined = torch.cat([drugs, proteins], 1).clone()
        loss = nn.functional.mse_loss(head(joined)[:, 0], labels[part])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return (time.perf_counter() - start) / (steps * batch) * len(rows)


def frozen(table: pl.DataFrame, given: argparse.Namespace) -> None:
    """Compare encoders that are not trained."""
    with tempfile.TemporaryDirectory() as made:
        folder = esm(Path(made) / "esm2_8m_random")
        backbones = {"drug": str(given.drug_weights), "protein": str(folder)}
        keys = {"backbone": backbones, "adapter": {"drug": "frozen", "protein": "frozen"}}
        found, stages = ours(table, given.epochs, 0, **keys, **{"train.members": 1})
        per_pair = plain_frozen(table, folder, given.drug_weights, given.steps, given.batch)
    encoding = sum(seconds for stage, seconds in stages.items() if stage.startswith("encoding"))
    training = sum(each["seconds"] for each in found)
    print("\n| | plain, every pair | each entity once |\n|---|---|---|")
    print(f"| first epoch (s) | {per_pair:.1f} | {encoding + found[0]['seconds']:.1f} |")
    print(f"| {given.epochs} epochs (s) | {given.epochs * per_pair:.1f} | {encoding + training:.1f} |")
    print(f"| times | 1 | {per_pair / (encoding + found[0]['seconds']):.1f} in one epoch, ", end="")
    print(f"{given.epochs * per_pair / (encoding + training):.1f} in {given.epochs} |")


def trained(table: pl.DataFrame, given: argparse.Namespace) -> None:
    """Compare an epoch of DeepDTA."""
    theirs = plain(table, given.epochs, given.seed)
    found, _ = ours(table, given.epochs, given.seed, recipe="deepdta")
    print(
        "\n| epoch | plain: seconds | loss | validation MSE | recipe=deepdta: seconds | loss | validation MSE | times |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for epoch, (a, b) in enumerate(zip(theirs, found, strict=True), 1):
        sides = " | ".join(f"{each['seconds']:.1f} | {each['loss']:.4f} | {each['mse']:.4f}" for each in (a, b))
        print(f"| {epoch} | {sides} | {a['seconds'] / b['seconds']:.2f} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--frozen", action="store_true")
    parser.add_argument("--drug-weights", type=Path)
    parser.add_argument("--proteins", type=int, help="the pairs of so many proteins alone")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--batch", type=int, default=32)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    table = pl.read_csv(given.table).filter(pl.col("split").is_in(["train", "validation"]))
    kept = table["sequence"].unique(maintain_order=True)[: given.proteins]
    table = table.filter(pl.col("sequence").is_in(kept.implode())).select("smiles", "sequence", "affinity", "split")
    drugs = table["smiles"].n_unique()
    print(f"{table.height} pairs of {drugs} drugs and {len(kept)} proteins, {given.threads} thread(s)")
    if given.frozen:
        frozen(table, given)
    else:
        trained(table, given)


if __name__ == "__main__":
    main()
