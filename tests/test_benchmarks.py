"""The parts of the comparison with other packages that decide whether it is fair; the packages need not be here."""

import time

import pytest
import torch
from torch import nn

from benchmarks import peers


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
