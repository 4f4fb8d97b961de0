"""What strangers' modules print and set while they are imported stays with them."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import EntryPoint
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import torch

from medplug.core.discovery.importing import contained
from medplug.core.discovery.plugins import Plugins
from medplug.core.discovery.table import findings
from medplug.core.specs import resolve

Install = Callable[..., EntryPoint]


def reasons(*points: EntryPoint) -> list[str]:
    plugins = Plugins(found=points)
    plugins.ask_third_parties()
    assert plugins.failures == []
    return [each.reason for each in findings(plugins)]


def test_what_is_printed_on_import_is_kept_out_of_standard_output(
    install: Install, capfd: pytest.CaptureFixture[str]
) -> None:
    body = "print('hello')\n@hookimpl\ndef medplug_tasks():\n    print('again')\n    return []"
    assert reasons(install("alpha", body)) == []
    out, err = capfd.readouterr()
    assert out == "" and err == "hello\nagain\n"


@pytest.mark.parametrize("line", ["simplefilter('ignore')", "resetwarnings()", "filterwarnings('always')"])
def test_filters_of_all_warnings_are_put_back_and_told(install: Install, line: str) -> None:
    before = list(warnings.filters)
    (reason,) = reasons(install("alpha", f"import warnings\nwarnings.{line}"))
    assert "changes on import the filters of warnings of every module; medplug put it back" in reason
    assert list(warnings.filters) == before


def test_a_filter_for_some_warnings_alone_stays(install: Install) -> None:
    with warnings.catch_warnings():
        body = "import warnings\nwarnings.filterwarnings('ignore', message='of alpha alone')"
        assert reasons(install("alpha", body)) == []
        warnings.warn("of alpha alone", UserWarning, stacklevel=1)


def test_torchs_default_dtype_is_put_back_and_told(install: Install) -> None:
    (reason,) = reasons(install("alpha", "import torch\ntorch.set_default_dtype(torch.float64)"))
    assert "torch's default dtype (to torch.float64)" in reason
    assert torch.get_default_dtype() is torch.float32


def test_seeds_set_on_import_change_no_random_number_after_it(install: Install) -> None:
    random.seed(5), np.random.seed(5), torch.manual_seed(5)  # noqa: NPY002
    wanted = random.random(), np.random.random(), torch.rand(1).item()  # noqa: NPY002
    random.seed(5), np.random.seed(5), torch.manual_seed(5)  # noqa: NPY002
    body = "import random, numpy, torch\nrandom.seed(0), numpy.random.seed(0), torch.manual_seed(0)"
    assert reasons(install("alpha", body)) == []
    assert (random.random(), np.random.random(), torch.rand(1).item()) == wanted  # noqa: NPY002


def test_the_working_folder_is_put_back_and_told(install: Install, tmp_path: Path) -> None:
    before = Path.cwd()
    (reason,) = reasons(install("alpha", f"import os\nos.chdir({str(tmp_path)!r})"))
    assert "the working folder" in reason and Path.cwd() == before


def test_all_is_put_back_where_the_import_fails_too(install: Install, tmp_path: Path) -> None:
    before, filters = Path.cwd(), list(warnings.filters)
    body = f"import os, torch, warnings\nos.chdir({str(tmp_path)!r})\nwarnings.simplefilter('ignore')\nraise OSError"
    plugins = Plugins(found=[install("alpha", body)])
    plugins.ask_third_parties()
    assert len(plugins.failures) == 1 and Path.cwd() == before and list(warnings.filters) == filters
    assert any("the working folder" in each.reason for each in plugins.remarks)


def test_the_module_of_a_factory_is_held_to_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "loud_factory.py").write_text(
        "import torch\nprint('loud')\ntorch.set_default_dtype(torch.float64)\ntorch.manual_seed(0)\nclass Made: pass\n"
    )
    torch.manual_seed(5)
    state = torch.get_rng_state()
    assert resolve("loud_factory:Made", owner="it").__name__ == "Made"
    assert torch.get_default_dtype() is torch.float32 and torch.equal(torch.get_rng_state(), state)
    assert capfd.readouterr() == ("", "loud\n")
    sys.modules.pop("loud_factory")


def test_a_plugin_that_is_the_first_to_import_torch_cannot_change_its_dtype(tmp_path: Path) -> None:
    (tmp_path / "first_to_import.py").write_text("import torch\ntorch.set_default_dtype(torch.float64)\nX = 1\n")
    code = (
        "import sys; from medplug.core.specs import resolve; assert 'torch' not in sys.modules\n"
        "resolve('first_to_import:X', owner='it'); import torch; print(torch.get_default_dtype())"
    )
    paths = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
        check=True,
    )
    assert done.stdout == "torch.float32\n"


def test_threads_that_import_take_turns_and_leave_all_as_it_was() -> None:
    output, inside, go, entered = sys.stdout, Event(), Event(), []

    def first() -> None:
        with contained():
            inside.set()
            go.wait(10)

    def second() -> None:
        with contained():
            entered.append(sys.stdout)

    with ThreadPoolExecutor(2) as threads:
        threads.submit(first)
        assert inside.wait(10)
        waiting = threads.submit(second)
        with pytest.raises(TimeoutError):
            waiting.result(0.1)
        assert entered == []
        go.set()
        waiting.result(10)
    assert entered == [sys.stderr] and sys.stdout is output


def test_an_import_within_an_import_waits_for_nobody() -> None:
    with contained(), contained() as inner:
        random.seed(0)
    assert inner == []
