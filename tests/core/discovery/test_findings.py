"""What is wrong with a plugin that loads, or with what its package says, and what medplug says to do."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import medplug
from medplug.cli import cli
from medplug.core.discovery.findings import Finding, place_of, why
from medplug.core.discovery.parts import check_parts
from medplug.core.discovery.plugins import Plugins
from medplug.core.discovery.requirements import third_parties
from medplug.core.discovery.table import findings, pins, plugin_table, told
from medplug.core.errors import UnknownNameError
from medplug.core.grammar import parse_arguments
from medplug.core.plan import make_plan
from medplug.core.terminal import show_lines, show_table

Install = Callable[..., EntryPoint]


def asked(*points: EntryPoint) -> Plugins:
    plugins = Plugins(found=points)
    plugins.ask_third_parties()
    return plugins


def only(plugins: Plugins) -> Finding:
    (found,) = findings(plugins)
    return found


@pytest.mark.parametrize(
    ("body", "fix"),
    [
        ("medplug_api = 2", "medplug is the older of the two"),
        ("medplug_api = 0", "the plugin's package is the older of the two"),
        ("medplug_api = '1'", "write medplug_api = 1 in broken_plugin"),
        ("import no_such_module_anywhere.part", "install what gives the module no_such_module_anywhere here"),
        ("@hookimpl\ndef medplug_tsaks(): return []", "rename it (hooks: medplug_adapters, medplug_backbones"),
        ("@hookimpl\ndef medplug_tasks(config, seed=1): return []", "write it as def medplug_tasks()"),
        ("@hookimpl\ndef medplug_tasks(): return 5", "return a list of TaskSpec from medplug_tasks"),
        (
            "@hookimpl\ndef medplug_tasks(): raise OSError('x')",
            'python -c "import broken_plugin as it; it.medplug_tasks',
        ),
        ("raise OSError('x')", 'python -c "import broken_plugin"'),
    ],
)
def test_what_to_do_is_said_of_each_fault(install: Install, body: str, fix: str) -> None:
    found = only(asked(install("broken", body)))
    assert found.name == "broken" and fix in found.fix
    assert list(told([found])) == [str(found), f"  fix: {found.fix}"]


def test_a_fault_is_placed_where_the_plugins_own_code_raised(install: Install) -> None:
    found = only(
        asked(install("broken", "def deep():\n    return int('x')\n@hookimpl\ndef medplug_tasks():\n    deep()"))
    )
    assert found.reason.startswith("medplug_tasks raises ValueError: invalid literal for int()")
    assert found.reason.endswith("(at broken_plugin:8)")


@pytest.mark.parametrize("body", ["yaml.safe_load('[')", "@hookimpl\ndef medplug_tasks():\n    yaml.safe_load('[')"])
def test_a_fault_within_what_a_plugin_calls_is_placed_where_it_calls_it(install: Install, body: str) -> None:
    found = only(asked(install("broken", f"import yaml\n{body}")))
    assert re.search(r"ParserError: .* \(at broken_plugin:\d+\)$", found.reason)


def test_a_module_that_lies_beside_medplug_and_is_called_alike_is_a_plugins_own() -> None:
    home = Path(medplug.__file__).parent
    beside: dict[str, Any] = {"__name__": "medplug_beside"}
    exec(compile("def fail():\n    raise OSError", f"{home}_beside/__init__.py", "exec"), beside)
    with pytest.raises(OSError) as raised:
        beside["fail"]()
    assert place_of(raised.value) == "medplug_beside:2"


@pytest.mark.parametrize("address", ["https://anna:p4ss@ward:5000/api", "postgresql://anna:p4@ss@db/runs"])
def test_what_opens_a_server_is_not_told_of_an_error(address: str) -> None:
    told, _ = why(OSError(f"API request to {address} failed"))
    assert "p4" not in told and "anna" not in told and "***@" in told and address.rpartition("@")[2] in told


def test_an_entry_point_that_names_no_module_says_the_form(install: Install, tmp_path: Path) -> None:
    point = install("broken")
    info = tmp_path / "site-packages" / "broken-1.0.dist-info" / "entry_points.txt"
    info.write_text("[medplug]\nbroken = broken plugin!\n")
    assert point.dist is not None
    (point,) = point.dist.entry_points
    found = only(asked(point))
    assert "'broken plugin!', which is no module" in found.reason and 'broken = "package.module"' in found.fix


def test_an_entry_point_whose_module_is_not_in_the_package_is_told_apart_from_a_missing_dependency(
    install: Install, tmp_path: Path
) -> None:
    point = install("broken")
    (tmp_path / "site-packages" / "broken_plugin.py").unlink()
    assert "name in its entry point a module that the package has" in only(asked(point)).fix


@pytest.mark.parametrize(
    ("body", "reason", "fix"),
    [
        (
            "def medplug_tasks(): return []",
            "medplug_tasks has no @hookimpl",
            "import hookimpl, and @hookimpl before it",
        ),
        ("def medplug_task(): return []", "medplug_task has no @hookimpl", "did you mean medplug_tasks?"),
    ],
)
def test_a_function_that_looks_like_a_hook_and_is_not_marked_is_told(
    install: Install, body: str, reason: str, fix: str
) -> None:
    plugins = asked(install("alpha", body, adapter=["whiten"]))
    assert plugins.adapter("whiten") and plugins.failures == []
    assert reason in only(plugins).reason and fix in only(plugins).fix


def test_other_things_of_a_plugin_whose_names_begin_alike_are_no_fault(install: Install) -> None:
    body = "medplug_expected_failures = {}\nmedplug_notes = 'none'\nclass medplug_thing: pass\n"
    assert findings(asked(install("alpha", body, adapter=["whiten"]))) == []


def test_names_that_are_declared_and_not_given_or_given_and_not_declared_are_told(
    install: Install, tmp_path: Path
) -> None:
    point = install("alpha", declares=True, adapter=["whiten", "colour"])
    info = tmp_path / "site-packages" / "alpha-1.0.dist-info" / "entry_points.txt"
    info.write_text(
        "[medplug]\nalpha = alpha_plugin\n[medplug.adapters]\nwhiten = alpha_plugin\nwithen = alpha_plugin\n"
    )
    plugins = asked(point)
    found = {each.reason: each.fix for each in findings(plugins)}
    assert list(found) == [
        "declares the adapter withen, and does not give it",
        "gives the adapter colour, and does not declare it: it is not found by this name",
    ]
    assert '[project.entry-points."medplug.adapters"] colour = "alpha_plugin"' in list(found.values())[1]
    assert plugin_table(plugins)[1][-1][2] == "loaded, 2 remarks"


def test_a_name_that_its_package_declares_in_vain_is_told_of_where_it_is_asked_for(
    install: Install, tmp_path: Path
) -> None:
    point = install("alpha", declares=True, adapter=["whiten"])
    info = tmp_path / "site-packages" / "alpha-1.0.dist-info" / "entry_points.txt"
    info.write_text("[medplug]\nalpha = alpha_plugin\n[medplug.adapters]\nbleach = alpha_plugin\n")
    with pytest.raises(UnknownNameError, match=r"alpha \(alpha 1\.0\): declares the adapter bleach, and does not give"):
        Plugins(found=[point]).adapter("bleach")


def test_what_a_plugins_registry_names_counts_as_given(install: Install, tmp_path: Path) -> None:
    body = "@hookimpl\ndef medplug_registry(): return Path(__file__).with_name('own.yaml')"
    point = install("alpha", body, declares=True, adapter=["whiten"])
    (tmp_path / "site-packages" / "own.yaml").write_text(
        "backbones: {ward: {modality: text, path: x}}\nrecipes: {ward_first: {summary: s, keys: {}}}"
    )
    info = tmp_path / "site-packages" / "alpha-1.0.dist-info" / "entry_points.txt"
    info.write_text(info.read_text() + "[medplug.backbones]\nward = alpha_plugin\n")
    plugins = asked(point)
    assert plugins.loaded[-1].gives == ("adapter whiten", "backbone ward", "recipe ward_first")
    assert only(plugins).reason.startswith("gives the recipe ward_first, and does not declare it")


def test_code_that_specs_name_and_that_is_not_there_is_found_when_it_is_looked_for(
    install: Install, tmp_path: Path
) -> None:
    (tmp_path / "site-packages" / "parts_of_alpha.py").write_text("class Whitening: pass\n")
    body = (
        "@hookimpl\ndef medplug_fusions():\n    return [FusionSpec(name='white', summary='s', "
        "factory='parts_of_alpha:Whitenig', config='parts_of_alpha')]\n"
    )
    plugins = asked(install("alpha", body))
    assert findings(plugins) == [] and "parts_of_alpha" not in sys.modules
    check_parts(plugins)
    config, factory = findings(plugins)
    assert "the config of the fusion white: cannot load 'parts_of_alpha': it names no code" in config.reason
    assert "parts_of_alpha has no 'Whitenig'; did you mean Whitening?" in factory.reason
    sys.modules.pop("parts_of_alpha")


def test_a_factorys_module_that_exits_is_told_of(install: Install, tmp_path: Path) -> None:
    (tmp_path / "site-packages" / "exits_of_alpha.py").write_text("raise SystemExit(3)\n")
    point = install("alpha", fusion=["white"])
    file = tmp_path / "site-packages" / "alpha_plugin.py"
    file.write_text(file.read_text().replace("nowhere:Nothing", "exits_of_alpha:White"))
    plugins = asked(point)
    check_parts(plugins)
    assert "SystemExit: 3" in only(plugins).reason


def test_a_slow_import_is_told_with_its_seconds_and_the_plugin_works(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medplug.core.discovery.findings.SLOW", 0.05)
    plugins = asked(install("alpha", "import time\ntime.sleep(0.1)", adapter=["whiten"]))
    assert plugins.adapter("whiten") and plugins.slow() == findings(plugins)
    assert "is slow: its import takes 0.1 s" in only(plugins).reason


def test_a_run_that_waits_for_a_slow_plugin_says_so(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medplug.core.discovery.findings.SLOW", 0.05)
    install("alpha", "import time\ntime.sleep(0.1)", declares=True, adapter=["whiten"])
    dry = ["run", "--dry-run", "task=text_diagnosis", "backbone=text_cnn"]
    assert "is slow" not in CliRunner().invoke(cli, [*dry, "adapter=finetune"]).output
    said = CliRunner().invoke(cli, [*dry, "adapter=whiten"])
    assert "medplug: plugin alpha (alpha 1.0): is slow: its import takes 0.1 s" in said.output


def test_a_plugin_that_is_not_imported_is_told_of_what_its_package_says_wrongly(
    install: Install, tmp_path: Path
) -> None:
    point = install("alpha", "raise OSError('imported')")
    info = tmp_path / "site-packages" / "alpha-1.0.dist-info" / "entry_points.txt"
    info.write_text(
        "[medplug]\nalpha = alpha_plugin\n[medplug.adapter]\nwhiten = alpha_plugin\n"
        "[medplug.tasks]\ntriage = alpha_plugin.task:Triage\n[medplug.fusions]\nconcat = alpha_plugin\n"
    )
    assert point.dist is not None
    found = {each.name: each for each in findings(Plugins(found=point.dist.entry_points.select(group="medplug")))}
    assert "[medplug.adapter], which medplug does not read; did you mean medplug.adapters" in found["whiten"].reason
    assert "'alpha_plugin.task:Triage', which is none of its package's plugins" in found["triage"].reason
    assert 'write triage = "alpha_plugin"' in found["triage"].fix
    assert found["alpha"].reason == "declares the fusion concat, which medplug gives already"
    assert "alpha_plugin" not in sys.modules


def test_names_that_two_packages_declare_are_told_before_either_is_imported(install: Install) -> None:
    points = [install(name, "raise OSError('imported')", declares=True, task=["triage"]) for name in ("alpha", "beta")]
    assert str(only(Plugins(found=points))) == ("beta (beta 1.0): declares the task triage, as alpha (alpha 1.0) does")


def twins(install: Install, tmp_path: Path) -> list[EntryPoint]:
    points = [install(name, adapter=[f"of_{name}"]) for name in ("alpha", "beta")]
    info = tmp_path / "site-packages" / "beta-1.0.dist-info" / "entry_points.txt"
    info.write_text("[medplug]\nalpha = beta_plugin\n")
    assert points[1].dist is not None
    return [points[0], *points[1].dist.entry_points]


def test_two_packages_whose_plugins_have_one_name_both_load_and_are_told(install: Install, tmp_path: Path) -> None:
    plugins = asked(*twins(install, tmp_path))
    assert plugins.adapter("of_alpha") and plugins.adapter("of_beta")
    _, rows = plugin_table(plugins)
    assert [row[:3] for row in rows[-2:]] == [("alpha", "alpha 1.0", "loaded"), ("alpha", "beta 1.0", "loaded")]
    assert [each.reason for each in findings(plugins)] == [
        "has the name of a plugin of beta 1.0",
        "has the name of a plugin of alpha 1.0",
    ]


def test_a_list_that_allows_a_name_of_two_packages_allows_neither_until_it_pins_one(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = twins(install, tmp_path)
    monkeypatch.setenv("MEDPLUG_PLUGINS", "alpha")
    plugins = asked(*points)
    assert plugins.loaded[-1].distribution == "medplug" and "beta_plugin" not in sys.modules
    assert any("names it without saying which: beta 1.0 has one" in each.reason for each in findings(plugins))
    pinned = next(line for line in pins(plugins)[1:])
    monkeypatch.setenv("MEDPLUG_PLUGINS", pinned)
    assert asked(*points).loaded[-1].distribution == "alpha 1.0"


def test_a_list_may_pin_each_of_two_packages_whose_plugins_have_one_name(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = twins(install, tmp_path)
    monkeypatch.setenv("MEDPLUG_PLUGINS", ",".join(pins(Plugins(found=points))[1:]))
    assert [each.distribution for each in asked(*points).loaded[-2:]] == ["alpha 1.0", "beta 1.0"]


def test_pins_allow_the_very_files(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    points = [install("alpha", adapter=["whiten"]), install("beta", adapter=["colour"])]
    head, *lines = pins(Plugins(found=points))
    assert "plugins.allow" in head
    monkeypatch.setenv("MEDPLUG_PLUGINS", ",".join(lines))
    plugins = asked(*points)
    assert plugins.failures == [] and plugins.adapter("whiten") and plugins.adapter("colour")


@pytest.mark.parametrize("name", ["a,b", "a@b", "two words", "[red]x", "\x1b[31mred"])
def test_a_plugin_with_an_odd_name_loads_and_is_told(install: Install, tmp_path: Path, name: str) -> None:
    point = install("alpha", adapter=["whiten"])
    (tmp_path / "site-packages" / "alpha-1.0.dist-info" / "entry_points.txt").write_text(
        f"[medplug]\n{name} = alpha_plugin\n"
    )
    assert point.dist is not None
    plugins = asked(*point.dist.entry_points)
    assert plugins.adapter("whiten")
    assert "which no list of allowed plugins can hold" in only(plugins).reason


def test_a_package_without_record_or_metadata_is_shown_and_works(install: Install, tmp_path: Path) -> None:
    point = install("alpha", adapter=["whiten"])
    info = tmp_path / "site-packages" / "alpha-1.0.dist-info"
    (info / "RECORD").unlink()
    (info / "METADATA").unlink()
    plugins = asked(point)
    assert plugins.adapter("whiten")
    assert plugin_table(plugins, verify=True)[1][-1] == (
        "alpha", "unknown distribution", "loaded", "adapter whiten", "no RECORD",
    )  # fmt: skip
    assert pins(plugins) == []


def test_a_name_that_is_allowed_and_not_installed_has_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPLUG_PLUGINS", "gamma")
    plugins = Plugins(found=())
    assert plugin_table(plugins)[1][-1] == ("gamma", "not installed", "missing", "", "-")
    assert "no such plugin is installed" in only(plugins).reason


def test_many_names_of_a_kind_are_counted(install: Install) -> None:
    plugins = asked(install("alpha", adapter=[f"a{i}" for i in range(6)], fusion=["stitch"]))
    assert plugin_table(plugins)[1][-1][3] == "fusion stitch, 6 adapters"


def test_a_pinned_plugin_whose_files_were_changed_is_not_imported(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = install("alpha", adapter=["whiten"])
    monkeypatch.setenv("MEDPLUG_PLUGINS", pins(Plugins(found=[point]))[1])
    with (tmp_path / "site-packages" / "alpha_plugin.py").open("a") as file:
        file.write("# changed")
    plugins = asked(point)
    assert "files are not those that were installed: alpha_plugin.py" in only(plugins).reason
    assert "alpha_plugin" not in sys.modules and pins(plugins) == []


def test_a_pinned_plugin_that_another_file_hides_is_not_imported(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = install("alpha", adapter=["whiten"])
    monkeypatch.setenv("MEDPLUG_PLUGINS", pins(Plugins(found=[point]))[1])
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "alpha_plugin.py").write_text("raise OSError('imported')")
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    plugins = asked(point)
    assert "alpha_plugin would be imported from a file that its RECORD does not list" in only(plugins).reason
    assert "alpha_plugin" not in sys.modules


def test_a_plugin_that_is_installed_as_a_link_can_be_used_and_not_pinned(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = install("alpha", adapter=["whiten"])
    info = tmp_path / "site-packages" / "alpha-1.0.dist-info"
    (info / "direct_url.json").write_text('{"url": "file:///x", "dir_info": {"editable": true}}')
    assert plugin_table(Plugins(found=[point]), verify=True)[1][-1][-1] == "editable"
    assert pins(Plugins(found=[point])) == [] and asked(point).adapter("whiten")
    (one,) = Plugins(found=[point]).installed()
    monkeypatch.setenv("MEDPLUG_PLUGINS", f"alpha@sha256:{one.signature}")
    assert "installed with --editable" in only(asked(point)).reason


def test_what_would_steer_a_terminal_is_spelled_out(install: Install, tmp_path: Path) -> None:
    install("alpha", "raise OSError('\\x1b[2J gone')")
    info = tmp_path / "site-packages" / "alpha-1.0.dist-info" / "entry_points.txt"
    info.write_text("[medplug]\n\x1b[31malpha = alpha_plugin\n")
    for words in (["plugins", "--load"], ["list", "adapters"], ["list", "--load"], ["show", "nothing_at_all"]):
        said = CliRunner().invoke(cli, words).output
        assert "\x1b" not in said and "\\x1b[31malpha" in said, words


def test_brackets_in_what_a_plugin_says_are_no_markup(install: Install, tmp_path: Path) -> None:
    install("alpha", adapter=["whiten"])
    file = tmp_path / "site-packages" / "alpha_plugin.py"
    file.write_text(file.read_text().replace("made for a test", "features [batch, width] to [red]white[/red]"))
    said = CliRunner().invoke(cli, ["list", "adapters", "--load"])
    assert "features [batch, width] to [red]white[/red]" in said.output


def test_the_table_of_plugins_cuts_no_name_in_a_narrow_terminal(
    install: Install, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes any stream for a terminal
    name = "medplug-" + "-".join(["longest"] * 5)
    install(name, declares=True, module="alpha_plugin", adapter=["whiten"])
    found = Plugins()
    show_table(*plugin_table(found, verify=True))
    show_lines(pins(found), fold=False)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert max(len(line) for line in lines[: lines.index(next(each for each in lines if "to allow" in each))]) <= 80
    assert "…" not in "".join(lines) and f"{name}@sha256:" in lines[-1]


def test_a_part_of_a_package_without_metadata_asks_for_none_when_its_model_is_loaded(
    install: Install, tmp_path: Path
) -> None:
    point = install("alpha", adapter=["whiten"])
    (tmp_path / "site-packages" / "alpha-1.0.dist-info" / "METADATA").unlink()
    plugins = Plugins(found=[point])
    words = ["task=text_diagnosis", "backbone=text_cnn", "adapter=whiten"]
    assert third_parties(make_plan([("", parse_arguments(words))], plugins), plugins) == []
