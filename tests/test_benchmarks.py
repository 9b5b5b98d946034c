"""The parts of the comparison with other packages that decide whether it is fair; the packages need not be here."""

import importlib.metadata
import time

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from benchmarks import (
    batch_statistics,
    box_backbones,
    controls,
    coverage,
    joint_coverage,
    keep_rule,
    missed,
    nvidia_snapshot,
    panel,
    peers,
    power,
    scale,
    stylegan_speed,
    time_to_quality,
    tracking,
)
from benchmarks.judge import Judge
from pipeline.data.image_set import ImageSet
from pipeline.downstream.classifier.device_dataset import DeviceDataset
from pipeline.models import build, ema
from pipeline.settings import FAMILY_SETTINGS, DetectBoxes, FewShots
from pipeline.training.transfer import snapshot_model
from tests import image_sets
from tests.downstream.cases import scenes
from tests.evaluation.conftest import blobs, label_list, write_set
from tests.models import nvidia
from tests.models.tiny import batch, spec, tiny_settings


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


ODD = {"discriminator_residual": False, "discriminator_skips": True, "discriminator_class_width": 5}


@torch.no_grad()
@pytest.mark.parametrize(("classes", "changes"), [(1, {"noise_resolution": 8}), (3, ODD)])
def test_a_model_in_the_layout_of_nvidias_files_draws_and_judges_as_before(tmp_path, classes, changes):
    torch.manual_seed(4)
    model = build(tiny_settings("stylegan2_ada", noise_strength=0.3, **changes), spec(16, classes=classes))
    model.ema.mapping.w_average.copy_(torch.randn(1, 8).expand(classes, 8))  # files have one mean of all classes
    read = snapshot_model(nvidia.write(tmp_path / "s.pkl", nvidia_snapshot.snapshot(model)))
    images, labels = batch(spec(16, classes=classes))
    z, noise = torch.randn(4, 8), torch.randn(4, model.ema.synthesis.noise_length)
    theirs = torch.cat([noise, torch.randn(4, read.ema.synthesis.noise_length - noise.shape[1])], 1)
    for psi in (1.0, 0.5):
        torch.testing.assert_close(
            read.ema(z, labels, theirs, psi), model.ema(z, labels, noise, psi), rtol=0, atol=1e-5
        )
    found, expected = read.discriminator(images[:1], labels[:1]), model.discriminator(images[:1], labels[:1])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_what_is_missed_is_drawn_more_often_where_two_classes_are_faint(monkeypatch):
    """The smallest trial: its scores tell nothing, the numbers of images do."""
    monkeypatch.setattr(missed, "DRAWN", 3)
    monkeypatch.setattr(missed, "SETTINGS", missed.SETTINGS.model_copy(update={"repetitions": 2}))
    monkeypatch.setattr(missed, "OTHERS", {"val": 8, "test": 4})
    *scores, counts = missed.trial(missed.SETS["uneven"], 0)
    assert all(0 < score <= 1 for score in scores)
    assert sum(counts.values()) == 18
    faint = [counts[label] for label in missed.FAINT]
    plain = [counts[label] for label in ("spot", "band", "dots")]
    assert np.mean(faint) > np.mean(plain)


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


def test_the_floor_counts_the_convolutions_of_networks_worked_out_by_hand(monkeypatch):
    """At 16 pixels and widths 32, 16, 8 from 4 pixels on: G begins with one and has two a doubling, D two a halving and
    one that sees one channel more."""
    monkeypatch.setitem(stylegan_speed.BATCH, 16, 2)
    monkeypatch.setattr(stylegan_speed, "CHANNEL_BASE", 128)
    floor = stylegan_speed.Floor(16, None)
    assert floor.shapes == {
        "G": [(32, 32, 4), (32, 16, 4), (16, 16, 8), (16, 8, 8), (8, 8, 16)],
        "D": [(8, 8, 16), (8, 16, 8), (16, 16, 8), (16, 32, 4), (33, 32, 4)],
    }
    products = {net: sum(i * o * s * s for i, o, s in layers) for net, layers in floor.shapes.items()}
    # D: real and fake each way, fake on to G. R1: each pass twice, every 16th; path length the same on half, every 4th.
    passes = {"D": 8 + 6 / 16, "G": 4 + 6 / 8}
    expected = sum(passes[net] * products[net] for net in products) * 2 * 9 * 2 / 1e9
    assert floor.gflop() == pytest.approx(expected)
    assert floor.seconds() > 0


