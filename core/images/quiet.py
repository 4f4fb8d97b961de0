"""Keeping decoders' remarks to themselves: what they say of odd headers may quote a patient's data."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOGGERS = (
    "PIL.ImageFile",
    "PIL.PngImagePlugin",
    "PIL.TiffImagePlugin",
    "nibabel.global",
    "pydicom",
    "pydicom.pixels.decoders.base",
    "pydicom.pixels.utils",
)
_here = threading.local()
_lock = threading.Lock()


def _reading() -> bool:
    return getattr(_here, "reading", False)


class _FromReaders(type):
    """Every warning of a thread that reads a file counts as a `_Remark`, and no other warning does."""

    def __subclasscheck__(cls, subclass: type) -> bool:
        return _reading() or super().__subclasscheck__(subclass)


class _Remark(Warning, metaclass=_FromReaders):
    pass


def _dropped(record: logging.LogRecord) -> bool:
    return not _reading()


@contextmanager
def quiet() -> Iterator[None]:
    """Inside, this thread's warnings and the decoders' log records are dropped; other threads keep theirs.

    `warnings.catch_warnings` will not do: it changes what the whole process
    hears, and two threads that leave it out of order leave the change behind.
    """
    with _lock:
        # first again, for whoever has set a filter since: the first that matches decides
        if not warnings.filters or warnings.filters[0][2] is not _Remark:
            warnings.simplefilter("ignore", _Remark)
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(_dropped)  # once: a filter that is there is not added again
    _here.reading = True
    try:
        yield
    finally:
        _here.reading = False
