from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from medplug.core.catalogue import describe
from medplug.core.discovery.answers import KINDS
from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import PluginError, UnknownNameError, UsageError
from medplug.core.grammar import parse_arguments
from medplug.core.plan import make_plan
from medplug.core.specs import resolve

Install = Callable[..., EntryPoint]


def names(plugins: Plugins, kind: str) -> list[str]:
    return [spec.name for spec in plugins.all(kind)]


def only_reason(plugins: Plugins) -> str:
    plugins.ask_third_parties()
    (failure,) = plugins.failures
    return str(failure)


@pytest.mark.parametrize("kind", KINDS)
def test_every_built_in_spec_leads_to_code_that_exists(plugins: Plugins, kind: str) -> None:
    for spec in plugins.all(kind):
        assert spec.summary
        assert plugins.owner(kind, spec.name) == "medplug"
        assert callable(resolve(spec.config, owner=spec.name))
        assert callable(resolve(spec.factory, owner=spec.name))


def test_a_third_party_is_not_imported_while_built_ins_answer(install: Install) -> None:
    plugins = Plugins(found=[install("alpha", adapter=["whiten"])])
    make_plan([("command line", parse_arguments(["task=text_diagnosis", "backbone=text_cnn"]))], plugins)
    assert "alpha_plugin" not in sys.modules
    assert [plugin.distribution for plugin in plugins.loaded] == ["medplug"] * len(plugins.loaded)


def test_a_third_party_is_imported_when_a_name_misses(install: Install) -> None:
    plugins = Plugins(found=[install("alpha", adapter=["whiten"])])
    assert plugins.adapter("whiten").name == "whiten"
    assert "alpha_plugin" in sys.modules
    assert plugins.owner("adapter", "whiten") == "alpha 1.0"
    assert plugins.loaded[-1].gives == ("adapter whiten",)


def test_a_third_party_is_imported_when_a_listing_is_asked(install: Install) -> None:
    plugins = Plugins(found=[install("alpha", fusion=["stitch"])])
    assert names(plugins, "fusion")[-1] == "stitch"
    assert plugins.fusion("stitch").summary == "made for a test"


def test_an_installed_distribution_is_found_by_its_entry_point(install: Install) -> None:
    install("alpha", task=["triage"])
    assert Plugins().task("triage").modalities == ("text",)


def test_built_ins_are_listed_before_third_parties_and_these_by_name(install: Install) -> None:
    plugins = Plugins(found=[install("zeta", adapter=["aaa"]), install("alpha", adapter=["zzz"])])
    assert names(plugins, "adapter")[-2:] == ["zzz", "aaa"]
    assert plugins.owner("adapter", names(plugins, "adapter")[0]) == "medplug"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("raise RuntimeError('needs a licence\\nfile')", "RuntimeError: needs a licence file"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import no_such_module_anywhere", "No module named 'no_such_module_anywhere'"),
        ("def :", "SyntaxError"),
        ("medplug_api = 2", "states medplug_api = 2; this medplug speaks 1"),
        ("del medplug_api", "states medplug_api = None"),
        ("@hookimpl\ndef medplug_tsaks(): return []", "unknown hook 'medplug_tsaks'"),
        ("@hookimpl\ndef medplug_tasks(config): return []", "config"),
        ("@hookimpl\ndef medplug_tasks(): raise OSError('disk')", "OSError: disk"),
        ("@hookimpl\ndef medplug_tasks():\n    yield 1\n", "medplug_tasks gave a int; it must give TaskSpecs"),
        ("@hookimpl\ndef medplug_tasks(): return 5", "medplug_tasks gave a int; it must give a list of TaskSpecs"),
        ("@hookimpl\ndef medplug_tasks(): return 'abc'", "medplug_tasks gave a str; it must give a list of TaskSpecs"),
        ("@hookimpl\nasync def medplug_tasks(): return []", "medplug_tasks gave a coroutine"),
        ("@hookimpl\ndef medplug_registry(): return 'own.yaml'", "gave a str; it must give a pathlib.Path"),
        ("import sys\n@hookimpl\ndef medplug_tasks(): sys.exit(4)", "medplug_tasks raises SystemExit: 4"),
        ("import pytest\npytest.skip('not here', allow_module_level=True)", "Skipped: not here"),
        (
            "medplug_tasks = hookimpl(lambda: [TaskSpec(name='x', summary='s', factory='a:b', config='a:b',"
            "modalities=['smell'], targets=('binary',), data='a:b')])",
            "the task 'x': modalities.0: ",
        ),
        (
            "medplug_tasks = hookimpl(lambda: [TaskSpec(name='x', summary=None, factory='a:b', config='a:b',"
            "modalities=('text',), targets=('binary',), data='a:b')])",
            "the task 'x': summary: ",
        ),
        ("medplug_tasks = hookimpl(lambda: medplug_adapters())", "gave a AdapterSpec; it must give TaskSpecs"),
        ("@hookimpl\ndef medplug_registry(): return Path('/no/registry.yaml')", "/no/registry.yaml: cannot be read"),
        ("raise ValueError('x' * 5000)", "x" * 100),
    ],
)
def test_a_broken_plugin_is_set_aside_whole_and_the_others_still_load(install: Install, body: str, told: str) -> None:
    broken = install("broken", body, adapter=["half"])
    plugins = Plugins(found=[install("zeta", adapter=["whiten"]), broken, install("alpha", adapter=["colour"])])
    reason = only_reason(plugins)
    assert reason.startswith("broken (broken 1.0): ")
    assert told in reason
    assert "\n" not in reason
    assert len(reason) < 400
    assert {"whiten", "colour"} <= set(names(plugins, "adapter"))
    assert "half" not in names(plugins, "adapter")
    assert "broken" not in {plugin.name for plugin in plugins.loaded}


