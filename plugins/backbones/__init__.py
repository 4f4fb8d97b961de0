"""The built-in backbones."""

from __future__ import annotations

from medplug.core.hooks import hookimpl
from medplug.core.specs import BackboneSpec

medplug_api = 1

_HERE = "medplug.plugins.backbones"


@hookimpl
def medplug_backbones() -> list[BackboneSpec]:
    """Give the loaders of pretrained weights and the encoders that learn from scratch."""
    text = BackboneSpec(
        name="pretrained_text",
        summary="any text encoder or decoder that transformers reads: a named one, a folder, a hub name",
        modality="text",
        pretrained=True,
        factory=f"{_HERE}.pretrained_text:PretrainedText",
        config=f"{_HERE}.pretrained_options:PretrainedTextOptions",
    )
    image = BackboneSpec(
        name="pretrained_image",
        summary="any network of timm: a named one, a folder, a file of weights, a hub name",
        modality="image",
        pretrained=True,
        recipe="image_finetune",
        factory=f"{_HERE}.pretrained_image:PretrainedImage",
        config=f"{_HERE}.image_options:PretrainedImageOptions",
    )
    cnn = BackboneSpec(
        name="cnn",
        summary="a small residual network for images of 28 to 64 pixels, from scratch",
        modality="image",
        recipe="image_scratch",
        factory=f"{_HERE}.scratch_image:CNN",
        config=f"{_HERE}.image_options:CNNOptions",
    )
    scratch = {
        "text_cnn": ("TextCNN", "convolutions of several widths over words or characters, from scratch"),
        "text_lstm": ("TextLSTM", "a bidirectional LSTM over words or characters, from scratch"),
        "text_gru": ("TextGRU", "a bidirectional GRU over words or characters, from scratch"),
    }
    signals = {
        "signal_cnn": ("SignalCNN", "a residual network of convolutions over ECG, EEG and the like, from scratch"),
        "signal_transformer": ("SignalTransformer", "attention over patches of a signal, from scratch"),
        "signal_gru": ("SignalGRU", "a bidirectional GRU over patches of a signal, from scratch"),
    }
    columns = BackboneSpec(
        name="columns",
        summary="the columns of a table as they are: scaled numbers, 0 or 1 for categories and gaps",
        modality="tabular",
        fixed=True,
        factory=f"{_HERE}.table_backbone:Columns",
        config=f"{_HERE}.table_options:ColumnsOptions",
    )
    tables = {
        "tabular_resnet": ("table_networks:TabularResNet", "a residual network on a row's numbers and categories"),
        "tabular_transformer": ("table_networks:TabularTransformer", "a transformer whose tokens are the columns"),
        "genes": ("table_backbone:Genes", "one projection of thousands of columns"),
    }
    return [
        text,
        image,
        cnn,
        columns,
        *(
            BackboneSpec(
                name=name,
                summary=summary,
                modality="text",
                recipe="text_scratch",
                factory=f"{_HERE}.scratch_text:{kind}",
                config=f"{_HERE}.scratch_options:{kind}Options",
            )
            for name, (kind, summary) in scratch.items()
        ),
        *(
            BackboneSpec(
                name=name,
                summary=summary,
                modality="signal",
                recipe="signal_scratch",
                factory=f"{_HERE}.{name}:{kind}",
                config=f"{_HERE}.signal_options:{kind}Options",
            )
            for name, (kind, summary) in signals.items()
        ),
        *(
            BackboneSpec(
                name=name,
                summary=f"{summary}, from scratch",
                modality="tabular",
                recipe="tabular_scratch",
                factory=f"{_HERE}.{place}",
                config=f"{_HERE}.table_options:{place.partition(':')[2]}Options",
            )
            for name, (place, summary) in tables.items()
        ),
    ]
