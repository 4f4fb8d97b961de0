"""The built-in sample: 480 invented clinical notes, half English and half Chinese.

It is made to be learnable and not trivial: findings are missing, shared between
diagnoses or denied, later notes say little, and a few patients present
like another diagnosis. No note names a diagnosis, and no real patient is in it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medplug.plugins.text_diagnosis import sample_phrases as phrases

if TYPE_CHECKING:
    import polars as pl

SITES = ("lakeside", "central", "harbour")
SITE_WEIGHTS = {phrases.ENGLISH: (5, 3, 2), phrases.CHINESE: (2, 3, 5)}
NOTES_A_PATIENT = (1,) * 50 + (2,) * 50 + (3,) * 30
"""How many notes the 130 patients of a language have."""

FIRST, LATER = (4, 5), (3, 4)
"""The fewest and the most telling findings of a first and of a later note."""

USUAL = 0.85
"""How often a finding is worded in its usual way."""

TELLING_DENIAL = 0.2
"""How often what is denied are findings of other diagnoses, and not common ones."""

MIMIC = 0.03
"""The share of notes whose findings are mostly those of another diagnosis."""


@dataclass(frozen=True, slots=True)
class _Patient:
    name: str
    diagnosis: str
    site: str
    sex: str
    age: int
    language: str
    notes: int


def sample(seed: int = 0) -> pl.DataFrame:
    """The notes: columns `note`, `diagnosis`, `patient`, `site`, `sex`, `age` (years) and `language` (en, zh)."""
    import polars as pl

    rng = random.Random(seed)
    written: set[str] = set()
    rows: list[tuple[str, str, str, str, str, int, str]] = []
    for p in _patients(rng):
        for visit in range(p.notes):
            note = _new_note(rng, p, visit, written)
            rows.append((note, p.diagnosis, p.name, p.site, p.sex, p.age, p.language))
    names = ["note", "diagnosis", "patient", "site", "sex", "age", "language"]
    return pl.DataFrame(rows, schema=names, orient="row")


def _patients(rng: random.Random) -> list[_Patient]:
    """260 patients, in random order, so that a prefix of the table is a fair sample too."""
    drawn = [person for language in (phrases.ENGLISH, phrases.CHINESE) for person in _speakers(rng, language)]
    rng.shuffle(drawn)
    return [_Patient(f"P{number:03d}", *person) for number, person in enumerate(drawn, start=1)]


def _speakers(rng: random.Random, language: str) -> Iterator[tuple[str, str, str, int, str, int]]:
    counts = rng.sample(NOTES_A_PATIENT, len(NOTES_A_PATIENT))
    for diagnosis, (patients, ages) in phrases.PATIENTS.items():
        for _ in range(patients):
            site = rng.choices(SITES, SITE_WEIGHTS[language])[0]
            yield diagnosis, site, rng.choice("FM"), rng.randint(*ages), language, counts.pop()


def _new_note(rng: random.Random, patient: _Patient, visit: int, written: set[str]) -> str:
    while (note := _note(rng, patient, visit)) in written:
        pass
    written.add(note)
    return note


def _note(rng: random.Random, patient: _Patient, visit: int) -> str:
    """Opening, findings in any order, and a plan."""
    language = patient.language
    openings = (phrases.LATER_VISIT if visit else phrases.FIRST_VISIT)[language]
    sex = phrases.SEXES[language][patient.sex]
    opening = rng.choice(openings).format(age=patient.age, sex=sex, n=rng.randint(2, 9))
    affirmed = _affirmed(rng, patient.diagnosis, most=LATER if visit else FIRST)
    deniable = _others(patient.diagnosis) if rng.random() < TELLING_DENIAL else phrases.COMMON
    denied = rng.sample([finding for finding in deniable if finding not in affirmed], rng.randint(1, 2))
    body = [*_told(rng, affirmed, language), _denial(rng, denied, language), rng.choice(phrases.HISTORY[language])]
    if rng.random() < 0.3:
        body.append(_vitals(rng, affirmed, language))
    rng.shuffle(body)
    parts = [_capital(opening), *body, rng.choice(phrases.PLAN[language])]
    return (" " if language == phrases.ENGLISH else "").join(parts)


def _affirmed(rng: random.Random, diagnosis: str, most: tuple[int, int]) -> list[str]:
    """Some findings of the diagnosis (likelier ones more often), or of a mimic, and perhaps a common one."""
    profile = phrases.PROFILES[diagnosis]
    # a weighted draw without repeats (Efraimidis and Spirakis, 2006); the power keeps the rarer findings rare
    keys = {finding: rng.random() ** (1 / likelihood**4) for finding, likelihood in profile.items()}
    telling = sorted(keys, key=keys.__getitem__, reverse=True)[: rng.randint(*most)]
    if rng.random() < MIMIC:
        telling = telling[:1] + rng.sample(_others(diagnosis), 2)
    return telling + rng.sample(phrases.COMMON, rng.randint(0, 1))


def _others(diagnosis: str) -> list[str]:
    """Findings that the diagnosis does not come with, in a fixed order."""
    every = dict.fromkeys(finding for profile in phrases.PROFILES.values() for finding in profile)
    return [finding for finding in every if finding not in phrases.PROFILES[diagnosis]]


def _told(rng: random.Random, findings: Sequence[str], language: str) -> list[str]:
    """Symptoms and signs, each in sentences of one or two."""
    sentences = []
    for signs, forms in ((False, phrases.SYMPTOM[language]), (True, phrases.SIGN[language])):
        kind = [finding for finding in findings if (finding in phrases.SIGNS) is signs]
        rng.shuffle(kind)
        step = rng.randint(1, 2)
        for start in range(0, len(kind), step):
            join = rng.choice(phrases.JOINS[language])
            sentences.append(_sentence(rng, forms, kind[start : start + step], join, language))
    return sentences


def _denial(rng: random.Random, findings: Sequence[str], language: str) -> str:
    forms = phrases.ABSENT if phrases.SIGNS.intersection(findings) else phrases.DENIED
    return _sentence(rng, forms[language], findings, phrases.DENIED_JOIN[language], language)


def _sentence(rng: random.Random, forms: Sequence[str], findings: Sequence[str], join: str, language: str) -> str:
    said = join.join(_worded(rng, phrases.FINDINGS[language][finding]) for finding in findings)
    return _capital(rng.choice(forms).format(said))


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def _worded(rng: random.Random, wordings: Sequence[str]) -> str:
    return wordings[0] if rng.random() < USUAL else rng.choice(wordings[1:])


def _vitals(rng: random.Random, affirmed: Sequence[str], language: str) -> str:
    """Vital signs that agree with the findings."""
    systolic = rng.randint(98, 162)
    return phrases.VITALS[language].format(
        temperature=rng.uniform(37.9, 39.2) if "fever" in affirmed else rng.uniform(36.2, 37.4),
        pulse=rng.randint(101, 122) if "pulse" in affirmed else rng.randint(64, 99),
        systolic=systolic,
        diastolic=systolic - rng.randint(35, 60),
        saturation=rng.randint(92, 99),
    )
