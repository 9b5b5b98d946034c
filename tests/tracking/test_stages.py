"""Which MLflow run a detector's scores belong to."""

import pytest

from pipeline.detection.arms import arms
from pipeline.tracking.journal import EVENTS, read_events
from pipeline.tracking.stages import detector

ARMS = arms(["cgan", "sg2"])


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
    events = [event for _, event in read_events(tmp_path / EVENTS)]
    assert events[0]["key"] == key
    tags = {name: value for event in events if event["t"] == "tags" for name, value in event["d"].items()}
    assert tags.get("family") == family
