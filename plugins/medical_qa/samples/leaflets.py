"""The sample of `extractive`: leaflets of invented medicines, and questions that some of them answer.

A leaflet tells some of eight facts, in any order and wording; a question asks for one fact,
which is missing in about a quarter of the rows. Now and then an answer
takes in a word more than it needs.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from medplug.plugins.medical_qa.samples.names import coined

if TYPE_CHECKING:
    import polars as pl

LEAFLETS = 90
ASKED = 3
"""Questions a leaflet."""
TOLD = (3, 4)
"""The fewest and the most of the facts that a leaflet tells."""
MISSING = 0.25
LOOSE = 0.1
"""How often an answer takes in the word before it."""

TIMES = ("once a day", "twice a day", "three times a day", "every other day", "at bedtime", "before meals")
SPANS = ("two weeks", "six weeks", "ten days", "three months", "half a year", "five days")
SIGNS = ("a rash", "yellow skin", "swollen lips", "blurred vision", "black stools", "a fast heartbeat", "joint pain")
USES = ("gout", "hay fever", "joint pain", "reflux", "migraine", "high blood pressure", "eczema", "travel sickness")
PLACES = ("in the fridge", "below 25 degrees", "in its carton", "away from light", "in a locked cupboard")
FOODS = ("grapefruit juice", "alcohol", "milk", "liquorice", "strong coffee", "antacids")
MILD = ("a dry mouth", "drowsiness", "a headache", "loose stools", "a metallic taste", "dizziness", "hiccups")

FACTS: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "use": (USES, ("{m} is used for <>.", "Doctors prescribe it against <>.", "It was approved to treat <>."),
            ("What is {m} used for?", "What does {m} treat?")),
    "dose": (TIMES, ("Take one tablet <>.", "The usual dose is 20 mg <>.", "Adults swallow a capsule <>."),
             ("How often is {m} taken?", "When should I take {m}?")),
    "length": (SPANS, ("Do not take it for longer than <>.", "A course lasts <>.", "Treatment ends after <>."),
               ("How long may {m} be taken?", "How long does a course of {m} last?")),
    "stop": (SIGNS, ("Stop at once if you notice <>.", "Call a doctor in case of <>.", "Seek help when <> appears."),
             ("What is a reason to stop {m}?", "Which sign of {m} is dangerous?")),
    "mild": (MILD, ("Up to one in ten users report <>.", "A common but harmless effect is <>.", "It may cause <>."),
             ("What are common side effects of {m}?", "Which mild effect may {m} have?")),
    "store": (PLACES, ("Keep the tablets <>.", "Store this medicine <>.", "After opening it is kept <>."),
              ("How is {m} stored?", "Where should {m} be kept?")),
    "avoid": (FOODS, ("Do not combine it with <>.", "Its effect is weakened by <>.", "Leave out <> meanwhile."),
              ("What should not be taken with {m}?", "What weakens {m}?")),
    "age": (tuple(f"{years} years" for years in (2, 6, 8, 12, 14, 16, 18)),
            ("It must not be given below the age of <>.", "Patients should be at least <> old.",
             "It has not been tested in anybody under <>."),
            ("From which age may {m} be given?", "How old must a patient be for {m}?")),
}  # fmt: skip
"""Of each fact its values, the sentences that tell it (at <>), and the questions that ask for it."""
BETWEEN = (
    "Read all of this leaflet.", "Ask your pharmacist if you are not sure.", "Keep out of the reach of children.",
    "Tell your doctor about other medicines.", "The tablets are round and white.",
)  # fmt: skip


def leaflets(seed: int = 0) -> pl.DataFrame:
    """The rows: `question`, `context`, `answer` and `answer_start` (characters from 0), these null for no answer."""
    import polars as pl

    draw = random.Random(seed)
    names = coined(draw, LEAFLETS, ("zole", "pril", "mab", "statin", "xin", "dine", "lol", "tran"))
    rows = [row for name in names for row in _asked(draw, name)]
    schema = {"question": pl.String, "context": pl.String, "answer": pl.String, "answer_start": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _asked(draw: random.Random, name: str) -> list[tuple[str, str, str | None, int | None]]:
    told = draw.sample(list(FACTS), draw.randint(*TOLD))
    context, spans = _leaflet(draw, name, told)
    missing = [fact for fact in FACTS if fact not in told]
    asked = [draw.choice(missing) if draw.random() < MISSING else None for _ in range(ASKED)]
    chosen = dict.fromkeys(fact or present for fact, present in zip(asked, draw.sample(told, ASKED), strict=True))
    return [(draw.choice(FACTS[fact][2]).format(m=name), context, *spans.get(fact, (None, None))) for fact in chosen]


def _leaflet(draw: random.Random, name: str, told: list[str]) -> tuple[str, dict[str, tuple[str, int]]]:
    """The text, and where in it each fact stands."""
    context, spans = f"{name} tablets. {draw.choice(BETWEEN)}", {}
    for fact in told:
        values, forms, _ = FACTS[fact]
        value, form = draw.choice(values), draw.choice(forms)
        sentence = form.format(m=name).replace("<>", value)
        start = len(context) + 1 + form.format(m=name).index("<>")
        context = f"{context} {sentence}"
        wider = context.rfind(" ", 0, start - 1) + 1
        start, value = (wider, context[wider : start + len(value)]) if draw.random() < LOOSE else (start, value)
        spans[fact] = (value, start)
    return f"{context} {draw.choice(BETWEEN)}", spans
