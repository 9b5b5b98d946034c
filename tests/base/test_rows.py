"""Rows come together as numpy puts them, in one array."""

import numpy as np
import pytest

from pipeline.base.rows import gathered


def test_parts_come_one_below_another():
    parts = [np.full((k, 2), k, np.int8) for k in (3, 1, 2)]
    whole = gathered(iter(parts), 6)
    assert whole.dtype == np.int8
    assert (whole == np.concatenate(parts)).all()
    for count in (5, 7):
        with pytest.raises(ValueError, match=r"broadcast|6 rows where there should be 7"):
            gathered(iter(parts), count)
