"""Settings of the data sets: where images come from and how they are cut, scaled, labelled and split."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from pipeline.settings.basics import (
    MOST_DRAWS,
    Class,
    Classes,
    Count,
    Fraction,
    Name,
    Positive,
    Seed,
    Strict,
    Switch,
    Whole,
    Word,
    by_rule,
    distinct,
)

BACKGROUND = ("background", "bg")  # names that no defect has
MOST_CLASSES = 255  # a byte of a prepared mask, less the background
HDF5_FILE = re.compile(r"\.(h5|hdf5?|he5)\b", re.IGNORECASE)  # in a source
VALUE = re.compile(r"\d{1,9}|#[0-9a-fA-F]{6}")  # of a mask, or a colour


SMALLEST, LARGEST = 16, 1024  # pixels of a side


def _sides(value: Any) -> Any:
    """A side, also where a person wrote a square as height and width; or height and width."""
    sides = value if isinstance(value, list) else [value]
    whole = [type(side) in (int, float) and side == int(side) for side in sides if side in range(SMALLEST, LARGEST + 1)]
    if len(sides) not in (1, 2) or len(whole) != len(sides) or (isinstance(value, list) and len(sides) == 1):
        raise ValueError(
            f"must be a whole number from {SMALLEST} to {LARGEST}, or two as in `[64, 128]` (height, width); it is "
            f"{value!r}"
        )
    return sides[0] if len(set(sides)) == 1 else sides


Side = Annotated[int, Field(ge=SMALLEST, le=LARGEST)]
Sides = Annotated[Side | Annotated[list[Side], Field(min_length=2, max_length=2)], BeforeValidator(_sides)]


class Voronoi(Strict):
    """Procedural polycrystals: what `source: voronoi` draws. Lengths in pixels, gray values in [0, 1]."""

    images_per_class: Count = 300
    """Images drawn for each class."""
    classes: Annotated[
        list[Literal["intact", "pores", "scratch", "coarse"]], Field(min_length=1), AfterValidator(distinct)
    ] = ["intact", "pores", "scratch", "coarse"]
    """Classes drawn; `coarse` holds one abnormally large grain."""
    grain_size: Positive = 11.0
    """Mean grain diameter."""
    elongation: Annotated[float, Field(ge=1)] = 1.0
    """Grain length over width along the horizontal axis."""
    boundary_width: Positive = 1.4
    """Full width of a grain boundary."""
    contrast: Fraction = 0.5
    """Spread of the grains' gray values."""
    noise: Fraction = 0.02
    """Standard deviation of the added detector noise."""
    seed: Seed = 0
    """Same seed, same images."""


class HDF5(Strict):
    """How to read an HDF5 source; everything left out is found by looking."""

    images: str | None = None
    """Path inside the file of the data set, or of the group that holds one data set an image, or several stacks."""
    labels: str | None = None
    """Path of a data set with one label an image: text, numbers, or zeros and a one in the column of the class."""
    layout: Literal["auto", "hw", "nhw", "hwn", "nhwc", "nchw", "hwcn", "flat"] = "auto"
    """Order of the axes: number, height, width, channels; `hw` is one image a data set, `flat` one row an image, which
    needs `shape`."""
    shape: Annotated[list[Count], Field(min_length=2, max_length=3)] | None = None
    """Shape of one image, (H, W), (H, W, C) or (C, H, W), for flat rows."""


class Labels(Strict):
    """Where an image's class comes from."""

    rule: Literal["none", "folder", "filename", "csv", "hdf5"] = "none"
    """`filename` takes group 1 of `pattern`; `csv` reads `csv`; `hdf5` reads `hdf5.labels`."""
    pattern: str = r"^(.+?)[-_ ]?\d+$"
    """Regular expression on the file name without its extension, or where it holds a `/` on the path below `source`;
    group 1 is the class."""
    csv: list[str] = []
    """CSV files with one row an image."""
    file_column: str = "file"
    """Column of the CSV that holds the file name, relative to the source."""
    class_column: str = "class"
    """Column of the CSV that holds the class."""
    classes: Classes | None = None
    """The classes to use, in this order; null takes all that occur. An image of another class is rejected."""


