"""Two processes train as one would with the same batch."""

import os
import signal
import socket
import sys
import time
from pathlib import Path

import psutil
import pytest
import safetensors.torch
import torch
import torch.distributed as dist

from pipeline.base.seeds import derive
from pipeline.data.image_set import ImageSet
from pipeline.models import FAMILIES, build, distributed
from pipeline.settings import UserError
from pipeline.training import launch as launching
from pipeline.training.launch import launch
from pipeline.training.loop import train
from tests import forks
from tests.models.tiny import quick_settings
from tests.tiny_family import Events, image_set

forks.imported(__name__)


@pytest.fixture
def ranks_forked(monkeypatch):
    """The other ranks start as children of a process that has imported all this, where `launch` spawns them."""
    monkeypatch.setattr(torch.multiprocessing, "get_context", lambda how: forks.context())


def main():
    """In a process of its own: the function of this module that is named, with these words."""
    function, *words = sys.argv[1:]
    globals()[function](*words)


SMALL = {"total_images": 48, "batch": 8, "snapshots": 1, "r1_every": 2, "ada_images": 64, "ema_half_life_images": 20}
SMALL |= {"precision": "fp32", "dropout": 0.0}  # nothing that is random for each rank by itself


def train_all(data, folder, journal, **options):
    for family in FAMILIES:
        out, state, settings = folder / family / "out", folder / family / "state", quick_settings(family, **SMALL)
        train(settings, data, out, state, 0, journal, **options)


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
        begin = build(quick_settings(family, **SMALL), ImageSet.open(data).spec).ema.state_dict()
        # Adam turns a rounding error of a vanishing gradient into a whole step, so whole vectors are compared: without
        # momentum (cgan, stylegan2_ada, projected_gan) they are up to 4 % apart, else less than 1e-3.
        learnt = [k for k in one if one[k].shape == begin[k].shape]  # projected_gan holds coarse images besides
        apart, moved = (
            torch.cat([(one[k] - other[k]).float().flatten() for k in learnt]).norm() for other in (two, begin)
        )
        assert apart < (0.1 if family in ("cgan", "stylegan2_ada", "projected_gan") else 1e-3) * moved, family


def end(journal, how):
    """Rank 1 ends by itself, rank 0 goes on with it."""
    if distributed.index() == 1:
        how()
    for _ in range(3):
        distributed.highest(0)


def exits():
    os._exit(3)


def is_killed():
    os.kill(os.getpid(), signal.SIGKILL)


def raises():
    raise ValueError("no room\nfor this")


@pytest.mark.slow
@pytest.mark.usefixtures("ranks_forked")
@pytest.mark.parametrize(("how", "last"), [(is_killed, "killed by SIGKILL"), (raises, "ValueError: no room$")])
def test_a_process_that_dies_is_named_with_its_last_words(how, last):
    with pytest.raises(UserError, match=f"rank 1 of 2 processes ended before its time: {last}"):
        launch(2, end, journal=Events(), how=how)
    assert not dist.is_initialized()


class Unreadable:
    """What another process cannot even be given."""

    def __reduce__(self):
        return exits, ()


@pytest.mark.slow
@pytest.mark.usefixtures("ranks_forked")
def test_a_process_that_dies_before_all_have_met_is_no_endless_wait():
    with pytest.raises(UserError, match="rank 1 of 2 processes ended before its time: status 3"):
        launch(2, end, journal=Events(), how=Unreadable())


def refuse(journal):
    if distributed.index() == 0:
        raise UserError("batch: no")


@pytest.mark.slow
@pytest.mark.usefixtures("ranks_forked")
def test_what_rank_0_raises_is_raised():
    with pytest.raises(UserError, match="batch: no"):
        launch(2, refuse, journal=Events())


def err(journal):
    if distributed.index() == 0:
        raise RuntimeError("of rank 0 itself")
    distributed.highest(0)


@pytest.mark.slow
@pytest.mark.usefixtures("ranks_forked")
def test_no_other_rank_is_blamed_for_what_rank_0_does():
    with pytest.raises(RuntimeError, match="of rank 0 itself"):
        launch(2, err, journal=Events())


def stuck(note):
    launching.GRACE = 1
    torch.multiprocessing.get_context = lambda how: forks.context()
    launch(3, stick, journal=None, note=Path(note))


def stick(journal, note):
    """Rank 1 dies; the others never hear of it."""
    if distributed.index() == 1:
        os._exit(3)
    if distributed.index() == 2:
        note.write_text(str(os.getpid()))
    time.sleep(100)


@pytest.mark.slow
def test_a_training_that_waits_for_the_dead_is_ended_with_all_its_processes(tmp_path):
    note = tmp_path / "pid"
    head = forks.Child(__name__, "stuck", str(note))
    assert head.wait() == 1
    assert "ERROR: rank 1 of 3 processes ended before its time: status 3" in head.said
    deadline = time.monotonic() + 10
    while psutil.pid_exists(int(note.read_text())) and psutil.Process(int(note.read_text())).status() != "zombie":
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_main_module_has_its_file_back_after_a_start():
    main = sys.modules["__main__"]
    before = getattr(main, "__file__", None)
    with launching._nameless_main():
        assert not hasattr(main, "__file__")
    assert getattr(main, "__file__", None) == before


def test_a_process_has_the_card_of_its_number_or_the_only_one_it_is_shown():
    assert [launching.card_of(k, 4) for k in range(4)] == [0, 1, 2, 3]
    assert launching.card_of(3, 1) == 0  # as schedulers show a task its own card alone
    with pytest.raises(UserError, match="LOCAL_RANK: 2 has no card, CUDA shows 2; start 2 processes a node"):
        launching.card_of(2, 2)


def test_more_processes_than_cards_are_refused(monkeypatch):
    monkeypatch.setattr(launching, "device", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    launching.check_cards(2)
    with pytest.raises(UserError, match=r"gpu: 3 processes want a card each, CUDA shows 2; .* train:gpu=2"):
        launch(3, end, journal=Events())
    monkeypatch.setattr(launching, "device", lambda: torch.device("mps"))
    with pytest.raises(UserError, match="gpu: 2 processes cannot share one `mps` device"):
        launch(2, end, journal=Events())


def test_ranks_of_another_program_that_do_not_meet_are_said(monkeypatch):
    monkeypatch.setattr(launching, "MEETING", 1)
    address = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    for name, value in address.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=r"not all of 2 processes \(WORLD_SIZE\) were at 127.0.0.1:1 \(MASTER_ADDR"):
        launch(1, end, journal=Events())


def joined():
    launch(1, say_total, journal="j")


def say_total(journal):
    total = distributed.total(torch.tensor(distributed.index() + 1)).item()
    print(f"rank {distributed.index()} of {distributed.count()}: {total}", type(journal))


@pytest.mark.slow
def test_processes_that_another_program_starts_join_each_other():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "LOCAL_RANK": "3", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks = [forks.Child(__name__, "joined", **shared, RANK=rank) for rank in ("0", "1")]
    assert [rank.wait() for rank in ranks] == [0, 0]
    assert "rank 0 of 2: 3 <class 'str'>\n" in ranks[0].said
    assert ranks[1].said == "rank 1 of 2: 3 <class 'pipeline.base.null_journal.NullJournal'>\n"


def test_one_process_starts_no_other():
    seen = []
    launch(1, lambda *args, journal, threads: seen.append((args, journal, threads)), 1, 2, journal="j", threads=3)
    assert seen == [((1, 2), "j", 3)]
    assert not dist.is_initialized()
