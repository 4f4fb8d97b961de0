"""An extractive set in SQuAD's format, made from the answers of MedQuAD: train.json, dev.json and test.json.

    MEDQUAD="$MEDPLUG_SHARED/data/medquad/medquad_answered_8000.jsonl.gz"
    python benchmarks/medquad_spans.py --data "$MEDQUAD" --output spans/

Three questions of MedQuAD's have answers of which a span can be told by rule: how a disease is inherited ("autosomal
recessive"), how many people have it ("1 in 27,000"), and which gene is changed. The context is the sentences around the
span and, before or after these, the beginning of another section about the same disease. A third as many questions
have no answer: they are asked of another section alone, in which the rule finds nothing. Splits are MedQuAD's, by
disease.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RULES = {
    "inheritance": re.compile(r"inherited in an? ((?:X-linked|autosomal|mitochondrial)[\w -]*?) (?:pattern|manner)"),
    "frequency": re.compile(r"\b((?:1|one) in [\d,]+(?: (?:to|and) [\d,]+)?(?: million)?)"),
    "genetic changes": re.compile(r"[Mm]utations in the (\w+) gene"),
}
ASKED = {
    "inheritance": "How is {} inherited?",
    "frequency": "How many people are affected by {}?",
    "genetic changes": "Which gene is changed in {}?",
}
AROUND = 3
"""Sentences that stay on each side of the one with the span."""
OTHERS = 5
"""Sentences of another section."""


def sections(data: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The answered questions of each document, by its split."""
    documents: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    with gzip.open(data, "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            documents[row["source"], row["doc_id"]].append(row)
    for rows in documents.values():
        yield rows[0]["split"], rows


def sentences(text: str) -> list[str]:
    """A section's sentences, its white space collapsed."""
    return re.split(r"(?<=[.!?]) ", " ".join(text.split()))


def answered(row: dict[str, Any], others: list[dict[str, Any]], draw: random.Random) -> dict[str, Any] | None:
    """One question with its span, if the rule finds one."""
    rule, told = RULES[row["qtype"]], sentences(row["answer"])
    place = next((i for i, each in enumerate(told) if rule.search(each)), None)
    if place is None:
        return None
    own = " ".join(told[max(0, place - AROUND) : place + AROUND + 1])
    found = rule.search(own)
    assert found is not None
    if not others or any(rule.search(row["answer"]) for row in others):
        return question(row, row["qtype"], own, (found[1], found.start(1)))
    other = " ".join(sentences(draw.choice(others)["answer"])[:OTHERS])
    if draw.random() < 0.5:
        return question(row, row["qtype"], f"{own} {other}", (found[1], found.start(1)))
    return question(row, row["qtype"], f"{other} {own}", (found[1], len(other) + 1 + found.start(1)))


def unanswered(rows: list[dict[str, Any]], draw: random.Random) -> dict[str, Any] | None:
    """A question that the document's sections of other types do not answer."""
    kind = draw.choice(list(RULES))
    others = [row for row in rows if row["qtype"] != kind and not RULES[kind].search(row["answer"])]
    if not others:
        return None
    row = draw.choice(others)
    return question(row, kind, " ".join(sentences(row["answer"])[: 2 * AROUND + OTHERS]), None)


def question(row: dict[str, Any], kind: str, context: str, span: tuple[str, int] | None) -> dict[str, Any]:
    """A paragraph of SQuAD's format with one question."""
    told = [] if span is None else [{"text": span[0], "answer_start": span[1]}]
    asked = {
        "id": f"{row['doc_id']}-{kind}{'' if told else '-none'}",
        "question": ASKED[kind].format(row["focus"]),
        "answers": told,
        "is_impossible": not told,
    }
    return {"context": context, "qas": [asked]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    draw = random.Random(0)
    articles: dict[str, list[dict[str, Any]]] = defaultdict(list)
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for split, rows in sections(given.data):
        asked = [row for row in rows if row["qtype"] in RULES and row["focus"]]
        found = [answered(row, [r for r in rows if r is not row and r["qtype"] != row["qtype"]], draw) for row in asked]
        if rows[0]["focus"] and asked and draw.random() < 0.5:
            found.append(unanswered(rows, draw))
        paragraphs = [each for each in found if each is not None]
        if paragraphs:
            articles[split].append({"title": rows[0]["focus"], "paragraphs": paragraphs})
        for each in paragraphs:
            counts[split][each["qas"][0]["is_impossible"]] += 1
    given.output.mkdir(parents=True, exist_ok=True)
    for split, told in articles.items():
        (given.output / f"{split}.json").write_text(
            json.dumps({"version": "medquad", "data": told}, ensure_ascii=False)
        )
        print(f"{split}: {counts[split][0]} questions with an answer, {counts[split][1]} without")


if __name__ == "__main__":
    main()
