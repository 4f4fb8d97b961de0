"""The sample of `multiple_choice`: questions on textbook facts, with options that belong to other conditions.

Facts are few and recur in other words and beside other options, so that what is
learned of one question helps with others. A few keys are wrong, as in any exam.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

ROWS = 600
WRONG = 0.05
"""The share of rows whose key is drawn anew."""
FEWEST, MOST = 3, 5

FACTS: dict[str, dict[str, str]] = {
    "asthma": {"sign": "wheeze at night", "test": "spirometry", "part": "bronchi", "treatment": "inhaled salbutamol"},
    "gout": {"sign": "a hot swollen big toe", "test": "serum urate", "part": "joints", "treatment": "colchicine"},
    "migraine": {"sign": "headache with aura", "test": "a headache diary", "part": "brain", "treatment": "a triptan"},
    "hypothyroidism": {"sign": "feeling cold", "test": "TSH", "part": "thyroid", "treatment": "levothyroxine"},
    "type 1 diabetes": {"sign": "thirst", "test": "blood glucose", "part": "pancreas", "treatment": "insulin"},
    "tuberculosis": {"sign": "night sweats", "test": "a sputum smear", "part": "lungs", "treatment": "rifampicin"},
    "glaucoma": {"sign": "loss of side vision", "test": "eye pressure", "part": "optic nerve", "treatment": "timolol"},
    "epilepsy": {"sign": "seizures", "test": "EEG", "part": "cerebral cortex", "treatment": "valproate"},
    "iron deficiency": {"sign": "pale skin", "test": "ferritin", "part": "red blood cells", "treatment": "iron"},
    "cystitis": {"sign": "burning when passing water", "test": "urine culture", "part": "bladder",
                 "treatment": "nitrofurantoin"},
    "angina": {"sign": "chest pain on exertion", "test": "an exercise ECG", "part": "coronary arteries",
               "treatment": "nitroglycerin"},
    "Parkinson's disease": {"sign": "tremor at rest", "test": "neurological examination", "part": "substantia nigra",
                            "treatment": "levodopa"},
    "appendicitis": {"sign": "pain in the right lower belly", "test": "ultrasound of the abdomen", "part": "appendix",
                     "treatment": "surgery"},
    "psoriasis": {"sign": "scaly plaques", "test": "skin biopsy", "part": "skin", "treatment": "calcipotriol"},
    "scabies": {"sign": "itch worse in bed", "test": "skin scraping", "part": "epidermis", "treatment": "permethrin"},
    "osteoporosis": {"sign": "fractures after small falls", "test": "bone densitometry", "part": "bone",
                     "treatment": "alendronate"},
    "kidney stones": {"sign": "colicky loin pain", "test": "CT without contrast", "part": "ureter",
                      "treatment": "shock waves"},
    "depression": {"sign": "low mood", "test": "a questionnaire", "part": "mood", "treatment": "sertraline"},
    "malaria": {"sign": "fever after the tropics", "test": "a thick blood film", "part": "liver and blood",
                "treatment": "artemether"},
    "reflux": {"sign": "heartburn", "test": "gastroscopy", "part": "oesophagus", "treatment": "omeprazole"},
}  # fmt: skip
"""What goes with what, as every textbook has it."""

FORWARD: dict[str, tuple[str, ...]] = {
    "sign": ("Which of these is typical of {c}?", "A patient with {c} most often complains of:",
             "What would make you think of {c}?"),
    "test": ("Which test is used first when {c} is suspected?", "How is {c} confirmed?", "To diagnose {c} ask for:"),
    "part": ("Where in the body is {c} seated?", "{c} mainly affects:", "Which part of the body suffers in {c}?"),
    "treatment": ("What is given for {c}?", "A usual treatment of {c} is:", "Which of these treats {c}?"),
}  # fmt: skip
BACKWARD: dict[str, tuple[str, ...]] = {
    "sign": ("What does {f} suggest?", "Which diagnosis goes best with {f}?"),
    "test": ("For which condition is {f} done?", "The result of {f} is most helpful in:"),
    "treatment": ("For what is {f} prescribed?", "Which condition is treated with {f}?"),
}


def exams(seed: int = 0) -> pl.DataFrame:
    """The rows: columns `question`, `options` (lists of 3 to 5) and `answer` (the right one's place, from 0)."""
    import polars as pl

    draw = random.Random(seed)
    found: dict[tuple[str, tuple[str, ...]], int] = {}
    while len(found) < ROWS:
        question, options, right = _row(draw)
        found.setdefault((question, options), right)
    rows = [(question, list(options), right) for (question, options), right in found.items()]
    return pl.DataFrame(rows, schema=["question", "options", "answer"], orient="row")


def _row(draw: random.Random) -> tuple[str, tuple[str, ...], int]:
    condition, backwards = draw.choice(list(FACTS)), draw.random() < 0.4
    kind = draw.choice(list(BACKWARD if backwards else FORWARD))
    fact = FACTS[condition][kind]
    others = [name for name in FACTS if name != condition]
    drawn = draw.sample(others, draw.randint(FEWEST, MOST) - 1)
    options = [condition, *drawn] if backwards else [fact, *(FACTS[name][kind] for name in drawn)]
    right = options[0]
    draw.shuffle(options)
    question = draw.choice((BACKWARD if backwards else FORWARD)[kind]).format(c=condition, f=fact)
    place = draw.randrange(len(options)) if draw.random() < WRONG else options.index(right)
    return question[0].upper() + question[1:], tuple(options), place
