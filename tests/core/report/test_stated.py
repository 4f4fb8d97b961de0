"""What people state of a model: the file report.card, the keys that go before it, and where it is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from medplug.core.config import ReportConfig
from medplug.core.errors import ConfigError
from medplug.core.report.evidence import Evidence
from medplug.core.report.page import write_report
from medplug.core.report.stated import ASKED, questions, read_card, statements

Make = Callable[..., Evidence]


def card(folder: Path, text: str) -> Path:
    path = folder / "card.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_card_is_read_as_texts_whatever_they_look_like(tmp_path: Path) -> None:
    found = read_card(
        card(tmp_path, "dates: 2019-01-01\nusers: [nurses, 'physicians']\nlimits: |\n  one\n  two\nethics:\n")
    )
    assert found == {"dates": "2019-01-01", "users": "nurses; physicians", "limits": "one two"}
    assert read_card(card(tmp_path, "")) == {}


@pytest.mark.parametrize(("text", "told"), [
    ("intended_us: triage", "intended_us is not a key of it; did you mean intended_use?"),
    ("- triage", "holds no keys; write one `key: text` a line"),
    ("users:\n  who: nurses", "users must be a text or a list of texts"),
    ("users: [", "not YAML at line"),
])  # fmt: skip
def test_a_faulty_card_is_refused_at_the_start(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match="report.card") as refused:
        ReportConfig(card=card(tmp_path, text))
    assert told in str(refused.value)
    with pytest.raises(ConfigError, match="cannot be read"):
        ReportConfig(card=tmp_path / "none.yaml")


def test_a_key_goes_before_the_card(make: Make, tmp_path: Path) -> None:
    stated = ReportConfig(card=card(tmp_path, "users: nurses\nethics: IRB 12")).stated
    keys = [("report.users", "physicians", "command line"), ("report.population", "", "default")]
    told = dict(statements(make(stated=stated, keys=keys)))
    assert told["Intended users"] == "physicians" and told["Population"] == "not stated"
    assert told["Ethical approval and consent"] == "IRB 12" and len(told) == ASKED + 1


def test_the_questions_that_are_always_asked_are_keys_of_their_own() -> None:
    assert set([*questions()][:ASKED]) <= ReportConfig.model_fields.keys()
    assert not set([*questions()][ASKED:]) & ReportConfig.model_fields.keys()


def test_both_pages_tell_what_the_card_says_and_a_hub_the_licence(make: Make, tmp_path: Path) -> None:
    write_report(tmp_path, make(stated={"funding": "nobody <b>paid</b>", "license": "own-1"}))
    html, text = ((tmp_path / name).read_text() for name in ("report.html", "model_card.md"))
    assert "nobody &lt;b&gt;paid&lt;/b&gt;" in html and "**Funding:** nobody &lt;b&gt;paid" in text
    assert "license_name: own-1" in text
