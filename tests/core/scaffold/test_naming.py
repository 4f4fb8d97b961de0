from __future__ import annotations

import pytest

from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import UsageError
from medplug.core.scaffold.naming import Names, names_of


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return Plugins(found=())


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("medplug-demo", ("medplug-demo", "medplug_demo", "demo")),
        ("medplug_demo", ("medplug-demo", "medplug_demo", "demo")),
        ("ward-net2", ("ward-net2", "ward_net2", "ward_net2")),
        ("medplug-ward-net", ("medplug-ward-net", "medplug_ward_net", "ward_net")),
    ],
)
def test_one_name_gives_those_of_distribution_module_and_plugin(
    name: str, names: tuple[str, str, str], plugins: Plugins
) -> None:
    assert names_of(name, ["backbone"], plugins) == Names(*names)


@pytest.mark.parametrize(
    "name", ["", "Demo", "-demo", "demo-", "a--b", "de mo", "../demo", "demo/x", "2demo", "démo", "demo\n", "d" * 41]
)
def test_a_name_that_is_no_packages_name_is_refused_with_an_example(name: str, plugins: Plugins) -> None:
    with pytest.raises(UsageError, match="as in medplug-demo"):
        names_of(name, ["task"], plugins)


@pytest.mark.parametrize("name", ["class", "json", "random"])
def test_a_module_of_pythons_own_is_refused(name: str, plugins: Plugins) -> None:
    with pytest.raises(UsageError, match=f"try medplug-{name}"):
        names_of(name, ["task"], plugins)


@pytest.mark.parametrize("name", ["torch", "medplug", "pydantic-core"])
def test_a_module_that_is_installed_is_refused(name: str, plugins: Plugins) -> None:
    with pytest.raises(UsageError, match="installed already"):
        names_of(name, ["task"], plugins)


def test_what_is_added_begins_with_a_letter(plugins: Plugins) -> None:
    with pytest.raises(UsageError, match="'3d'.*begins with a small letter"):
        names_of("medplug-3d", ["backbone"], plugins)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("medplug-imaging", "task"),
        ("medplug-cnn", "backbone"),
        ("medplug-minilm", "backbone"),
        ("medplug-lora", "adapter"),
        ("medplug-gated", "fusion"),
        ("medplug-graph", "recipe"),
    ],
)
def test_a_name_that_medplug_gives_is_refused_with_another(name: str, kind: str, plugins: Plugins) -> None:
    with pytest.raises(UsageError, match=f"medplug gives already.*medplug-my-{name.removeprefix('medplug-')}"):
        names_of(name, [kind], plugins)
    assert names_of("medplug-imaging", ["backbone"], plugins).plugin == "imaging"  # another kind may have it
