from __future__ import annotations

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from medplug.core.data.targets import Target
from medplug.core.evaluation.baseline import plain_baseline
from medplug.core.evaluation.scores import point

TARGET = Target("multiclass", ("ankle", "chest", "skin"))
WORDS = (["sprain", "swelling", "ankle"], ["cough", "wheeze", "breath"], ["rash", "itch", "red"])


def notes_of(rows, seed):
    generator = np.random.default_rng(seed)
    labels = generator.choice(3, rows, p=[0.5, 0.3, 0.2])
    filler = ["patient", "reports", "since", "monday", "again"]
    return [" ".join(generator.permutation([*filler, generator.choice(WORDS[c])])) for c in labels], labels


def fitted(features, metric="macro_f1", train=None, test=None):
    train_rows, train_labels = train or notes_of(150, 0)
    validation_rows, validation_labels = notes_of(60, 1)
    test_rows = test or notes_of(60, 2)[0]
    return plain_baseline(
        features,
        train_rows,
        train_labels,
        validation_rows,
        validation_labels,
        test_rows,
        TARGET,
        metric,
        {"none": None},
        0,
    )


class Lengths:
    """Dense features of very different scales; counts what it is fitted on."""

    def __init__(self):
        self.learned_from = []

    def fit_transform(self, rows):
        self.learned_from.append(list(rows))
        return self.transform(rows)

    def transform(self, rows):
        return np.array([[1e6 * any(w in row for w in words) for words in WORDS] for row in rows])


def test_the_linear_baseline_learns_what_the_majority_cannot():
    _, labels = notes_of(60, 2)
    baseline = fitted(TfidfVectorizer())
    assert baseline.linear.shape == baseline.majority.shape == (60, 3)
    assert np.allclose(baseline.linear.sum(axis=1), 1) and np.allclose(baseline.majority.sum(axis=1), 1)
    assert point(TARGET, labels, baseline.linear, "macro_f1") > 0.95
    assert point(TARGET, labels, baseline.majority, "macro_f1") < 0.3


def test_the_majority_says_the_commonest_training_class():
    baseline = fitted(TfidfVectorizer())
    _, labels = notes_of(150, 0)
    assert np.allclose(baseline.majority, np.bincount(labels) / 150)


def test_features_are_learned_from_training_rows_alone():
    features = Lengths()
    fitted(features)
    assert features.learned_from == [notes_of(150, 0)[0]]


def test_dense_features_of_a_large_scale_are_standardised():
    _, labels = notes_of(60, 2)
    baseline = fitted(Lengths(), metric="log_loss")
    assert point(TARGET, labels, baseline.linear, "accuracy") == 1.0
    assert baseline.notes["validation"]["log_loss"] < 0.05


def test_test_rows_have_no_part_in_the_fit():
    rows, _ = notes_of(60, 2)
    whole = fitted(TfidfVectorizer(), test=rows)
    part = fitted(TfidfVectorizer(), test=rows[:5])
    assert np.allclose(whole.linear[:5], part.linear, atol=1e-12) and whole.notes == part.notes
