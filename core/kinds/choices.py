"""Multiple choice: which of a question's options is right, by one head that scores them all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from medplug.core.backbone import Backbone
from medplug.core.choice_model import ChoiceModel
from medplug.core.data.dataset import Dataset
from medplug.core.data.targets import Target
from medplug.core.judging.choices import judge_choice
from medplug.core.judging.judge import Judged
from medplug.core.kinds.kind import refuse_also
from medplug.core.kinds.rows import Rows
from medplug.core.model import Model
from medplug.core.plan import Plan
from medplug.core.task import Examples, Task
from medplug.core.training.job import Trained

if TYPE_CHECKING:
    from medplug.core.asking.answer import Answer
    from medplug.core.predictor import Predictor


class Choices(Rows):
    """Rows whose label is the letter of an option."""

    def model(self, backbone: Backbone, target: Target, also: Mapping[str, Target]) -> Model:
        """A head that all options share."""
        refuse_also(also, "options")
        return ChoiceModel(backbone, target)

    def judge(self, task: Task, dataset: Dataset, trained: Trained, plan: Plan, metric: str) -> Judged:
        """Beside the commonest letter, a conditional logit, the longest option and the one that shares most words."""
        return judge_choice(task, dataset, trained, plan, metric)

    def asked(self, predictor: Predictor, examples: Examples, top: int) -> Answer:
        """The text of the likeliest option, and the probability of each."""
        found = super().asked(predictor, examples, top)
        options = examples.values[0].options
        letters = predictor.target.classes[: len(options)]
        text = None if found.text is None else options[letters.index(found.text)]
        return replace(found, text=text, shares={letter: found.shares[letter] for letter in letters})
