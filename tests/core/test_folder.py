from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import RunError, UsageError
from medplug.core.folder import Events, RunFolder, config_yaml, fingerprint
from medplug.core.grammar import Flat, flatten, parse_arguments, read_file
from medplug.core.plan import Plan, make_plan
from medplug.core.run import make_task

Planned = Callable[..., Plan]


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugins: Plugins) -> Planned:
    """Plan a run from an empty working folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *words: make_plan([("command line", parse_arguments(["task=text_diagnosis", *words]))], plugins)


def opened(plan: Plan, *, resume: bool = False, mark: str = "same") -> RunFolder:
    return RunFolder.open(plan, resume=resume, fingerprint=mark)


def left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_run_writes_under_an_unfinished_name_and_is_moved_when_whole(planned: Planned, tmp_path: Path) -> None:
    folder = opened(planned("output=deep/mine"))
    folder.write_text("report.html", "<p>感冒")
    folder.write_json("metrics.json", {"n": 1})
    assert not (tmp_path / "deep" / "mine").exists()
    assert (tmp_path / "deep" / "mine.partial" / "metrics.json").exists()
    folder.finish(keep_checkpoints=False)
    assert left(tmp_path) == ["deep", "deep/mine", "deep/mine/metrics.json", "deep/mine/report.html"]
    assert (tmp_path / "deep" / "mine" / "report.html").read_text(encoding="utf-8") == "<p>感冒"
    assert json.loads((tmp_path / "deep" / "mine" / "metrics.json").read_text()) == {"n": 1}


@pytest.mark.parametrize("keep", [True, False])
def test_checkpoints_stay_only_where_asked(planned: Planned, tmp_path: Path, keep: bool) -> None:
    folder = opened(planned("output=mine"))
    (folder.checkpoints / "checkpoint-1").mkdir(parents=True)
    folder.finish(keep_checkpoints=keep)
    assert (tmp_path / "mine" / "checkpoints" / "checkpoint-1").exists() == keep


def test_a_run_without_a_name_goes_under_runs_by_task_and_time(planned: Planned) -> None:
    folder = opened(planned())
    assert folder.path.parent == Path("runs")
    assert folder.path.name.startswith("text_diagnosis-2")


def test_runs_begun_in_the_same_second_stand_side_by_side(planned: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medplug.core.folder._now", lambda: "now")
    first, second = opened(planned()), opened(planned())
    second.finish(keep_checkpoints=False)
    third = opened(planned())
    assert [f.path.name for f in (first, second, third)] == [f"text_diagnosis-now{end}" for end in ("", "-2", "-3")]


def test_an_output_that_exists_is_refused_and_left_alone(planned: Planned, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="output mine exists already; choose another output=, or remove it"):
        opened(planned("output=mine"))
    assert left(tmp_path) == ["mine", "mine/thesis.txt"]


def test_an_output_that_appears_meanwhile_is_never_written_over(planned: Planned, tmp_path: Path) -> None:
    folder = opened(planned("output=mine"))
    folder.write_text("report.html", "done")
    (tmp_path / "mine").write_text("somebody else's")
    with pytest.raises(RunError, match=r"the run is whole in mine\.partial, but cannot be moved to mine"):
        folder.finish(keep_checkpoints=False)
    assert (tmp_path / "mine").read_text() == "somebody else's"
    assert (tmp_path / "mine.partial" / "report.html").exists()


def test_a_place_that_cannot_be_written_is_refused_with_the_way_out(planned: Planned, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="cannot be written .* choose another place with output=FOLDER"):
        opened(planned("output=file/mine"))


def test_an_unfinished_run_is_refused_unless_it_is_gone_on_with(planned: Planned) -> None:
    opened(planned("output=mine"))
    with pytest.raises(UsageError, match=r"mine\.partial holds an unfinished run; .* adding --resume, or remove it"):
        opened(planned("output=mine"))
    assert opened(planned("output=mine"), resume=True).resumed


def test_a_run_of_other_keys_or_data_is_not_gone_on_with(planned: Planned) -> None:
    opened(planned("output=mine"), mark="one")
    with pytest.raises(UsageError, match="begun with other keys or other data; give the same ones to go on"):
        opened(planned("output=mine"), resume=True, mark="other")


def test_an_unfinished_folder_whose_state_is_damaged_is_not_gone_on_with(planned: Planned, tmp_path: Path) -> None:
    opened(planned("output=mine"))
    (tmp_path / "mine.partial" / "state.json").write_text("[]")
    with pytest.raises(UsageError, match="begun with other keys"):
        opened(planned("output=mine"), resume=True)


def test_going_on_without_a_name_finds_the_newest_run_of_the_same_mark(
    planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    for moment, mark in (("1", "same"), ("2", "same"), ("3", "other")):
        monkeypatch.setattr("medplug.core.folder._now", lambda moment=moment: moment)
        opened(planned(), mark=mark)
    folder = opened(planned(), resume=True, mark="same")
    assert (folder.path.name, folder.resumed) == ("text_diagnosis-2", True)
    with pytest.raises(UsageError, match="no unfinished run with these keys and data under runs/; name it with outp"):
        opened(planned(), resume=True, mark="third")


@pytest.mark.parametrize("word", ["output=mine", "output=new/deep/mine", "output=null"])
def test_a_run_that_is_abandoned_leaves_nothing(planned: Planned, tmp_path: Path, word: str) -> None:
    folder = opened(planned(word))
    folder.write_text("report.html", "half")
    folder.abandon()
    assert left(tmp_path) == []


def test_a_run_that_is_abandoned_leaves_what_others_made(planned: Planned, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    folder = opened(planned("output=mine/run"))
    folder.abandon()
    assert left(tmp_path) == ["mine"]
    folder = opened(planned("output=new/run"))
    (tmp_path / "new" / "neighbour.partial").mkdir()
    folder.abandon()
    assert left(tmp_path) == ["mine", "new", "new/neighbour.partial"]


def test_a_run_with_a_checkpoint_stays_to_be_gone_on_with(planned: Planned) -> None:
    folder = opened(planned("output=mine"))
    (folder.checkpoints / "checkpoint-7").mkdir(parents=True)
    folder.abandon()
    assert opened(planned("output=mine"), resume=True).resumed


def test_the_mark_of_a_run_is_its_keys_and_data(planned: Planned) -> None:
    mark = fingerprint(planned("output=mine"), ["aa", "bb"])
    assert fingerprint(planned("output=other", "train.keep_checkpoints=true"), ["bb", "aa"]) == mark
    assert fingerprint(planned("observers=mlflow", "observers.mlflow.uri=here"), ["aa", "bb"]) == mark
    assert fingerprint(planned("seed=1"), ["aa", "bb"]) != mark
    assert fingerprint(planned("train.epochs=9"), ["aa", "bb"]) != mark
    assert fingerprint(planned("adapter=finetune"), ["aa", "bb"]) != mark
    assert fingerprint(planned(), ["aa"]) != mark


HARD = ["null", "", "007", "1E50", "~", "true", "- x", "a: b", "a # b", "[draft]", "{x}", 'say "hi"', "it's", "a\nb"]
HARD += [
    "a\rb",
    " a ",
    "*x",
    "&x",
    "!x",
    "%x",
    "@x",
    "感冒 与 发烧",
    "a\\b",
    "é",
    "\u2028",
    "?",
    "-",
    ".",
    "...",
    "😷",
    "a\tb",
]


@pytest.mark.parametrize("title", HARD)
def test_any_text_survives_the_configuration_file(plugins: Plugins, tmp_path: Path, title: str) -> None:
    assert again(plugins, tmp_path, {"report": {"title": title}}).report.title == title


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {
            "backbone": "text_cnn",
            "backbone.kernels": [2, 4],
            "train": {"learning_rate": 3e-7, "class_weights": "balanced"},
        },
        {"backbone": "gpt2", "adapter": "finetune", "adapter.finetune.freeze_embeddings": True},
        {"data": {"train": "a b.csv", "label": ["cough", "007"], "split": [0.5, 0.25, 0.25]}},
        {"backbone": "./my weights", "task": {"name": "text_diagnosis", "separator": "; ", "positive": "1"}},
        {
            "output": "runs/a: b",
            "report": {"by": ["sex", "null"]},
            "selection": {"metric": "auroc"},
            "data.group": "007",
        },
    ],
)
def test_the_written_configuration_gives_the_same_run_again(plugins: Plugins, tmp_path: Path, keys: Flat) -> None:
    plan = make_plan([("argument", flatten({"task": "text_diagnosis", **keys}))], plugins)
    repeated = again(plugins, tmp_path, keys)
    assert [key[:2] for key in repeated.settings()] == [key[:2] for key in plan.settings()]
    assert {origin for _, _, origin in repeated.settings()} == {"file config.yaml"}
    assert fingerprint(repeated, []) == fingerprint(plan, [])


def again(plugins: Plugins, folder: Path, keys: Flat) -> Plan:
    plan = make_plan([("argument", flatten({"task": "text_diagnosis", **keys}))], plugins)
    (folder / "config.yaml").write_text(config_yaml(plan), encoding="utf-8", newline="")
    return make_plan([("file config.yaml", read_file(folder / "config.yaml"))], plugins)


@pytest.mark.parametrize("task", ["text_diagnosis", "imaging", "multimodal_diagnosis", "drug_target", "medical_qa"])
def test_the_written_configuration_of_a_run_on_the_sample_is_taken_back(
    plugins: Plugins, tmp_path: Path, task: str
) -> None:
    first, _ = make_task(make_plan([("argument", {"task": task})], plugins))
    second, sample = make_task(again(plugins, tmp_path, {"task": task}))
    assert sample
    assert second.columns(labelled=True) == first.columns(labelled=True)
    assert (second.data.group, second.data.site) == (first.data.group, first.data.site)


def test_the_written_configuration_names_each_keys_origin(planned: Planned) -> None:
    lines = config_yaml(planned("train.epochs=9", "backbone=gpt2")).splitlines()
    for line in (
        "train.epochs: 9  # command line",
        "backbone.pooling: last  # registry",
        "adapter: linear_probe  # recipe text_diagnosis",
        "train.clip: 1.0  # default",
        "data.train: null  # default",
    ):
        assert line in lines


def test_the_diary_has_one_event_a_line(tmp_path: Path) -> None:
    diary = Events(tmp_path / "events.jsonl")
    diary.write("epoch", number=1)
    diary.write("done", note="感冒\n")
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["event"] for line in lines] == ["epoch", "done"]
    assert lines[0]["number"] == 1
    assert lines[0]["time"] <= lines[1]["time"]
    Events(None).write("nowhere to write")


def test_a_run_that_is_alive_is_not_taken_over(planned: Planned) -> None:
    plan = planned("output=mine")
    alive = opened(plan)
    with pytest.raises(UsageError, match="alive"):
        opened(plan, resume=True)
    alive.abandon(keep_features=False)


def test_features_are_kept_where_the_user_interrupted(planned: Planned, tmp_path: Path) -> None:
    folder = opened(planned("output=mine"))
    folder.checkpoints.mkdir()
    (folder.checkpoints / "features.safetensors").write_bytes(b"hours of work")
    folder.abandon(keep_features=True)
    assert opened(planned("output=mine"), resume=True).resumed


def test_an_undefined_number_is_written_as_json_null(tmp_path: Path) -> None:
    Events(tmp_path / "events.jsonl").write("epoch", f1=float("nan"))
    assert json.loads((tmp_path / "events.jsonl").read_text(), parse_constant=pytest.fail)["f1"] is None
