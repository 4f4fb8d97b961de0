"""The kit itself: what plugins as a whole are held to, what outcomes say, pytest and the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from medplug.cli import cli
from medplug.core.conformance import Fault, Outcome, Skipped, outcomes, parametrize, plugin_checks
from medplug.core.conformance.subject import located
from medplug.core.errors import PluginError

Install = Callable[..., EntryPoint]

FUSION = """
from collections.abc import Mapping
import sys
@hookimpl
def medplug_fusions():
    return [FusionSpec(name="ward", summary="made for a test", factory="medplug.plugins.fusions.factories:concat",
                       config="medplug.plugins.fusions.options:ConcatOptions", learns=False)]
"""


def by_name(module: object) -> dict[str, Outcome]:
    return {each.name: each for each in outcomes(plugin_checks(module))}


def test_a_plugin_that_can_be_imported_is_asked_in_a_python_without_torch(install: Install) -> None:
    install("alpha", FUSION)
    found = by_name("alpha_plugin")
    assert found["plugin:light"].state == found["plugin:quick"].state == found["plugin:loads"].state == "passed"


@pytest.mark.parametrize("heavy", ["import torch", "from sklearn.svm import SVC", "import polars as pl"])
def test_one_that_imports_what_is_heavy_fails(install: Install, heavy: str) -> None:
    install("alpha", f"{heavy}\n{FUSION}")
    outcome = by_name("alpha_plugin")["plugin:light"]
    assert outcome.state == "failed" and "is imported before it is needed" in outcome.reason
    assert "import such packages in the modules that factories name" in outcome.fix


def test_so_does_one_whose_option_models_import_what_is_heavy(install: Install, tmp_path: Path) -> None:
    heavy = "import torch\nfrom medplug.plugins.fusions.options import ConcatOptions\n"
    (tmp_path / "site-packages" / "heavy_options.py").write_text(heavy)
    install("alpha", FUSION.replace("medplug.plugins.fusions.options:", "heavy_options:"))
    assert "torch is imported before it is needed" in by_name("alpha_plugin")["plugin:light"].reason
    sys.modules.pop("heavy_options", None)


def test_one_that_sleeps_where_it_is_imported_is_slow(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medplug.core.conformance.loaded.SLOW", 0.2)
    install("alpha", f"import time\ntime.sleep(0.3)\n{FUSION}")
    outcome = by_name("alpha_plugin")["plugin:quick"]
    assert outcome.state == "failed" and "a listing waits for each plugin" in outcome.reason


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("raise OSError('no disk')", "OSError: no disk"),
        ("import no_such_module_anywhere", "No module named"),
        ("medplug_api = 2", "states medplug_api = 2"),
        ("@hookimpl\ndef medplug_fusion(): return []", "unknown hook 'medplug_fusion'"),
        ("@hookimpl\ndef medplug_tasks(config): return []", "config"),
        ("@hookimpl\ndef medplug_tasks(): return [1]", "it must give TaskSpecs"),
        ("@hookimpl\ndef medplug_tasks(): raise OSError('disk')", "OSError: disk"),
        ("", "no hook gives anything"),
    ],
)
def test_one_that_the_core_would_set_aside_fails_with_the_reason(install: Install, body: str, told: str) -> None:
    install("alpha", body)
    found = by_name("alpha_plugin")
    assert found["plugin:loads"].state == "failed" and told in found["plugin:loads"].reason
    assert found["plugin:loads"].fix


def test_a_name_that_is_built_in_is_refused(install: Install) -> None:
    install("alpha", FUSION.replace('"ward"', '"concat"'))
    assert "which medplug gives already" in by_name("alpha_plugin")["plugin:loads"].reason


REGISTRY = "@hookimpl\ndef medplug_registry(): return Path(__file__).with_name('own.yaml')"


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("{modality: text, path: w, builder: nobody}", "names the builder 'nobody', which nobody gives"),
        ("{modality: image, path: w, builder: pretrained_text}", "its builder pretrained_text reads text"),
        ("{modality: text, path: w, builder: text_cnn}", "takes no weights"),
        ("{modality: text, path: w, builder: pretrained_text, options: {windo: 3}}", "windo"),
        ("{modality: text, path: w, builder: pretrained_text}", ""),
    ],
)
def test_a_registry_of_its_own_is_held_against_its_builders(
    install: Install, tmp_path: Path, entry: str, told: str
) -> None:
    (tmp_path / "site-packages" / "own.yaml").write_text(f"backbones: {{ward: {entry}}}")
    install("alpha", f"{FUSION}{REGISTRY}")
    outcome = by_name("alpha_plugin")["plugin:registry"]
    assert outcome.state == ("failed" if told else "passed") and told in outcome.reason, outcome


LOADER = """
@hookimpl
def medplug_backbones():
    return [BackboneSpec(name="ward_loader", summary="made for a test", modality="text", pretrained=True,
                         factory="nowhere:Nothing", config="medplug.core.config:Section")]
