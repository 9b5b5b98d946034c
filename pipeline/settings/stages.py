"""Settings of what follows training: drawing, looking, judging, tracking."""

from __future__ import annotations

import operator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pipeline.settings.basics import (
    MOST,
    Classes,
    Count,
    Folder,
    Fraction,
    Name,
    Positive,
    Seed,
    Several,
    Strict,
    Switch,
    Whole,
    distinct,
)
from pipeline.settings.families import STRIPS, STYLED, UNTRAINED

Direction = Annotated[str, Field(min_length=1, max_length=200)]  # such as `p(pores)`, with any name of a class


class Generate(Strict):
    images_per_class: Count | None = None
    """Images drawn for each class; null is as many as the class has training images."""
    seed: Seed = 0
    """Image i of a class is drawn from a seed derived from this, the class and i."""
    batch: Count = 64
    """Images drawn at a time; changes speed and memory alone (on a GPU also pixels, by about a level of 8 bits)."""
    truncation: Fraction = 1.0
    """Truncation ψ of families with styles: below 1 images are more typical of their class and vary less. The other
    families are drawn as with 1, which a run says when it starts."""
    move: Annotated[dict[Direction, float], Field(exclude_if=operator.not_)] = {}
    """Directions of the style space and how far images are moved along them, in standard deviations, such as
    `{grain_size: 1, p(pores): -0.5}`. `gallery/directions.json` of a model names its own. Of families with styles."""
    export: Literal["tiff", "png", "jpeg"] = "tiff"
    """Format of the image files a user takes away. PNG holds 8 and 16 bits, JPEG 8, with a loss; all else is TIFF."""


class Blend(Strict):
    """Training images whose defects are filled anew with synthetic patches, for detectors that find defects with boxes.
    Of data sets of which another one has the patches (`patches_of`)."""

    images: Count | None = None
    """Images made with the patches of each generator; null is one of each training image that can be used."""
    seed: Seed = 0
    """Image i is made from a seed derived from this and i."""


class Sweep(Strict):
    """The same seeds at several truncations ψ, as a sheet. Of families with styles."""

    truncations: Annotated[list[Fraction], Field(min_length=1)] = [0.0, 0.25, 0.5, 0.75, 1.0]
    """ψ of the columns; 0 is the mean of the class."""
    count: Count = 2
    """Rows of each class, a seed each."""


class Interpolation(Strict):
    """A film from one image to another and back, as frames, GIF and MP4. Of every family that is trained."""

    frames: Several = 8
    """Images from the one to the other, both among them."""
    space: Literal["w", "z"] = "w"
    """`w`: in a line between the styles, in families that have them; elsewhere, and with `z`, on the great circle
    between the latents."""
    fps: Annotated[int, Field(ge=1, le=50)] = 8
    """Frames a second."""
    count: Count = 1
    """Pairs of each class, side by side."""


class Mixing(Strict):
    """Coarse styles of one image with the finer ones of another, as a sheet. Of families with styles."""

    rows: Count = 3
    """Images of each class that give the coarse styles."""
    columns: Count = 4
    """Images of each class that give the other styles."""


class Strips(Strict):
    """Wide images without seams, as files in the type of the source. Of families that draw any width."""

    width: Annotated[int, Field(ge=16, le=MOST)] = 512
    """Pixels; a strip is as high as the training images. Memory does not grow with it."""
    count: Count = 1
    """Strips of each class."""


class Gallery(Strict):
    """What is drawn of each model beside its synthetic set, as far as its family can; null leaves a part out."""

    classes: Classes | None = None
    """Classes to draw; null is the first four. A class that a model does not know is left out."""
    seed: Seed = 0
    """Same seed, same gallery. With that of `generate` the images are the first of the synthetic set."""
    batch: Count = 32
    """Images drawn at a time; changes speed and memory alone (on a GPU also pixels, by about a level of 8 bits)."""
    sweep: Sweep | None = Sweep()
    interpolation: Interpolation | None = Interpolation()
    mixing: Mixing | None = Mixing()
    directions: bool = True
    """Find directions of the style space, name each by what it changes in images, and draw images along them."""
    strips: Strips | None = Strips()


class Card(Strict):
    """What the cards of synthetic image sets say and is in no other file."""

    licence: str | None = None
    """Licence of the synthetic images: an SPDX identifier or an address. Mind that of the real ones."""
    creators: list[str] = []
    """Who made them."""
    url: str | None = None
    """Where they are published."""
    cite: str | None = None
    """How to cite them, as BibTeX."""


