"""The sample of `yes_no_maybe`: questions that the abstracts of invented trials answer.

An abstract tells what became of the primary outcome, which is the question's, and of
two others, in any order: to know which words belong to which is what is to
be learned. Some answers are wrong at random.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

ROWS = 900
WRONG = 0.05
"""The share of rows whose answer is drawn anew."""
SHARES = {"yes": 9, "no": 7, "maybe": 4}

TREATMENTS = (
    *("early physiotherapy", "telephone coaching", "vitamin D", "a reminder letter", "zinc", "low-dose aspirin"),
    *(
        "group exercise",
        "a nurse-led clinic",
        "home monitoring",
        "music before surgery",
        "oral iron",
        "a salt substitute",
    ),
    *("breathing training", "honey", "a patch of lidocaine", "shared decision making", "bright light", "fish oil"),
)
OUTCOMES = (
    *("falls", "readmission", "pain at night", "wound infection", "delirium", "length of stay", "missed visits"),
    *("blood pressure", "fatigue", "anxiety", "nausea", "breathlessness", "weight loss", "bleeding", "sleep", "itch"),
)
PATIENTS = (
    *("older people after a hip fracture", "adults with asthma", "women after breast surgery", "children with eczema"),
    *("people on dialysis", "patients in intensive care", "adults with type 2 diabetes", "men with gout"),
    *("people with heart failure", "nursing home residents", "patients after a stroke", "pregnant women with anaemia"),
)
QUESTIONS = (
    "Does {treatment} help against {outcome} in {patients}?",
    "Is {treatment} of use for {outcome} in {patients}?",
    "Can {treatment} change {outcome} in {patients}?",
    "{outcome} in {patients}: does {treatment} make a difference?",
)
SETTINGS = (
    "{number} {patients} were randomised to {treatment} or usual care to see how it changes {outcome}.",
    "We allocated {number} {patients} to {treatment} or to a waiting list because of {outcome}.",
    "In an open trial {treatment} was held against nothing for {outcome} in {number} {patients}.",
)
RESULTS = {
    "yes": ("clearly improved", "was much better", "soon got better"),
    "no": ("hardly changed", "was no better", "stayed the same"),
    "maybe": ("varied widely", "was slightly better", "improved in some"),
}
OWN = ("The primary outcome {result}.", "Our main outcome {result}.", "The registered outcome {result}.")
BESIDE = ("A secondary outcome {result}.", "A safety outcome {result}.", "An exploratory outcome {result}.")
ENDS = (
    "Follow-up took {months} months, and {share} % completed it.",
    "The groups were alike at the start.",
    "{share} % of those who were asked took part.",
    "No harm was seen.",
    "Costs were not recorded.",
)


def trials(seed: int = 0) -> pl.DataFrame:
    """The rows: columns `question`, `context` and `label` (yes, no, maybe)."""
    import polars as pl

    draw = random.Random(seed)
    rows = [_row(draw) for _ in range(ROWS)]
    return pl.DataFrame(rows, schema=["question", "context", "label"], orient="row")


def _row(draw: random.Random) -> tuple[str, str, str]:
    label = _label(draw)
    words = {
        "treatment": draw.choice(TREATMENTS),
        "outcome": draw.choice(OUTCOMES),
        "patients": draw.choice(PATIENTS),
        "number": draw.randint(40, 900),
        "months": draw.randint(2, 36),
        "share": draw.randint(61, 98),
    }
    told = [draw.choice(OWN).format(result=draw.choice(RESULTS[label]))]
    told += [form.format(result=draw.choice(RESULTS[_label(draw)])) for form in draw.sample(BESIDE, 2)]
    draw.shuffle(told)
    sentences = [draw.choice(SETTINGS), *told, draw.choice(ENDS)]
    context = " ".join(_capital(sentence.format(**words)) for sentence in sentences)
    answer = _label(draw) if draw.random() < WRONG else label
    return _capital(draw.choice(QUESTIONS).format(**words)), context, answer


def _label(draw: random.Random) -> str:
    return draw.choices(list(SHARES), list(SHARES.values()))[0]


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]
