"""Many files into one store, by as many threads as the machine has cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from medplug.core.images.formats import ImageError
from medplug.core.images.store import ImageStore, Pixels, StoredImage

Item = TypeVar("Item", bound=Hashable)


def decode_all(
    items: Sequence[Item],
    decode: Callable[[Item], Pixels],
    store: ImageStore,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> list[StoredImage | ImageError]:
    """Each item's image in `store`, or the error that names what is wrong with it, in order.

    Equal items are decoded once. No more images are in memory at a time than
    there are threads.
    """

    def stored(item: Item) -> StoredImage | ImageError:
        try:
            return store.add(decode(item))
        except ImageError as error:
            return error

    distinct = list(dict.fromkeys(items))
    found: dict[Item, StoredImage | ImageError] = {}
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as threads:
        for done, (item, image) in enumerate(zip(distinct, threads.map(stored, distinct), strict=True), 1):
            found[item] = image
            report(done, len(distinct))
    return [found[item] for item in items]
