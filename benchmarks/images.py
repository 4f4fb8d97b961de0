"""Images beside a plain timm + torchvision script: a frozen probe and fine-tuning, speed and memory, in one run.

    python benchmarks/images.py --table TABLE --image PATTERN --label COLUMN --split COLUMN --weights FILE

The table's images are laid out as ImageFolder wants them: `train`, `val` and `test`, each with one sub-folder a class.
Both sides read these files, use the same network, weights and input size, train on `train`, choose the epoch on `val`
and predict `test`. The plain script is the usual one: `ImageFolder` with timm's own evaluation transform, a
`DataLoader`, every image decoded in every epoch, AdamW. Each side runs in a process of its own, one after the other, so
that peak memory is its own. `--many N` repeats the training files until there are N of them, for memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MODEL = {"model": "mobilenetv2_100", "pad_type": "same", "mean": 0.5, "std": 0.5}
RATE = {"frozen": 1e-3, "finetune": 3e-4}
BATCH = 32
STILL = {"rotate": 0, "shift": 0, "scale": 0, "contrast": 0, "brightness": 0}


def ours(given: argparse.Namespace) -> dict[str, float]:
    import medplug

    backbone = {"name": given.weights, **MODEL, "size": given.size}
    trained = {"epochs": given.epochs, "batch_size": BATCH, "learning_rate": RATE["finetune"], "patience": given.epochs}
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run = medplug.run(
            task="imaging",
            adapter="linear_probe" if given.mode == "frozen" else "finetune",
            output=Path(folder) / "run",
            seed=given.seed,
            data={"train": given.images / "train", "validation": given.images / "val", "test": given.images / "test"},
            **({"train": trained, "augment": STILL} if given.mode == "finetune" else {}),
            **{"backbone": str(backbone.pop("name")), **{f"backbone.{key}": value for key, value in backbone.items()}},
        )
        whole = time.perf_counter() - start
        stages = json.loads((run.folder / "manifest.json").read_text())["seconds"]
        start = time.perf_counter()
        rows = medplug.load(run.folder).predict(given.images / "test").height
        predicted = time.perf_counter() - start
    report = stages.get("baseline and intervals", 0) + stages.get("writing", 0)
    accuracy = run.metrics["metrics"]["accuracy"]["value"]
    return {
        "seconds": whole - report,
        "with report": whole,
        "test images a second": rows / predicted,
        "accuracy": accuracy,
    }


def theirs(given: argparse.Namespace) -> dict[str, float]:
    import timm
    import torch
    from safetensors.torch import load_file
    from timm.data import create_transform
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder

    torch.manual_seed(given.seed)
    start = time.perf_counter()
    size = (3, given.size, given.size)
    transform = create_transform(size, mean=(0.5,) * 3, std=(0.5,) * 3, crop_pct=1.0, interpolation="bicubic")
    sets = {split: ImageFolder(given.images / split, transform) for split in ("train", "val", "test")}
    loaders = {split: DataLoader(rows, BATCH, shuffle=split == "train") for split, rows in sets.items()}
    model = timm.create_model(MODEL["model"], pad_type=MODEL["pad_type"])
    model.load_state_dict(load_file(given.weights))
    model.reset_classifier(len(sets["train"].classes))
    if given.mode == "frozen":
        model.requires_grad_(False)
        model.get_classifier().requires_grad_(True)
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=RATE[given.mode], weight_decay=0.01)

    def accuracy(split: str) -> float:
        model.eval()
        with torch.inference_mode():
            right = sum((model(images).argmax(1) == labels).sum().item() for images, labels in loaders[split])
        return float(right / len(sets[split]))

    best, kept = -1.0, {}
    for _ in range(given.epochs):
        model.train(given.mode == "finetune")
        for images, labels in loaders["train"]:
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(model(images), labels).backward()
            optimiser.step()
        if (found := accuracy("val")) > best:
            best, kept = found, {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.load_state_dict(kept)
    predicting = time.perf_counter()
    right = accuracy("test")
    done = time.perf_counter()
    return {"seconds": done - start, "test images a second": len(sets["test"]) / (done - predicting), "accuracy": right}


def laid_out(given: argparse.Namespace, folder: Path, many: int | None = None) -> Path:
    """The table's images as folders of splits and classes; so `many` training files, the same ones over and over."""
    import polars as pl

    table = pl.read_csv(given.table, infer_schema=False)
    names = {"train": "train", "dev": "val", "val": "val", "validation": "val", "test": "test"}
    rows = [(names[row[given.split]], row) for row in table.iter_rows(named=True) if row[given.split] in names]
    training = [row for split, row in rows if split == "train"]
    rest = [(split, row) for split, row in rows if split != "train"]
    repeated = [("train", training[i % len(training)]) for i in range(many or len(training))]
    for number, (split, row) in enumerate([*repeated, *rest]):
        file = Path(given.table).parent / given.image.format_map(row)
        copy = folder / split / row[given.label] / f"{number}-{file.name}"
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("table", "image", "label", "split"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--images", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mode", choices=["frozen", "finetune"], default="frozen")
    parser.add_argument("--many", type=int, nargs="+", help="memory of ours alone, with so many training files")
    parser.add_argument("--side", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        found = {"ours": ours, "theirs": theirs}[given.side](given)
        found["peak MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print("RESULT " + json.dumps(found))
        return
    if given.many:
        for many in given.many:
            with tempfile.TemporaryDirectory() as folder:
                print(many, "training files:", _told(_side("ours", laid_out(given, Path(folder), many))), flush=True)
        return
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        images = laid_out(given, Path(folder))
        for side in ("ours", "theirs"):
            results[side] = _side(side, images)
            print(given.mode, side, _told(results[side]), flush=True)
    ratio = results["theirs"]["seconds"] / results["ours"]["seconds"]
    whole = results["theirs"]["seconds"] / results["ours"]["with report"]
    print(f"{given.mode}: {ratio:.1f} times as fast ({whole:.1f} with baseline, intervals and report counted in)")


def _side(side: str, images: Path) -> dict[str, Any]:
    words = [*sys.argv[1:], "--side", side, "--images", str(images)]
    done = subprocess.run([sys.executable, __file__, *words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{side} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.rpartition("RESULT ")[2])
    return found


def _told(found: dict[str, Any]) -> str:
    return json.dumps({name: round(value, 3) for name, value in found.items()})


if __name__ == "__main__":
    main()
