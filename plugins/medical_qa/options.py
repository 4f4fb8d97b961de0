"""What can be set for the task: ``task.*`` and its columns in ``data.*``."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveInt

from medplug.core.config import DataConfig, Section
from medplug.core.fields import DEFAULT_SHARES, Column, Shares, TableSource

FormName = Literal["yes_no_maybe", "multiple_choice", "extractive", "retrieval", "entailment", "generative"]
TOGETHER = "together"
"""The rule of ``data.split`` by which rows of one context stay together."""


def _several(names: str | tuple[str, ...]) -> str | tuple[str, ...]:
    if isinstance(names, tuple) and (len(names) < 2 or len(set(names)) < len(names)):
        raise ValueError('give one column of lists, or at least two different ones, as ["A","B","C","D"]')
    return names


OptionColumns = Annotated[Column | tuple[Column, ...], AfterValidator(_several)]
"""The column that holds lists of options, or several different ones, an option each."""


class MedicalQaOptions(Section):
    """The options ``task.*``: the form of question, and how it is answered."""

    form: FormName = Field(
        "yes_no_maybe",
        description="yes_no_maybe: a class from a question and its context; multiple_choice: one of 2 to 8 options; "
        "extractive: a span of the context, or no answer; retrieval: passages of a corpus, ranked; entailment: whether "
        "a question entails (or matches) another text; generative: an answer that is written",
    )
    positive: str | None = Field(
        None, description="the positive class of a binary target; unset: 1, yes, true, positive ..."
    )
    reading: Literal["auto", "together", "apart"] = Field(
        "auto",
        description="how two texts are read: together, as one sequence, or apart, each distinct text once, and then "
        "compared; auto: yes_no_maybe together, entailment and multiple_choice apart",
    )
    sure: float = Field(
        0.8,
        gt=0,
        lt=1,
        description="the share of answers that must be right above the threshold, which validation rows set; an answer "
        "below it is told as not sure",
    )
    longest: PositiveInt = Field(30, description="extractive: the most tokens of a span")
    overlap: NonNegativeInt = Field(
        64, description="extractive: the tokens that two neighbouring windows of a long context share"
    )
    temperature: float = Field(0.05, gt=0, description="retrieval: what cosines are divided by in the contrastive loss")
    negatives: NonNegativeInt = Field(
        1,
        description="retrieval: passages that BM25 finds and that are wrong, so many a question in training; 0: only "
        "the other passages of the batch",
    )
    depth: PositiveInt = Field(100, description="retrieval: how many passages are ranked")
    reranker: str | None = Field(
        None, description="retrieval: the folder of a run of task.form=entailment that reads the first passages again"
    )
    rerank: PositiveInt = Field(50, description="retrieval: how many of the first passages task.reranker reads again")
    passages: NonNegativeInt = Field(3, description="generative: the passages that the model is given with a question")
    retriever: str = Field(
        "bm25", min_length=1, description="generative: what finds these: bm25, or the folder of a run of retrieval"
    )
    answer_tokens: PositiveInt = Field(64, description="generative: the most tokens of an answer")


class MedicalQaData(DataConfig):
    """The options ``data.*``: the tables, and the columns of questions and their answers.

    Files of PubMedQA, HEAD-QA and SQuAD need none of these columns named.
    """

    question: Column = Field("question", description="the column of the question")
    context: Column | None = Field(
        None,
        description="the column of the text that the question is asked of (unset: context; multiple_choice and "
        "generative: none)",
    )
    other: Column = Field("other", description="entailment: the column of the second text")
    options: OptionColumns = Field(
        "options",
        description='multiple_choice: the column of the options (lists, or JSON), or a list of columns: ["A","B","C"]',
    )
    label: Column = Field("label", description="yes_no_maybe and entailment: the column of the class (yes, no ...)")
    answer: Column = Field(
        "answer", description="the column of the answer: the right option, the text of the span, or the text to write"
    )
    answer_is: Literal["index", "letter", "text"] | None = Field(
        None,
        description="multiple_choice: how data.answer tells the option: by its place from 0, its letter from A, or its "
        "text (unset: by the form of the column's cells)",
    )
    answer_start: Column | None = Field(
        "answer_start",
        description="extractive: the column of the character that the answer begins at, from 0; null: there is none, "
        "and each answer must occur once in its context",
    )
    passage: Column = Field("passage", description="retrieval: the column of the passage that answers the question")
    passage_id: Column | None = Field(
        None, description="retrieval: the column that names passages (unset: equal passages are one, by their content)"
    )
    corpus: TableSource = Field(
        None,
        description="retrieval and generative: a table of further passages, with data.passage and perhaps "
        "data.passage_id; sample: the built-in one",
    )
    negatives: NonNegativeInt = Field(
        0,
        description="entailment of a table without data.label, whose rows are all right: so many wrong texts, which "
        "BM25 finds among the others, are set beside each question",
    )
    group: Column | None = Field(
        None, description="the column that says what rows belong together (an exam, a document, a disease)"
    )
    site: Column | None = Field(None, description="the column that says where a row comes from (a website, a hospital)")
    split: str | Shares = Field(
        DEFAULT_SHARES,
        description="shares for train, validation and test, as [0.7,0.1,0.2], or together: rows of one context (or "
        "question, or passage) and of one data.group stay in one split; or random, or group",
    )

    rules: ClassVar[tuple[str, ...]] = (*DataConfig.rules, TOGETHER)

    @property
    def own_rule(self) -> str | None:
        """Rows of one context stay together unless another rule is asked for by its name."""
        return super().own_rule if isinstance(self.split, str) else TOGETHER
