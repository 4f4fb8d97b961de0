"""The task: notes in, a diagnosis (or several) out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from medplug.core.contracts import Examples, Task
from medplug.core.data import cells
from medplug.core.errors import ConfigError
from medplug.plugins.text_diagnosis.classes import target_of
from medplug.plugins.text_diagnosis.cleaning import Cleaning
from medplug.plugins.text_diagnosis.plain import PlainText
from medplug.plugins.text_diagnosis.sample import sample

if TYPE_CHECKING:
    from medplug.core.data.problems import Problems
    from medplug.core.data.targets import Target
    from medplug.core.specs import Modality
    from medplug.plugins.text_diagnosis.options import TextDiagnosisData, TextDiagnosisOptions

METRICS = {
    "binary": (
        *("f1", "auroc", "auprc", "accuracy", "balanced_accuracy", "precision", "recall", "macro_f1"),
        *("brier", "log_loss", "ece"),
    ),
    "multiclass": (
        *("macro_f1", "accuracy", "balanced_accuracy", "precision", "recall", "micro_f1", "auroc", "auprc"),
        *("brier", "log_loss", "ece"),
    ),
    "multilabel": (
        *("macro_f1", "micro_f1", "accuracy", "precision", "recall", "auroc", "auprc"),
        *("brier", "log_loss", "ece"),
    ),
}
"""What is reported of each kind of target; models are chosen by the first."""


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
        needed = {"data.text": self.data.text}
        if labelled and isinstance(self.data.label, str):
            needed["data.label"] = self.data.label
        elif labelled:
            needed |= {f"data.label[{i}]": name for i, name in enumerate(self.data.label)}
        return needed

    def examples(
        self, table: pl.DataFrame, problems: Problems, *, labelled: bool, folder: Path | None = None
    ) -> Examples:
        """Cleaned texts, with labels where `labelled`; rows without text or label go to `problems`."""
        return Examples(
            rows=np.arange(1, table.height + 1, dtype=np.int64),
            inputs={"text": self._texts(table, problems)},
            labels=self._labels(table, problems) if labelled else None,
        )

    def target(self, labels: Sequence[Any]) -> Target:
        """Binary, multiclass or multilabel, with the classes in order.

        Raises `DataError` where the labels cannot be learned from and
        `ConfigError` where ``task.target`` or ``task.positive`` do not fit them.
        """
        return target_of(labels, self.options, None if isinstance(self.data.label, str) else self.data.label)

    def metrics(self, target: Target) -> tuple[str, ...]:
        """F1 first: diagnoses are rarely balanced."""
        return METRICS[target.kind]

    def plain_features(self) -> PlainText:
        """TF-IDF of words or characters."""
        return PlainText()

    def sample(self) -> pl.DataFrame:
        """480 invented notes, under the default column names."""
        return sample().rename({"note": "text", "diagnosis": "label"})

    def tidy(self, train: Examples) -> tuple[Examples, dict[str, int]]:
        """Drop training rows that repeat a text and its label, and count texts with more than one label."""
        first: dict[tuple[str, Any], int] = {}
        for i, pair in enumerate(zip(train.inputs["text"], train.labels or [], strict=True)):
            first.setdefault(pair, i)
        counts: dict[str, int] = {}
        if self.options.deduplicate:
            counts["duplicate rows dropped"] = len(train) - len(first)
            train = train.take(np.array(list(first.values()), dtype=np.int64))
        labels_of = Counter(text for text, _ in first)
        counts["rows whose text carries several labels"] = sum(labels_of[text] > 1 for text in train.inputs["text"])
        return train, counts

    def _texts(self, table: pl.DataFrame, problems: Problems) -> list[str]:
        name, options = self.data.text, self.options
        clean = Cleaning(options.unicode, options.whitespace, options.stop_words)
        found = [clean(text or "") for text in cells.texts(table[name], "data.text").to_list()]
        empty = pl.Series([not text.strip() for text in found], dtype=pl.Boolean)
        cells.refuse(problems, empty, name, "the text is empty")
        return found

    def _labels(self, table: pl.DataFrame, problems: Problems) -> list[Any]:
        name = self.data.label
        if not isinstance(name, str):
            self._expect_several("data.label names several columns")
            return list(cells.indicated_labels(table, name, problems))
        if isinstance(table[name].dtype, pl.List | pl.Array):
            self._expect_several(f"column {name!r} holds lists")
            return list(cells.listed_labels(table[name], problems))
        if self.options.target == "multilabel":
            return list(cells.joined_labels(table[name], self.options.separator, problems))
        return list(cells.label_column(table[name], problems))

    def _expect_several(self, seen: str) -> None:
        if self.options.target in ("binary", "multiclass"):
            raise ConfigError(f"{seen}, which is for task.target=multilabel (or auto), not {self.options.target}")
