from __future__ import annotations

import re
from pathlib import Path

import pytest

from medplug.core import registry
from medplug.core.catalogue import listing
from medplug.core.discovery.answers import KINDS
from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import RegistryError
from medplug.core.grammar import parse_arguments
from medplug.core.plan import make_plan
from medplug.core.specs import BackboneSpec, TaskSpec, resolve

HOSPITAL = """backbones:
  wardbert:
    modality: text
    path: models/wardbert
    licence: ours
"""


def hospital(folder: Path, text: str = HOSPITAL) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "hospital.yaml").write_text(text, encoding="utf-8")
    return folder / "hospital.yaml"


@pytest.mark.parametrize("way", ["environment", "argument"])
def test_five_lines_name_a_hospitals_own_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    file = hospital(tmp_path / "shared")
    monkeypatch.chdir(tmp_path)
    if way == "environment":
        monkeypatch.setenv("MEDPLUG_REGISTRY", str(file))
    plugins = Plugins(user_registry=file if way == "argument" else None, found=())
    plan = make_plan([("", parse_arguments(["task=text_diagnosis", "backbone=wardbert"]))], plugins)
    assert plan.encoder.choice.source is not None
    assert plan.encoder.choice.source.path == tmp_path / "shared" / "models" / "wardbert"
    assert plan.encoder.choice.spec.pretrained
    assert "minilm" in plugins.registry.backbones


def test_the_argument_wins_over_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPLUG_REGISTRY", str(hospital(tmp_path / "a")))
    mine = hospital(tmp_path / "b", HOSPITAL.replace("wardbert", "labbert"))
    assert "labbert" in registry.load(user=mine).backbones
    assert "wardbert" not in registry.load(user=mine).backbones


def test_the_users_own_file_may_replace_a_name(tmp_path: Path) -> None:
    file = hospital(tmp_path, "backbones: {minilm: {modality: text, path: /srv/minilm}}")
    assert Plugins(user_registry=file, found=()).registry.backbones["minilm"].path == Path("/srv/minilm")


def test_a_path_may_start_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    file = hospital(tmp_path / "shared", "backbones: {ward: {modality: text, path: ~/weights}}")
    assert registry.read(file).backbones["ward"].path == tmp_path / "weights"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("backbones: [\n", "not YAML at line"),
        ("- wardbert\n", "the file: "),
        ("backbones:\n  a: {modality: text, path: x}\n  a: {modality: text, path: y}\n", "line 3: a is given twice"),
        ("backbones: {a: {modality: text, path: x, licens: MIT}}", "backbones.a.licens: not a field; did you mean li"),
        (
            "backbone: {}",
            "backbone: not a field; did you mean backbones? (valid: version, plugins, backbones, recipes)",
        ),
        ("backbones: {a: {modality: text}}", "backbones.a: names no source: give path (a folder), package or hub"),
        ("backbones: {a: {path: x}}", "backbones.a.modality: Field required"),
        ("backbones: {a: {modality: text, hub: o/n, revision: main}}", "backbones.a.revision"),
        ("backbones: {a: {modality: text, hub: o/n, revision: C9745ED1}}", "backbones.a.revision"),
        ("recipes: {a: {keys: {}}}", "recipes.a.summary: Field required"),
        ("version: 2", "version"),
        ("plugins: {built_in: [os]}", "install a plugin package instead"),
        ("backbones: {a: !!python/name:os.system x}", "not YAML at line 1"),
    ],
)
def test_a_registry_that_cannot_be_used_is_named_with_the_place_and_reason(
    tmp_path: Path, text: str, told: str
) -> None:
    file = hospital(tmp_path, text)
    with pytest.raises(RegistryError) as caught:
        Plugins(user_registry=file, found=())
    assert str(file) in str(caught.value)
    assert told in str(caught.value)
    assert len(str(caught.value).splitlines()) < 10


def test_a_registry_that_is_missing_or_not_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"nowhere\.yaml: cannot be read: No such file"):
        registry.load(user=tmp_path / "nowhere.yaml")
    (tmp_path / "latin.yaml").write_bytes("# fièvre".encode("latin-1"))
    with pytest.raises(RegistryError, match=r"latin\.yaml: not UTF-8"):
        registry.load(user=tmp_path / "latin.yaml")


