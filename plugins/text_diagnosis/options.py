"""What can be set for the task: ``task.*`` and its columns in ``data.*``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from medplug.core.config import DataConfig, Section
from medplug.core.data.cleaning import StopWords
from medplug.core.fields import Column, LabelColumns


class TextDiagnosisOptions(Section):
    """The options ``task.*``: what is predicted and how the text is cleaned."""

    target: Literal["auto", "binary", "multiclass", "multilabel"] = Field(
        default="auto",
        description="what is predicted; auto: several labels a row is multilabel, two classes binary, more multiclass",
    )
    positive: str | None = Field(
        default=None, description="the positive class of a binary target; unset: 1, yes, true, positive, 阳性 ..."
    )
    separator: str = Field(
        default=";", min_length=1, description="what stands between the labels of one cell, with task.target=multilabel"
    )
    unicode: bool = Field(
        default=True,
        description="make full-width and composed characters one form (NFKC) and remove invisible ones",
    )
    whitespace: bool = Field(default=True, description="make every run of spaces and line breaks one space")
    deduplicate: bool = Field(default=True, description="drop training rows that repeat a text and its label")
    stop_words: StopWords = Field(
        default="none", description="drop articles, pronouns (en) or particles (zh); negations always stay"
    )


class TextDiagnosisData(DataConfig):
    """The options ``data.*``: the tables, and the columns of the text and its label."""

    text: Column = Field(default="text", description="the column of the text")
    label: LabelColumns = Field(
        default="label",
        description='the column of the label, or for multilabel a list of 0/1 columns: data.label=["cough","fever"]',
    )
