"""The loop, with a family of its own tests: it must know none."""

import hashlib
import os
import random
import re
import shutil
import signal
import threading
import time

import numpy as np
import pytest
import torch
import torch.distributed as dist
from PIL import Image

import pipeline.models
from pipeline.data.image_set import ImageSet
from pipeline.models import distributed
from pipeline.settings import UserError
from pipeline.training import loop, model_files
from pipeline.training.checkpoint import exclusive
from pipeline.training.loop import Run, train
from tests.tiny_family import Events, Tiny, TinySettings, forked, image_set, table, terminated


@pytest.fixture(autouse=True)
def family(monkeypatch):
    monkeypatch.setitem(pipeline.models.FAMILIES, "tiny", Tiny)
    monkeypatch.setitem(model_files.FAMILY_SETTINGS, "tiny", TinySettings)
    monkeypatch.setattr(loop, "RARE", 0)  # checkpoint_seconds=0 is a checkpoint after every update


@pytest.fixture
def data(tmp_path):
    return image_set(tmp_path / "real", symmetry="dihedral")


def run(data, folder, journal=None, seed=0, checkpoint_seconds=1e9, **settings):
    """Train Tiny into folder/out with its state in folder/state; returns the settings."""
    settings = TinySettings(**{"total_images": 60, "snapshots": 3} | settings)
    train(settings, data, folder / "out", folder / "state", seed, journal or Events(), checkpoint_seconds, threads=1)
    return settings


def weights(folder):
    return (folder / "out" / "model.safetensors").read_bytes()


def test_writes_what_the_stages_after_it_read(data, tmp_path):
    journal = Events()
    run(data, tmp_path, journal)
    out = tmp_path / "out"
    rows = table(tmp_path)
    assert next(iter(rows[0])) == "images"
    assert [int(r["images"]) for r in rows] == list(range(4, 61, 4))  # 15 steps are fewer than 200 rows
    assert [r["loss/rare"] != "" for r in rows] == [i % 3 == 2 for i in range(15)]
    assert sorted(p.name for p in (out / "samples").iterdir()) == [f"{n:09d}.png" for n in (0, 20, 40, 60)]
    with Image.open(out / "progress.gif") as film:
        assert film.n_frames == 4
    assert [at for *_, at in journal.of("image")] == [0, 20, 40, 60]
    for _, path, _ in journal.of("image"):
        with Image.open(path) as picture:
            assert max(picture.size) <= 256
    assert [images for _, images in journal.of("metrics")] == [int(r["images"]) for r in rows]
    model = model_files.load(out)
    assert model.images_seen == 60
    assert model.spec.classes == ("dark", "bright")


def test_learns_the_mean_image_of_each_class(data, tmp_path):
    run(data, tmp_path, total_images=1200)
    model = model_files.load(tmp_path / "out")
    drawn = model.sample(torch.tensor([0, 1]).repeat(20), torch.arange(40))
    dark, bright = float(drawn[0::2].mean()), float(drawn[1::2].mean())
    assert dark == pytest.approx(-0.5, abs=0.05)  # gray level 0.25 of [0, 1]
    assert bright == pytest.approx(0.5, abs=0.05)


def test_seed_decides_everything(data, tmp_path):
    run(data, tmp_path / "a")
    run(data, tmp_path / "b")
    run(data, tmp_path / "c", seed=1)
    assert weights(tmp_path / "a") == weights(tmp_path / "b") != weights(tmp_path / "c")


def test_looking_more_often_changes_nothing(data, tmp_path):
    run(data, tmp_path / "a", snapshots=1)
    run(data, tmp_path / "b", snapshots=15, checkpoint_seconds=0)
    assert weights(tmp_path / "a") == weights(tmp_path / "b")


