"""The backbone `static_vectors`: a text as the weighted mean of its tokens' vectors, read from a pretrained model."""

from __future__ import annotations

from pathlib import Path

from medplug.core.hooks import hookimpl
from medplug.core.specs import BackboneSpec

medplug_api = 1


@hookimpl
def medplug_backbones() -> list[BackboneSpec]:
    """Give the backbone; `pretrained` says that it is chosen by the name of its weights."""
    return [
        BackboneSpec(
            name="static_vectors",
            summary="the word vectors of a pretrained model, weighted by how rare each token is (SIF)",
            factory="medplug_static_vectors.encoder:StaticVectors",
            config="medplug_static_vectors.options:StaticVectorsOptions",
            modality="text",
            pretrained=True,
            recipe="static_vectors",
        )
    ]


@hookimpl
def medplug_registry() -> Path:
    """Give the catalogue with the names of weights, and the defaults that come with the backbone."""
    return Path(__file__).with_name("registry.yaml")
