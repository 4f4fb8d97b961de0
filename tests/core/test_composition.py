from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from medplug.core.composition import NEEDED, check_composition, check_rows, needs_met
from medplug.core.config import DataConfig, SelectionConfig, TrainConfig
from medplug.core.data.targets import Target
from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import ConfigError, DataError
from medplug.core.specs import AdapterSpec
from medplug.core.target_checks import check_target
from medplug.core.task import Examples

TABLES: dict[str, dict[str, Any]] = {
    "train": {"train": "t.csv"},
    "source": {"source": "s.csv"},
    "source+train": {"source": "s.csv", "train": "t.csv"},
    "source+unlabelled": {"source": "s.csv", "unlabelled": "u.csv"},
    "train+unlabelled": {"train": "t.csv", "unlabelled": "u.csv"},
    "all": {"source": "s.csv", "train": "t.csv", "unlabelled": "u.csv"},
    "sites": {"train": "t.csv", "site": "site", "source_sites": "A", "target_sites": "B"},
    "sites+labels": {"train": "t.csv", "site": "site", "source_sites": "A", "target_sites": "B", "target_labels": 5},
}
PLUGINS = Plugins(found=())


def check(
    adapter: str,
    data: str = "all",
    *,
    pretrained: bool = True,
    more: dict[str, Any] | None = None,
    **selection: Any,
) -> None:
    check_composition(
        [PLUGINS.adapter(name) for name in adapter.split("+")],
        DataConfig(**TABLES[data], **(more or {})),
        SelectionConfig(**selection),
        backbone="minilm" if pretrained else "text_cnn",
        pretrained=pretrained,
    )


