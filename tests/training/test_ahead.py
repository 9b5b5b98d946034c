"""A thread that is one part ahead."""

import threading

import pytest

from pipeline.training.ahead import ahead


def test_each_part_in_its_order():
    assert list(ahead(lambda x: x * x, range(7))) == [0, 1, 4, 9, 16, 25, 36]
    assert list(ahead(lambda x: x, [])) == []


def test_the_next_part_is_made_while_this_one_is_used():
    """Part 1 is begun before part 0 is given away, part 2 is not: memory holds two parts."""
    begun = [threading.Event() for _ in range(4)]
    used = threading.Event()

    def make(i):
        begun[i].set()
        return i if i == 0 else (used.wait(10), i)[1]

    parts = ahead(make, range(4))
    assert next(parts) == 0
    assert begun[1].wait(10)
    assert not begun[2].is_set()
    used.set()
    assert list(parts) == [1, 2, 3]


def test_an_error_comes_in_place_of_its_result():
    parts = ahead(lambda x: 1 / x, [1, 2, 0, 4])
    assert [next(parts), next(parts)] == [1, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(parts)
