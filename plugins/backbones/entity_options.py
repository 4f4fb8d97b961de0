"""Options of the encoders of molecules and of proteins."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from medplug.core.config import Section
from medplug.plugins.backbones.pretrained_options import PretrainedTextOptions


class CharacterOptions(Section):
    """What the convolutional encoders of characters have in common."""

    window: PositiveInt
    kernels: tuple[PositiveInt, ...]
    embedding: PositiveInt = Field(128, description="the width of a character's embedding")
    filters: tuple[PositiveInt, ...] = Field(
        (32, 64, 96), min_length=1, description="filters of each convolution; the features are as wide as the last"
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout on the pooled features while training")

    @model_validator(mode="after")
    def _a_kernel_for_each(self) -> CharacterOptions:
        if len(self.kernels) != len(self.filters):
            raise ValueError(
                f"kernels and filters are those of the same convolutions; got {len(self.kernels)} kernels and "
                f"{len(self.filters)} numbers of filters"
            )
        return self


class SmilesCNNOptions(CharacterOptions):
    """``backbone.*`` for the convolutional encoder of SMILES."""

    window: PositiveInt = Field(
        100, description="the most characters read of a SMILES; what lies beyond is cut and counted"
    )
    kernels: tuple[PositiveInt, ...] = Field((4, 6, 8), description="lengths of the convolutions, in characters")


class SequenceCNNOptions(CharacterOptions):
    """``backbone.*`` for the convolutional encoder of sequences."""

    window: PositiveInt = Field(
        1200, description="the most residues read of a sequence; what lies beyond is cut and counted"
    )
    kernels: tuple[PositiveInt, ...] = Field((4, 8, 12), description="lengths of the convolutions, in residues")


class VectorOptions(Section):
    """What the networks of fingerprints and compositions have in common."""

    hidden: PositiveInt = Field(512, description="the width of the network, and of the features")
    blocks: PositiveInt = Field(1, description="residual blocks on top of each other")
    expansion: PositiveInt = Field(1, description="how many times wider a block is inside")
    input_dropout: float = Field(0.1, ge=0, lt=1, description="dropout on the inputs while training")
    dropout: float = Field(0.2, ge=0, lt=1, description="dropout inside the network while training")


class EcfpOptions(VectorOptions):
    """``backbone.*`` for the network of Morgan fingerprints."""

    radius: int = Field(2, ge=0, le=6, description="bonds that an atom's neighbourhood reaches (2: ECFP4)")
    bits: PositiveInt = Field(2048, description="the length of the fingerprint")


class KmerOptions(VectorOptions):
    """``backbone.*`` for the network of k-mer compositions."""

    k: int = Field(3, ge=1, le=5, description="residues of a k-mer")
    min_count: PositiveInt = Field(2, description="the fewest training sequences that must hold a k-mer")
    max_size: PositiveInt = Field(8000, description="the most k-mers known, the most widespread first")


class MoleculeGraphOptions(Section):
    """``backbone.*`` for the graph network that learns from scratch."""

    kind: Literal["gin", "gcn", "graphsage"] = Field("gin", description="how an atom gathers its neighbours' messages")
    width: PositiveInt = Field(128, description="the width of an atom's features, and of the molecule's")
    layers: PositiveInt = Field(3, description="rounds of messages, each one bond further")
    pooling: Literal["mean", "sum"] = Field("mean", description="how atoms become a molecule")
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout behind every layer while training")


class PretrainedMoleculeOptions(Section):
    """``backbone.*`` for pretrained graph networks."""

    kind: Literal["auto", "gcn", "graphsage"] = Field(
        "auto", description="the architecture of the weights (auto: as the file's metadata or its name says)"
    )
    pooling: Literal["mean", "sum"] = Field("mean", description="how atoms become a molecule")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout behind every layer while training")


class PretrainedSmilesOptions(PretrainedTextOptions):
    """``backbone.*`` for transformers of SMILES."""


class PretrainedProteinOptions(PretrainedTextOptions):
    """``backbone.*`` for transformers of sequences."""

    window: PositiveInt = Field(
        1024, description="the most residues read at once; longer sequences become several windows"
    )
    windows: PositiveInt = Field(4, description="the most windows of one sequence; what lies beyond is cut and counted")
