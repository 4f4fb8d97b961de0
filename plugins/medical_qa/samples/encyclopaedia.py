"""The samples of `retrieval` and `generative`: an encyclopaedia of invented conditions, and questions about it.

Every condition has a passage for each of six aspects. Questions word an aspect in
other words than passages do, so that the words they share name the
condition and seldom what is asked of it. A few questions lead to a wrong aspect.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medplug.plugins.medical_qa.samples.names import coined

if TYPE_CHECKING:
    import polars as pl

CONDITIONS = 40
WRONG = 0.04
"""The share of questions that lead to another aspect's passage."""
KINDS = ("syndrome", "disease", "fever", "palsy", "anaemia", "dystrophy")

SYMPTOMS = ("tingling fingers", "a rash on both shins", "stiff knees in the morning", "double vision", "hoarseness",
            "cramps after meals", "cold toes", "night sweats", "swollen eyelids", "a dry cough")  # fmt: skip
CAUSES = ("a missing liver enzyme", "a virus carried by mice", "too little copper", "antibodies against nerves",
          "a faulty potassium channel", "mould in grain", "scars after an infection", "a blocked duct")  # fmt: skip
DRUGS = ("weekly copper injections", "a diet without starch", "low doses of colchicine", "plasma exchange",
         "inhaled steroids", "a short course of doxycycline", "compression stockings", "beta blockers")  # fmt: skip
TESTS = ("a skin biopsy", "a nerve conduction study", "the level of copper in urine", "a stool culture",
         "a blood film", "an MRI scan of the spine", "an antibody titre", "a slit lamp")  # fmt: skip
FAMILIES = ("from both parents at once", "through the mother only", "from one parent", "by no known pattern")
COURSES = ("within a few weeks", "only after many years", "slowly over decades", "before the age of twenty")

ASPECTS: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "symptoms": (SYMPTOMS,
                 ("How would I notice {c}?", "What does {c} feel like?", "What are the first signs of {c}?"),
                 ("Most people with {c} come with {f}. Some have no complaints for years.",
                  "{c} often begins with {f}, later on both sides.", "Patients who have {c} report {f} at first.")),
    "cause": (CAUSES,
              ("Why do people get {c}?", "Where does {c} come from?", "What is behind {c}?"),
              ("{c} is due to {f}. It was described after an outbreak in a small town.",
               "Research has traced {c} back to {f}.", "In {c} there is {f}, which harms small vessels.")),
    "treatment": (DRUGS,
                  ("What can be done about {c}?", "What helps against {c}?", "Is there a remedy for {c}?"),
                  ("Doctors usually prescribe {f} in {c}. Surgery is rarely needed.",
                   "{c} is managed with {f} and rest.", "With {f} the complaints of {c} mostly settle.")),
    "diagnosis": (TESTS,
                  ("How can one be sure that it is {c}?", "Which examination reveals {c}?", "How is {c} found?"),
                  ("{c} is confirmed by {f}. Other findings are unspecific.",
                   "The key investigation in {c} is {f}.", "When {c} is suspected {f} settles the matter.")),
    "inheritance": (FAMILIES,
                    ("Can my children get {c} from me?", "Does {c} run in families?", "Is {c} in the genes?"),
                    ("{c} is passed on {f}. Counselling is offered to couples.",
                     "Relatives acquire {c} {f}, as pedigrees show.", "The trait of {c} is transmitted {f}.")),
    "outlook": (COURSES,
                ("Will {c} go away again?", "How does {c} go on?", "What should somebody with {c} expect?"),
                ("The prognosis of {c} is good: it resolves {f}.", "{c} progresses {f}, with calm spells between.",
                 "Recovery from {c} is seen {f} in the majority.")),
}  # fmt: skip
"""Of each aspect its facts, the questions and the passages."""


@dataclass(frozen=True, slots=True)
class _Entry:
    id: str
    question: str
    passage: str
    answer: str


def questions_and_passages(seed: int = 0) -> pl.DataFrame:
    """The rows of `retrieval`: columns `question`, `passage` and the passage's `id`."""
    import polars as pl

    entries, draw = _entries(seed), random.Random(seed + 1)
    right = [draw.choice(entries) if draw.random() < WRONG else entry for entry in entries]
    rows = [(entry.question, other.passage, other.id) for entry, other in zip(entries, right, strict=True)]
    return pl.DataFrame(rows, schema=["question", "passage", "id"], orient="row")


def questions_and_answers(seed: int = 0) -> pl.DataFrame:
    """The rows of `generative`: columns `question`, `answer` and the `passage` that tells it."""
    import polars as pl

    rows = [(entry.question, entry.answer, entry.passage) for entry in _entries(seed)]
    return pl.DataFrame(rows, schema=["question", "answer", "passage"], orient="row")


def passages(seed: int = 0) -> pl.DataFrame:
    """All passages: columns `id` and `passage`."""
    import polars as pl

    return pl.DataFrame([(entry.id, entry.passage) for entry in _entries(seed)], schema=["id", "passage"], orient="row")


def _entries(seed: int) -> list[_Entry]:
    """Conditions by aspects, in random order."""
    draw = random.Random(seed)
    found = []
    for name in coined(draw, CONDITIONS, ("ldi", "rov", "nkel", "ssen", "bach", "tti", "mura", "zek")):
        condition = f"{name} {draw.choice(KINDS)}"
        for aspect, (facts, questions, told) in ASPECTS.items():
            fact = draw.choice(facts)
            question, passage = (draw.choice(forms).format(c=condition, f=fact) for forms in (questions, told))
            found.append(_Entry(f"{name}-{aspect}".lower(), question, passage, fact))
    draw.shuffle(found)
    return found
