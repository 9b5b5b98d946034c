import pytest
import torch

from pipeline.downstream.boxes.average_precision import MOST
from pipeline.downstream.boxes.detector import FLOOR, BoxTargets
from pipeline.downstream.boxes.registry import DETECTORS
from pipeline.settings import DetectBoxes, ImageSpec

SPEC = ImageSpec(64, 64, 1, ("all",))


def test_every_detector_of_the_settings_is_registered():
    assert set(DETECTORS) == set(DetectBoxes.model_fields["detector"].annotation.__args__)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in DETECTORS if name != "small"])
def test_torchvisions_detectors_take_a_step_and_find_boxes(name):
    torch.manual_seed(0)
    network = DETECTORS[name](SPEC, 2, DetectBoxes())
    images = torch.rand(2, 1, 64, 64) * 2 - 1
    boxes = torch.tensor([[[4.0, 6, 20, 40], [0, 0, 0, 0]], [[0, 0, 0, 0]] * 2])  # the second image is background
    losses = network.losses(images, BoxTargets(boxes, torch.tensor([[1, -1], [-1, -1]])))
    sum(losses.values()).backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters() if parameter.grad is not None)
    with torch.inference_mode():
        found = network.eval().detect(images)
    assert len(found) == 2
    for one in found:
        assert len(one.boxes) == len(one.classes) == len(one.scores) <= MOST
        assert set(one.classes.tolist()) <= {0, 1}
        assert (one.scores >= FLOOR).all()
        assert (one.boxes >= 0).all()
        assert (one.boxes <= 64).all()
