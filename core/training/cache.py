"""Features of a frozen backbone, each distinct input encoded once.

Entries are found by the content's hash; the file is named by the backbone's own
hash (weights, architecture, code, arithmetic), so nothing stale can be read. Features
derive from patients' rows: they stay in the run's folder unless the user names
a folder (``train.cache``).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug import __version__
from medplug.core.backbone import Backbone
from medplug.core.data.content import content_key

Encode = Callable[[list[Any]], NDArray[np.float32]]


def backbone_key(backbone: Backbone, arithmetic: str) -> str:
    """A name for this very encoder: its weights, its architecture, the code that computes it and its arithmetic."""
    code = [__version__, *_packages(backbone), type(backbone).__module__, type(backbone).__qualname__]
    return _digest(backbone, [code, arithmetic])


def _packages(backbone: Backbone) -> list[str]:
    """The packages of others that compute some of it, with their versions."""
    made_of = {type(each).__module__.partition(".")[0] for each in backbone.modules() if isinstance(each, Backbone)}
    strangers = made_of - {"medplug"}
    if not strangers:
        return []
    carriers = packages_distributions()  # reads what every installed package says of itself
    return sorted({f"{name} {version(name)}" for each in strangers for name in carriers.get(each, ())})


def encoder_key(backbone: Backbone) -> str:
    """A name for an encoder whose vectors are kept for good: its weights and its architecture.

    The same whatever computes it, and for every version of medplug: rounding does not make vectors incomparable.
    """
    return _digest(backbone, [type(backbone).__qualname__])


def _digest(backbone: Backbone, told: Any) -> str:
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps([*told, backbone.assets()], sort_keys=True).encode())
    for name, tensor in sorted(backbone.state_dict().items()):
        array = tensor.detach().cpu().contiguous()
        digest.update(f"{name}{array.dtype}{tuple(array.shape)}".encode())
        digest.update(memoryview(array.flatten().view(dtype=_bytes()).numpy()))
    return digest.hexdigest()


def _bytes() -> Any:
    import torch

    return torch.uint8


class FeatureCache:
    """Features by content, in memory and, where `folder` is given, on disk."""

    def __init__(self, key: str, folder: Path | None) -> None:
        self._file = folder / f"{key}.safetensors" if folder else None
        self._position: dict[bytes, int] = {}
        self._features: NDArray[np.float32] | None = None
        self._saved = 0
        if self._file is not None and self._file.exists():
            self._read(self._file)

    def features(self, values: Sequence[Any], encode: Encode) -> NDArray[np.float32]:
        """Features ``[values, width]``; `encode` is called once, with the distinct values not yet known."""
        keys = [content_key(value) for value in values]
        missing = {key: value for key, value in zip(keys, values, strict=True) if key not in self._position}
        if missing:
            self._add(list(missing), encode(list(missing.values())))
        assert self._features is not None
        return self._features[[self._position[key] for key in keys]]

    def __len__(self) -> int:
        return len(self._position)

    def _add(self, keys: list[bytes], features: NDArray[np.float32]) -> None:
        start = len(self._position)
        self._position.update({key: start + i for i, key in enumerate(keys)})
        self._features = features if self._features is None else np.concatenate([self._features, features])

    def _read(self, file: Path) -> None:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            stored = load_file(file)
        except SafetensorError:  # damaged: encoded anew, and replaced by `save`
            return
        self._add([key.tobytes() for key in stored["keys"]], stored["features"])
        self._saved = len(self)

    def save(self) -> None:
        """Write the file anew and move it into place, if the cache has one and holds more than it."""
        if self._file is None or self._features is None or self._saved == len(self):
            return
        from safetensors.numpy import save_file

        self._file.parent.mkdir(parents=True, exist_ok=True)
        keys = np.frombuffer(b"".join(self._position), dtype=np.uint8).reshape(-1, 16)
        unfinished = self._file.with_suffix(f".{os.getpid()}.partial")
        save_file({"keys": keys.copy(), "features": self._features}, unfinished)
        os.replace(unfinished, self._file)
        self._saved = len(self)
