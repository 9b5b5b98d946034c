"""Series can be told apart: in colour, in gray, and when there are many."""

from pipeline.report.style import STYLES, styles


def test_thirty_six_names_have_thirty_six_looks():
    """And lines and markers alone, all that gray leaves, tell any six neighbours apart."""
    looks = list(styles(f"model {i}" for i in range(36)).values())
    assert len(set(looks)) == 36
    for first in range(0, 36, 6):
        assert len({(look.line, look.marker) for look in looks[first : first + 6]}) == 6
    assert tuple(looks[:6]) == STYLES
