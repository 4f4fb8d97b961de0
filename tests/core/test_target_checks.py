"""What does not serve a kind of target is refused in that kind's own words."""

from __future__ import annotations

import pytest

from medplug.core.config import SelectionConfig, TrainConfig
from medplug.core.data.targets import Target
from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import ConfigError
from medplug.core.target_checks import check_target

RANKING, TEXT = Target("ranking", ("passage",)), Target("text", ("answer",))


@pytest.mark.parametrize(("target", "word"), [(RANKING, "passages are ranked"), (TEXT, "answers are written")])
def test_what_looks_at_labels_of_rows_is_refused_where_there_are_none(target: Target, word: str) -> None:
    for criterion in ("snd", "iwv"):
        with pytest.raises(
            ConfigError, match=f"selection.criterion={criterion} judges predictions of rows, and {word}"
        ):
            check_target([], TrainConfig(), SelectionConfig(criterion=criterion), target)
    with pytest.raises(ConfigError, match=f"train.class_weights=balanced.*{word}"):
        check_target([], TrainConfig(class_weights="balanced"), SelectionConfig(), target)
    smoothed = TrainConfig(label_smoothing=0.1)
    with pytest.raises(ConfigError, match=f"train.label_smoothing spreads a row's label, and {word}"):
        check_target([], smoothed, SelectionConfig(), target)
    check_target([], smoothed, SelectionConfig(), target, lambda key: False)  # a backbone's recipe is not heeded


@pytest.mark.parametrize("target", [Target("survival", ("death",)), Target("regression", ("dose",))])
def test_what_a_backbones_recipe_says_of_classes_stops_no_target_without_them(target: Target) -> None:
    smoothed = TrainConfig(label_smoothing=0.1)
    with pytest.raises(
        ConfigError, match="train.label_smoothing spreads a label over classes, .*leave it out, or give 0"
    ):
        check_target([], smoothed, SelectionConfig(), target)
    check_target([], smoothed, SelectionConfig(), target, lambda key: key != "train.label_smoothing")


@pytest.mark.parametrize("name", ["linear_probe", "mmd"])
@pytest.mark.parametrize("target", [RANKING, TEXT])
def test_the_next_step_names_adapters_that_serve_it(name: str, target: Target) -> None:
    plugins = Plugins(found=())
    with pytest.raises(
        ConfigError, match=rf"adapter={name} serves .*, and this one is {target.kind}; use (.*)"
    ) as told:
        check_target([plugins.adapter(name)], TrainConfig(), SelectionConfig(), target)
    assert str(told.value).endswith("use adapter=finetune or lora")
    check_target([plugins.adapter(each) for each in ("finetune", "lora")], TrainConfig(), SelectionConfig(), target)
