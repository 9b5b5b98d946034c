"""Every detector of boxes by its name in the settings."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.detection.boxes import library
from pipeline.detection.boxes.detector import BoxDetector
from pipeline.detection.boxes.small import Small
from pipeline.settings import DetectBoxes, ImageSpec

DETECTORS: dict[str, Callable[[ImageSpec, int, DetectBoxes], BoxDetector]] = {
    "small": lambda spec, classes, settings: Small(spec, classes, settings.width),
    "fasterrcnn": lambda spec, classes, settings: library.fasterrcnn(spec, classes),
    "retinanet": lambda spec, classes, settings: library.retinanet(spec, classes),
    "fcos": lambda spec, classes, settings: library.fcos(spec, classes),
}
