"""What of a model's logits the scores of a row speak of."""

import numpy as np
import pytest
import torch

from medplug.core.data.targets import Target
from medplug.core.data.trust import Calibration
from medplug.core.explaining.subject import spoken_of


@pytest.mark.parametrize(("kind", "weights"), [("multiclass", [-1 / 3, 2 / 3, -1 / 3]), ("multilabel", [0, 1, 0])])
def test_it_is_the_class_that_the_corrected_model_decides_for(kind, weights) -> None:
    logits = torch.tensor([[1.0, 0.5, -2.0]])
    assert spoken_of(Target(kind, ("a", "b", "c")), logits).names == ("a",)
    moved = Calibration("platt", (1.0, 1.0, 1.0), (0.0, 1.0, 0.0))
    spoken = spoken_of(Target(kind, ("a", "b", "c"), calibration=moved), logits)
    assert spoken.names == ("b",) and np.allclose(spoken.weights, [weights])
