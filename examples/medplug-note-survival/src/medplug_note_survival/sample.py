"""The built-in sample: invented discharge notes of invented patients, and when they came back.

What a note tells sets the hazard that its time is drawn by, so that there is
something to learn; a frailty that no note tells of sets how much is left to chance.
"""

from __future__ import annotations

import math
import random

import polars as pl

_FINDINGS = (
    {"oedema to the knees persists": 1.0, "weight is back to what it was in spring": -0.8},
    {"creatinine was still rising on the last day": 0.9, "renal function has recovered": -0.8},
    {"this was the third admission this year": 1.0, "this was the first admission": -0.9},
    {"lives alone and declined home care": 0.7, "a nurse calls every second day": -0.8},
    {"tablets were often forgotten before": 0.8, "the family prepares the tablets": -0.6},
    {"short of breath on the first flight of stairs": 0.9, "walks two flights without stopping": -0.9},
)
"""What notes tell of each of six matters, and the log hazard that it adds."""
_ASIDES = (
    "appetite is fair",
    "an old scar on the left arm is unchanged",
    "slept well with the window open",
    "hearing is as it was",
    "vaccination is up to date",
    "a mild rash under the tape has faded",
    "reading glasses were returned",
    "blood pressure was taken on both arms",
    "questions about the diet were answered",
    "a letter for the employer was given",
    "the next blood test is on a Monday",
    "coughs a little in the morning",
)
"""What tells nothing."""
_OPENINGS = (
    "Discharged home.",
    "Goes home today.",
    "Discharge after treatment of heart failure.",
    "Left in good spirits.",
)
_PATIENTS, _TWICE = 280, 120
"""So many patients, of whom so many have a second note."""
_TYPICAL = 200.0
"""Days to a readmission, on average, where the log hazard is 0."""
_SEEN = (60, 365)
"""Patients are followed for so many days at least, and at most."""


def sample(seed: int = 0) -> pl.DataFrame:
    """The notes: columns `note`, `days`, `readmitted` (1, or 0: last seen then), `patient` and `hospital`."""
    draw = random.Random(seed)
    rows = []
    for number in range(_PATIENTS):
        owner = f"p{number:03d}", draw.choice(("north", "south"))
        frailty = draw.gauss(0, 0.4)
        rows += [(*_admission(draw, frailty), *owner) for _ in range(1 + (number < _TWICE))]
    return pl.DataFrame(rows, schema=["note", "days", "readmitted", "patient", "hospital"], orient="row")


def _admission(draw: random.Random, frailty: float) -> tuple[str, int, int]:
    """A note, the days from it, and whether they ended with a readmission."""
    told = dict(draw.choice(list(matter.items())) for matter in draw.sample(_FINDINGS, draw.randint(2, 4)))
    hazard = math.exp(frailty + sum(told.values()))
    back, seen = math.ceil(draw.expovariate(hazard / _TYPICAL)), draw.randint(*_SEEN)
    return _note(draw, list(told)), min(back, seen), int(back <= seen)


def _note(draw: random.Random, told: list[str]) -> str:
    sentences = [*told, *draw.sample(_ASIDES, draw.randint(2, 4))]
    draw.shuffle(sentences)
    signs = f"Pulse {draw.randint(55, 99)}, weight {draw.randint(48, 120)} kg, stayed {draw.randint(2, 21)} days."
    return " ".join([draw.choice(_OPENINGS), signs, *(f"{each[0].upper()}{each[1:]}." for each in sentences)])
