"""How long a training takes, against a clock of our own, and what `pyrite plan` makes of a configuration."""

import json
import re
from pathlib import Path

import pytest
import torch
import yaml

from pipeline.base.null_journal import NullJournal
from pipeline.data.image_set import ImageSet
from pipeline.models import FAMILIES
from pipeline.models.base import GenerativeModel
from pipeline.settings import UserError
from pipeline.training import forecast as forecast_module
from pipeline.training.elsewhere import Work
from pipeline.training.forecast import START, Forecast, _mean_seconds, forecast
from pipeline.training.loop import train
from pyrite import plan
from pyrite.__main__ import main
from tests.models.tiny import spec, tiny_settings
from tests.tiny_family import image_set


@pytest.fixture
def clock(monkeypatch):
    """Updates take 2 s, or 10 with a penalty; a drawn image takes half a second."""
    now = [0.0]
    update, sample = GenerativeModel.update, GenerativeModel.sample

    def slow_update(self, batch):
        now[0] += 10 if self.updates % 8 == 0 else 2
        return update(self, batch)

    def slow_sample(self, labels, seeds):
        now[0] += 0.5 * len(labels)
        return sample(self, labels, seeds)

    monkeypatch.setattr(GenerativeModel, "update", slow_update)
    monkeypatch.setattr(GenerativeModel, "sample", slow_sample)
    return lambda: now[0]


def test_the_pace_is_what_a_machine_takes_over_what_another_took():
    times = iter([10.0, 10.0 + 3 * forecast_module.REFERENCE])
    assert forecast_module.pace(lambda: next(times)) == pytest.approx(3)


def test_whole_periods_of_the_lazy_penalties_are_timed(clock):
    settings = tiny_settings("stylegan2_ada", total_images=4000, snapshots=3, r1_every=8)
    found = forecast(settings, spec(), budget=1.0, clock=clock)
    assert found.update == pytest.approx((7 * 2 + 10) / 8)
    assert found.image == pytest.approx(0.5)
    assert found.training == pytest.approx(START + 1000 * 3 + 3 * (256 + 8 * 3) * 0.5)