def test_an_empty_registry_adds_nothing(tmp_path: Path) -> None:
    assert registry.load(user=hospital(tmp_path, "")) == registry.load()


def test_an_unknown_recipe_is_told_with_close_ones(plugins: Plugins) -> None:
    with pytest.raises(RegistryError, match="no recipe named 'text_scratsh'; did you mean text_scratch"):
        make_plan([("", parse_arguments(["task=text_diagnosis", "recipe=text_scratsh"]))], plugins)


@pytest.mark.parametrize("name", list(registry.load().backbones))
def test_every_named_backbone_states_its_modality_width_licence_and_pinned_source(name: str) -> None:
    entry = registry.load().backbones[name]
    assert entry.modality
    assert entry.width
    assert entry.use
    assert entry.licence not in ("", "not stated")
    assert entry.hub is None or re.fullmatch(r"[\w.-]+/[\w.-]+", entry.hub)
    assert entry.revision is None or re.fullmatch(r"[0-9a-f]{40}", entry.revision)
    assert entry.pinned == (entry.revision is not None or entry.hub is None)


def test_listing_shows_which_names_are_not_pinned(plugins: Plugins) -> None:
    header, rows = listing("backbones", plugins)
    shown = {row[0]: row[header.index("revision")] for row in rows}
    for name, entry in plugins.registry.backbones.items():
        assert shown[name] == (entry.revision[:12] if entry.revision else "unpinned")


def test_every_recipe_that_a_spec_names_exists(plugins: Plugins) -> None:
    named = {spec.recipe for kind in KINDS for spec in plugins.all(kind) if spec.recipe}
    assert named
    assert named <= set(plugins.registry.recipes)


def of_modality(task: TaskSpec, modality: str) -> dict[str, str]:
    """The keys by which a task of several modalities has this one alone."""
    return {f"data.{slot}": "column" for slot, each in task.slots.items() if each == modality and slot != "genes"}


def of_slots(task: TaskSpec) -> dict[str, str]:
    """The keys by which a task has every slot that it may have."""
    fields = resolve(task.data, owner=task.name).model_fields
    return {f"data.{slot}": "column" for slot in task.slots if slot in fields}


def recipes_of(task: TaskSpec) -> set[str | None]:
    """The recipes that a task names, for all of its forms."""
    return {task.recipe, *(task.recipe_by[1].values() if task.recipe_by else ())}


@pytest.mark.parametrize("name", list(registry.load().recipes))
def test_every_recipe_resolves_to_a_plan(plugins: Plugins, name: str) -> None:
    recipe = plugins.registry.recipes[name]
    assert recipe.summary
    choice = dict([("adapter", s.name) for s in plugins.all("adapter") if s.recipe == name][:1])
    every = [s for s in plugins.all("task") if isinstance(s, TaskSpec)]
    tasks = [s for s in every if not s.recipe or name in recipes_of(s) or choice]
    modality = "text"
    for spec in plugins.all("backbone"):
        if isinstance(spec, BackboneSpec) and spec.recipe == name:
            choice["backbone"] = "owner/weights" if spec.pretrained else spec.name
            tasks = [s for s in plugins.all("task") if isinstance(s, TaskSpec) and spec.modality in s.modalities]
            modality = spec.modality
    slots = {slot for task in every for slot in task.slots}
    joined = {key.split(".")[1] for key in recipe.keys if key.startswith("backbone.")} & slots
    joins = bool(joined)
    if joins:
        tasks = [s for s in plugins.all("task") if isinstance(s, TaskSpec) and joined <= set(s.slots)]
    else:
        tasks = [task for task in tasks if not task.slots or modality in task.slots.values()]
    if "backbone" not in choice and "backbone" not in recipe.keys and not joins:
        choice["backbone"] = "owner/weights"
    assert tasks
    for task in tasks:
        columns = of_slots(task) if joins else of_modality(task, modality)
        plan = make_plan([("", {"task": task.name, "recipe": name, **columns, **choice})], plugins)
        for key in recipe.keys:
            assert plan.origins[key] == f"recipe {name}"