def _unused(section: Strict, names: tuple[str, ...], under: str, needed: str, where: str = "") -> Iterator[str]:
    """Settings of a section that have another value than their default, though they have no use there."""
    for name in names:
        value = getattr(section, name)
        if value != type(section).model_fields[name].default:
            yield f"{where}{name}: `{value}` is not used under `{under}`; set `{needed}`, or leave it out"


class Scaling(Strict):
    """How source values become stored integers; recorded, so that it can be undone on export."""

    rule: Literal["dtype", "fixed", "percentile", "image_percentile"] = "dtype"
    """`dtype`: the full range of the source type ([0, 1] for floats); `fixed`: low to high; `percentile`: over the
    training images; `image_percentile`: over each image, which removes differences of brightness between images."""
    low: float = 0.0
    """For `fixed`: the source value that becomes black."""
    high: float = 1.0
    """For `fixed`: the source value that becomes white."""
    low_percentile: Annotated[float, Field(ge=0, le=100)] = 0.1
    """For the percentile rules: the percentile that becomes black."""
    high_percentile: Annotated[float, Field(ge=0, le=100)] = 99.9
    """For the percentile rules: the percentile that becomes white."""

    def faults(self) -> Iterator[str]:
        if self.low >= self.high:
            yield f"low ({self.low}) must be below high ({self.high})"
        if self.low_percentile >= self.high_percentile:
            yield f"low_percentile ({self.low_percentile}) must be below high_percentile ({self.high_percentile})"
        if self.rule != "fixed":
            yield from _unused(self, ("low", "high"), f"scaling.rule: {self.rule}", "scaling.rule: fixed")
        if "percentile" not in self.rule:
            ends = ("low_percentile", "high_percentile")
            yield from _unused(self, ends, f"scaling.rule: {self.rule}", "scaling.rule: percentile")


class Split(Strict):
    """Which images may train and which may only judge. Groups stay whole, but where `column` divides them."""

    by: Literal["source", "region", "slices"] = "source"
    """`source`: whole source files; `region`, for one or a few large ones under `fit: tile`: of each file one end
    judges, what is next to it chooses, the rest trains, with at least the side of a tile between them; `slices`, for
    one or a few stacks: the same of the slices of each, with `gap` between them."""
    gap: Whole | Annotated[float, Field(gt=0, lt=1)] = 0.05
    """For `slices`: slices left out between two sides, a number or a fraction of the stack."""
    test: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Fraction of each class's images held out for judging; ignored where the CSV names the test images."""
    val: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Fraction of each class's remaining images held out for choosing; ignored where the CSV names them."""
    control: Whole | None = None
    """With `shots`: images of each class that are held back, of those left over, for the positive control of the
    detectors, which shows what more real images would do; null is as many as a generator draws."""
    seed: Seed = 0
    """Same seed, same split."""
    column: str | None = None
    """Column of the labels' CSV that names each image's split."""
    names: dict[str, Literal["train", "val", "test"]] = {"train": "train", "val": "val", "test": "test"}
    """What the words of that column mean here."""
    group_column: str | None = None
    """Column of the labels' CSV; rows of one group belong together. Null groups by source file."""
    group_pattern: str | None = None
    """Regular expression as `labels.pattern`, such as `^(kos\\d+)/` for one on folders; images of equal group 1 belong
    together."""
    near_duplicates: Switch = "auto"
    """Look for images of one scene (copies, crops that overlap, exposures of one part) and keep them on one side;
    `auto`: among at most 100 000 images, and not among drawn ones."""


