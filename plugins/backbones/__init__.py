"""The built-in backbones."""

from __future__ import annotations

from medplug.core.hooks import hookimpl
from medplug.core.specs import BackboneSpec, Modality

medplug_api = 1

_HERE = "medplug.plugins.backbones"

Row = tuple[str, str, str, str | None, str]
"""Name, ``module:class``, ``module:Options``, recipe, summary."""

# two lines a backbone, to be read at a glance
# fmt: off
_SCRATCH: dict[Modality, tuple[Row, ...]] = {
    "text": (
        ("text_cnn", "scratch_text:TextCNN", "scratch_options:TextCNNOptions", "text_scratch",
         "convolutions of several widths over words or characters"),
        ("text_lstm", "scratch_text:TextLSTM", "scratch_options:TextLSTMOptions", "text_scratch",
         "a bidirectional LSTM over words or characters"),
        ("text_gru", "scratch_text:TextGRU", "scratch_options:TextGRUOptions", "text_scratch",
         "a bidirectional GRU over words or characters"),
    ),
    "image": (
        ("cnn", "scratch_image:CNN", "image_options:CNNOptions", "image_scratch",
         "a small residual network for images of 28 to 64 pixels"),
    ),
    "signal": (
        ("signal_cnn", "signal_cnn:SignalCNN", "signal_options:SignalCNNOptions", "signal_scratch",
         "a residual network of convolutions over ECG, EEG and the like"),
        ("signal_transformer", "signal_transformer:SignalTransformer", "signal_options:SignalTransformerOptions",
         "signal_scratch", "attention over patches of a signal"),
        ("signal_gru", "signal_gru:SignalGRU", "signal_options:SignalGRUOptions", "signal_scratch",
         "a bidirectional GRU over patches of a signal"),
    ),
    "tabular": (
        ("tabular_resnet", "table_networks:TabularResNet", "table_options:TabularResNetOptions", "tabular_scratch",
         "a residual network on a row's numbers and categories"),
        ("tabular_transformer", "table_networks:TabularTransformer", "table_options:TabularTransformerOptions",
         "tabular_scratch", "a transformer whose tokens are the columns"),
        ("genes", "table_backbone:Genes", "table_options:GenesOptions", "tabular_scratch",
         "one projection of thousands of columns"),
    ),
    "molecule": (
        ("smiles_cnn", "character_cnn:SmilesCNN", "entity_options:SmilesCNNOptions", None,
         "DeepDTA's convolutions over the characters of a SMILES"),
        ("ecfp", "vector_networks:Fingerprints", "entity_options:EcfpOptions", None,
         "a feed-forward network on Morgan fingerprints"),
        ("molecule_graph", "molecule_graph:MoleculeGraph", "entity_options:MoleculeGraphOptions", None,
         "messages between atoms along bonds"),
    ),
    "protein": (
        ("sequence_cnn", "character_cnn:SequenceCNN", "entity_options:SequenceCNNOptions", None,
         "DeepDTA's convolutions over the residues of a sequence"),
        ("kmer", "vector_networks:Kmers", "entity_options:KmerOptions", None,
         "a feed-forward network on the k-mers of a sequence"),
    ),
}

_PRETRAINED: dict[Modality, tuple[Row, ...]] = {
    "text": (
        ("pretrained_text", "pretrained_text:PretrainedText", "pretrained_options:PretrainedTextOptions", None,
         "any text encoder or decoder that transformers reads: a named one, a folder, a hub name"),
        ("pretrained_generator", "pretrained_generator:PretrainedGenerator", "generator_options:GeneratorOptions", None,
         "any causal or sequence-to-sequence model that transformers reads, to write answers: a folder, a hub name"),
    ),
    "image": (
        ("pretrained_image", "pretrained_image:PretrainedImage", "image_options:PretrainedImageOptions",
         "image_finetune", "any network of timm: a named one, a folder, a file of weights, a hub name"),
    ),
    "molecule": (
        ("pretrained_smiles", "pretrained_entities:PretrainedSmiles", "entity_options:PretrainedSmilesOptions", None,
         "any encoder or decoder of SMILES that transformers reads (ChemBERTa): a named one, a folder, a hub name"),
        ("pretrained_molecule", "molecule_graph:PretrainedMolecule", "entity_options:PretrainedMoleculeOptions", None,
         "a pretrained graph network of Hu et al. (2020): a file of weights"),
    ),
    "protein": (
        ("pretrained_protein", "pretrained_entities:PretrainedProtein", "entity_options:PretrainedProteinOptions", None,
         "any encoder or decoder of sequences that transformers reads (ESM-2): a named one, a folder, a hub name"),
    ),
}
# fmt: on


@hookimpl
def medplug_backbones() -> list[BackboneSpec]:
    """Give the loaders of pretrained weights, the fixed backbones, and the encoders that learn from scratch."""
    columns = BackboneSpec(
        name="columns",
        summary="the columns of a table as they are: scaled numbers, 0 or 1 for categories and gaps",
        modality="tabular",
        fixed=True,
        factory=f"{_HERE}.table_backbone:Columns",
        config=f"{_HERE}.table_options:ColumnsOptions",
    )
    loaders = [_spec(modality, row, pretrained=True) for modality, rows in _PRETRAINED.items() for row in rows]
    return [*loaders, columns, *(_spec(modality, row) for modality, rows in _SCRATCH.items() for row in rows)]


def _spec(modality: Modality, row: Row, *, pretrained: bool = False) -> BackboneSpec:
    name, factory, options, recipe, summary = row
    return BackboneSpec(
        name=name,
        summary=summary if pretrained else f"{summary}, from scratch",
        modality=modality,
        pretrained=pretrained,
        lone_file=name == "pretrained_molecule",
        writes=name == "pretrained_generator",
        recipe=recipe,
        factory=f"{_HERE}.{factory}",
        config=f"{_HERE}.{options}",
    )
