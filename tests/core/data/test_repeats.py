from __future__ import annotations

import numpy as np

from medplug.core.data.repeats import without_repeats
from medplug.core.task import Examples

ROWS = Examples(np.arange(1, 5), {"text": [*"abaa"]}, ["x", "x", "x", "y"])


def test_repeats_of_content_and_label_are_dropped_and_the_first_kept() -> None:
    kept, counts = without_repeats(ROWS, [*"abaa"], "text", drop=True)
    assert kept.rows.tolist() == [1, 2, 4]
    assert counts == {"duplicate rows dropped": 1, "rows whose text carries several labels": 2}


def test_repeats_are_counted_only_where_they_are_kept() -> None:
    kept, counts = without_repeats(ROWS, [*"abaa"], "image", drop=False)
    assert kept.rows.tolist() == [1, 2, 3, 4]
    assert counts == {"rows whose image carries several labels": 3}