def test_an_unknown_name_lists_close_matches_and_what_failed_to_load(install: Install) -> None:
    plugins = Plugins(found=[install("broken", "raise OSError('no disk')")])
    with pytest.raises(UnknownNameError) as caught:
        plugins.adapter("finetun")
    said = str(caught.value)
    assert "no adapter named 'finetun'; did you mean finetune?" in said
    assert "linear_probe" in said
    assert "broken (broken 1.0): OSError: no disk" in said
    assert "medplug list adapters" in said
    assert len(said.splitlines()) < 10


def test_an_unknown_backbone_of_a_plan_says_what_failed_to_load_too(install: Install) -> None:
    plugins = Plugins(found=[install("broken", "raise OSError('no disk')")])
    with pytest.raises(UnknownNameError, match=r"broken 1\.0"):
        make_plan([("", parse_arguments(["task=text_diagnosis", "backbone=text_cn"]))], plugins)


@pytest.mark.parametrize(
    ("kind", "name"), [("task", "text_diagnosis"), ("backbone", "text_cnn"), ("adapter", "finetune")]
)
def test_a_third_party_cannot_shadow_a_built_in(install: Install, kind: str, name: str) -> None:
    plugins = Plugins(found=[install("usurper", **{kind: ["new", name]})])
    reason = only_reason(plugins)
    assert reason.startswith("usurper (usurper 1.0): ")
    assert f"gives the {kind} {name!r}, which medplug gives already" in reason
    assert plugins.owner(kind, name) == "medplug"
    assert "new" not in names(plugins, kind)


def test_a_name_that_two_third_parties_give_is_refused_naming_both(install: Install) -> None:
    plugins = Plugins(found=[install("alpha", adapter=["whiten", "own"]), install("beta", adapter=["whiten"])])
    with pytest.raises(PluginError) as caught:
        plugins.adapter("whiten")
    assert "alpha 1.0" in str(caught.value)
    assert "beta 1.0" in str(caught.value)
    assert "uninstall one of them" in str(caught.value)
    assert plugins.adapter("own").name == "own"
    assert plugins.adapter("finetune").name == "finetune"


def test_a_backbone_that_two_third_parties_give_is_refused_in_a_plan(install: Install) -> None:
    plugins = Plugins(found=[install("alpha", backbone=["bag"]), install("beta", backbone=["bag"])])
    with pytest.raises(PluginError, match=r"both alpha 1\.0 and beta 1\.0"):
        make_plan([("", parse_arguments(["task=text_diagnosis", "backbone=bag", "adapter=finetune"]))], plugins)


def test_a_plugin_that_gives_a_name_twice_is_set_aside(install: Install) -> None:
    assert "gives the adapter 'whiten' twice" in only_reason(
        Plugins(found=[install("alpha", adapter=["whiten", "whiten"])])
    )


def test_a_module_that_two_entry_points_name_is_taken_once(install: Install) -> None:
    points = [install("alpha", adapter=["whiten"], module="shared_plugin"), install("beta", module="shared_plugin")]
    plugins = Plugins(found=points)
    assert "alpha 1.0:alpha" in only_reason(plugins)
    assert plugins.adapter("whiten").name == "whiten"


@pytest.mark.parametrize(
    ("setting", "imported"),
    [
        (None, {"alpha_plugin", "beta_plugin"}),
        ("", set()),
        ("beta", {"beta_plugin"}),
        (" alpha , beta,", {"alpha_plugin", "beta_plugin"}),
        ("gamma", set()),
    ],
)
def test_the_list_of_allowed_plugins_is_applied_before_import(
    install: Install, monkeypatch: pytest.MonkeyPatch, setting: str | None, imported: set[str]
) -> None:
    if setting is not None:
        monkeypatch.setenv("MEDPLUG_PLUGINS", setting)
    plugins = Plugins(found=[install("alpha", adapter=["a"]), install("beta", adapter=["b"])])
    plugins.ask_third_parties()
    assert {"alpha_plugin", "beta_plugin"} & set(sys.modules) == imported
    told = [str(failure) for failure in plugins.failures]
    assert told == ([] if setting != "gamma" else [told[0]]) and all(
        "no such plugin is installed" in one for one in told
    )


