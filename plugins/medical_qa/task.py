"""The task: questions in, answers out, in the form that ``task.form`` names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from medplug.core.task import Examples, Task
from medplug.core.wording import Wording
from medplug.plugins.medical_qa.corpus import SAMPLE
from medplug.plugins.medical_qa.forms.entailment import Entailment
from medplug.plugins.medical_qa.forms.extractive import Extractive
from medplug.plugins.medical_qa.forms.form import Form
from medplug.plugins.medical_qa.forms.generative import Generative
from medplug.plugins.medical_qa.forms.multiple_choice import MultipleChoice
from medplug.plugins.medical_qa.forms.retrieval import Retrieval
from medplug.plugins.medical_qa.forms.yes_no_maybe import YesNoMaybe
from medplug.plugins.medical_qa.together import joined

if TYPE_CHECKING:
    import polars as pl

    from medplug.core.backbone import Backbone
    from medplug.core.data.problems import Problems
    from medplug.core.data.tables import Tabular
    from medplug.core.data.targets import Target
    from medplug.core.plain.features import PlainFeatures
    from medplug.core.retrieval.corpus import Corpus
    from medplug.core.specs import Cell, Modality
    from medplug.plugins.medical_qa.options import MedicalQaData, MedicalQaOptions

FORMS: Mapping[str, type[Form]] = {
    "yes_no_maybe": YesNoMaybe,
    "multiple_choice": MultipleChoice,
    "extractive": Extractive,
    "retrieval": Retrieval,
    "entailment": Entailment,
    "generative": Generative,
}


class MedicalQa(Task):
    """Medical questions and their answers; `form` says what a row and its answer are.

    A raw value is a `medplug.core.answers.questions.Pair`, or a `Choice` where there are options.
    """

    slots: ClassVar[Mapping[str, Modality]] = {"text": "text"}
    sample_columns: ClassVar[Mapping[str, str]] = {"corpus": SAMPLE, "passage_id": "id"}
    sample_is: ClassVar[str] = "generated questions and answers"
    wording: ClassVar[Wording] = Wording(
        group="group",
        groups="groups",
        subjects="your questions",
        same="the same question asked of the same text (and with the same options), letter by letter",
        ungrouped="intervals take each question for itself, though several may be asked of one text",
    )

    options: MedicalQaOptions
    data: MedicalQaData

    def __init__(self, options: MedicalQaOptions, data: MedicalQaData) -> None:
        super().__init__(options, data)
        self.form = FORMS[options.form](options, data)

    def columns(self, *, labelled: bool) -> dict[str, str]:
        """Those of the form."""
        return self.form.columns(labelled=labelled)

    def cells(self) -> dict[str, Cell]:
        """Texts; options that stand in one column are lists of texts."""
        return {key: "texts" if key == "data.options" else cell for key, cell in super().cells().items()}

    def columns_of_slots(self) -> list[tuple[str, ...]]:
        """What a table to predict on may lack."""
        return self.form.spared()

    def columns_of_unlabelled(self) -> list[tuple[str, ...]]:
        """What a table without labels may lack."""
        return self.form.spared_unlabelled()

    def tabulate(self, source: Any, key: str) -> Tabular:
        """PubMedQA, HEAD-QA and SQuAD as tables with the columns that ``data.*`` names; any other as it is."""
        return self.form.tabulate(source, key)

    def examples(
        self, table: pl.DataFrame, problems: Problems, *, labelled: bool, folder: Path | None = None
    ) -> Examples:
        """Questions, with answers where `labelled`; rows that cannot be read go to `problems`."""
        values = self.form.values(table, problems)
        labels = self.form.labels(table, values, problems) if labelled else None
        return Examples(np.arange(1, table.height + 1, dtype=np.int64), {"text": values}, labels)

    def target(self, labels: Sequence[Any]) -> Target:
        """Classes, letters of options, a span, a ranking or a text, by the form.

        Raises `DataError` where the labels cannot be learned from and
        `ConfigError` where ``task.positive`` does not fit them.
        """
        return self.form.target(labels)

    def metrics(self, target: Target) -> tuple[str, ...]:
        """Those of the kind of target."""
        return self.form.metrics(target)

    @property
    def sure(self) -> float:
        """The share of sure answers that must be right."""
        return self.options.sure

    def drawn_by(self, labels: Sequence[Any]) -> list[Any]:
        """As the form says."""
        return self.form.drawn_by(labels)

    def reader(self, backbone: Backbone, target: Target) -> Backbone:
        """What reads questions through the run's text backbone."""
        return self.form.reader(backbone, target)

    def further_passages(self) -> Corpus | None:
        """Those of ``data.corpus``."""
        return self.form.corpus

    def plain_features(self) -> PlainFeatures:
        """Those of the form."""
        return self.form.plain_features()

    def units(self, examples: Examples, rule: str) -> dict[str, list[str]]:
        """Rows that share a context (or what else the form says), or a group, stay together."""
        shared = [self.form.shared(value) for value in examples.inputs["text"]]
        return {self.form.shares: joined(shared, examples.groups)}

    def question_row(self, question: str, context: str | None, options: tuple[str, ...]) -> dict[str, Any]:
        """One question as a row to predict on; `UsageError` where the form needs a context or options, or has none."""
        return self.form.question_row(question, context, options)

    def sample(self) -> pl.DataFrame:
        """Generated questions, under the names of ``data.*``."""
        return self.form.sample()
