"""The parts of the comparison with other packages that decide whether it is fair; the packages need not be here."""

import importlib.metadata
import time

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from benchmarks import coverage, panel, peers


@pytest.mark.parametrize("target", [1.0, 17.0, 4096.0])
def test_our_network_is_the_smallest_that_costs_no_less(target):
    chosen = peers.least(lambda n: n**2, target, 0, 100)
    assert chosen**2 >= target > (chosen - 1) ** 2


def test_arithmetic_is_counted_by_the_image():
    """A 3x3 convolution of 5 channels to 7 at 11 x 11 pixels: 2 operations for each of 9 · 5 products."""
    convolution = nn.Conv2d(5, 7, 3, padding=1)
    assert peers.gflop(lambda n: convolution(torch.rand(n, 5, 11, 11))) == pytest.approx(2 * 9 * 5 * 7 * 11**2 / 1e9)


def test_both_sides_take_turns_and_the_median_counts(monkeypatch):
    clock, log = [0.0], []
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])

    def worker(name, seconds):
        def work():
            log.append(name)
            clock[0] += seconds.pop(0)

        return work

    assert peers.duel(worker("theirs", [3, 1, 9]), worker("ours", [2, 2, 7]), 3) == (3, 2)
    assert log == ["theirs", "ours"] * 3


def test_a_ratio_is_ours_over_theirs():
    class Fixed(peers.Side):
        gflop, parameters = {"G": 0.5}, {"G": 2_000_000}

        def train(self, updates):
            raise AssertionError

    line, ratio = peers.row("training", 32, 16, (Fixed(), Fixed()), (4.0, 10.0))
    assert ratio == 2.5
    assert line == "| training | 32 | 16 | G 0.5 / 0.5 | G 2 / 2 | 4 / 10 | **2.50** |"


def test_batches_are_fresh_tensors_in_range():
    stream = peers.batches(8, 5)
    first, second = next(stream), next(stream)
    assert first.shape == (5, 3, 8, 8)
    assert first.untyped_storage().data_ptr() != second.untyped_storage().data_ptr()
    assert 0 <= first.min() < 0.1
    assert 0.9 < first.max() <= 1


# ---------------------------------------------------------------- the panel

SMALL = panel.Sizes(
    made=60,
    training=48,
    heldout=24,
    pixels=32,
    frechet=(40, 30),
    kid=(30, 20),
    prdc=(50, 20),
    models=2,
    calls=1,
    images=4,
)


@pytest.mark.filterwarnings("ignore")  # what theirs calls
def test_the_panel_and_the_peers_find_the_same():
    for compare in (panel.frechet, panel.kid, panel.prdc):
        times, difference = compare(SMALL)
        assert difference < 1e-9
        assert min(times) > 0


def test_the_parts_of_the_panel_make_up_its_time():
    parts, whole = panel.panel_times(SMALL)
    assert {"features: random", "features: psd", "features: phases", *panel.PARTS} <= set(parts)
    assert sum(parts.values()) == pytest.approx(whole)
    assert min(spent[0] for spent in parts.values()) > 0


def test_a_part_that_yields_is_timed_while_it_runs(monkeypatch):
    moments = iter([10.0, 13.0, 20.0, 24.0])
    monkeypatch.setattr(panel, "now", lambda: np.full(2, next(moments)))
    clock = panel.Clock()
    squares = clock.timed(lambda n: f"{n} squares", lambda n: (i**2 for i in range(n)))
    assert list(squares(3)) == [0, 1, 4]
    assert list(squares(3)) == [0, 1, 4]
    assert {name: spent.tolist() for name, spent in clock.spent.items()} == {"3 squares": [7, 7]}


def test_peers_that_are_not_here_are_left_out_with_how_to_install_them(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    lines = [line for line, _ in panel.table(SMALL)]
    assert len(lines) == 4
    assert all("left out, not installed: `pip install -e '.[dev]'`" in line for line in lines)


def test_coverage_and_gaps_are_counted_by_hand():
    """The model's mean is 2, which three intervals of five hold; one of new and held-out images' five pairs parts."""
    model = [(0, -1, 1), (2, 1, 3), (4, 2, 6), (2, 0, 3), (2, 2.5, 3)]
    new = [(1, 0.9, 1.1), (2, 1.6, 2.4), (0, np.nan, np.nan), (1, 0.9, 1.1), (1, 0.9, 1.1)]
    rows = [
        {"set": name, "trial": trial, "training": trial, "metric": "psd", "class": "all"}
        | dict(zip(("value", "low", "high"), numbers, strict=True))
        for name, found in (("model", model), ("real", [(1, 0.5, 1.5)] * 5), ("new", new))
        for trial, numbers in enumerate(found)
    ]
    found = coverage.rates(pd.DataFrame(rows), coverage.Cell(12, 1)).iloc[0]
    assert (found["covered"], found["apart"]) == pytest.approx((60, 20))
    assert found["floor"] == 75  # of four that have an interval
    assert found["few"] == pytest.approx(100 / 15)