"""
WEIGHTS = """
backbones: {ward_weights: {modality: text, path: w, builder: ward_loader}}
recipes: {ward: {summary: made for a test, keys: {}}}
"""
ALL = {"backbones": ("ward_loader", "ward_weights"), "recipes": ("ward",)}


@pytest.mark.parametrize(
    ("declares", "state", "told"),
    [
        (ALL, "passed", ""),
        ({}, "skipped", "its package declares no names"),
        (ALL | {"backbones": ("ward_weights",)}, "failed", "gives the backbone ward_loader, and does not declare it"),
        (ALL | {"backbones": ("ward_loader",)}, "failed", "gives the backbone ward_weights, and does not declare it"),
        ({"backbones": ALL["backbones"]}, "failed", "gives the recipe ward, and does not declare it"),
        (ALL | {"adapters": ("whiten",)}, "failed", "declares the adapter whiten, and does not give it"),
    ],
)
def test_a_package_that_declares_names_declares_all_that_the_plugin_gives(
    install: Install, tmp_path: Path, declares: dict[str, tuple[str, ...]], state: str, told: str
) -> None:
    shelf = tmp_path / "site-packages"
    (shelf / "own.yaml").write_text(WEIGHTS)
    install("alpha", f"{LOADER}{REGISTRY}")
    points = shelf / "alpha-1.0.dist-info" / "entry_points.txt"
    groups = [
        f"[medplug.{group}]\n" + "".join(f"{n} = alpha_plugin\n" for n in names) for group, names in declares.items()
    ]
    points.write_text("\n".join([points.read_text(), *groups]))
    (outcome,) = outcomes((name, check) for name, check in plugin_checks("alpha_plugin") if name == "plugin:declared")
    assert outcome.state == state and told in outcome.reason, outcome
    if told.startswith("gives"):
        kind, name = told.partition(",")[0].split()[-2:]
        assert f'[project.entry-points."medplug.{kind}s"] {name} = "alpha_plugin"' in outcome.fix


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("{backbone: text_cn}", "the recipe ward_recipe names the backbone 'text_cn', which nobody gives"),
        ("{adapter: finetune+lorra}", "the adapter 'lorra', which nobody gives; did you mean lora?"),
        ("{fusion: wardd}", "did you mean ward?"),
        ("{backbone: minilm, adapter: finetune+lora, fusion: ward, train.epochs: 3}", ""),
        ("{backbone: some/model-on-a-hub}", ""),
    ],
)
def test_a_recipe_of_its_own_names_parts_that_there_are(install: Install, tmp_path: Path, keys: str, told: str) -> None:
    recipe = f"recipes: {{ward_recipe: {{summary: a test, keys: {keys}}}}}"
    (tmp_path / "site-packages" / "own.yaml").write_text(recipe)
    install("alpha", f"{FUSION}{REGISTRY}")
    outcome = by_name("alpha_plugin")["plugin:registry"]
    assert outcome.state == ("failed" if told else "passed") and told in outcome.reason, outcome


def fails() -> None:
    raise Fault("two is three", "count again")


def raises() -> None:
    raise KeyError("x")


def skips() -> None:
    raise Skipped("no GPU here")


def test_outcomes_say_what_became_of_each_check() -> None:
    checks = [("a", fails), ("b", raises), ("c", skips), ("d", lambda: None)]
    told = list(outcomes(checks))
    assert [each.state for each in told] == ["failed", "failed", "skipped", "passed"]
    assert (told[0].reason, told[0].fix) == ("two is three", "count again")
    assert told[1].reason == "KeyError: 'x'" and f"{Path(__file__).name}:" in told[1].fix
    assert told[2].reason == "no GPU here"


def test_the_place_to_mend_is_the_plugins_own_and_no_librarys(install: Install) -> None:
    install("alpha", "import json, re\ndef reads():\n    json.loads('{')\ndef asks():\n    re.compile('(')")
    module = import_module("alpha_plugin")
    for check in (module.reads, module.asks):
        (told,) = outcomes([("a", check)])
        line = check.__code__.co_firstlineno + 1
        assert told.fix == f"mend what raises at {module.__file__}:{line}"


def test_where_what_it_gives_cannot_be_called_it_says_where_medplug_meets_it(install: Install) -> None:
    narrow = FUSION.replace("medplug.plugins.fusions.factories:concat", "alpha_plugin:narrow")
    install("alpha", f"{narrow}\ndef narrow(widths, outputs): return None")
    outcome = by_name("alpha_plugin")["fusion:ward:shapes"]
    assert "takes 2 positional arguments but 3 were given" in outcome.reason
    assert outcome.fix.startswith("mend what the plugin gives here: medplug meets it at ") and "core" in outcome.fix


def test_failures_that_are_expected_are_told_apart_and_the_list_of_them_stays_true() -> None:
    told = list(outcomes([("a", fails), ("b", lambda: None)], {"a": "later", "b": "later", "z": "never"}))
    assert [(each.name, each.state) for each in told] == [("a", "expected"), ("b", "failed"), ("z", "failed")]
    assert told[0].reason == "later" and told[1].reason == "passes, and was expected to fail: later"
    assert "there is no such check" in told[2].reason


def test_in_pytest_each_check_is_a_case_that_may_be_skipped_or_expected_to_fail(install: Install) -> None:
    install("alpha", FUSION)
    mark = parametrize("alpha_plugin", expected_failures={"fusion:ward:reads": "a reason"})
    names = [case.id for case in mark.args[1]]
    assert names == [name for name, _ in plugin_checks("alpha_plugin")]
    (expected,) = [case for case in mark.args[1] if case.marks]
    assert expected.id == "fusion:ward:reads" and expected.marks[0].kwargs == {"reason": "a reason", "strict": True}
    (registry,) = [case.values[0] for case in mark.args[1] if case.id == "plugin:registry"]
    with pytest.raises(pytest.skip.Exception, match="it brings no registry.yaml"):
        registry()
    with pytest.raises(ValueError, match="expected_failures names no check: nothing"):
        parametrize("alpha_plugin", expected_failures={"nothing": ""})


def test_a_plugin_is_found_by_module_entry_point_or_distribution(install: Install) -> None:
    point = install("ward-round", FUSION, module="ward_plugin")
    assert located("ward_plugin", [point]) == located("ward-round", [point]) == located("Ward_Round", [point])
    with pytest.raises(PluginError, match="no module, plugin or distribution is called 'ward-rond'; did you mean"):
        located("ward-rond", [point])
    with pytest.raises(PluginError, match="no module, plugin or distribution is called 'ward_plugin.part'"):
        located("ward_plugin.part", [point])


def test_the_command_shows_each_check_and_exits_with_1_on_a_failure(install: Install) -> None:
    install("alpha", FUSION)
    good = CliRunner().invoke(cli, ["check", "alpha"])
    assert good.exit_code == 0, good.output
    assert "fusion:ward:missing_modality" in good.output and ", 0 failed, 2 skipped, 0 expected" in good.output


@pytest.mark.parametrize("name", ["alpha", "alpha_plugin", "alpha_plugin.part"])
def test_what_may_not_be_imported_is_not_checked(install: Install, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    install("alpha", "raise OSError('imported')")
    monkeypatch.setenv("MEDPLUG_PLUGINS", "")
    refused = CliRunner().invoke(cli, ["check", name])
    assert refused.exit_code == 1
    assert "alpha (alpha 1.0) may not be imported: MEDPLUG_PLUGINS does not name it" in refused.output
    assert "fix: allow it there" in refused.output and "alpha_plugin" not in sys.modules


def test_a_failure_is_shown_with_reason_and_fix_and_may_be_expected(install: Install) -> None:
    install("alpha", FUSION.replace("learns=False", "learns=True"))
    bad = CliRunner().invoke(cli, ["check", "alpha_plugin"])
    assert bad.exit_code == 1
    assert "the spec says learns=True" in bad.output and "say learns=False in the spec" in bad.output
    named = "medplug_expected_failures = {'fusion:ward:learns': 'in the next version'}"
    install("beta", FUSION.replace("learns=False", "learns=True") + named)
    expected = CliRunner().invoke(cli, ["check", "beta"])
    assert expected.exit_code == 0 and "in the next version" in expected.output and "1 expected" in expected.output


def test_what_cannot_be_found_is_told(install: Install) -> None:
    unknown = CliRunner().invoke(cli, ["check", "no_such_plugin_anywhere"])
    assert unknown.exit_code == 1 and "no module, plugin or distribution is called" in unknown.output


def test_an_object_with_hooks_can_be_checked_but_not_imported_afresh() -> None:
    found = by_name(SimpleNamespace(medplug_api=1))
    assert found["plugin:light"].state == "skipped" and "is an object" in found["plugin:light"].reason
    assert found["plugin:declared"].state == "skipped" and "no installed package" in found["plugin:declared"].reason


def test_the_docs_name_every_check() -> None:
    docs = (Path(__file__).parents[3] / "docs" / "plugins.md").read_text(encoding="utf-8")
    told = docs[docs.index("## Is it right?") :]
    modules = [
        f"medplug.plugins.{each}" for each in ("adapters", "backbones", "fusions", "observers", "text_diagnosis")
    ]
    names = {name.split(":")[-1] for module in modules for name, _ in plugin_checks(module)}
    assert {name for name in names if f"`{name}`" not in told} == set()


def test_what_a_plugin_prints_while_it_is_imported_stands_in_no_table(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("alpha", f"print('hello from afar'){FUSION}")
    assert by_name("alpha_plugin")["plugin:loads"].state == "passed"
    told = capsys.readouterr()
    assert "hello from afar" not in told.out and "hello from afar" in told.err