class Evaluate(Strict):
    inception: Switch = "auto"
    """FID by clean-fid's Inception: `auto` where its weights are in the cache, `on` fetches them, `off` omits it."""
    lpips: Switch = "auto"
    """Variety by LPIPS on AlexNet: `auto` where both files of weights are in the cache, `on` fetches them (244 MB),
    `off` omits it."""
    weights: Folder = "~/.cache/pyrite"
    """Folder of downloaded weights; can be filled by hand."""
    class_feature_steps: Whole = 100
    """Training steps, of 16 images each, of a small classifier of the real classes, in whose features sets are compared
    too. Fewer are taken where it would see each training image more than 3 times and learn them by heart. 0 leaves it
    out."""
    imagenet: bool = True
    """Compare sets in the features of EfficientNet-Lite0 too, which was trained on ImageNet; its weights come with the
    installation. On one thread it takes about 3 ms for an image of 64 pixels and 10 ms for one of 128."""
    subsets: Several = 50
    """Half-samples for the intervals of distances."""
    seed: Seed = 0
    """Seed of every random choice of the evaluation."""


class Detect(Strict):
    backbone: Literal["frozen", "fine_tuned", "scratch"] = "frozen"
    """The network of the detectors of all arms: `frozen`, EfficientNet-Lite0 with the weights of ImageNet, which stay
    as they are, and a logistic head (seconds); `fine_tuned`, the same network and head, trained on together (minutes of
    a CPU, for a GPU); `scratch`, a ResNet-18 with random initial weights."""
    repetitions: Annotated[int, Field(ge=2, le=1000)] = 10
    """Paired repetitions, each with random choices of its own: which synthetic images and which augmented views are
    seen; fine-tuned and from scratch also their order, and from scratch the initial weights."""
    steps: Count = 2400
    """Fine-tuned and from scratch: the most optimiser steps of a detector. An eighth, a quarter or half as many are
    taken, the same in every arm, where more steps gain no arm of real images a point on the validation images."""
    batch: Several = 64
    """Images at a time; fine-tuned and from scratch, in a step."""
    learning_rate: Positive = 1e-3
    """From scratch: peak AdamW step; cosine decay to zero. Fine-tuned: a tenth of it."""
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    """Fine-tuned and from scratch: AdamW weight decay."""
    width: Count = 64
    """From scratch: channels of ResNet-18's first stage; 64 in the paper."""
    ratios: Annotated[list[Positive], Field(min_length=1), AfterValidator(distinct)] = [0.5, 1.0, 2.0]
    """Total weight of the synthetic images, as a multiple of that of the real ones: by their number in a batch, or by
    their weight in the loss of a head. Chosen on validation images; without them it is the first."""
    keep_fractions: Annotated[
        list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=1), AfterValidator(distinct)
    ] = [1.0, 0.5]
    """Shares of each class's synthetic images to use: the best by each of `filters`. Chosen on validation images;
    without them all are used."""
    filters: Annotated[list[Literal["confidence", "nearest"]], Field(min_length=1), AfterValidator(distinct)] = [
        "confidence",
        "nearest",
    ]
    """How a detector of real images finds the best: `confidence`, by how sure it is of the class that they are to show;
    `nearest`, by how like training images of that class they look to it. Chosen as `keep_fractions` is, below 1."""
    selection_runs: Annotated[int, Field(ge=1, le=1000)] = 2
    """Trainings of each ratio with each filter and share to choose by, with seeds of their own. A single candidate
    needs none."""


class DetectBoxes(Strict):
    """Detectors that find defects with boxes, in data sets that have boxes."""

    detector: Literal["small", "fasterrcnn", "retinanet", "fcos"] = "small"
    """`small`: written here, trains on a processor in minutes; the others are torchvision's on a ResNet-50, with random
    weights, for a GPU."""
    backbone: Literal["frozen", "fine_tuned", "scratch"] = "frozen"
    """The network of `small`: `frozen`, EfficientNet-Lite0 with the weights of ImageNet, which stay as they are;
    `fine_tuned`, the same network, trained on; `scratch`, a small ResNet-18 with random initial weights."""
    repetitions: Annotated[int, Field(ge=2, le=1000)] = 5
    """Paired repetitions: the same initial weights and data order in every arm."""
    steps: Count = 2000
    """The most optimiser steps of a detector. An eighth, a quarter or half as many are taken, the same in every arm,
    where more steps gain no arm of real images a point of mAP50 on the validation images."""
    batch: Several = 16
    """Images a step."""
    learning_rate: Positive = 2e-3
    """Peak AdamW step; rises over the first tenth of the steps, then cosine decay to zero. 1e-3 suits `fine_tuned`,
    1e-4 torchvision's."""
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    """AdamW weight decay."""
    width: Count = 16
    """Of `small`: half the channels of the map that its heads see; from scratch, those of ResNet-18's first stage."""
    ratios: Annotated[list[Positive], Field(min_length=1), AfterValidator(distinct)] = [0.5, 1.0]
    """Synthetic images for each real one in a batch. Chosen on validation images; without them it is the first."""
    selection_runs: Annotated[int, Field(ge=1, le=1000)] = 2
    """Trainings of each ratio to choose by, with seeds of their own. A single ratio needs none."""


