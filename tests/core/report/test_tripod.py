"""The TRIPOD+AI table: every item once, in order, its state true of what the report holds."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from medplug.core.report import tripod
from medplug.core.report.evidence import Evidence
from medplug.core.report.page import write_report
from medplug.core.report.section import Section
from medplug.core.report.sections.order import sections
from medplug.core.report.stated import questions

Make = Callable[..., Evidence]
# the 27 items with their parts, as in Table 2 of BMJ 2024;385:e078378
PARTS = {3: "abc", 5: "ab", 6: "abc", 8: "abc", 9: "abc", 12: "abcdefg", 18: "abcdef", 20: "abc", 23: "ab", 27: "abc"}
NUMBERS = [f"{n}{part}" for n in range(1, 28) for part in PARTS.get(n, " ")]


def states(evidence: Evidence, *more: str) -> dict[str, tripod.Item]:
    told = [*sections(evidence), *(Section(name, name) for name in more)]
    return {each.number: each for each in tripod.items(evidence, told)}


def test_every_item_is_there_once_in_order(make: Make) -> None:
    assert [*states(make())] == [number.strip() for number in NUMBERS]
    assert len(NUMBERS) == 52


def test_what_people_must_state_is_missing_until_they_do(make: Make) -> None:
    plain, told = states(make()), states(make(stated=dict.fromkeys(questions(), "told")))
    assert plain["17"].state == "missing" and plain["17"].lacks == ("ethics",)
    assert told["17"].state == "stated" and told["17"].sections == ("statements",)
    assert {number for number, each in told.items() if each.state == "missing"} == {"20b", "20c"}
    some = states(make(stated={"users": "nurses"}))["3b"]
    assert some.state == "missing" and some.lacks == ("intended_use", "care_pathway", "population")


def test_every_question_is_asked_for_by_some_item(make: Make) -> None:
    asked = {key for each in states(make()).values() for key in each.lacks}
    beside = {"out_of_scope", "maintenance", "license", "input_quality"}
    assert asked == questions().keys() - beside


def test_an_item_that_the_program_makes_needs_its_section(make: Make) -> None:
    evidence = make()
    assert states(evidence)["12d"].state == "made" and states(evidence)["12d"].sections == ("groups",)
    bare: dict[str, Any] = {**evidence.scores, "by_group": {}}
    without = states(make(scores=bare))["23b"]
    assert without.state == "missing" and "data.site=COLUMN" in without.hint
    assert states(evidence, "characteristics", "shift")["20c"].sections == ("shift", "characteristics")


def test_the_page_links_to_sections_that_are_there(make: Make, tmp_path: Path) -> None:
    write_report(tmp_path, make())
    html = (tmp_path / "report.html").read_text()
    body = html.partition('id="tripod"')[2].partition("</section>")[0]
    links = re.findall(r'<a href="#([^"]+)">', body)
    assert len(links) > 20 and all(f'id="{name}"' in html for name in links)
    counted = re.search(r"the program made (\d+), people stated (\d+), and (\d+) are missing", body)
    assert counted is not None and sum(map(int, counted.groups())) == len(NUMBERS)
    assert body.count("not stated: ") == sum(bool(each.lacks) for each in states(make()).values())


def test_the_csv_has_a_line_an_item(make: Make, tmp_path: Path) -> None:
    write_report(tmp_path, make(stated={"ethics": "IRB 12"}))
    rows = list(csv.DictReader((tmp_path / "tripod_ai.csv").read_text("utf-8").splitlines()))
    assert [row["item"] for row in rows] == [number.strip() for number in NUMBERS]
    assert {row["state"] for row in rows} == {"made", "stated", "missing"}
    assert all(bool(row["missing"]) == (row["state"] == "missing") for row in rows)
    assert next(row for row in rows if row["item"] == "17")["where"] == "What people must state"
