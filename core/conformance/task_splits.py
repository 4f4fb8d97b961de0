"""What every task keeps where its rows are split: chance comes from the seed, and no group is divided."""

from __future__ import annotations

from itertools import combinations

from medplug.core.conformance.checks import require, told
from medplug.core.conformance.task_bench import GROUP, TaskBench
from medplug.core.data.dataset import SPLITS, Dataset
from medplug.core.errors import MedplugError


class SplitChecks:
    """The checks of the splits of one task's sample."""

    def __init__(self, bench: TaskBench) -> None:
        self.bench = bench

    def determinism(self) -> None:
        """The same seed draws the same splits, another seed others."""
        first, again, other = (self.bench.loaded(seed) for seed in (0, 0, 1))
        rows = [[each.splits[name].rows.tolist() for name in SPLITS] for each in (first, again, other)]
        require(rows[0] == rows[1], "the same seed gives other splits", "draw by the seed that is given, or not at all")
        require(rows[0] != rows[2], "another seed gives the same splits", "let the core draw data.split by its seed")
        labels = [[each.splits[name].labels for name in SPLITS] for each in (first, again)]
        require(labels[0] == labels[1], "the same seed gives other labels", "read labels without chance")

    def groups(self) -> None:
        """No group has rows in two splits, nor has a unit of a rule of the task's own."""
        model = self.bench.data_model
        default = () if self.bench.data().own_rule is None else (None,)
        for rule in (*default, *(rule for rule in model.rules if rule != "random")):
            given = {"group": GROUP} | ({} if rule is None else {"split": rule})
            own = self.bench.data(**given).own_rule
            try:
                found = self.bench.loaded(0, **given)
            except MedplugError as error:
                # a rule of the task's own may want other columns, more rows, or other groups than the kit makes up
                require(own is not None, f"data.split=group cannot be used: {told(error)}", "see DataConfig.rules")
                continue
            if own is None:
                self._check_owners(found, f"data.split={rule}")
            else:
                self._check_units(found, own)

    def _check_owners(self, found: Dataset, how: str) -> None:
        owners = {name: set(found.splits[name].groups or []) for name in SPLITS}
        require(owners["train"], f"{how}: examples have no groups", "leave groups to the core, which adds them")
        for one, other in combinations(SPLITS, 2):
            both = owners[one] & owners[other]
            fix = "keep rows in the table's order and number, so that groups are those of their rows"
            require(not both, f"{how}: {len(both)} groups stand in {one} and in {other}", fix)

    def _check_units(self, found: Dataset, rule: str) -> None:
        whole = self.bench.grouped()
        units = self.bench.task().units(whole, rule)
        place = {row: i for i, row in enumerate(whole.rows.tolist())}
        fix = "let units() give rows that belong together one key"
        for kind, keys in units.items():
            of = {name: {keys[place[row]] for row in found.splits[name].rows.tolist()} for name in SPLITS}
            for one, other in combinations(SPLITS, 2):
                both = of[one] & of[other]
                require(not both, f"data.split={rule}: {len(both)} {kind} stand in {one} and in {other}", fix)
