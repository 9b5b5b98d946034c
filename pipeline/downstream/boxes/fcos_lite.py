"""A detector of boxes that trains on a processor in minutes: one stage, no anchors, one map."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import batched_nms, clip_boxes_to_image
from torchvision.ops.boxes import box_area

from pipeline.downstream.boxes.average_precision import MOST
from pipeline.downstream.boxes.detector import FLOOR, OVERLAP, BoxDetector, BoxTargets, Detections
from pipeline.downstream.boxes.targets import STRIDE, assign_targets, decode_boxes, grid_centres
from pipeline.downstream.boxes.trunk import Trunk
from pipeline.downstream.classifier.resnet import initialise
from pipeline.settings import ImageSpec

RARE = 0.01  # first guess of every score, lest the many empty places drown the rest (Lin et al. 2017, RetinaNet)
FOCUS = 2  # β of the quality focal loss
TINY = 1e-7  # square pixels, added to an area that is divided by
CANDIDATES = 1000  # places and classes of an image that go into the suppression of doubles, surest first


class FCOSLite(BoxDetector):
    """FCOS (Tian et al. 2019) on a single map of stride 4.

    The maps of a trunk are joined from the coarsest to that of stride 4 (Lin et al. 2017, feature pyramid). Two heads
    say, for every place of the map, a score for each class and one box. A score is trained to be the overlap of that
    box with the true one (quality focal loss; Li et al. 2020, Generalized Focal Loss, eq. 2), which takes the place of
    FCOS's centre-ness.

    Args:
        width: half the channels of the joined map.
    """

    def __init__(self, spec: ImageSpec, classes: int, trunk: Trunk, width: int):
        super().__init__()
        self.trunk = trunk
        self.lateral = nn.ModuleList(nn.Conv2d(channels, 2 * width, 1) for channels in trunk.channels)
        self.joined = _convolution(2 * width)
        for layer in (self.lateral, self.joined):
            initialise(layer)
        self.classify = _head(2 * width, classes, -math.log((1 - RARE) / RARE))
        self.locate = _head(2 * width, 4, 0.0)
        self.side = max(spec.height, spec.width) / STRIDE

    def losses(self, images: Tensor, marks: BoxTargets) -> dict[str, Tensor]:
        logits, boxes = self._said(images)
        where = _centres(images)
        answer = assign_targets(marks.boxes, marks.classes >= 0, where)
        # All places are compared, with an empty box where they answer for none: to choose them would wait for a card.
        answers, box = answer >= 0, torch.where(answer >= 0, answer, marks.classes.shape[1])
        true = functional.pad(marks.boxes, (0, 0, 0, 1)).gather(1, box[..., None].expand(-1, -1, 4))
        class_id = functional.pad(marks.classes, (0, 1)).gather(1, box)
        overlap, generalised = overlaps(boxes, true)
        alike = torch.where(answers, overlap.detach(), 0)
        wanted = torch.zeros_like(logits).scatter(2, class_id[..., None], alike[..., None])
        missed = (wanted - logits.sigmoid()).abs() ** FOCUS
        surprise = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        count = answers.sum().clamp(min=1)
        return {
            "score": (missed * surprise).sum() / count,
            "box": 2 * torch.where(answers, 1 - generalised, 0).sum() / count,
        }

    def detect(self, images: Tensor) -> list[Detections]:
        logits, boxes = self._said(images)
        return [_surest(one.sigmoid(), place, images.shape[2:]) for one, place in zip(logits, boxes, strict=True)]

    def _said(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, L, K) logits and (B, L, 4) boxes of all places, float32."""
        maps = self.trunk(images, self.again)
        top = None
        for features, lateral in zip(reversed(maps), reversed(self.lateral), strict=True):
            level = lateral(features)
            top = level if top is None else level + functional.interpolate(top, size=level.shape[2:])
        top = self.joined(top)
        logits, said = (head(top).flatten(2).transpose(1, 2).float() for head in (self.classify, self.locate))
        return logits, decode_boxes(said, _centres(images), self.side)


def _surest(scores: Tensor, boxes: Tensor, size: Sequence[int]) -> Detections:
    """The boxes that stay of one image: (L, K) scores and (L, 4) boxes."""
    place, class_id = torch.nonzero(scores >= FLOOR, as_tuple=True)
    sure = scores[place, class_id].topk(min(CANDIDATES, len(place)))
    place, class_id = place[sure.indices], class_id[sure.indices]
    boxes = clip_boxes_to_image(boxes[place], tuple(size))
    stay = batched_nms(boxes, sure.values, class_id, OVERLAP)
    stay = stay[box_area(boxes[stay]) > 0][:MOST]
    return Detections(boxes[stay], class_id[stay], sure.values[stay])


def _centres(images: Tensor) -> Tensor:
    height, width = images.shape[2:]
    return grid_centres(height, width, images.device)


def overlaps(boxes: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """(...) intersection over union of (..., 4) boxes x0, y0, x1, y1 with others, pair by pair, and the generalised one
    (Rezatofighi et al. 2019): less the share of the box around both that neither covers. Others may be empty."""
    common = _area(torch.maximum(boxes[..., :2], others[..., :2]), torch.minimum(boxes[..., 2:], others[..., 2:]))
    around = _area(torch.minimum(boxes[..., :2], others[..., :2]), torch.maximum(boxes[..., 2:], others[..., 2:]))
    union = _area(boxes[..., :2], boxes[..., 2:]) + _area(others[..., :2], others[..., 2:]) - common
    overlap = common / (union + TINY)
    return overlap, overlap - (around - union) / (around + TINY)


def _area(low: Tensor, high: Tensor) -> Tensor:
    width, height = (high - low).clamp(min=0).unbind(-1)
    return width * height


def _head(channels: int, out: int, bias: float) -> nn.Sequential:
    last = nn.Conv2d(channels, out, 3, padding=1)
    nn.init.normal_(last.weight, std=0.01)
    assert last.bias is not None
    nn.init.constant_(last.bias, bias)
    return nn.Sequential(_convolution(channels), last)


def _convolution(channels: int) -> nn.Sequential:
    layers = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
    return nn.Sequential(*layers)
