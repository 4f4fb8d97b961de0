"""The sample of `entailment`: what people ask, beside questions that have been answered before.

A pair matches where both ask the same of the same condition, by whatever name. Those that do not
share the condition or what is asked. A few labels are wrong.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

ROWS = 640
WRONG = 0.04
"""The share of rows whose label is turned around."""

CONDITIONS = (
    *(
        ("high blood pressure", "hypertension"),
        ("a heart attack", "myocardial infarction"),
        ("shingles", "herpes zoster"),
    ),
    *(("chickenpox", "varicella"), ("a stroke", "cerebral infarction"), ("hay fever", "allergic rhinitis")),
    *(
        ("kidney stones", "nephrolithiasis"),
        ("piles", "haemorrhoids"),
        ("hives", "urticaria"),
        ("a nosebleed", "epistaxis"),
    ),
    *(("an underactive thyroid", "hypothyroidism"), ("short-sightedness", "myopia"), ("whooping cough", "pertussis")),
    *(("brittle bones", "osteoporosis"), ("lockjaw", "tetanus"), ("low blood sugar", "hypoglycaemia")),
    *(("a bladder infection", "cystitis"), ("mumps", "parotitis"), ("gallstones", "cholelithiasis")),
    *(("a slipped disc", "disc herniation"), ("ringing in the ears", "tinnitus"), ("a squint", "strabismus")),
)
"""Each by the name that people use and the one that doctors do."""

ASKED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "treatment": (
        ("My doctor says I have {c}. What can be done about it?", "Is there a remedy for {c} that works?",
         "what helps against {c}", "My father suffers from {c}, which medicine would be best?"),
        ("What are the treatments for {c}?", "How is {c} treated?"),
    ),
    "symptoms": (
        ("How would I notice that I have {c}?", "what does {c} feel like", "What are the first signs of {c}?",
         "I am worried about {c}, what should I look out for?"),
        ("What are the symptoms of {c}?", "What are the signs of {c}?"),
    ),
    "causes": (
        ("Why do people get {c}?", "Where does {c} come from? I have always lived well.", "what brings on {c}",
         "Can you tell me the reason for my {c}?"),
        ("What causes {c}?", "What is the cause of {c}?"),
    ),
    "inheritance": (
        ("My mother has {c}. Will I get it too?", "does {c} run in families", "Can I pass on {c} to my children?",
         "Both my brothers have {c}; is it in our genes?"),
        ("Is {c} inherited?", "How is {c} inherited?"),
    ),
    "diagnosis": (
        ("Which test will tell me whether it is {c}?", "how can the doctor be sure that it is {c}",
         "Will they scan me to find out about {c}?", "I had blood taken for {c}, is that enough?"),
        ("How is {c} diagnosed?", "What tests are done for {c}?"),
    ),
    "outlook": (
        ("Will {c} go away again?", "How long can one live with {c}?", "does {c} get worse with the years",
         "What should I expect now that I have {c}?"),
        ("What is the outlook for people with {c}?", "What is the prognosis of {c}?"),
    ),
    "prevention": (
        ("How can I avoid getting {c} again?", "what keeps {c} away", "Is there a way not to catch or get {c}?",
         "What should I change so that {c} does not return?"),
        ("How can {c} be prevented?", "What prevents {c}?"),
    ),
}  # fmt: skip
"""What is asked: in people's words, and in those of an answered question."""


def matches(seed: int = 0) -> pl.DataFrame:
    """The rows: columns `question`, `other` and `label` (yes where they match, else no)."""
    import polars as pl

    draw = random.Random(seed)
    found: dict[tuple[str, str], str] = {}
    while len(found) < ROWS:
        question, other, label = _row(draw)
        found.setdefault((question, other), label)
    rows = [(*pair, label) for pair, label in found.items()]
    return pl.DataFrame(rows, schema=["question", "other", "label"], orient="row")


def _row(draw: random.Random) -> tuple[str, str, str]:
    kind, names = draw.choice(list(ASKED)), draw.choice(CONDITIONS)
    match, same_condition = draw.random() < 0.5, draw.random() < 0.5
    other_kind = kind if match or not same_condition else draw.choice([each for each in ASKED if each != kind])
    other_names = names if match or same_condition else draw.choice([each for each in CONDITIONS if each != names])
    question = draw.choice(ASKED[kind][0]).format(c=names[draw.random() < 0.3])
    other = draw.choice(ASKED[other_kind][1]).format(c=other_names[draw.random() < 0.7])
    told = match is not (draw.random() < WRONG)
    return question, other, "yes" if told else "no"
