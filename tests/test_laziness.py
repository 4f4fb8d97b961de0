"""Nothing heavy is imported before it must be: naming, listing and planning stay light and quick."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

HEAVY = (
    *("torch", "transformers", "polars", "sklearn", "scipy", "numpy", "matplotlib", "peft", "timm", "jinja2", "PIL"),
    *("tensorboard", "mlflow"),
)
LIGHT = {
    "import medplug": "import medplug; medplug.hookimpl; medplug.MedplugError",
    "the command line": "import medplug.cli",
    "help": "from click.testing import CliRunner; from medplug.cli import cli\n"
    "assert 'task=NAME' in CliRunner().invoke(cli, ['run', '-h']).output",
    "list": "from medplug.core.catalogue import listing; from medplug.core.discovery.plugins import Plugins\n"
    "for kind in ('tasks', 'backbones', 'adapters', 'fusions', 'observers'): listing(kind, Plugins(found=()))",
    "plugins": "from click.testing import CliRunner; from medplug.cli import cli\n"
    "assert '25 adapters' in CliRunner().invoke(cli, ['plugins', '--verify']).output",
    "show": "from medplug.core.catalogue import describe; from medplug.core.discovery.plugins import Plugins\n"
    "for name in ('text_diagnosis', 'minilm', 'text_cnn', 'finetune', 'gated', 'tensorboard', 'mlflow'):\n"
    "    describe(name, Plugins(found=()))",
    "plan": "from medplug.core.api import plan_for; from medplug.core.catalogue import preview\n"
    "from medplug.core.discovery.plugins import Plugins\n"
    "keys = {'task': 'text_diagnosis', 'backbone': 'text_cnn', 'observers': 'tensorboard+mlflow'}\n"
    "preview(plan_for(Plugins(found=()), keys))",
    "compose": "from medplug.core.api import plan_for; from medplug.core.catalogue import describe, preview\n"
    "from medplug.core.discovery.plugins import Plugins\n"
    "keys = {'task': 'text_diagnosis', 'adapter': 'lora+mmd', 'data.source': 's.csv', 'data.unlabelled': 'u.csv'}\n"
    "preview(plan_for(Plugins(found=()), keys)), describe('mmd', Plugins(found=()))",
    "rank": "from click.testing import CliRunner; from medplug.cli import cli\n"
    "assert 'backbones=NAME' in CliRunner().invoke(cli, ['rank', '-h']).output\n"
    "words = ['rank', 'task=text_diagnosis', 'backbones=minilm,text_cnn']\n"
    "assert 'random weights' in CliRunner().invoke(cli, words).output",
    "compare": "from click.testing import CliRunner; from medplug.cli import cli\n"
    "assert 'RUN RUN' in CliRunner().invoke(cli, ['compare', '-h']).output; import medplug; medplug.compare",
    "complete": "from medplug.core.completion import complete; assert complete('train.ep', ['task=text_diagnosis'])",
}


def fresh(code: str) -> str:
    """Run code in a Python of its own; what it printed."""
    environment = {**os.environ, "MEDPLUG_PLUGINS": ""}
    environment.pop("MEDPLUG_REGISTRY", None)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("what", LIGHT)
def test_nothing_heavy_is_imported(what: str) -> None:
    said = fresh(f"{LIGHT[what]}\nimport sys\nprint('heavy:', *[n for n in {HEAVY} if n in sys.modules])")
    assert said.splitlines()[-1] == "heavy:"


def test_importing_medplug_imports_none_of_its_parts() -> None:
    said = fresh("import medplug, sys; print([n for n in sys.modules if n.startswith('medplug.')])")
    assert said.strip() == "[]"


def test_an_unknown_public_name_is_refused() -> None:
    import medplug

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = medplug.nothing
    assert set(medplug.__all__) <= set(dir(medplug))


def test_the_command_line_starts_at_once() -> None:
    began = time.perf_counter()
    fresh("import medplug.cli")
    assert time.perf_counter() - began < 3


OTHER = ("transformers", "polars", "sklearn", "scipy", "pydantic", "pluggy", "peft", "triton", "medplug.core.adapter")


def test_the_transfer_layers_need_torch_alone_and_nothing_of_the_rest() -> None:
    said = fresh(
        "import sys, medplug.core.transfer as layers\nfrom medplug.core.transfer import coral, mmd\n"
        "assert 'torch' in sys.modules and len(layers.__all__) > 40\n"
        f"print([n for n in {OTHER} if n in sys.modules], [n for n in layers.__all__ if not hasattr(layers, n)])"
    )
    assert said.strip() == "[] []"


def test_so_do_the_fusion_layers() -> None:
    said = fresh(f"import sys, medplug.core.fusion\nprint([n for n in {OTHER} if n in sys.modules])")
    assert said.strip() == "[]"