def test_an_update_of_each_kind_weighs_what_a_training_has_of_it(monkeypatch):
    """Of 16 updates four measure the path length and one of these R1 too."""
    clock = [0.0]
    monkeypatch.setattr(time, "process_time", lambda: clock[0])

    class Known(stylegan_speed.Side):
        batch = 8

        def update(self, number):
            clock[0] += {0: 100.0, 4: 10.0, 1: 1.0}[number]

        def draw(self):
            clock[0] += 5.0

    taken = stylegan_speed.parts(Known())
    assert taken == [100, 10, 1, 5]
    assert stylegan_speed.of_an_update(taken) == pytest.approx((12 * 1 + 3 * 10 + 100) / 16)


def test_the_least_of_each_part_counts_and_sides_take_turns():
    said = {"a": iter([[3.0, 1.0], [2.0, 4.0]]), "b": iter([[5.0], [6.0]])}
    turns = []
    works = {name: (lambda name=name: turns.append(name) or next(said[name])) for name in said}
    assert stylegan_speed.least(works, 2) == {"a": [2, 1], "b": [5]}
    assert turns == ["a", "b", "a", "b"]


# ---------------------------------------------------------------- batch statistics


def test_every_row_of_the_batch_statistics_is_measured(monkeypatch, capsys):
    options = ["--updates", "1", "--per-class", "3", "--images", "64", "128"]
    monkeypatch.setattr("sys.argv", ["batch_statistics", *options])
    monkeypatch.setattr(ema, "MEASURED", ema.MEASURED)  # put back afterwards
    batch_statistics.main()
    rows = [line.split("|") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[1].strip() for row in rows] == ["real", *["dcgan"] * 3, *["cgan"] * 3]
    assert all(np.isfinite([float(row[3]), float(row[4])]).all() for row in rows)


def test_each_rule_chooses_its_snapshot():
    """The lowest KID, what the training kept at its end, the last."""
    seen = [(100, 0.5, 9.0, 100), (200, 0.1, 8.0, 200), (300, 0.2, 7.0, 300), (400, 0.9, 6.0, 300)]
    chosen = keep_rule.choices([keep_rule.Moment(*moment) for moment in seen])
    assert {rule: moment.images for rule, moment in chosen.items()} == {"lowest KID": 200, "kept": 300, "last": 400}


def test_coverage_and_gaps_are_counted_by_hand():
    """The model's mean is 2, which three intervals of five hold; one of new and held-out images' five pairs parts."""
    model = [(0, -1, 1), (2, 1, 3), (4, 2, 6), (2, 0, 3), (2, 2.5, 3)]
    new = [(1, 0.9, 1.1), (2, 1.6, 2.4), (0, np.nan, np.nan), (1, 0.9, 1.1), (1, 0.9, 1.1)]
    rows = [
        {"set": name, "trial": trial, "training": trial, "metric": "psd", "class": None}
        | dict(zip(("value", "low", "high"), numbers, strict=True))
        for name, found in (("model", model), ("real", [(1, 0.5, 1.5)] * 5), ("new", new))
        for trial, numbers in enumerate(found)
    ]
    found = coverage.rates(pd.DataFrame(rows), coverage.Cell(12, 1)).iloc[0]
    assert (found["covered"], found["apart"]) == pytest.approx((60, 20))
    assert found["floor"] == 75  # of four that have an interval
    assert found["few"] == pytest.approx(100 / 15)