@pytest.mark.parametrize(("cost", "between"), [(0.5, 60), (3, 150)])
def test_checkpoints_take_no_more_than_a_fiftieth_of_the_time(data, tmp_path, monkeypatch, cost, between):
    """Updates of 5 s on a clock of our own: every 60 s while that is rare enough, else after 50 times what one took."""
    clock, written = [0.0], []
    step, write = loop.Run._step, loop.Checkpoints.write

    def slow(self):
        step(self)
        clock[0] += 5

    def dear(self, *args):
        write(self, *args)
        clock[0] += cost
        written.append(clock[0])

    monkeypatch.setattr(loop, "RARE", 50)
    monkeypatch.setattr(loop.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(loop.Run, "_step", slow)
    monkeypatch.setattr(loop.Checkpoints, "write", dear)
    run(data, tmp_path, total_images=4 * 150, snapshots=1, checkpoint_seconds=60.0)
    rests = np.diff(written)[:-1] - cost  # the last one is that of the last update
    assert rests.tolist() == [between] * (len(written) - 2)
    assert len(written) == 749 // between + 2


def test_raised_budget_goes_on_to_the_same_weights(data, tmp_path):
    run(data, tmp_path / "whole", total_images=80)
    run(data, tmp_path / "parts", total_images=44)
    run(data, tmp_path / "parts", total_images=80)
    assert weights(tmp_path / "whole") == weights(tmp_path / "parts")


@pytest.mark.parametrize("size", [16, 24])
def test_sigterm_writes_a_checkpoint_and_the_same_command_goes_on(tmp_path, size, monkeypatch, capfd):
    data = image_set(tmp_path / "real", size=size, channels=3, dtype="uint16")
    run(data, tmp_path / "whole")
    with terminated(monkeypatch, Tiny, 6) as stop:
        run(data, tmp_path / "parts")
    assert stop.value.code == 75
    assert "28 images" in capfd.readouterr().err
    # Snakemake deletes the declared outputs of a failed job.
    shutil.rmtree(tmp_path / "parts" / "out")
    run(data, tmp_path / "parts")
    assert weights(tmp_path / "whole") == weights(tmp_path / "parts")
    columns = ("images", "loss/G", "loss/rare")
    whole, parts = ([[r[c] for c in columns] for r in table(tmp_path / part)] for part in ("whole", "parts"))
    assert whole == parts
    assert len(list((tmp_path / "parts" / "out" / "samples").iterdir())) == 4


@pytest.mark.slow
def test_kill_9_at_any_moment_ends_in_the_same_bits(data, tmp_path):
    """With a checkpoint after every step most kills fall into the writing of one."""

    def start(folder):
        return forked(data, tmp_path / folder, TinySettings(total_images=640, snapshots=4))

    def last(folder):
        return max((int(p.name.split("-")[2]) for p in (tmp_path / folder / "state").glob("*.safetensors")), default=0)

    whole = start("whole")
    whole.join()
    assert whole.exitcode == 0
    moments = random.Random(1)
    for kill in range(1, 6):
        process = start("killed")
        while last("killed") < 25 * kill and process.is_alive():
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.02))  # a step and its checkpoint take about as long
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    assert last("killed") < 160
    final = start("killed")
    final.join()
    assert final.exitcode == 0
    assert weights(tmp_path / "whole") == weights(tmp_path / "killed")


@pytest.mark.parametrize("moment", ["in the payload", "before the name", "after the name"])
def test_kill_9_inside_the_writing_of_a_checkpoint(data, tmp_path, moment):
    run(data, tmp_path / "whole", total_images=40, snapshots=4)
    process = forked(data, tmp_path / "killed", TinySettings(total_images=40, snapshots=4), moment)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    state = tmp_path / "killed" / "state"
    assert len(list(state.glob("*.part"))) == (moment != "after the name")
    run(data, tmp_path / "killed", total_images=40, snapshots=4)
    assert not list(state.glob("*.part"))
    assert weights(tmp_path / "whole") == weights(tmp_path / "killed")


def test_damaged_checkpoint_falls_back_to_the_one_before(data, tmp_path, capfd):
    run(data, tmp_path / "whole", total_images=80)
    run(data, tmp_path / "parts", total_images=40)
    state = tmp_path / "parts" / "state"
    (newest,) = state.glob("*.safetensors")
    older = newest.read_bytes()
    run(data, tmp_path / "parts", total_images=60)
    (newest,) = state.glob("*.safetensors")
    content = bytearray(newest.read_bytes())
    content[-100] ^= 1  # one bit
    newest.write_bytes(content)
    name = newest.name.split("-")
    (state / f"{name[0]}-00-{10:09d}-good-{hashlib.sha256(older).hexdigest()}.safetensors").write_bytes(older)
    capfd.readouterr()
    run(data, tmp_path / "parts", total_images=80)
    said = capfd.readouterr().err
    assert "damaged" in said
    assert "goes on from 40 images" in said
    assert weights(tmp_path / "whole") == weights(tmp_path / "parts")


@pytest.mark.parametrize(
    ("change", "said"), [({"batch": 5}, "settings.batch: 4 → 5"), ({"classes": ["dark"]}, "spec.classes")]
)
def test_checkpoint_of_other_settings_is_not_resumed(data, tmp_path, capfd, change, said):
    run(data, tmp_path)
    run(data, tmp_path, **change)
    text = capfd.readouterr().err
    assert "not resumed" in text
    assert said in text
    run(data, tmp_path / "fresh", **change)
    assert weights(tmp_path) == weights(tmp_path / "fresh")