class BoxDetection(DetectBoxes):  # all of `detect.boxes`; the job of an arm is given the class above
    """Detectors that find defects with boxes, in data sets that have boxes."""

    pseudo_labels: Annotated[list[Name], AfterValidator(distinct)] = []
    """Models in whose synthetic images a detector of the real training images looks for defects: each gives an arm of
    its own, with the boxes that were found. Of models whose images have no boxes."""


class DetectAnomalies(Strict):
    """Detectors of what is not good, in data sets that say which class is `good`. Their network is EfficientNet-Lite0
    with the weights of ImageNet."""

    repetitions: Annotated[int, Field(ge=2, le=1000)] = 10
    """Paired repetitions, each with its own half of the images that are added and of the defects that are drawn; an arm
    without either is fitted once, for nothing in it is random."""
    batch: Several = 64
    """Images at a time."""
    memory: Count = 1000
    """Patches of good images that the one-class detector keeps."""
    drawn: Count = 64
    """Good images into which pieces are pasted, as many that get scars, and as many into which defects are moved."""
    ratios: Annotated[list[Positive], Field(min_length=1), AfterValidator(distinct)] = [0.5, 1.0]
    """Total weight of the patches of added bad images, as a multiple of that of the real ones. Chosen on validation
    images; without them it is the first."""
    selection_runs: Annotated[int, Field(ge=1, le=1000)] = 2
    """Trainings of each candidate to choose by, with seeds of their own."""


class Detection(Detect):  # all of `detect`; a job of classification is given `Detect`
    """Detectors trained with and without synthetic images, to tell whether these help."""

    enabled: bool = True
    """Whether detectors are trained at all; `detect: off` is short for `detect: {enabled: false}`."""
    boxes: BoxDetection = BoxDetection()
    """Detectors that find defects with boxes."""
    anomalies: DetectAnomalies = DetectAnomalies()
    """Detectors of what is not good."""
    missed: Annotated[list[Name], AfterValidator(distinct)] = []
    """Models that draw a second set, of what detectors of the real training images miss in the validation images: more
    of the classes that are missed, and of models with boxes those whose boxes are like missed ones in class, size and
    place. Each gives an arm of its own, `real+cgan.missed`."""


class Tracking(Strict):
    uri: str | None = None
    """MLflow tracking URI; null is that of MLFLOW_TRACKING_URI, or else a SQLite file under the results."""
    experiment: Annotated[str, Field(min_length=1)] = "pyrite"
    """Prefix of the MLflow experiments, one a data set."""
    tensorboard: bool = False
    """Write TensorBoard's event files too, under the results; needs `pip install 'pyrite[tensorboard]'`."""


def generate_of(generate: Generate, family: str) -> Generate:
    """The settings as they concern a family, so that its images are not drawn anew for what changes nothing."""
    return generate if family in STYLED else generate.model_copy(update={"truncation": 1.0, "move": {}})


def gallery_of(gallery: Gallery, family: str) -> Gallery | None:
    """The parts of the gallery that a family can draw, the others left out; None where no part remains."""
    if family in UNTRAINED:  # between two of their images there is no way
        return None
    cannot = (set() if family in STYLED else {"sweep", "mixing"}) | (set() if family in STRIPS else {"strips"})
    drawn = gallery.model_copy(update=dict.fromkeys(cannot) | {"directions": gallery.directions and family in STYLED})
    parts = (drawn.sweep, drawn.interpolation, drawn.mixing, drawn.directions, drawn.strips)
    return drawn if any(parts) else None


def teacher_of(boxes: DetectBoxes) -> DetectBoxes:
    """The settings as they concern the detector that labels: what it does not depend on is as if it were not set."""
    return DetectBoxes(
        **boxes.model_dump(include={"detector", "backbone", "steps", "batch", "learning_rate", "weight_decay", "width"})
    )
