"""The parts of a batch: which rows, which random numbers, which weight."""

import pytest
import torch

from pipeline.models import distributed
from pipeline.models.batch import Batch, BatchRng

TOTAL = 10  # rows of the whole batch; row i holds the number i


def rows_of(first, last):
    numbers = torch.arange(first, last)
    return numbers.float()[:, None, None, None].expand(-1, 1, 2, 2), numbers


def draw(part):
    """Every kind of number, in one row an image."""
    d = part.rng
    numbers = torch.cat([d.normal(2, 3).flatten(1), d.uniform(4), d.integers(-5, 1000, 2), d.normal()[:, None]], 1)
    assert len(numbers) == len(part) == len(part.images)
    return numbers


def seen(monkeypatch, processes, part, every=1, seed=7):
    """What all ranks draw in a phase: images' rows, numbers, and the sum of the shares."""
    found = []
    n = TOTAL // processes
    for index in range(processes):
        monkeypatch.setattr(distributed, "count", lambda: processes)
        monkeypatch.setattr(distributed, "index", lambda index=index: index)
        batch = Batch(*rows_of(index * n, (index + 1) * n), seed, part)
        assert batch.total == TOTAL
        found += [(p.labels, draw(p), p.weight) for p in batch.microbatches(every)]
    labels, numbers, shares = zip(*found, strict=True)
    return torch.cat(labels), torch.cat(numbers), shares


@pytest.mark.parametrize("every", [1, 2, 3])
@pytest.mark.parametrize(("processes", "part"), [(1, 3), (1, 1), (2, None), (2, 2), (5, 1)])
def test_neither_parts_nor_ranks_change_the_numbers(monkeypatch, processes, part, every):
    labels, numbers, shares = seen(monkeypatch, 1, None, every)
    assert labels.tolist() == list(range(0, TOTAL, every))
    assert shares == (1.0,)
    theirs, same, parts = seen(monkeypatch, processes, part, every)
    assert torch.equal(theirs, labels)
    assert torch.equal(same, numbers)
    assert len(parts) > 1
    assert sum(parts) == pytest.approx(1)


def test_a_share_is_of_the_rows_of_all_ranks(monkeypatch):
    monkeypatch.setattr(distributed, "count", lambda: 3)
    images, labels = rows_of(0, 5)
    assert [(len(p), p.weight) for p in Batch(images, labels, 0, 2).microbatches()] == [
        (2, 2 / 15),
        (2, 2 / 15),
        (1, 1 / 15),
    ]


def test_each_phase_has_numbers_of_its_own_and_a_seed_the_same_again():
    batch, again = Batch(*rows_of(0, 4), 3), Batch(*rows_of(0, 4), 3)
    phases = [draw(p) for b in (batch, batch, again) for p in b.microbatches()]
    assert not torch.isclose(phases[0], phases[1]).any(0).all(0)
    assert torch.equal(phases[0], phases[2])


def test_numbers_are_of_the_kind_they_claim():
    draws = BatchRng(0, 20_000, slice(0, 20_000), torch.device("cpu"))
    normal, uniform, integers = draws.normal(2), draws.uniform(2), draws.integers(3, 7, 2)
    assert normal.mean().abs() < 0.02
    assert normal.std() == pytest.approx(1, abs=0.02)
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert uniform.var() == pytest.approx(1 / 12, abs=0.002)
    assert torch.equal(integers.unique(), torch.tensor([3, 4, 5, 6]))
