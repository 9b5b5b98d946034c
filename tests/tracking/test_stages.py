"""Which MLflow run a detector's scores belong to."""

import pytest

from pipeline.downstream.arms import SyntheticSet, sole_model
from pipeline.downstream.registry import TASKS
from pipeline.tracking.journal import EVENTS, read_events
from pipeline.tracking.stages import detector

CGAN, SG2 = SyntheticSet("cgan", "synthetic"), SyntheticSet("sg2", "synthetic")
BOXES = [SyntheticSet("ddpm", "synthetic"), SyntheticSet("sg2", "blended"), SyntheticSet("cgan", "pseudo")]


def journal(folder, task, synthetic, name, seed):
    """The journal of an arm."""
    task = TASKS[task]
    arm = task.arms(synthetic, more_real=False)[name]
    return detector(folder, "steel", task.place(name), task.stage, sole_model(arm), arm.kind, seed, {"seeds": 5})


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
    with journal(tmp_path, "classification", [CGAN, SG2], arm, 0):
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
    with journal(tmp_path, "boxes", BOXES, arm, 3):
        pass
    assert told(tmp_path) == (key, family)


def told(folder):
    """Key of the run, and its tag `family`."""
    events = [event for _, event in read_events(folder / EVENTS)]
    tags = {name: value for event in events if event["t"] == "tags" for name, value in event["d"].items()}
    return events[0]["key"], tags.get("family")