@pytest.mark.parametrize(("gain", "least", "most"), [(0.05, 0.8, 1.0), (0.0, 0.0, 0.1)])
def test_a_comparison_of_detectors_finds_five_points_and_nothing_where_nothing_is(gain, least, most):
    """Six classes of 60 test images, a baseline that is right for 95 %, seven generators' arms."""
    found, _ = power.power(np.random.default_rng(1), 30, 60, 0.95, gain, uneven=False, arms=(7,), repetitions=10)
    assert least <= found[0] <= most


def small_set(path):
    labels = label_list(48)
    return write_set(path, blobs(labels, 1, size=16), labels, ["train"] * 30 + ["test"] * 18)


def test_a_generator_is_looked_at_four_times_and_after_all_of_its_budget(tmp_path):
    data = small_set(tmp_path)
    rows = list(time_to_quality.measure("a", tiny_settings("cgan", total_images=64), data, 0))
    assert [row.images for row in rows] == [8, 16, 32, 64]
    assert 0 < rows[0].seconds < rows[1].seconds < rows[2].seconds < rows[3].seconds
    floor = Judge(data, 18).floor()["frechet"]
    assert [row.floors for row in rows] == pytest.approx([row.frechet / floor for row in rows])
    assert min(row.floors for row in rows) > 1.5


def test_a_generator_without_training_is_looked_at_once(tmp_path):
    data = small_set(tmp_path)
    (row,) = time_to_quality.measure("w", FAMILY_SETTINGS["warp"](family="warp"), data, 0)
    assert (row.images, row.seconds > 0) == (0, True)
    (worse,) = time_to_quality.measure("w", FAMILY_SETTINGS["warp"](family="warp", contrast=0.99), data, 0)
    assert 0 < row.floors < worse.floors


def test_of_few_images_a_class_a_model_learns_and_all_judge_it(tmp_path):
    data = small_set(tmp_path)
    shown = time_to_quality.few(data, 2, 1)
    train, others = shown.rows("train"), [shown.rows(split) for split in ("val", "test")]
    assert np.bincount(shown.labels[train]).tolist() == [2] * len(data.spec.classes)
    assert set(train) < set(data.rows("train"))
    assert [rows.tolist() for rows in others] == [data.rows(split).tolist() for split in ("val", "test")]
    assert set(time_to_quality.few(data, 2, 2).rows("train")) != set(train)
    warp = FAMILY_SETTINGS["warp"](family="warp")
    (row,), (fewer,) = (time_to_quality.measure("w", warp, data, 0, per_class) for per_class in (None, 2))
    assert row.frechet < fewer.frechet


def test_a_class_is_judged_by_its_own_images(tmp_path):
    data = small_set(tmp_path)
    name = data.spec.classes[1]
    alone = Judge(data, 18, [name])
    assert set(data.labels[alone.test]) == set(alone.labels) == {1}
    (row,) = time_to_quality.measure("w", FAMILY_SETTINGS["warp"](family="warp", classes=[name]), data, 0)
    others = Judge(data, 18)(data.images[alone.test], data.labels[alone.test])
    assert row.frechet < others["frechet"]


def test_the_floor_is_of_no_more_images_than_are_drawn(tmp_path):
    """A Fréchet distance of few images is mostly their number's doing."""
    data = small_set(tmp_path)
    few, many = Judge(data, 9), Judge(data, 1000)
    assert (few.size, many.size) == (9, 18)
    assert few.floor()["frechet"] > 1.3 * many.floor()["frechet"]
    made = data.images[few.test], data.labels[few.test]
    assert few(*made) == few.floor()


def test_the_figure_has_a_line_a_generator(tmp_path):
    table = tmp_path / "rows.csv"
    head = ",".join(time_to_quality.Look._fields)
    table.write_text(f"{head}\na,10,100,20,4,1,1,1\na,20,200,10,2,1,1,1\nwarp,0.1,0,6,1.2,1,1,1\n")
    rows = time_to_quality.read(table)
    assert rows[1] == time_to_quality.Look("a", 20, 200, 10, 2, 1, 1, 1)
    time_to_quality.figure(rows, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_what_a_plan_of_many_files_costs_is_said(tmp_path, capsys):
    scale.planning(tmp_path, 20)
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said[1:]] == [
        "first plan", "noting what was read", "second plan", "plan after a copy", "the one after"
    ]  # fmt: skip