def test_checkpoint_of_other_data_is_not_resumed(data, tmp_path, capfd):
    run(data, tmp_path)
    other = image_set(tmp_path / "other", n=24, symmetry="dihedral")
    run(other, tmp_path)
    assert "images: " in capfd.readouterr().err


def fill_disk(monkeypatch, first, last):
    """Writing a whole file fails while Tiny has made `first` to `last` updates."""
    now = [0]
    step, fsync = Tiny.train_step, os.fsync

    def counted(self, *args):
        now[0] = self.updates + 1
        return step(self, *args)

    def full(descriptor):
        if first <= now[0] <= last:
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(Tiny, "train_step", counted)
    monkeypatch.setattr(os, "fsync", full)


def test_full_disk_is_said_and_survived(data, tmp_path, capfd, monkeypatch):
    run(data, tmp_path / "whole")
    fill_disk(monkeypatch, 3, 12)
    run(data, tmp_path / "full", checkpoint_seconds=0)
    said = capfd.readouterr().err
    assert "no checkpoint at 12 images (No space left on device); the last one stays" in said
    assert "training.csv not written" in said
    assert weights(tmp_path / "whole") == weights(tmp_path / "full")
    assert len(table(tmp_path / "full")) == 15
    assert not list((tmp_path / "full").rglob("*.part"))


@pytest.mark.parametrize(("first", "at"), [(0, "no checkpoint at 0 images"), (15, "cannot be written")])
def test_full_disk_at_the_start_or_the_end_stops(data, tmp_path, monkeypatch, first, at):
    fill_disk(monkeypatch, first, 99)
    with pytest.raises(UserError, match=rf"{at} \(No space left on device"):
        run(data, tmp_path)


def test_nan_is_rolled_back_twice_and_then_stops(data, tmp_path, capfd):
    with pytest.raises(UserError, match=r"stopped after 24 images: loss/G is nan, again after 2 returns"):
        run(data, tmp_path, sick_from=5)
    said = capfd.readouterr().err
    for rate, count in ((0.5, 1), (0.25, 2)):
        line = f"loss/G is nan; returned to 20 images with learning rates times {rate} (return {count} of 2)"
        assert f"after 24 images: {line}" in said
    assert not (tmp_path / "out" / "model.safetensors").exists()


def test_nan_that_does_not_come_back_is_survived(data, tmp_path, capfd):
    run(data, tmp_path, sick_from=5, always_sick=False)
    assert "returned to 20 images with learning rates times 0.5 (return 1 of 2)" in capfd.readouterr().err
    assert all(np.isfinite(float(r["loss/G"])) for r in table(tmp_path))


def test_a_sick_training_returns_past_checkpoints_that_nobody_looked_at(data, tmp_path, capfd):
    """Checkpoints are written after every step; those between two sample grids may hold the sickness already."""
    run(data, tmp_path, sick_from=9, always_sick=False, checkpoint_seconds=0)
    assert "after 40 images: loss/G is nan; returned to 20 images" in capfd.readouterr().err


def test_lower_rates_last_beyond_an_interruption(data, tmp_path, monkeypatch):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(data, whole, sick_from=5, always_sick=False)
    with terminated(monkeypatch, Tiny, 12):
        run(data, parts, sick_from=5, always_sick=False)
    monkeypatch.setattr(Tiny, "_loss", healthy(Tiny._loss))
    run(data, parts, sick_from=5, always_sick=False)
    assert weights(whole) == weights(parts)


def healthy(loss):
    """The poison was spent before the interruption."""

    def cured(self, part):
        self.poison = -1
        return loss(self, part)

    return cured


def test_a_discriminator_that_has_won_is_rolled_back_and_then_stops(data, tmp_path, monkeypatch, capfd):
    step = Tiny.train_step
    monkeypatch.setattr(Tiny, "train_step", lambda *args: step(*args) | {"saturation": torch.tensor(0.995)})
    with pytest.raises(UserError, match=r"stopped after 40 images: the discriminator has won: .* since 4 images"):
        run(data, tmp_path, total_images=400, snapshots=4)
    assert "returned to 0 images" in capfd.readouterr().err


