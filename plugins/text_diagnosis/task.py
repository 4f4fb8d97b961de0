"""The task: notes in, a diagnosis (or several) out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from medplug.core.data import cells
from medplug.core.data.classes import target_of
from medplug.core.data.cleaning import Cleaning
from medplug.core.data.labels import label_columns, read_labels
from medplug.core.data.repeats import without_repeats
from medplug.core.evaluation.reported import reported
from medplug.core.plain.text import PlainText
from medplug.core.task import Examples, Task
from medplug.plugins.text_diagnosis.sample import sample

if TYPE_CHECKING:
    from medplug.core.data.problems import Problems
    from medplug.core.data.targets import Target
    from medplug.core.specs import Modality
    from medplug.plugins.text_diagnosis.options import TextDiagnosisData, TextDiagnosisOptions


class TextDiagnosis(Task):
    """Diagnosis from clinical text: binary, multiclass or multilabel.

    Labels stand in one column (a text, a list, or texts joined by
    ``task.separator``) or in a list of 0/1 columns.
    """

    slots: ClassVar[Mapping[str, Modality]] = {"text": "text"}
    sample_columns: ClassVar[Mapping[str, str]] = {"group": "patient", "site": "site"}

    options: TextDiagnosisOptions
    data: TextDiagnosisData

    def columns(self, *, labelled: bool) -> dict[str, str]:
        """The text's column and, where rows are labelled, that of the label or each of its 0/1 columns."""
        return {"data.text": self.data.text, **(label_columns(self.data.label) if labelled else {})}

    def examples(
        self, table: pl.DataFrame, problems: Problems, *, labelled: bool, folder: Path | None = None
    ) -> Examples:
        """Cleaned texts, with labels where `labelled`; rows without text or label go to `problems`."""
        asked, separator = self.options.target, self.options.separator
        return Examples(
            rows=np.arange(1, table.height + 1, dtype=np.int64),
            inputs={"text": self._texts(table, problems)},
            labels=read_labels(table, self.data.label, asked, separator, problems) if labelled else None,
        )

    def target(self, labels: Sequence[Any]) -> Target:
        """Binary, multiclass or multilabel, with the classes in order.

        Raises `DataError` where the labels cannot be learned from and
        `ConfigError` where ``task.target`` or ``task.positive`` do not fit them.
        """
        columns = None if isinstance(self.data.label, str) else self.data.label
        return target_of(labels, self.options.target, self.options.positive, columns)

    def metrics(self, target: Target) -> tuple[str, ...]:
        """F1 first (of several classes its mean): diagnoses are rarely balanced."""
        return reported(target.kind)

    def plain_features(self) -> PlainText:
        """TF-IDF of words or characters."""
        return PlainText()

    def sample(self) -> pl.DataFrame:
        """480 invented notes, under the default column names."""
        return sample().rename({"note": "text", "diagnosis": "label"})

    def tidy(self, train: Examples) -> tuple[Examples, dict[str, int]]:
        """Drop training rows that repeat a text and its label, and count texts with more than one label."""
        return without_repeats(train, train.inputs["text"], "text", drop=self.options.deduplicate)

    def _texts(self, table: pl.DataFrame, problems: Problems) -> list[str]:
        name, options = self.data.text, self.options
        clean = Cleaning(options.unicode, options.whitespace, options.stop_words)
        found = [clean(text or "") for text in cells.texts(table[name], "data.text").to_list()]
        empty = pl.Series([not text.strip() for text in found], dtype=pl.Boolean)
        cells.refuse(problems, empty, name, "the text is empty")
        return found
