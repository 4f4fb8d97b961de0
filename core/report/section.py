"""What a section of the report holds; the page knows how to show it, and the section what to say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from medplug.core.report.svg import Picture
from medplug.core.report.tables import Table


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page under one heading: paragraphs first, then figures, then tables; what is empty is left out.

    `name` is its id on the page. `folded` are tables that are long, shown when they are asked for (and printed);
    `parts` are sections of their own below this one; `points` are a list below the paragraphs.
    """

    name: str
    title: str
    paragraphs: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    folded: tuple[Table, ...] = ()
    parts: tuple[Section, ...] = ()
    points: tuple[str, ...] = ()

    def walk(self) -> Iterator[Section]:
        """Itself and all below it, in reading order."""
        yield self
        for part in self.parts:
            yield from part.walk()
