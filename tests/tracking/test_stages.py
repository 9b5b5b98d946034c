"""Which MLflow run a detector's scores belong to."""

import pytest

from pipeline.downstream.arms import arms
from pipeline.downstream.boxes.arms import Made, box_arms
from pipeline.tracking.journal import EVENTS, read_events
from pipeline.tracking.stages import box_detector, detector

ARMS = arms(["cgan", "sg2"])
BOX_ARMS = box_arms([Made("ddpm", "synthetic"), Made("sg2", "blended"), Made("cgan", "pseudo")])


@pytest.mark.parametrize(
    ("arm", "key", "family"),
    [
        ("real", "steel/detection/real", "baseline"),
        ("augmented+balanced", "steel/detection/augmented+balanced", "baseline"),
        ("real+cgan", "steel/cgan/seed-0", None),
        ("real+all", "steel/detection/real+all", "hybrid"),
        ("cgan-only", "steel/detection/cgan-only", "synthetic only"),
    ],
)
def test_only_real_images_with_those_of_one_generator_add_to_its_run(tmp_path, arm, key, family):
    """Two arms that wrote the same score into one run would overwrite each other."""
    with detector(tmp_path, "steel", ARMS[arm], 0, {"seeds": 5}):
        pass
    assert told(tmp_path) == (key, family)


@pytest.mark.parametrize(
    ("arm", "key", "family"),
    [
        ("augmented", "steel/detection/boxes/augmented", "baseline"),
        ("real+ddpm", "steel/ddpm/seed-3", None),
        ("real+cgan.pseudo", "steel/cgan/seed-3", None),
        ("real+sg2.blended", "steel/detection/boxes/real+sg2.blended", "blended"),
        ("real+all", "steel/detection/boxes/real+all", "hybrid"),
    ],
)
def test_detectors_of_boxes_add_to_the_run_of_the_generator_that_learned_this_data_set(tmp_path, arm, key, family):
    with box_detector(tmp_path, "steel", BOX_ARMS[arm], 3, {"seeds": 5}):
        pass
    assert told(tmp_path) == (key, family)


def told(folder):
    """Key of the run, and its tag `family`."""
    events = [event for _, event in read_events(folder / EVENTS)]
    tags = {name: value for event in events if event["t"] == "tags" for name, value in event["d"].items()}
    return events[0]["key"], tags.get("family")
