"""The task: images in, a diagnosis or the outline of a lesion out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from medplug.core.augmentation import Augmentation
from medplug.core.data.cells import number_column
from medplug.core.data.classes import Asked, target_of
from medplug.core.data.labels import label_columns, number_label, read_labels
from medplug.core.data.repeats import without_repeats
from medplug.core.data.targets import Target
from medplug.core.errors import ConfigError
from medplug.core.evaluation.reported import reported
from medplug.core.images.references import columns_named, needed_columns
from medplug.core.images.store import ImageStore
from medplug.core.plain.image import PlainImage
from medplug.core.task import Examples, Task
from medplug.plugins.imaging.lesions import mask_classes
from medplug.plugins.imaging.reading import TableReader
from medplug.plugins.imaging.sample import sample
from medplug.plugins.imaging.sources import table_of

if TYPE_CHECKING:
    from medplug.core.data.problems import Problems
    from medplug.core.data.tables import Tabular
    from medplug.core.images.augment_options import AugmentOptions
    from medplug.core.specs import Modality
    from medplug.plugins.imaging.options import ImagingData, ImagingOptions


class Imaging(Task):
    """Diagnosis from images (binary, multiclass or multilabel), or masks of the lesions in them.

    Images are named by a table's column of paths, or given as a folder with one
    sub-folder a class, an ``.npz`` of arrays, or arrays in memory.
    """

    slots: ClassVar[Mapping[str, Modality]] = {"image": "image"}
    sample_columns: ClassVar[Mapping[str, str]] = {"group": "patient", "site": "site"}

    options: ImagingOptions
    data: ImagingData

    def columns(self, *, labelled: bool) -> dict[str, str]:
        """The image's column and, where rows are labelled, that of the mask, or of the label or each of its columns."""
        needed = needed_columns("data.image", self.data.image)
        if labelled:
            needed |= needed_columns("data.mask", self.data.mask) if self._of_masks else label_columns(self.data.label)
        return needed

    def tabulate(self, source: Any, key: str) -> Tabular:
        """A folder of images, an image or an ``.npz`` as a table; everything else as it is."""
        table: Tabular = table_of(source, self.data, key, classes=not self._of_masks)
        if table is not source and isinstance(table, pl.DataFrame):  # a pattern's columns hold the images themselves
            named = [name for name in columns_named(self.data.image) if name not in table.columns]
            table = table.with_columns(table[self.data.image].alias(name) for name in named)
        return table

    def examples(
        self, table: pl.DataFrame, problems: Problems, *, labelled: bool, folder: Path | None = None
    ) -> Examples:
        """Decoded images, named by their paths, with labels or masks where `labelled`; bad ones go to `problems`."""
        reader = TableReader(self.data, folder, ImageStore(self.scratch), problems, self.report)
        masked = labelled and self._of_masks
        found = Examples(np.arange(1, table.height + 1, dtype=np.int64), inputs={})
        found.labels = self._labels(table, problems) if labelled and not masked else None
        column = reader.column(table, "image")
        masks = reader.column(table, "mask") if masked else None
        images = reader.images(column, plain=self._of_masks and not labelled)
        found.inputs, found.names = {"image": list(images)}, column.names
        if masks is not None:
            # the core takes the rows that have none out, as it does those without an image
            found.masks, found.labels = reader.masks(masks, column, images, self.options.classes)  # type: ignore[assignment]
        return found

    def target(self, labels: Sequence[Any]) -> Target:
        """Binary, multiclass or multilabel with the classes in order, or the masks' foreground classes.

        Raises `DataError` where the labels cannot be learned from and
        `ConfigError` where ``task.target`` or ``task.positive`` do not fit them.
        """
        if self._of_masks:
            return Target("mask", self.options.classes or mask_classes(labels))
        if self.options.target == "regression":
            return Target.numeric(number_label(self.data.label), labels)
        columns = None if isinstance(self.data.label, str) else self.data.label
        return target_of(labels, self._asked, self.options.positive, columns)

    def metrics(self, target: Target) -> tuple[str, ...]:
        """AUROC first of classes: images are judged by it in the field. Dice first of masks, mean error of numbers."""
        return reported(target.kind, first={"mask": "dice", "regression": "mae"}.get(target.kind, "auroc"))

    def plain_features(self) -> PlainImage:
        """A thumbnail, a histogram and a little texture."""
        return PlainImage()

    def sample(self) -> pl.DataFrame:
        """360 drawn pictures like ultrasound, under this task's column names."""
        if not isinstance(self.data.label, str):
            raise ConfigError("data.label names several columns, and the built-in sample has one; give data.train")
        named = {"image": self.data.image, "label": self.data.label, "mask": self.data.mask}
        return sample().rename(named)

    def tidy(self, train: Examples) -> tuple[Examples, dict[str, int]]:
        """Drop training rows that repeat an image and its label, and count images with more than one label."""
        digests = [image.digest for image in train.inputs["image"]]
        if train.masks is not None:
            digests = [digest + mask.digest for digest, mask in zip(digests, train.masks, strict=True)]
        return without_repeats(train, digests, "image", drop=self.options.deduplicate)

    def augmentation(self, options: AugmentOptions) -> Augmentation:
        """Small moves and changes of light, and what else ``augment.*`` asks for."""
        from medplug.core.images.augmentation import ImageAugmentation

        if self._of_masks and (options.mixup or options.cutmix):
            raise ConfigError(
                "augment.mixup and augment.cutmix blend class labels; leave them out with task.target=mask"
            )
        return ImageAugmentation(options)

    @property
    def least_region(self) -> int:
        """``task.least``."""
        return self.options.least

    @property
    def _of_masks(self) -> bool:
        return self.options.target == "mask"

    @property
    def _asked(self) -> Asked:
        asked = self.options.target
        assert asked != "mask" and asked != "regression", "these have no classes of rows"
        return asked

    def _labels(self, table: pl.DataFrame, problems: Problems) -> list[Any]:
        if self.options.target == "regression":
            return list(number_column(table[number_label(self.data.label)], problems))
        return read_labels(table, self.data.label, self._asked, self.options.separator, problems)