def test_the_intervals_of_all_arms_hold_together():
    """The smallest cell of the simulation that is published."""
    alone = joint_coverage.layouts()["126 groups of one image"]
    held, width = joint_coverage.coverage(np.random.default_rng(2), 40, alone)
    assert held >= 0.95 - 2 * (0.95 * 0.05 / 40) ** 0.5
    assert 0.05 < width < 0.5


def test_what_was_looked_at_is_not_looked_at_again_but_augmented_views_are():
    looked = []

    def look(network, of, orientations, *augment):
        looked.append(len(of))
        return of.stored.float().mean((1, 2, 3)).numpy()[:, None] + 1000 * orientations[:, None]

    stored = torch.arange(4, dtype=torch.uint8)[:, None, None, None].expand(4, 2, 2, 1).contiguous()
    first, second = (DeviceDataset(stored[rows], torch.zeros(len(rows)), 0) for rows in ([0, 1], [3, 1, 2]))
    remembered = controls.remembering(look)
    for of, turn in ((first, 0), (second, 0), (second, 1)):
        turns = np.full(len(of), turn)
        assert np.array_equal(remembered(None, of, turns), look(None, of, turns))
    remembered(None, second, np.zeros(3), lambda images: images)
    assert looked[::2] == [2, 2, 3, 3]


def test_few_shots_of_a_pool_are_those_that_are_drawn(tmp_path):
    """Two of forty images a class train, two choose, and others judge."""
    images = np.arange(80, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 1), np.uint8)
    pool = write_set(tmp_path / "pool", images, ["a"] * 40 + ["b"] * 40)
    controls.write_shots(tmp_path / "few", pool, FewShots(2, 2, 0), 1)
    few = ImageSet.open(tmp_path / "few")
    assert [len(few.rows(split)) for split in ("train", "val", "control")] == [4, 4, 0]
    assert len(few.rows("test")) >= 4
    source = pool.metadata.set_index("id").index.get_indexer(few.metadata["id"])
    assert np.array_equal(few.images, pool.images[source])
    assert few.metadata["label"].tolist() == pool.metadata["label"].iloc[source].tolist()


# ---------------------------------------------------------------- tracking


def test_a_server_s_cost_is_the_median_of_its_ratios_to_the_training_of_the_same_round():
    seconds = [(10, 10, 10), (20, 22, 30), (10, 12, 10)]
    rounds = [
        {server: tracking.Took(of, 2 * of, 1) for server, of in zip(tracking.SERVERS, taken, strict=True)}
        for taken in seconds
    ]
    *_, down, never = tracking.table(rounds)
    assert down == "| down | 12.0 | 1.100 (1.000 to 1.200) | 24.0 | 1.100 (1.000 to 1.200) | 1.0 |"
    assert never.startswith("| never answers | 10.0 | 1.000 (1.000 to 1.500) |")


def test_a_detector_of_boxes_is_judged_by_images_that_it_has_not_learnt(tmp_path):
    """It finds in them what it has learnt, and far less where discs are called squares and squares discs."""
    images, marks = scenes(60, seed=1)
    other, found = {"disc": "square", "square": "disc"}, []
    for names in ({}, other):
        path = image_sets.write(tmp_path / str(len(names)), images, split=["train"] * 40 + ["val"] * 20)
        judged = [(i, names.get(name, name) if i >= 40 else name, *box) for i, name, *box in marks]
        image_sets.mark(path, judged, ("disc", "square"))
        settings, data = DetectBoxes(steps=100, width=8, learning_rate=5e-3), ImageSet.open(path)
        found.append(box_backbones.found(settings, data, data, "val", 0))
    (_, right, exact), (_, wrong, _) = found
    assert right > 80 > 50 > wrong, (right, wrong)
    assert right > exact