@pytest.mark.parametrize(
    ("setting", "told"),
    [("", "MEDPLUG_PLUGINS does not name it"), (f"alpha@sha256:{'0' * 64}", "wants a RECORD of SHA-256 000000000000")],
)
def test_a_name_that_a_forbidden_plugin_declares_is_told_of_with_the_list_that_keeps_it_out(
    install: Install, monkeypatch: pytest.MonkeyPatch, setting: str, told: str
) -> None:
    monkeypatch.setenv("MEDPLUG_PLUGINS", setting)
    plugins = Plugins(found=[install("alpha", adapter=["whiten"], declares=True)])
    with pytest.raises(UnknownNameError, match=rf"alpha \(alpha 1\.0\): may not be imported: .*{told}"):
        plugins.adapter("whiten")
    with pytest.raises(UsageError, match=told):
        describe("whiten", plugins)
    with pytest.raises(UnknownNameError) as refused:
        plugins.adapter("whitten")
    assert "may not be imported" not in str(refused.value)  # it declares other names
    assert "alpha_plugin" not in sys.modules


def test_two_instances_share_nothing(install: Install) -> None:
    point = install("alpha", adapter=["whiten"])
    one, other = Plugins(found=[point]), Plugins(found=[])
    assert one.adapter("whiten")
    with pytest.raises(UnknownNameError):
        other.adapter("whiten")
    assert Plugins(found=[point]).adapter("whiten")


def test_third_parties_are_asked_once(install: Install) -> None:
    plugins = Plugins(found=[install("broken", "raise OSError('disk')"), install("alpha", adapter=["whiten"])])
    for _ in range(3):
        plugins.ask_third_parties()
    assert len(plugins.failures) == 1
    assert [plugin.name for plugin in plugins.loaded].count("alpha") == 1


REGISTRY = "@hookimpl\ndef medplug_registry(): return Path(__file__).with_name('own.yaml')"


def test_a_plugin_may_bring_a_registry_of_its_own(install: Install, tmp_path: Path) -> None:
    point = install("alpha", REGISTRY, adapter=["whiten"])
    (tmp_path / "site-packages" / "own.yaml").write_text(
        "backbones:\n  wardbert: {modality: text, path: weights}\n"
        "recipes:\n  ward: {summary: for the ward, keys: {backbone: wardbert, adapter: finetune}}\n"
    )
    plugins = Plugins(found=[point])
    plan = make_plan([("", parse_arguments(["task=text_diagnosis", "recipe=ward"]))], plugins)
    assert plan.encoder.choice.source is not None
    assert plan.encoder.choice.source.path == tmp_path / "site-packages" / "weights"
    assert plan.origins["backbone"] == "recipe ward"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("backbones: {minilm: {modality: text, path: x}}", "backbones already named elsewhere: minilm"),
        ("recipes: {text_scratch: {summary: s, keys: {}}}", "recipes already named elsewhere: text_scratch"),
        ("backbones: {text_cnn: {modality: text, path: x}}", "backbones already named elsewhere: text_cnn"),
        ("plugins: {built_in: [os]}", "plugins.built_in is medplug's own"),
        ("backbones: {x: {modality: smell, path: x}}", "backbones.x.modality"),
    ],
)
def test_a_plugin_registry_that_takes_names_or_liberties_sets_the_plugin_aside(
    install: Install, tmp_path: Path, text: str, told: str
) -> None:
    point = install("alpha", REGISTRY, adapter=["whiten"])
    (tmp_path / "site-packages" / "own.yaml").write_text(text)
    plugins = Plugins(found=[point, install("beta", adapter=["colour"])])
    assert told in only_reason(plugins)
    assert "whiten" not in names(plugins, "adapter")
    assert "colour" in names(plugins, "adapter")
    assert plugins.registry.backbones["minilm"].hub == "sentence-transformers/all-MiniLM-L6-v2"


def test_two_plugin_registries_may_not_give_one_name(install: Install, tmp_path: Path) -> None:
    (tmp_path / "site-packages" / "own.yaml").write_text("backbones: {ward: {modality: text, path: x}}")
    plugins = Plugins(found=[install("alpha", REGISTRY), install("beta", REGISTRY)])
    assert only_reason(plugins).startswith("beta (beta 1.0): ")
    assert "ward" in only_reason(plugins)
    assert "ward" in plugins.registry.backbones