def refused(*args: Any, **keys: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        check(*args, **keys)
    return str(caught.value)


def adapters(question: str) -> list[str]:
    """The built-in adapters that answer it."""
    specs = PLUGINS.known("adapter").values()
    return [spec.name for spec in specs if isinstance(spec, AdapterSpec) and question in spec.answers]


@pytest.mark.parametrize("adapter", sorted(PLUGINS.known("adapter")))
def test_every_built_in_adapter_stands_alone_where_its_needs_are_met(adapter: str) -> None:
    check(adapter, "all")
    check(adapter, "sites+labels")


@pytest.mark.parametrize(
    "adapter",
    [
        "lora+mmd",
        "gradual+dann",
        "kmm+linear_probe",
        "linear_probe+kmm",
        "frozen+mmd+entropy",
        "kmm+density_ratio+svm",
        "finetune+l2sp+distill",
        "mmd+entropy",
        "kmm+mmd",
        "gradual+l2sp",
        "mapping+kmm",
        "lora+relation+label_graph",
    ],
)
def test_adapters_that_answer_different_questions_go_together(adapter: str) -> None:
    check(adapter, "all")


@pytest.mark.parametrize("penalty", adapters("penalty"))
def test_every_penalty_acts_on_a_frozen_backbones_head_and_on_low_rank_updates(penalty: str) -> None:
    check(f"frozen+{penalty}", "all")
    check(f"lora+{penalty}", "all")


@pytest.mark.parametrize("adapter", ["linear_probe+svm", "prototypes+mapping", "svm+tradaboost+mmd"])
def test_two_fitted_heads_are_refused(adapter: str) -> None:
    one, two, *_ = adapter.split("+")
    assert refused(adapter) == (f"adapter: {one} and {two} each make the head in their own way; choose one of them")


@pytest.mark.parametrize("adapter", ["lora+linear_probe", "svm+finetune", "gradual+prototypes"])
def test_a_fitted_head_on_weights_that_are_trained_is_refused(adapter: str) -> None:
    said = refused(adapter)
    assert "choose one of them" in said
    assert all(name in said for name in adapter.split("+"))


@pytest.mark.parametrize("fit", adapters("fit"))
def test_a_penalty_on_a_fitted_head_is_refused_with_both_ways_out(fit: str) -> None:
    for adapter in (f"{fit}+mmd", f"mmd+{fit}"):
        said = refused(adapter)
        assert said.startswith(f"adapter={fit} fits a head in closed form, and mmd acts on training by gradient; ")
        assert "use adapter=frozen+mmd (the frozen backbone with a trained head)" in said
        assert "or adapter=mmd alone (everything is trained)" in said
    check("frozen+mmd")
    check("mmd")


@pytest.mark.parametrize("adapter", ["lora+finetune", "frozen+gradual", "ia3+prefix+mmd"])
def test_two_adapters_that_say_what_is_trained_are_refused(adapter: str) -> None:
    one, two, *_ = adapter.split("+")
    assert refused(adapter) == f"adapter: {one} and {two} each say which weights are trained; choose one of them"


@pytest.mark.parametrize(
    ("data", "met"),
    [
        ("train", set()),
        ("source", {"source_labels"}),
        ("source+train", {"source_labels", "target_labels", "unlabelled_target"}),
        ("source+unlabelled", {"source_labels", "unlabelled_target"}),
        ("train+unlabelled", {"source_labels", "unlabelled_target"}),
        ("all", {"source_labels", "target_labels", "unlabelled_target"}),
        ("sites", {"source_labels", "unlabelled_target"}),
        ("sites+labels", {"source_labels", "target_labels", "unlabelled_target"}),
    ],
)
def test_what_the_data_keys_bring(data: str, met: set[str]) -> None:
    assert needs_met(DataConfig(**TABLES[data])) == {"labels"} | met


@pytest.mark.parametrize("adapter", sorted(PLUGINS.known("adapter")))
@pytest.mark.parametrize("data", TABLES)
def test_an_adapter_is_refused_just_where_a_need_of_it_is_not_met(adapter: str, data: str) -> None:
    lacking = [need for need in PLUGINS.adapter(adapter).needs if need not in needs_met(DataConfig(**TABLES[data]))]
    lacking = [need for need in lacking if need != "pretrained_backbone"]
    if not lacking:
        check(adapter, data)
        return
    what, step = NEEDED[lacking[0]]
    assert refused(adapter, data) == f"adapter={adapter} needs {what}, which the data keys do not give; {step}"


@pytest.mark.parametrize(
    ("adapter", "data", "told"),
    [
        ("mmd", "train", "give data.source=TABLE, or data.unlabelled beside data.train, or data.site with data.source"),
        ("mmd", "source", "rows of the target domain (labels are not needed), which the data keys do not give; give"),
        ("tradaboost", "source+unlabelled", "give data.train beside data.source, or data.target_labels=NUMBER with"),
        ("tradaboost", "sites", "labelled rows of the target domain beside those of the source"),
        ("linear_probe+kmm", "train", "adapter=kmm needs labelled rows of a source domain"),
    ],
)
def test_what_is_lacking_is_told_with_the_keys_that_give_it(adapter: str, data: str, told: str) -> None:
    assert told in refused(adapter, data)


@pytest.mark.parametrize("adapter", ["linear_probe", "lora", "frozen", "l2sp", "relation", "kmm"])
def test_random_weights_that_stay_as_they_are_are_refused_with_the_way_out(adapter: str) -> None:
    said = refused(adapter, pretrained=False)
    for part in ("backbone=text_cnn", f"adapter={adapter}", "medplug list backbones", "use adapter=finetune"):
        assert part in said


def test_random_weights_may_be_trained_whole() -> None:
    for adapter in ("finetune", "mmd", "dann+entropy", "label_graph"):
        check(adapter, pretrained=False)


def test_how_adapters_go_together_is_told_before_what_they_lack() -> None:
    assert "choose one of them" in refused("linear_probe+finetune", "train", pretrained=False)


# Choosing


@pytest.mark.parametrize("criterion", ["iwv", "dev", "snd", "infomax"])
def test_a_criterion_needs_unlabelled_rows(criterion: str) -> None:
    for data in ("source+unlabelled", "train+unlabelled", "all", "sites", "sites+labels"):
        check("finetune", data, criterion=criterion)
    for data in ("train", "source", "source+train"):
        said = refused("finetune", data, criterion=criterion)
        assert said.startswith(f"selection.criterion={criterion} looks at unlabelled target rows; give data.unlabelled")


@pytest.mark.parametrize("adapter", ["linear_probe", "kmm+svm", "tradaboost"])
def test_a_criterion_that_a_fitted_head_would_ignore_is_refused(adapter: str) -> None:
    said = refused(adapter, criterion="dev")
    assert said.startswith("selection.criterion=dev chooses among the epochs of training by gradient; ")
    assert said.endswith("leave it out")


def test_choosing_on_validation_needs_nothing_more() -> None:
    for data in TABLES:
        check("finetune", data)


def test_boosting_goes_with_no_other_weights() -> None:
    said = refused("tradaboost+kmm", "all")
    assert "adapter=tradaboost weighs the source rows itself" in said and "kmm+linear_probe" in said


def test_an_oracle_beside_a_criterion_without_labels_is_refused() -> None:
    said = refused("finetune", "source+unlabelled", more={"validation": "v.csv"}, oracle=True, criterion="snd")
    assert "leave one of them out" in said


def test_an_oracle_is_refused_where_target_labels_are_learned_from() -> None:
    assert "validation rows are the target's already" in refused("finetune", "all", oracle=True)


def test_an_oracle_without_domains_is_refused() -> None:
    assert "and none is named that has any" in refused("finetune", "train", oracle=True)


def test_an_oracle_on_tables_needs_a_validation_table() -> None:
    said = refused("finetune", "source+unlabelled", oracle=True)
    assert said == "selection.oracle=true needs data.validation, a labelled table of the target domain"
    check("finetune", "source+unlabelled", more={"validation": "v.csv"}, oracle=True)


def test_an_oracle_on_sites_takes_their_rows() -> None:
    check("finetune", "sites", oracle=True)


@pytest.mark.parametrize("data", ["source", "source+unlabelled"])
def test_a_validation_table_beside_a_source_alone_is_for_the_oracle(data: str) -> None:
    said = refused("finetune", data, more={"validation": "v.csv"})
    for step in ("leave it out", "give some target rows as data.train", "selection.oracle=true allows it"):
        assert step in said


def test_target_labels_to_learn_from_may_be_chosen_by_too() -> None:
    check("finetune", "source+train", more={"validation": "v.csv"})
    check("finetune", "train", more={"validation": "v.csv"})


def test_nothing_is_refused_by_importing_torch() -> None:
    code = (
        "import sys\n"
        "from medplug.core.composition import check_composition\n"
        "from medplug.core.config import DataConfig, SelectionConfig\n"
        "from medplug.core.discovery.plugins import Plugins\n"
        "adapters = [Plugins(found=()).adapter(name) for name in ('lora', 'mmd')]\n"
        "data = DataConfig(source='s.csv', unlabelled='u.csv')\n"
        "check_composition(adapters, data, SelectionConfig(), backbone='minilm', pretrained=True)\n"
        "print([name for name in ('torch', 'polars', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_rows_that_the_keys_promised_and_the_tables_lack_are_refused_before_training() -> None:
    def rows(of_target: bool, count: int = 3) -> Examples:
        return Examples(np.arange(count), {"text": ["a"] * count}, of_target=np.full(count, of_target))

    mmd, boost = (Plugins().adapter(name) for name in ("mmd", "tradaboost"))
    plain, by_density = SelectionConfig(), SelectionConfig(criterion="snd")
    source, target = {"train": rows(False)}, {"train": rows(True)}
    check_rows([mmd], by_density, {**source, "unlabelled": rows(True)})
    check_rows([mmd], by_density, {"train": Examples(np.arange(1), {"text": ["a"]})})  # one domain: nothing promised
    for adapters, selection, splits, word in (
        ([mmd], plain, source, "adapter=mmd needs rows of the target domain"),
        ([mmd], plain, target, "adapter=mmd needs labelled rows of a source domain"),
        ([boost], plain, {**source, "unlabelled": rows(True)}, "adapter=tradaboost needs labelled rows of the target"),
        ([], by_density, target, "selection.criterion=snd"),
    ):
        with pytest.raises(DataError, match=word):
            check_rows(adapters, selection, splits)


def test_an_adapter_serves_numbers_only_where_its_spec_says_so() -> None:
    age, several = Target("regression", ("age",)), Target("multilabel", ("a", "b"))
    theirs = AdapterSpec(
        name="theirs",
        summary="",
        family="model",
        answers=("prepare",),
        factory="a:b",
        config="a:b",
        targets=("binary",),
    )
    ours = [Plugins(found=()).adapter(name) for name in ("linear_probe", "mmd")]
    check_target(ours, TrainConfig(), SelectionConfig(), age)
    check_target(ours, TrainConfig(label_smoothing=0.1, class_weights="balanced"), SelectionConfig(), several)
    unsaid = AdapterSpec(name="a", summary="", family="model", answers=("prepare",), factory="a:b", config="a:b")
    assert unsaid.targets == ("binary", "multiclass", "multilabel")
    for target in (age, several):
        with pytest.raises(ConfigError, match=f"adapter=theirs serves binary targets, and this one is {target.kind}"):
            check_target([*ours, theirs], TrainConfig(), SelectionConfig(), target)
