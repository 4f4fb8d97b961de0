"""TensorBoard: the run as event files, written by `torch.utils.tensorboard`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from medplug.core.errors import ConfigError
from medplug.core.grammar import written
from medplug.core.hooks import hookimpl
from medplug.core.observing import Epoch, FinishedRun, StartedRun
from medplug.plugins.observers.numbers import epoch_numbers, final_numbers
from medplug.plugins.observers.options import TensorBoardOptions

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoard:
    """Writes to a folder of the run's name: scalars an epoch, keys and data as text, in the end the final scores.

    Keys that are no defaults stand beside the final scores in the tab HPARAMS too. Raises `ConfigError` where the
    package tensorboard is not installed.
    """

    def __init__(self, options: TensorBoardOptions) -> None:
        try:
            from torch.utils import tensorboard
        except ImportError:
            raise ConfigError(
                "observers=tensorboard needs tensorboard: pip install 'medplug[tensorboard]', or leave it out"
            ) from None
        self._open = tensorboard.SummaryWriter
        self._folder = options.folder.expanduser()
        self._writer: SummaryWriter | None = None

    @hookimpl
    def medplug_run_started(self, run: StartedRun) -> None:
        """Begin the event file, with what the run is."""
        self._writer = self._open(str(self._folder / run.folder.name))
        keys = [(key, written(value), run.origins.get(key, "default")) for key, value in run.keys.items()]
        self._writer.add_text("keys", _table(("key", "value", "origin"), keys))
        self._writer.add_text("data", _table(("table", "SHA-256"), run.data.items()))
        self._writer.add_text("versions", _table(("package", "version"), run.versions.items()))
        self._writer.flush()

    @hookimpl
    def medplug_epoch_ended(self, epoch: Epoch) -> None:
        """Add the epoch's scalars."""
        self._scalars(epoch_numbers(epoch.facts, epoch.member), round(epoch.number))

    @hookimpl
    def medplug_run_finished(self, run: StartedRun, result: FinishedRun) -> None:
        """Add the final scores, and close."""
        numbers = final_numbers(result.metrics)
        self._scalars(numbers, 0)
        asked = {key: written(run.keys[key]) for key in run.origins if key in run.keys}
        assert self._writer is not None
        self._writer.add_hparams(asked, {name: numbers[name] for name in _shown(numbers)}, run_name=".", global_step=0)
        self._writer.add_text("folder", str(result.folder))
        self._writer.close()

    @hookimpl
    def medplug_run_failed(self) -> None:
        """Close the file: what was written stays."""
        if self._writer is not None:
            self._writer.close()

    def _scalars(self, numbers: Mapping[str, float], step: int) -> None:
        assert self._writer is not None
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()


def _shown(numbers: Mapping[str, float]) -> list[str]:
    """The model's own scores: the table of HPARAMS has a column for each."""
    return [name for name in numbers if not name.startswith("baseline/") and not name.endswith("95")]


def _table(header: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    """A table in Markdown, which TensorBoard renders."""
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '&#124;') for cell in line)} |" for line in lines)
