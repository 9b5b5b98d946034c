"""What jobs ask of a cluster: more for more, and never less than a small one needs."""

import numpy as np
import pytest

from pipeline.base import needs
from pipeline.settings import FAMILY_SETTINGS, Detect, DetectBoxes, load, model_settings

SMALL = needs.Images(number=1000, pixels=64**2, channels=1)


def training(family="stylegan2_ada", images=SMALL, card=True, **settings):
    return needs.training(model_settings({"family": family, "total_images": 10**6} | settings), images, card)


def test_every_family_has_its_costs():
    assert set(needs.COSTS) == set(FAMILY_SETTINGS)


def test_larger_images_more_of_them_and_larger_batches_ask_for_more():
    processor = training(card=False, total_images=1000)
    assert training(card=False, total_images=1000, batch=64).mem_mb > processor.mem_mb
    assert training(card=False, total_images=1000, batch=64, batch_per_device=32).mem_mb == processor.mem_mb
    large = training(images=SMALL._replace(pixels=128**2), card=False, total_images=1000)
    assert large.mem_mb > processor.mem_mb
    assert large.minutes > processor.minutes
    assert training(images=SMALL._replace(number=10**5)).mem_mb > training().mem_mb
    assert training(total_images=10**5).minutes < training().minutes
    assert training("dcgan").minutes < training("stylegan2_ada").minutes


def test_a_card_is_faster_and_keeps_the_batch_to_itself():
    assert training(total_images=10**5).minutes < training(total_images=10**5, card=False).minutes
    assert training(batch=8).mem_mb == training(batch=512).mem_mb


def test_by_hand():
    # (10⁶ · 0.05 + 20 · 300 · 0.01 s)/300 = 167 s;
    # 2000 + 4 · (2 · 1000 · 64²/10⁶ = 8.192) + 3000 MB; 20 + 2 · (10⁶ · 0.05 + 20 · 300 · 0.01 s)/60/300 min
    assert training("dcgan") == needs.Needs(mem_mb=5033, minutes=26, threads=8, seconds=167)


def test_no_job_asks_for_more_than_a_day_and_small_images_for_one_processor():
    assert training(total_images=10**9).minutes == 1440
    assert training(images=SMALL._replace(pixels=32**2)).threads == 1


@pytest.mark.parametrize(
    ("jobs", "processors", "mb", "threads"),
    [
        (1, 2, 24000, 2),  # alone it has all
        (5, 2, 24000, 1),  # a processor each before any has a second
        (3, 16, 64000, 5),
        (1, 64, 256000, 8),  # and no more than it asks for
        (9, 16, 12000, 8),  # two fit into the memory: two at once
        (9, 16, 4000, 16),  # one, and it would not fit by itself
    ],
)
def test_jobs_on_one_machine_share_its_processors_as_its_memory_allows(jobs, processors, mb, threads):
    assert needs.side_by_side(needs.Needs(5000, 60, 8, 1200), jobs, processors, mb) == threads


def test_detectors_ask_by_arms_repetitions_and_backbone():
    def seconds(arms=4, **settings):
        return needs.classifying(Detect(**settings), arms, 1000, SMALL, card=False).seconds

    assert seconds(arms=8) > seconds()
    assert seconds(repetitions=40) > seconds()
    assert seconds(backbone="scratch") > seconds()


def test_detectors_of_boxes_ask_by_their_number():
    settings = DetectBoxes(repetitions=5, selection_runs=2, ratios=[0.5, 1.0], steps=100, batch=8)
    asked = [needs.finding(settings, SMALL, False, number).seconds for number in (1, 3, None)]
    assert asked == [100 * 8 * 0.01 * fits for fits in (1, 3, 5 + 2 * 2)]
    # 2000 + 4 · 8.192 MB of images, and 3000 of a card, or 1.5 · 8 · 0.01 · 400 of a batch and 540 of kept maps
    assert [needs.finding(settings, SMALL, card).mem_mb for card in (True, False)] == [5033, 2081 + 540]


def test_seconds_by_hand():
    """Of 400 and 1600 images of 32 pixels, a quarter of those of 64, on a processor and on a card."""
    images = needs.Images(number=1600, pixels=32**2, channels=1)
    assert needs.evaluating(images, 400, card=False).seconds == 3 + 400 * 0.02 / 4
    assert needs.evaluating(images, 400, card=True).seconds == 3
    detect = Detect(repetitions=5, selection_runs=1, ratios=[1.0], keep_fractions=[1.0], filters=["confidence"])
    for card in (False, True):  # a head is fitted on a processor
        assert needs.classifying(detect, 100, 1000, images, card).seconds == round(100 * (5 + 1) * (0.2 + 0.14))
    assert needs.preparing(images).seconds == round(1600 * 0.052 / 4)
    assert needs.reading(images).seconds == round(1600 * 0.002 / 4)


@pytest.mark.parametrize(("prepared", "count"), [(True, 7), (False, 2)])
def test_images_are_counted_where_they_are_prepared(tmp_path, prepared, count):
    files = [tmp_path / name for name in "ab"]
    for file in files:
        file.write_bytes(bytes(10**6))
    (tmp_path / "lost").symlink_to(tmp_path / "nowhere")
    np.save(tmp_path / "images.npy", np.zeros((7, 32, 32, 1), np.uint8))
    named = {"datasets": {"d": {"source": str(tmp_path), "size": 32}}, "models": {"m": {"family": "cgan"}}}
    dataset = load(named).datasets["d"]
    there = str(tmp_path / "images.npy") if prepared else None
    assert needs.Images.of(dataset, there, files) == (count, 32**2, 1)
    assert needs.Images.of(dataset, None, [*files, tmp_path / "lost"]).number == 3
    tiles = dataset.model_copy(update={"fit": "tile", "channels": "rgb", "size": 50})
    assert needs.Images.of(tiles, None, [*files, tmp_path / "lost"]) == (2 * 10**6 // (3 * 50**2), 50**2, 3)
