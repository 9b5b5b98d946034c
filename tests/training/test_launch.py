"""Two processes train as one would with the same batch."""

import os
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torch.distributed as dist
import yaml

from pipeline.data.imageset import ImageSet
from pipeline.models import FAMILIES, build, ranks
from pipeline.settings import UserError, load
from pipeline.training import store
from pipeline.training.launch import launch
from pipeline.training.loop import train
from pipeline.training.seeds import derive
from tests.tiny_family import Events, image_set

QUICK = Path(__file__).resolve().parents[2] / "config" / "quick.yaml"


def small(family, **changes):
    """The family under the overlay of tiny budgets; nothing that is random for each rank by itself (dropout)."""
    overlay = yaml.safe_load(QUICK.read_text())["all_models"] | {"total_images": 64, "batch": 8, "snapshots": 1}
    overlay |= {"dropout": 0.0, "r1_every": 2, "ada_images": 64, "ema_images": 20} | changes
    config = {"datasets": {"d": {"source": "voronoi"}}, "models": {"m": {"family": family}}, "all_models": overlay}
    return load(config).models["m"]


def train_all(data, folder, journal, **options):
    for family in FAMILIES:
        train(small(family), data, folder / family / "out", folder / family / "state", 0, journal, **options)


def weights(folder):
    return safetensors.torch.load_file(folder / "out" / "model.safetensors")


@pytest.mark.slow
def test_two_processes_equal_one_with_the_same_batch(tmp_path):
    data = image_set(tmp_path / "real", n=60, size=32, symmetry="dihedral", val=True)
    journal = Events()
    launch(2, train_all, data, tmp_path / "two", journal=journal, threads=1)
    assert not dist.is_initialized()
    launch(1, train_all, data, tmp_path / "one", journal=Events(), threads=1)
    assert len(journal.of("model")) == len(FAMILIES)
    for family in FAMILIES:
        one, two = (weights(tmp_path / name / family) for name in ("one", "two"))
        torch.manual_seed(derive(0))
        begin = store.averaged_weights(build(small(family), ImageSet.open(data).spec))
        # Adam turns a rounding error of a vanishing gradient into a whole step, so whole vectors are compared.
        apart, moved = (
            torch.cat([(one[k] - other[k]).float().flatten() for k in one]).norm() for other in (two, begin)
        )
        assert apart < 0.02 * moved, family


def fail(journal, **options):
    if ranks.index() == 1:
        os._exit(3)
    for _ in range(3):
        ranks.agree(0)


@pytest.mark.slow
def test_a_process_that_dies_is_said():
    with pytest.raises(UserError, match="1 of 2 processes of this training ended before their time"):
        launch(2, fail, journal=Events())
    assert not dist.is_initialized()


def refuse(journal):
    if ranks.index() == 0:
        raise UserError("batch: no")


@pytest.mark.slow
def test_what_rank_0_raises_is_raised():
    with pytest.raises(UserError, match="batch: no"):
        launch(2, refuse, journal=Events())


def test_one_process_starts_no_other():
    seen = []
    launch(1, lambda *args, journal, threads: seen.append((args, journal, threads)), 1, 2, journal="j", threads=3)
    assert seen == [((1, 2), "j", 3)]
    assert not dist.is_initialized()
