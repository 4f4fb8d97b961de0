"""Pretrained transformers of SMILES (ChemBERTa and kin) and of protein sequences (ESM-2 and kin)."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from medplug.plugins.backbones.entity_options import PretrainedProteinOptions, PretrainedSmilesOptions
from medplug.plugins.backbones.pretrained_text import PretrainedText

_RESIDUES = "ACDEF"


class PretrainedSmiles(PretrainedText):
    """A transformers model over SMILES, which its own tokenizer divides."""

    options_model = PretrainedSmilesOptions
    probe = "C"


class PretrainedProtein(PretrainedText):
    """A transformers model over the residues of a sequence.

    Tokenizers of words (ProtBert's) are given residues with blanks between them, as they were
    trained; those that read residues, or pieces of sequences, are given the sequence.
    """

    options_model = PretrainedProteinOptions
    probe = "A"

    unit = "residue"

    def _given(self, value: str) -> str:
        return " ".join(value) if self._reads_words else value

    def _in_value(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        return (places + 1) // 2 if self._reads_words else places

    @cached_property
    def _reads_words(self) -> bool:
        """Whether residues are tokens only where blanks stand between them."""
        together, apart = (
            self._tokenizer.encode(text, add_special_tokens=False) for text in (_RESIDUES, " ".join(_RESIDUES))
        )
        return bool(len(together.ids) < len(_RESIDUES) == len(apart.ids))
