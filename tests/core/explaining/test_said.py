"""What an explanation speaks of, kind by kind."""

import numpy as np
import pytest

from medplug.core.data.targets import Target
from medplug.core.explaining.said import Said


@pytest.mark.parametrize(
    ("target", "predicted", "name", "much"),
    [
        (Target("binary", ("no", "yes")), [0.3, 0.7], "yes", 0.7),
        (Target("binary", ("no", "yes")), [0.8, 0.2], "no", 0.8),
        (Target("multiclass", ("a", "b", "c")), [0.2, 0.5, 0.3], "b", 0.5),
        (Target("multilabel", ("a", "b", "c")), [0.1, 0.2, 0.4], "c", 0.4),
        (Target("regression", ("dose",)), [7.5], "dose", 7.5),
        (Target("survival", ("death",)), [-1.25], "death", -1.25),
    ],
)
def test_it_is_the_decided_classs_probability_or_the_number_itself(
    target: Target, predicted: list[float], name: str, much: float
) -> None:
    said = Said.of(target, np.array(predicted))
    assert said.name == name
    assert said.much(np.array([predicted, predicted])) == pytest.approx([much, much])


@pytest.mark.parametrize(
    ("higher", "outcomes", "name", "much"),
    [
        (True, [1.0, 2.0, 3.5], "surgery - none", 2.5),
        (False, [2.0, 1.5, 3.5], "drug - none", 0.5),
        (True, [4.0, 2.0, 3.5], "none - surgery", 0.5),
    ],
)
def test_of_treatments_it_is_what_the_advised_arm_gains_over_the_control_or_the_next_best(
    higher: bool, outcomes: list[float], name: str, much: float
) -> None:
    target = Target("treatment", ("none", "drug", "surgery"), outcomes=("days",), higher_is_better=higher)
    predicted = np.array([*outcomes, 0.2, 0.3, 0.5])
    said = Said.of(target, predicted)
    assert said.name == name
    assert said.much(predicted[None]) == pytest.approx([much])
