"""What is known of installed plugins before anything of them is imported."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from click.testing import CliRunner

from medplug.cli import cli
from medplug.core.catalogue import listing
from medplug.core.discovery.installed import changed_files, installed
from medplug.core.discovery.plugins import Plugins
from medplug.core.discovery.table import findings, plugin_table
from medplug.core.errors import PluginError, RegistryError, UnknownNameError

Install = Callable[..., EntryPoint]
TRAP = "raise OSError('imported')"


def states(plugins: Plugins, **how: bool) -> dict[str, tuple[str, ...]]:
    _, rows = plugin_table(plugins, **how)
    return {row[0]: row for row in rows}


def refusal(plugins: Plugins) -> str:
    (found,) = findings(plugins)
    assert states(plugins)[found.name][2] == "not allowed"
    return str(found)


def test_a_declared_name_imports_its_plugin_alone(install: Install) -> None:
    points = [
        install("alpha", declares=True, adapter=["whiten"]),
        install("beta", TRAP, declares=True, adapter=["colour"]),
        install("gamma", TRAP),
    ]
    plugins = Plugins(found=points)
    assert plugins.adapter("whiten").name == "whiten"
    assert plugins.failures == []
    assert [each.name for each in plugins.not_imported()] == ["beta", "gamma"]


def test_a_name_that_none_declares_is_looked_for_in_plugins_that_declare_nothing(install: Install) -> None:
    plugins = Plugins(found=[install("alpha", adapter=["whiten"]), install("beta", TRAP, declares=True, task=["x"])])
    assert plugins.adapter("whiten").name == "whiten"
    assert plugins.failures == []


def test_a_declared_name_is_among_the_known_ones_of_an_error(install: Install) -> None:
    plugins = Plugins(found=[install("alpha", TRAP, declares=True, adapter=["whiten"])])
    with pytest.raises(UnknownNameError, match="did you mean whiten"):
        plugins.adapter("whitem")
    assert plugins.failures == []


def test_a_declared_recipe_and_backbone_of_a_plugins_registry_import_it(install: Install, tmp_path: Path) -> None:
    body = "@hookimpl\ndef medplug_registry(): return Path(__file__).with_name('own.yaml')"
    point = install("alpha", body, declares=True, backbone=[])
    (tmp_path / "site-packages" / "own.yaml").write_text("recipes: {ward: {summary: s, keys: {}}}")
    info = tmp_path / "site-packages" / "alpha-1.0.dist-info" / "entry_points.txt"
    info.write_text("[medplug]\nalpha = alpha_plugin\n[medplug.recipes]\nward = alpha_plugin\n")
    plugins = Plugins(found=[point])
    plugins.ask_for("ward", "recipe")
    assert "ward" in plugins.registry.recipes


def test_a_listing_imports_nothing_and_tells_who_declares_what(install: Install) -> None:
    plugins = Plugins(found=[install("alpha", TRAP, declares=True, task=["triage"])])
    header, rows = listing("tasks", plugins)
    assert rows[-1] == ("triage", "", "", "of alpha 1.0, not imported")
    assert len(rows[-1]) == len(header) and plugins.failures == []


def test_the_table_of_plugins_says_what_their_packages_say(install: Install) -> None:
    plugins = Plugins(found=[install("alpha", TRAP, declares=True, adapter=["whiten"]), install("beta", TRAP)])
    told = states(plugins)
    (alpha, beta) = installed([each.point for each in plugins.installed()])
    assert told["alpha"] == ("alpha", "alpha 1.0", "not imported", "adapter whiten", str(alpha.signature)[:8])
    assert told["beta"][2:4] == ("not imported", "declares nothing")
    assert beta.signature is not None


def test_the_signature_is_that_of_the_record(install: Install, tmp_path: Path) -> None:
    (alpha,) = installed([install("alpha")])
    record = tmp_path / "site-packages" / "alpha-1.0.dist-info" / "RECORD"
    assert alpha.signature == hashlib.sha256(record.read_bytes()).hexdigest()


def test_a_file_that_changed_since_it_was_installed_is_named(install: Install, tmp_path: Path) -> None:
    point = install("alpha", TRAP)
    assert changed_files(point.dist) == []
    with (tmp_path / "site-packages" / "alpha_plugin.py").open("a") as file:
        file.write("# changed")
    assert changed_files(point.dist) == ["alpha_plugin.py"]
    assert states(Plugins(found=[point]), verify=True)["alpha"][-1] == "changed: alpha_plugin.py"


def test_loading_names_the_fault_of_each(install: Install) -> None:
    plugins = Plugins(found=[install("alpha", adapter=["whiten"]), install("beta", TRAP)])
    plugins.ask_third_parties()
    told = states(plugins)
    assert told["alpha"][2] == "loaded" and told["beta"][2] == "set aside"
    assert [each.reason for each in findings(plugins)] == ["OSError: imported (at beta_plugin:7)"]
    assert plugins.loaded[-1].signature is not None


def own_registry(folder: Path, allow: str) -> Path:
    file = folder / "registry.yaml"
    file.write_text(f"plugins: {{allow: {allow}}}")
    return file


def test_the_users_registry_says_who_may_be_imported(install: Install, tmp_path: Path) -> None:
    points = [install("alpha", adapter=["whiten"]), install("beta", TRAP, adapter=["colour"])]
    plugins = Plugins(found=points, user_registry=own_registry(tmp_path, "[alpha]"))
    plugins.ask_third_parties()
    assert plugins.adapter("whiten") and plugins.failures == []
    assert refusal(plugins) == "beta (beta 1.0): may not be imported: plugins.allow of the registry does not name it"


def test_an_empty_list_allows_nobody(install: Install, tmp_path: Path) -> None:
    plugins = Plugins(found=[install("alpha", TRAP)], user_registry=own_registry(tmp_path, "[]"))
    plugins.ask_third_parties()
    assert plugins.failures == [] and plugins.not_imported() == []


def test_both_lists_must_allow(install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPLUG_PLUGINS", "beta")
    points = [install("alpha", TRAP), install("beta", TRAP)]
    plugins = Plugins(found=points, user_registry=own_registry(tmp_path, "[alpha]"))
    plugins.ask_third_parties()
    assert plugins.failures == []
    told = {each.name: each.reason for each in findings(plugins)}
    assert "MEDPLUG_PLUGINS does not name it" in told["alpha"] and "plugins.allow" in told["beta"]


def test_a_pinned_record_must_be_the_installed_one(install: Install, tmp_path: Path) -> None:
    point = install("alpha", adapter=["whiten"])
    (alpha,) = installed([point])
    right = own_registry(tmp_path, f"['alpha@sha256:{alpha.signature}']")
    assert Plugins(found=[point], user_registry=right).adapter("whiten")
    wrong = own_registry(tmp_path, f"['alpha@sha256:{'0' * 64}']")
    sys.modules.pop("alpha_plugin", None)
    plugins = Plugins(found=[point], user_registry=wrong)
    plugins.ask_third_parties()
    assert "alpha_plugin" not in sys.modules
    assert "wants a RECORD of SHA-256 000000000000" in refusal(plugins)


@pytest.mark.parametrize("entry", ["alpha@sha1:00", "alpha@sha256:12", "@sha256:" + "0" * 64])
def test_an_entry_that_says_something_else_is_refused(install: Install, tmp_path: Path, entry: str) -> None:
    plugins = Plugins(found=[install("alpha", TRAP)], user_registry=own_registry(tmp_path, f"['{entry}']"))
    with pytest.raises(PluginError, match="NAME@sha256:HEX"):
        plugins.ask_third_parties()


def test_a_plugin_may_not_allow_others(install: Install, tmp_path: Path) -> None:
    body = "@hookimpl\ndef medplug_registry(): return Path(__file__).with_name('own.yaml')"
    point = install("alpha", body)
    (tmp_path / "site-packages" / "own.yaml").write_text("plugins: {allow: [beta]}")
    plugins = Plugins(found=[point])
    plugins.ask_third_parties()
    assert RegistryError.__name__ in plugins.failures[0].reason
    assert "for the user's own registry" in plugins.failures[0].reason


def test_two_hundred_plugins_are_listed_at_once_and_none_is_imported(install: Install) -> None:
    points = [install(f"p{i:03}", TRAP, declares=True, task=[f"t{i:03}"]) for i in range(200)]
    plugins = Plugins(found=points)
    start = time.process_time()
    _, rows = listing("tasks", plugins)
    assert len(rows) > 200 and plugins.failures == []
    assert time.process_time() - start < 0.5


def test_the_commands_say_what_was_not_imported_and_how_to_see_it(install: Install) -> None:
    install("alpha", "import sys; sys.stderr.write('IMPORTED')", adapter=["whiten"])
    quiet = CliRunner().invoke(cli, ["list", "adapters"])
    assert quiet.exit_code == 0 and "IMPORTED" not in quiet.output and "alpha (--load)" in quiet.output
    assert "whiten" in CliRunner().invoke(cli, ["list", "adapters", "--load"]).output
    assert "not imported" in CliRunner().invoke(cli, ["plugins"]).output
    assert "adapter whiten" in CliRunner().invoke(cli, ["plugins", "--load", "--verify"]).output


def test_of_many_that_declare_nothing_a_listing_names_some_and_counts_the_others(install: Install) -> None:
    for i in range(13):
        install(f"p{i:02}")
    told = CliRunner().invoke(cli, ["list"]).output
    assert "p00, p01, p02" in told and "p09 and 3 more (--load)" in told and "p10" not in told