class Boxes(Strict):
    """Boxes that people drew around defects: which files hold them, and what is made of them."""

    format: Literal["voc", "coco", "yolo", "labelme", "cvat", "labelstudio", "csv", "mask"]
    """`voc`: Pascal VOC XML, `labelme`: LabelMe JSON, `yolo`: YOLO txt, a file an image; `coco`: COCO JSON; `cvat`:
    CVAT XML for images; `labelstudio`: Label Studio's JSON; `csv`: tables of boxes (TensorFlow, keras-retinanet) or of
    runs of pixels (Kaggle); `mask`: a picture as large as its image that shows where the defects are. Of runs and masks
    each connected part becomes a box."""
    path: str | list[str]
    """The annotation files: a folder, a glob, a file, or a list of these; for masks it may be that of the images."""
    outlines: bool = False
    """Make masks of polygons and of runs of pixels too (`mask` always does). The mask of an image with a box that has
    no outline is not known. Not for `voc`, which has none."""
    names: str | list[Word] | dict[str, Word | None] | None = None
    """For `yolo`: names of the classes in the order of their numbers, or the data.yaml, classes.txt or obj.names that
    holds them; null looks for one in the folder of the annotations and in the two above it. For `mask`: the class of
    each value or colour, `{1: crack, 2: pore, 255: null}` or `{"#ff0000": crack}` (null is background), or the classes
    of the values 1, 2, ...; null takes all that is not black for one class, `defect`."""
    classes: Classes | None = None
    """The classes of boxes to use, in this order; null takes all that occur. A box of another class is left out."""
    missing: Literal["auto", "unknown", "background"] = "auto"
    """What an image without annotation is: `background` (looked at, and nothing found) or `unknown` (a detector neither
    learns from it nor is judged on it); `auto`: background for `yolo`, which writes no empty files, else unknown."""
    place_cut: bool = False
    """For `fit: resize`: the square lies where it shows most of the boxes, not in the centre. Then boxes that are drawn
    anew make the images anew, and all that was trained on them."""
    visible: Annotated[float, Field(gt=0, le=1)] = 0.5
    """A box stays in a prepared image that shows at least this share of what an image of this size can show of it."""

    def faults(self) -> Iterator[str]:
        if self.outlines and self.format == "voc":
            yield "outlines: Pascal VOC XML has boxes alone; leave `outlines` out"
        if self.format == "mask" and isinstance(self.names, str):
            yield "names: of masks they are a mapping, as in {1: crack, 2: pore}, or a list, no file"
        if isinstance(self.names, dict):
            if self.format != "mask":
                yield f"names: a mapping of values is for masks; for `{self.format}` write a list"
            if wrong := [value for value in self.names if not VALUE.fullmatch(value)]:
                value = self.names[wrong[0]] or ""
                if VALUE.fullmatch(value):
                    yield (
                        f"names: a mask's value stands before its class: {{{value}: {wrong[0]}}}, not "
                        f"{{{wrong[0]}: {value}}}"
                    )
                yield f"names: `{wrong[0]}` is no value of a mask, such as 1 or '#ff0000'"
        labels = list(self.names.values()) if isinstance(self.names, dict) else self.names or []
        called = [label for label in labels if re.sub(r"[\W_]", "", label or "").casefold() in BACKGROUND]
        if self.format == "mask" and called:
            yield (
                f"names: `{called[0]}` would be a class of defects; leave 0 out, which is background, and give other "
                "values of it null, as in {1: crack, 255: null}; a list names the values 1, 2, ..."
            )
        if self.format == "mask" and len(self.names or ()) > MOST_CLASSES:
            yield f"names: {len(self.names or ())} values, more than the {MOST_CLASSES} that masks may have"


class Patches(Strict):
    """How defects are cut out, for `patches_of`."""

    margin: Annotated[float, Field(gt=0, le=1)] = 0.2
    """What is cut out with a box on each of its sides, as a fraction of its width and height. There a patch passes into
    the image that it is put into."""
    smallest: Positive = 4.0
    """A box with a side below this, in pixels of the prepared image, is left out: enlarged, it would be a blur."""