@pytest.mark.parametrize(("held_out", "drawn"), [(0, 0), (19, 0), (20, 20), (300, 256)])
def test_as_many_images_are_drawn_at_a_look_as_are_held_out(clock, held_out, drawn):
    settings = tiny_settings("cgan", total_images=40, snapshots=2)
    found = forecast(settings, spec(), budget=0.1, held_out=held_out, clock=clock)
    steps = -(-40 // settings.batch)
    assert found.training == pytest.approx(START + steps * found.update + 2 * (drawn + 8 * 3) * 0.5)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_can_be_timed(family):
    found = forecast(tiny_settings(family, total_images=400, snapshots=1), spec(), budget=0.01)
    assert 0 < found.update < 10
    assert found.training > START + 100 * found.update


def test_a_training_leaves_as_many_bytes_as_foretold(tmp_path):
    settings = tiny_settings("cgan", total_images=64, batch=8, snapshots=2)
    data = image_set(tmp_path / "real")
    train(settings, data, tmp_path / "run", tmp_path / "state", 0, NullJournal())
    left = sum(
        path.stat().st_size for folder in ("run", "state") for path in (tmp_path / folder).rglob("*.safetensors")
    )
    assert left / 2 < 2 * forecast(settings, ImageSet.open(data).spec, budget=0.01).checkpoint < 2 * left


def test_arithmetic_and_calls_are_counted_and_the_slower_of_both_counts():
    """A product of 2 x 3 and 3 x 4: 24 multiplications and as many additions; its gradient one product more, of a
    transposed matrix, which is no call; summing and spreading are calls without such arithmetic."""
    a, b = torch.ones(2, 3), torch.ones(3, 4, requires_grad=True)
    assert Work.of(lambda: a @ b) == Work(48, 1)
    assert Work.of(lambda: torch.autograd.grad((a @ b).sum(), b)).flop == 96
    assert Work(4 * 10**14, 5).seconds == pytest.approx(2)
    assert Work(0, 10**6).seconds == pytest.approx(7)


def test_on_another_card_the_most_frequent_penalty_says_how_often_all_come():
    settings = tiny_settings("stylegan2_ada", r1_every=16, path_length_every=4)
    assert _mean_seconds([Work(9 * 10**14, 0), Work(10**14, 0)], settings) == pytest.approx(0.5 + 4.0 / 4)


@pytest.mark.parametrize(
    ("family", "changes", "expected"),
    [
        ("ddpm", {}, 0.5),  # what the first update takes beyond is its beginning
        ("stylegan2_ada", {"r1_every": 16, "path_length_every": 4, "path_length_weight": 0}, 0.5 + 4.0 / 16),
    ],
)
def test_penalties_that_are_off_cost_nothing_on_another_card(family, changes, expected):
    work = [Work(9 * 10**14, 0), Work(10**14, 0)]
    assert _mean_seconds(work, tiny_settings(family, **changes)) == pytest.approx(expected)


@pytest.mark.parametrize("held_out", [0, 30])
def test_a_forecast_downloads_no_weights(clock, tmp_path, monkeypatch, held_out):
    monkeypatch.setattr("pipeline.training.held_out.fetch", lambda *_: pytest.fail("downloaded"))
    chosen = {"features": "inception", "weights": str(tmp_path)}
    settings = tiny_settings("cgan", total_images=40, snapshots=2, held_out=chosen)
    assert forecast(settings, spec(), budget=0.1, held_out=held_out, clock=clock).training > START


@pytest.mark.parametrize(("held_out", "looks"), [(0, 0), (30, 1)])
def test_the_look_is_timed_where_there_is_one(clock, monkeypatch, held_out, looks):
    made, real = [], forecast_module.look
    monkeypatch.setattr(forecast_module, "look", lambda *of: made.append(1) or real(*of))
    settings = tiny_settings("cgan", total_images=40, snapshots=2, held_out={"features": "imagenet"})
    forecast(settings, spec(32), budget=0.1, held_out=held_out, clock=clock)
    assert len(made) == looks


def configuration(tmp_path, **models):
    body = {
        "results": str(tmp_path / "results"),
        "datasets": {"steel": {"source": "photos", "size": 32, "labels": {"rule": "folder"}}},
        "models": models or {"small": tiny_settings("cgan", total_images=400).model_dump()},
    }
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(body))
    return path


def test_images_that_are_prepared_are_known_and_others_assumed(tmp_path):
    settings = plan.read([configuration(tmp_path)])
    model = settings.models["small"]
    assert plan.spec_of(settings, "steel", model) == (32, 32, 1, ("0", "1", "2", "3"), "none", ())
    image_set(tmp_path / "results" / "steel" / "real", size=16, channels=3)
    assert plan.spec_of(settings, "steel", model)[:4] == (16, 16, 3, ("dark", "bright"))
    assert plan.held_out_of(tmp_path / "results" / "steel" / "real") == 0
    assert plan.held_out_of(tmp_path / "results" / "gone" / "real") == 256
    narrow = model.model_copy(update={"classes": ["bright"]})
    assert plan.spec_of(settings, "steel", narrow).classes == ("bright",)


def test_the_command_says_hours_and_how_right_it_was(tmp_path, capsys):
    path = configuration(tmp_path)
    over = tmp_path / "over.yaml"
    over.write_text("seeds: [0, 1]\nmodels: {pieces: {family: quilting}}\n")
    main(["plan", str(path), str(over), "--set", "models.small.total_images=800", "--seconds", "0.05"])
    printed = capsys.readouterr().out
    assert "computes on" in printed
    row = next(line for line in printed.splitlines() if line.startswith("steel"))
    assert "small" in row
    assert "pieces" not in printed  # nothing is trained
    assert "off by" not in printed
    assert re.search(r"their updates on an H100: \d+ s, estimated from their arithmetic; no such card is here", printed)
    assert re.search(rf"disk for them all: \d+\.\d GB, \d+\.\d GB are free in {tmp_path}", printed)
    kept = json.loads((tmp_path / "results" / "plan.json").read_text())
    jobs = [
        f"benchmarks/steel/small-s{seed}/{stage}.tsv" for stage in ("train", "generate", "gallery") for seed in (0, 1)
    ]
    assert list(kept) == jobs
    assert kept[jobs[0]] == kept[jobs[1]] > START
    assert kept[jobs[3]] == START  # the photographs are not here: none to draw as many of
    took = tmp_path / "results" / "benchmarks" / "steel" / "small-s1"
    took.mkdir(parents=True)
    (took / "train.tsv").write_text("s\tmax_rss\n1000.0\t9\n")
    (took / "generate.tsv").write_text("s\tmax_rss\n50000.0\t9\n")
    (row,) = plan.rows(plan.read([path, over]), 0.05)
    assert (row.seeds, row.jobs["train"].taken, row.jobs["generate"].taken) == (2, 1000.0, 50000.0)
    off = max(1000 / row.jobs["train"].seconds, 50000 / row.jobs["generate"].seconds)
    assert f"off by a factor of {off:.2f} at most" in "\n".join(plan.lines([row], tmp_path))


