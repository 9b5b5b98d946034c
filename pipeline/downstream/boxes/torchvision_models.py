"""torchvision's detectors of boxes, with random weights and at the size of the images."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models import detection
from torchvision.models.detection.anchor_utils import AnchorGenerator

from pipeline.downstream.boxes.average_precision import MOST
from pipeline.downstream.boxes.detector import FLOOR, OVERLAP, BoxDetector, BoxTargets, Detections
from pipeline.settings import ImageSpec

RATIOS = (0.5, 1.0, 2.0)  # height over width of anchors


class TorchvisionDetector(BoxDetector):
    """One of them. They want three channels."""

    def __init__(self, network: nn.Module, first: int):
        """Args: `first`, what it calls class 0. Faster R-CNN keeps 0 for the background, the others have none."""
        super().__init__()
        self.network, self.first = network, first

    def losses(self, images: Tensor, marks: BoxTargets) -> dict[str, Tensor]:
        present = marks.classes >= 0
        targets = [
            {"boxes": boxes[here], "labels": classes[here] + self.first}
            for boxes, classes, here in zip(marks.boxes, marks.classes, present, strict=True)
        ]
        return self.network(_colour(images), targets)

    def detect(self, images: Tensor) -> list[Detections]:
        found = self.network(_colour(images))
        return [Detections(one["boxes"], one["labels"] - self.first, one["scores"]) for one in found]


def fasterrcnn(spec: ImageSpec, classes: int) -> TorchvisionDetector:
    """Faster R-CNN (Ren et al. 2015) on a ResNet-50 with feature pyramid."""
    said = {"box_score_thresh": FLOOR, "box_nms_thresh": OVERLAP, "box_detections_per_img": MOST}
    anchors = _anchors(spec, [(1.0,)] * 5)
    network = detection.fasterrcnn_resnet50_fpn(**_common(spec, classes + 1), **said, rpn_anchor_generator=anchors)
    return TorchvisionDetector(network, first=1)


def retinanet(spec: ImageSpec, classes: int) -> TorchvisionDetector:
    """RetinaNet (Lin et al. 2017) on a ResNet-50 with feature pyramid; its three anchor sizes a level."""
    anchors = _anchors(spec, [tuple(2 ** (i / 3) for i in range(3))] * 5)
    network = detection.retinanet_resnet50_fpn(**_common(spec, classes), **_said(), anchor_generator=anchors)
    return TorchvisionDetector(network, first=0)


def fcos(spec: ImageSpec, classes: int) -> TorchvisionDetector:
    """FCOS (Tian et al. 2019) on a ResNet-50 with feature pyramid; it has no anchors to fit."""
    return TorchvisionDetector(detection.fcos_resnet50_fpn(**_common(spec, classes), **_said()), first=0)


def _common(spec: ImageSpec, classes: int) -> dict:
    """Nothing downloaded, nothing scaled: the images keep their size, and are in [-1, 1] already."""
    size = {"min_size": min(spec.height, spec.width), "max_size": max(spec.height, spec.width)}
    look = {"image_mean": [0.0] * 3, "image_std": [1.0] * 3}
    return {"weights": None, "weights_backbone": None, "num_classes": classes, **size, **look}


def _said() -> dict:
    return {"score_thresh": FLOOR, "nms_thresh": OVERLAP, "detections_per_img": MOST}


def _anchors(spec: ImageSpec, parts: list[tuple[float, ...]]) -> AnchorGenerator:
    """From a 16th of the image's side to all of it; torchvision's own, for images of 800 pixels, begin at 32."""
    side = max(spec.height, spec.width)
    sizes = tuple(tuple(side / 2 ** (4 - level) * part for part in some) for level, some in enumerate(parts))
    return AnchorGenerator(sizes, (RATIOS,) * len(sizes))


def _colour(images: Tensor) -> list[Tensor]:
    return list(images.expand(-1, 3, -1, -1))
