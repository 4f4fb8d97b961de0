"""What the report says of multiple choice."""

from __future__ import annotations

from medplug.core.report.evidence import Evidence, SplitFacts
from medplug.core.report.formats import share
from medplug.core.report.language import say
from medplug.core.report.plots import reliability
from medplug.core.report.retold import retold
from medplug.core.report.svg import Picture
from medplug.core.report.tables import Table


class OwnChoices:
    """Options are rows by themselves, and a letter is no class: there is neither confusion nor a curve by letter."""

    def predicted(self, evidence: Evidence) -> str:
        """What is predicted."""
        return say("which of its options answers a question")

    def baselines(self, evidence: Evidence) -> str:
        """What the plain baselines are."""
        return say(
            "The linear baseline is a conditional logit on each option's letter, length and words shared with the "
            "question; the majority gives every option how often its letter was right in training. The longest option, "
            "and the one that shares most words with its question and context, are taken as they are."
        )

    def labels(self, evidence: Evidence) -> Table:
        """How often each letter is right in each split, without those that never are."""
        splits = {name: split for name, split in evidence.splits.items() if split.classes}

        def cell(split: SplitFacts, letter: str) -> str:
            rows = split.classes.get(letter, 0)
            return f"{rows:,} ({share(rows, split.rows)})"

        letters = [
            each for each in evidence.target.classes if any(split.classes.get(each) for split in splits.values())
        ]
        rows = [[letter, *(cell(split, letter) for split in splits.values())] for letter in letters]
        caption = say("Questions by the letter of the right option, and their share of the split")
        return Table(caption, [say("letter"), *map(retold, splits)], rows)

    def pictures(self, evidence: Evidence) -> list[Picture]:
        """How often answers of each probability were right."""
        return [reliability(evidence)]

    def tables(self, evidence: Evidence) -> list[Table]:
        """None: the common ones say it all."""
        return []
