"""What can be set for the task: ``task.*`` and its columns in ``data.*``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt, field_validator

from medplug.core.config import Section
from medplug.core.fields import LabelColumns
from medplug.core.images.options import ImageDataConfig, ImagePaths


class ImagingOptions(Section):
    """The options ``task.*``: what is predicted."""

    target: Literal["auto", "binary", "multiclass", "multilabel", "regression", "mask"] = Field(
        default="auto",
        description="what is predicted; auto: several labels a row is multilabel, two classes binary, more multiclass; "
        "mask: the outline of lesions",
    )
    positive: str | None = Field(
        default=None, description="the positive class of a binary target; unset: 1, yes, true, positive, 阳性 ..."
    )
    separator: str = Field(
        default=";", min_length=1, description="what stands between the labels of one cell, with task.target=multilabel"
    )
    deduplicate: bool = Field(default=True, description="drop training rows that repeat an image and its label")
    classes: tuple[str, ...] = Field(
        default=(),
        description='with task.target=mask: the names of the classes 1, 2 ... of the masks, as ["nerve","vessel"]; '
        "one name makes every pixel but 0 that class",
    )
    least: PositiveInt = Field(
        default=1, description="with task.target=mask: the fewest pixels of a lesion that is told of"
    )

    @field_validator("classes", mode="before")
    @classmethod
    def _one_without_brackets(cls, classes: object) -> object:
        return (classes,) if isinstance(classes, str) else classes

    @field_validator("classes")
    @classmethod
    def _named_once(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) < len(classes) or not all(classes):
            raise ValueError("give each class a name of its own")
        return classes


class ImagingData(ImageDataConfig):
    """The options ``data.*``: the tables, the columns of the image, its label and its mask, and how images are read.

    A table may also be a folder with one sub-folder a class, a single image, or
    an ``.npz`` of arrays.
    """

    image: ImagePaths = Field(
        default="image", description="the column of the image's path, or a pattern of columns, as images/{id}.png"
    )
    label: LabelColumns = Field(
        default="label",
        description='the column of the label, or for multilabel a list of 0/1 columns: data.label=["mass","edema"]',
    )
    mask: ImagePaths = Field(
        default="mask",
        description="the column, or pattern, of the path of the image's mask; read with task.target=mask",
    )
