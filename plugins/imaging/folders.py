"""Folders of images as tables: a row a file, labelled by the sub-folder it lies in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from medplug.core.errors import DataError
from medplug.core.images.references import FileIn

_OTHER = frozenset(
    (".txt", ".csv", ".tsv", ".md", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".html", ".pdf", ".py", ".db", ".ini")
)
"""Endings of what lies beside images and is none; a file of any other name is taken for an image."""
_SPLITS = frozenset(("train", "training", "val", "valid", "validation", "dev", "test", "testing"))


def folder_table(folder: Path, image: str, label: str | None, key: str, *, strict: bool) -> pl.DataFrame:
    """The images below a folder, sorted by path; with `label` a column of the sub-folder that each lies in.

    Hidden files and such as ``notes.txt`` are passed over. Raises `DataError`,
    naming `key`, where there is no image and, with `strict`, where a sub-folder
    has none, an image lies in none, or the sub-folders are splits.
    """
    names = sorted(_files(folder))
    if not names:
        raise DataError(f"{key} ({folder}): there is no image in this folder; give a folder of images, or a table")
    rows = pl.Series(image, [FileIn(folder, name) for name in names], dtype=pl.Object)
    if label is None:
        return pl.DataFrame([rows])
    if strict:
        _check_classes(folder, names, key)
    classes = [name.split("/")[0] if "/" in name else None for name in names]
    return pl.DataFrame([rows, pl.Series(label, classes, dtype=pl.String)])


def _check_classes(folder: Path, names: list[str], key: str) -> None:
    where = f"{key} ({folder})"
    classes = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not _hidden(entry.name))
    if classes and _SPLITS.issuperset(name.lower() for name in classes):
        raise DataError(
            f"{where}: its sub-folders are splits ({', '.join(classes)})\ngive each as a table of its own: "
            f"data.train={folder / classes[0]}, data.validation=..., data.test=..."
        )
    loose = [name for name in names if "/" not in name]
    if loose:
        step = "make one sub-folder a class, or give a table with a column of labels"
        raise DataError(f"{where}: {len(loose)} image(s) lie in no sub-folder\n{step}")
    empty = sorted(set(classes) - {name.split("/")[0] for name in names})
    if empty:
        step = "put images into it, or remove it"
        raise DataError(f"{where}: the class folder {', '.join(empty)} has no image\n{step}")


def _files(folder: Path) -> Iterator[str]:
    """Paths within the folder, with slashes; links to folders are not followed."""
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not _hidden(name)]
        for name in files:
            if not _hidden(name) and Path(name).suffix.lower() not in _OTHER:
                yield (Path(place) / name).relative_to(folder).as_posix()


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"