class Dataset(Strict):
    source: str | list[str] | None = None
    """A folder, a glob, a list of files, an HDF5 file, or `voronoi` (drawn here); null only with `patches_of`."""
    patches_of: Name | None = None
    """In place of `source`: the defects of this data set, which has boxes, cut out one by one; their classes are those
    of the boxes. Only `size`, `models` and `patches` may be set beside it, all else is as it is there."""
    patches: Patches = Patches()
    size: Sides = 128
    """Height and width of a training image in pixels: a number for both, or `[height, width]`."""
    fit: Literal["resize", "pad", "stretch", "tile"] = "resize"
    """`resize`: the largest centred part in the shape of `size`, which cuts the rest of a picture off; `pad`: the whole
    picture, with a rim that gives it this shape; `stretch`: the whole picture, brought to this shape by distortion; all
    resampled with anti-aliasing. `tile`: overlapping parts."""
    padding: Literal["reflect", "edge", "constant"] = "reflect"
    """For `pad`: the rim is the picture's mirror image, the pixels of its edge drawn out, or black."""
    tile_source: Positive | None = None
    """For `tile`: shorter side in source pixels of the part that becomes one tile; null is that of `size` (no
    resampling)."""
    tile_overlap: Annotated[float, Field(ge=0, lt=1)] = 0.25
    """For `tile`: smallest overlap of neighbouring tiles, as a fraction of their side."""
    channels: Literal["auto", "gray", "rgb"] = "auto"
    """`auto`: gray unless an image has colour."""
    pages: Literal["all"] | Whole = 0
    """Pages of a multi-page TIFF: one of them, counted from 0, or `all`."""
    crop_bottom: Whole | Annotated[float, Field(gt=0, lt=1)] = 0
    """Rows to cut off at the bottom (an instrument's information bar): pixels, or a fraction of the height."""
    not_finite: Literal["reject", "fill"] = "reject"
    """What becomes of an image with NaN or infinity: rejected, or each such pixel takes the value of the nearest other
    one, as a border of NaN (drift correction, EBSD, tomography) needs; rejected still where more than half are such."""
    limit: Count | None = None
    """At most this many source images a class, drawn by the split's seed."""
    shots: Count | None = None
    """Few-shot set: at most this many source images a class to train and as many to choose by (`val`), drawn after the
    split by its seed; of the images left over some are held back (`split.control`), and the rest judge. A list makes a
    data set `{name}_{shots}` of each of its numbers (null: all images, under the name itself), the images of fewer
    shots among those of more."""
    draws: Annotated[int, Field(ge=1, le=MOST_DRAWS)] = 1
    """Few-shot sets drawn for each number of `shots`, no group of images in two of them, all judged by the same test
    images: from 5 on detectors tell how gains would vary with new images. Each is a data set (`{name}_draw2`, …) with
    generators of its own, so everything is trained that many times."""
    draw: Count = 1
    """Which of the `draws` this data set is; the list of them sets it."""
    symmetry: Literal["none", "horizontal", "vertical", "both", "dihedral"] = "none"
    """Flips (`dihedral`: quarter turns too) that leave the physics unchanged; used wherever images are augmented."""
    pixel_size: Positive | None = None
    """Length of one source pixel, in `unit`; null takes what each file says (TIFF: ImageJ, OME, Zeiss, FEI and Thermo
    Fisher, Tescan, resolution)."""
    unit: str = "µm"
    """Unit of `pixel_size`, and of what is made of the lengths that files say."""
    same_scale: bool = False
    """Of pictures whose pixels differ in length, every image shows the same length: a tile of the coarsest under `fit:
    tile`, the largest part that all hold under `resize`. Pictures that do not say it are rejected."""
    max_pixels: Annotated[int, Field(ge=1, le=2**53)] = 400_000_000
    """An image that claims more pixels is rejected unread."""
    labels: Annotated[Labels, BeforeValidator(by_rule)] = Labels()
    """Where an image's class comes from; a word alone is the `rule`."""
    scaling: Annotated[Scaling, BeforeValidator(by_rule)] = Scaling()
    """How source values become stored integers; recorded, so that it can be undone on export. A word alone is the
    `rule`."""
    split: Split = Split()
    hdf5: HDF5 = HDF5()
    voronoi: Voronoi = Voronoi()
    good: Class | None = None
    """The class of images without a defect. Set, the detectors of this data set are those of anomalies
    (`detect.anomalies`) in place of classifiers and detectors of boxes: all other classes are bad, `shots` counts bad
    images alone, and masks (`boxes`) tell where the defects are."""
    boxes: Boxes | None = None
    """Boxes around the defects in the images, for detectors that find defects; null for none."""
    models: Annotated[list[Name], Field(min_length=1)] | None = None
    """Names of the generators that are trained on it; null is all."""

    @property
    def tells_tiles(self) -> bool:
        """Whether its boxes tell which of its tiles are background."""
        return self.boxes is not None and self.fit == "tile" and self.labels.rule != "none"

    @property
    def needs_boxes(self) -> bool:
        """Whether its images depend on where its boxes are."""
        return self.tells_tiles or (self.boxes is not None and self.boxes.place_cut)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a training image in pixels."""
        return (self.size, self.size) if isinstance(self.size, int) else (self.size[0], self.size[1])

    def faults(self) -> Iterator[str]:
        fit, split, labels, rule, boxes = self.fit, self.split, self.labels, self.labels.rule, self.boxes
        drawn = self.source == "voronoi"

        if drawn and not isinstance(self.size, int):
            yield f"size: `source: voronoi` draws squares, not {self.size}; give one number"
        if boxes is not None and fit == "pad" and self.padding == "reflect":
            yield "padding: `reflect` shows defects again in the rim, without boxes; use `edge` or `constant`"
        if self.same_scale and fit not in ("tile", "resize"):
            yield f"same_scale: is for `fit: tile` and `resize`, which show a part of a picture, not `{fit}`"

        if split.by == "region" and fit != "tile":
            yield f"split.by: `region` divides the tiles of a picture, but fit is `{fit}`, not `tile`"
        if split.by != "source" and (split.column is not None or self.shots is not None):
            other = "shots" if split.column is None else "split.column"
            what = "picture" if split.by == "region" else "stack"
            yield f"split.by: `{split.by}` divides each {what}, and {other} whole ones; leave one out"
        if self.draws > 1 and self.shots is None:
            yield f"draws: {self.draws} draws of few-shot sets, and `shots` is not set"
        if self.draw > self.draws:
            yield f"draw: {self.draw} is beyond the last of {self.draws} draws"
        if boxes is not None and boxes.place_cut and fit != "resize":
            yield f"boxes.place_cut: places the square of `fit: resize`, but fit is `{fit}`"

        if labels.csv and rule != "csv" and split.column is None and split.group_column is None:
            yield f"labels.csv: is not read under `labels.rule: {rule}`; set `labels.rule: csv`"
        for name, of in (("pattern", "filename"), ("class_column", "csv")):
            if rule != of:
                yield from _unused(labels, (name,), f"labels.rule: {rule}", f"labels.rule: {of}", "labels.")
        if rule == "none" and HDF5_FILE.search(str(self.source)):  # other sources may lie over a set that has labels
            yield from _unused(self.hdf5, ("labels",), "labels.rule: none", "labels.rule: hdf5", "hdf5.")
        if labels.classes is not None and rule == "none":
            yield "labels.classes: nothing tells an image's class; set `labels.rule`"

        if fit != "tile":
            yield from _unused(self, ("tile_source", "tile_overlap"), f"fit: {fit}", "fit: tile")
        if fit != "pad":
            yield from _unused(self, ("padding",), f"fit: {fit}", "fit: pad")
        if self.good is not None and rule == "none":
            yield f"good: `{self.good}` is a class, and `labels` names none; set `labels.rule`"
        if self.good is not None and labels.classes is not None and self.good not in labels.classes:
            yield f"good: `{self.good}` is not among labels.classes ({', '.join(labels.classes)})"
        if boxes is not None and drawn:
            yield "boxes: the drawn images of `source: voronoi` have no annotations; leave `boxes` out"


def placeless(dataset: Dataset, without: set[str]) -> dict[str, Any]:
    """The settings of a data set but for these, and for where its files lie: what is made of it depends on what these
    hold."""
    apart: dict[str, Any] = dict.fromkeys(without, True)
    apart |= {"labels": {"csv"}} | ({"boxes": {"path"}} if dataset.boxes else {})
    return dataset.model_dump(exclude=apart | ({} if dataset.source == "voronoi" else {"source": True}))


def placed(settings: dict[str, Any], dataset: Dataset) -> Dataset:
    """Settings as `placeless` gives them, or a part of them, with the places of this data set."""
    found = settings | {"source": dataset.source, "labels": settings["labels"] | {"csv": dataset.labels.csv}}
    if settings.get("boxes") and dataset.boxes:
        found["boxes"] = settings["boxes"] | {"path": dataset.boxes.path}
    return Dataset(**found)
