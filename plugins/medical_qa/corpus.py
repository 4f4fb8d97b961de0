"""The passages of ``data.corpus``, beside those of the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medplug.plugins.medical_qa.samples.encyclopaedia import passages

if TYPE_CHECKING:
    from medplug.core.retrieval.corpus import Corpus
    from medplug.plugins.medical_qa.options import MedicalQaData

SAMPLE = "sample"
"""As ``data.corpus``: the passages of the built-in sample."""


def is_sample(data: MedicalQaData) -> bool:
    """Whether ``data.corpus`` is the built-in one."""
    return isinstance(data.corpus, str) and data.corpus == SAMPLE


def read(data: MedicalQaData) -> Corpus:
    """The passages of ``data.corpus``, each once.

    Raises `DataError` and `RowsError` as `medplug.core.retrieval.corpus.read_corpus` does.
    """
    from medplug.core.retrieval.corpus import read_corpus

    if is_sample(data):
        names = ("data.passage", "passage"), ("data.passage_id", "id")
        return read_corpus(passages(), key="data.corpus", passage=names[0], identifier=names[1])
    identifier = None if data.passage_id is None else ("data.passage_id", data.passage_id)
    return read_corpus(data.corpus, key="data.corpus", passage=("data.passage", data.passage), identifier=identifier)
