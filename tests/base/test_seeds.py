"""Derived seeds."""

from itertools import product

from pipeline.base.seeds import derive


def test_no_two_combinations_share_a_seed():
    numbers = (0, 1, 2, 2**32, 2**32 + 1, 2**40, -1)
    parts = [p for length in (1, 2, 3) for p in product(numbers, repeat=length)]
    seeds = [derive(*p) for p in parts]
    assert len(set(seeds)) == len(parts)
    assert all(0 <= s < 2**63 for s in seeds)


def test_stays_the_same_between_releases():
    """Published images are named by their seeds."""
    seeds = [derive(0), derive(0, 1), derive(3, 2, 1)]
    assert seeds == [3717377837946358015, 5623719847981781756, 4946436993661167039]
