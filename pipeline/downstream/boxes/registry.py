"""Every detector of boxes by its name in the settings."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.downstream.boxes import torchvision_models
from pipeline.downstream.boxes.detector import BoxDetector
from pipeline.downstream.boxes.fcos_lite import FCOSLite
from pipeline.downstream.boxes.trunk import TRUNKS
from pipeline.settings import DetectBoxes, ImageSpec

DETECTORS: dict[str, Callable[[ImageSpec, int, DetectBoxes], BoxDetector]] = {
    "small": lambda spec, classes, settings: FCOSLite(
        spec, classes, TRUNKS[settings.backbone](spec, settings.width), settings.width
    ),
    "fasterrcnn": lambda spec, classes, settings: torchvision_models.fasterrcnn(spec, classes),
    "retinanet": lambda spec, classes, settings: torchvision_models.retinanet(spec, classes),
    "fcos": lambda spec, classes, settings: torchvision_models.fcos(spec, classes),
}