def test_parts_of_a_batch_add_up(data, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.nn.Dropout, "forward", lambda self, x: x)
    run(data, tmp_path / "whole")
    run(data, tmp_path / "parts", batch_per_device=3)  # 3 + 1 of 4
    whole, parts = (model_files.load(tmp_path / name / "out").ema for name in ("whole", "parts"))
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_never_ends_in_a_folder_of_black_images(data, tmp_path):
    with pytest.raises(UserError, match="all images of `dark` are constant"):
        run(data, tmp_path, flat=True)
    assert not (tmp_path / "out" / "model.safetensors").exists()


def test_more_images_in_a_batch_than_in_the_data_set(data, tmp_path):
    run(data, tmp_path, batch=50, total_images=100)
    assert model_files.load(tmp_path / "out").images_seen == 100


def test_unknown_class_is_named(data, tmp_path):
    with pytest.raises(UserError, match=r"classes: `drak` is not a class of .* dark, bright"):
        run(data, tmp_path, classes=["drak"])


def test_too_little_memory_names_the_batch(data, tmp_path, monkeypatch):
    def greedy(self, *args):
        return torch.empty(2**62, dtype=torch.uint8)

    monkeypatch.setattr(Tiny, "train_step", greedy)
    with pytest.raises(UserError, match="batch_per_device: 8 images at once do not fit into memory, nor does a single"):
        run(data, tmp_path, batch=8)


def test_too_little_memory_names_a_part_that_fits(data, tmp_path, monkeypatch):
    loss = Tiny._loss

    def greedy(self, part):
        return loss(self, part) if len(part) <= 3 else torch.empty(2**62, dtype=torch.uint8)

    monkeypatch.setattr(Tiny, "_loss", greedy)
    with pytest.raises(
        UserError, match=r"batch_per_device: 12 images at once .* \(batch is 12 .*\); 3 do fit, with .* GiB \(.*memory"
    ):
        run(data, tmp_path, batch=12)
    run(data, tmp_path, batch=12, batch_per_device=3)


def test_a_rank_without_memory_waits_for_no_other_while_it_tries(data, tmp_path, monkeypatch):
    training = Run(TinySettings(batch=12), ImageSet.open(data), tmp_path / "out", tmp_path / "state", 0, Events())
    loss, apart = Tiny._loss, []

    def greedy(self, part):
        apart.append((len(part), distributed.count()))
        return loss(self, part) if len(part) <= 3 else torch.empty(2**62, dtype=torch.uint8)

    monkeypatch.setattr(Tiny, "_loss", greedy)
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(dist, "get_rank", lambda: 0)  # any collective would fail: there is no other rank
    with pytest.raises(UserError, match=r"batch_per_device: 6 images at once .* \(batch is 6 .*\); 3 do fit"):
        training._step()
    assert apart[0] == (6, 2)
    assert set(apart[1:]) == {(3, 1)}


def test_the_console_names_device_precision_and_the_memory_of_an_update_once(data, tmp_path, capsys):
    run(data, tmp_path, precision="bf16")
    said = capsys.readouterr().err
    assert re.search(r"^train tiny: computes on cpu \(.*\), bf16", said, flags=re.MULTILINE)
    assert len(re.findall(r"an update of 4 images at once took .* of .* GiB\n", said)) == 1


def test_the_recipe_names_the_features_that_a_family_learned_from(data, tmp_path, monkeypatch):
    monkeypatch.setattr(Tiny, "features", "imagenet")
    run(data, tmp_path)
    assert model_files.read_recipe(tmp_path / "out")["features"] == "imagenet"


def test_damaged_model_is_refused(data, tmp_path):
    run(data, tmp_path)
    path = tmp_path / "out" / "model.json"
    whole = path.read_text()
    for old, new in (
        ("{", ""),
        ('"sha256"', '"sha"'),
        ('"family"', '"fam"'),
        ('"classes"', '"kinds"'),
        ('"batch"', '"b"'),
    ):
        path.write_text(whole.replace(old, new))
        with pytest.raises(UserError, match=r"model\.json: damaged"):
            model_files.load(tmp_path / "out")
    path.write_text(whole)
    path = tmp_path / "out" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="damaged"):
        model_files.load(tmp_path / "out")
    path.unlink()
    with pytest.raises(UserError, match=r"model\.safetensors is missing"):
        model_files.load(tmp_path / "out")


def test_a_second_training_with_the_same_state_waits_for_the_first(tmp_path):
    entered = threading.Event()

    def second():
        with exclusive(tmp_path):
            entered.set()

    with exclusive(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(0.3)
    thread.join(10)
    assert entered.is_set()