@pytest.mark.parametrize(("size", "given", "used"), [(32, None, 1), (64, None, 6), (64, 3, 3)])
@pytest.mark.parametrize(("seeds", "trainings"), [("", 1), ("seeds=[0,1]", 2)])
def test_a_generator_is_timed_with_the_threads_of_its_job(tmp_path, monkeypatch, size, given, used, seeds, trainings):
    """A rule asks for one below 64 pixels and for eight above, of which this machine has six, for two trainings three
    each; and a job draws 100 of each of four classes, at half a second, another the eight of a film of each."""
    asked = []
    found = Forecast(update=1.0, image=0.5, training=10.0, memory="", checkpoint=0, elsewhere=None)
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    monkeypatch.setattr("torch.set_num_threads", asked.append)
    monkeypatch.setattr(plan, "forecast", lambda *_: found)
    settings = plan.read([configuration(tmp_path)], f"generate.images_per_class=100 datasets.steel.size={size} {seeds}")
    used = used if given else min(used, 6 // trainings)
    (row,) = plan.rows(settings, 0.1, given)
    assert (row.threads, asked) == (used, [used])
    said = {stage: job.seconds for stage, job in row.jobs.items()}
    assert said == {"train": 10, "generate": START + 4 * 100 * 0.5, "gallery": START + 4 * 8 * 0.5}


def test_what_does_not_fit_is_named_and_the_others_are_timed(tmp_path, monkeypatch, capsys):
    def full(settings, *_):
        if settings.batch == 64:
            raise UserError("batch_per_device: 64 images at once do not fit into memory; try 32")
        return Forecast(update=1.0, image=0.5, training=10.0, memory="", checkpoint=0, elsewhere=None)

    monkeypatch.setattr(plan, "forecast", full)
    large, small = (tiny_settings("cgan", batch=batch).model_dump() for batch in (64, 8))
    with pytest.raises(SystemExit, match="ERROR: large on steel cannot be trained here: batch_per_device: 64 images"):
        main(["plan", str(configuration(tmp_path, large=large, small=small))])
    assert re.search("^steel +small ", capsys.readouterr().out, re.M)
    kept = json.loads((tmp_path / "results" / "plan.json").read_text())
    assert kept["benchmarks/steel/small-s0/train.tsv"] == 10
    assert not any("large" in job for job in kept)


def test_draws_are_told_by_how_much_they_multiply(tmp_path):
    settings = plan.read([configuration(tmp_path)], "datasets.steel.shots=[5,null] datasets.steel.draws=3")
    assert list(plan.multiplied(settings)) == [
        "steel_5: 3 draws of its images, each with generators of its own: 3 times the trainings of one"
    ]


def test_wrong_configurations_are_one_line(tmp_path):
    with pytest.raises(SystemExit, match=r"ERROR: .*none.yaml: cannot be read"):
        main(["plan", str(tmp_path / "none.yaml")])
    bad = tmp_path / "bad.yaml"
    bad.write_text("- a list\n")
    with pytest.raises(UserError, match="is no configuration"):
        plan.read([bad])
    with pytest.raises(UserError, match="did you mean `models`"):
        plan.read([configuration(tmp_path)], "modles.a=1")


def test_the_default_experiment_is_known_without_its_images():
    settings = plan.read([Path(__file__).resolve().parents[2] / "config" / "config.yaml"])
    assert plan.spec_of(settings, "polycrystals", settings.models["cgan"]).classes[0] == "intact"
