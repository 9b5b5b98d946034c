"""Pyrite in a script or notebook of your own: draw from a model, open image sets, measure one set against another.

Images are arrays (N, H, W, C) of uint8 or uint16 everywhere, as image sets hold them: 0 is black, the type's maximum is
white, C is 1 (gray) or 3 (red, green, blue). `Model.values` turns them into the type and range of the images that the
model was trained on.

    >>> import pyrite
    >>> model = pyrite.load("results/polycrystals/cgan/seed-0")
    >>> images = model.sample(4, seed=1, label="pores")
    >>> images.shape, images.dtype
    ((4, 32, 32, 1), dtype('uint8'))

What is wrong with a path, a name or a number is said by a `pyrite.UserError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.settings import UserError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray
    from torch import Tensor

    from pipeline.data.image_set import ImageSet
    from pipeline.models.base import Sampler
    from pipeline.sampling.directions import Direction
    from pipeline.sampling.layouts import Box
    from pipeline.sampling.provenance import Provenance

LIKE = "its images follow grey values and contrasts of an image that was given, in 8 places on the shorter side"

__all__ = ["Model", "UserError", "export", "load", "measure", "open_images"]


def load(path: str | Path) -> Model:
    """A generator, ready to draw.

    Args:
        path: the folder `results/{dataset}/{model}/seed-{seed}` of a finished one, or a snapshot of NVIDIA's StyleGAN2
            (`*.pkl`), in which nothing is run.

    Raises:
        UserError: no model is there, or a file is damaged or refused.

    >>> load("results/polycrystals/cgan/seed-0").classes
    ('intact', 'pores')
    """
    from pipeline.sampling.provenance import Provenance  # not before: torch takes seconds
    from pipeline.training import model_files, transfer

    path = Path(path).expanduser()
    if path.is_file():
        eight_bits = {"dtype": "uint8", "scaling": {"low": 0.0, "high": 255.0}}
        return Model(transfer.snapshot_model(path), eight_bits, Provenance.of_snapshot(path))
    recipe, real = model_files.read_recipe(path)["data"], path.resolve().parents[1] / "real"
    return Model(model_files.load(path), recipe, Provenance.of(path.resolve()), real)


class Model:
    """A generator; made by `load`.

    Attributes:
        family: its kind, such as `cgan`.
        classes: names of the classes that it draws.
        boxes: names of the classes of boxes that it can be asked for (`layout`); empty for most.
        shape: height, width and channels of its images.
        real_pixels: what of the training images is in its images, in words; empty where that is only what it has
            learnt.
    """

    def __init__(self, sampler: Sampler, data: dict[str, Any], provenance: Provenance, real: Path | None = None):
        self._sampler, self._data, self._provenance, self._real = sampler, data, provenance, real
        self.family: str = sampler.settings.family
        self.classes: tuple[str, ...] = sampler.spec.classes
        self.boxes: tuple[str, ...] = sampler.spec.boxes
        self.shape: tuple[int, int, int] = sampler.spec[:3]
        self.real_pixels: str = sampler.settings.real_pixels

    def sample(
        self,
        n: int = 1,
        *,
        seed: int = 0,
        label: str | None = None,
        truncation: float = 1.0,
        move: dict[str, float] | None = None,
        layout: Sequence[Box] | None = None,
        like: ArrayLike | None = None,
        batch: int = 64,
    ) -> NDArray[np.unsignedinteger]:
        """Draw images (n, H, W, C) uint8 or uint16.

        Image i depends on the seed, its class and i alone: more images change none that were there. With the seed of
        the settings (`generate.seed`) they are those of the run's own synthetic set, class by class, where the model
        knows all classes.

        Args:
            n: how many.
            label: of `classes`; None takes all classes in turn.
            truncation: below 1 for images that are more typical and vary less; of families with styles.
            move: names of `directions` and how far to move along them, in standard deviations.
            layout: boxes that each image gets, of models that are shown where defects are (`boxes`): the class of the
                box and x0, y0, x1, y1 in pixels; an empty list is background, but where the model draws around coarse
                pictures of a class that has no image without boxes. None takes layouts of training images.
            like: an image (H, W, C), or (H, W) where C is 1, of uint8 or uint16 and the size of the model's: each image
                is drawn around its coarse picture, grey values and contrasts in 8 places on the shorter side. Of models
                that draw around coarse pictures, and without boxes.
            batch: images that are drawn at once.

        Raises:
            UserError: no such class, number, direction or box; a family without styles is to be truncated or moved, one
                without boxes is given some, one without coarse pictures an image.

        >>> model = load("results/polycrystals/cgan/seed-0")
        >>> few, more = model.sample(2, label="pores"), model.sample(5, label="pores")
        >>> bool((few == more[:2]).all())
        True
        """
        return self._drawn(n, seed, label, truncation, move, layout, like, batch)[0]

    def save(
        self,
        folder: str | Path,
        n: int = 1,
        *,
        seed: int = 0,
        label: str | None = None,
        truncation: float = 1.0,
        move: dict[str, float] | None = None,
        layout: Sequence[Box] | None = None,
        like: ArrayLike | None = None,
        batch: int = 64,
        kind: str = "tiff",
    ) -> list[Path]:
        """Draw images as `sample` does, and write them as files of the type and range of the training images.

        Each file says in its metadata (XMP) that it is synthetic, by which model and from which seed, and whether it
        follows an image that was given (`like`); so does `metadata.csv` beside them.

        Args:
            folder: a new or empty one; gets `{class}/{class}_{number}.tif` and `metadata.csv`.
            kind: `tiff`, `png` or `jpeg`; what the last two cannot hold becomes TIFF.

        Returns:
            The files, in the order of the images.

        Raises:
            UserError: as of `sample`; the folder holds something, or cannot be written.

        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> [path.name for path in load("results/polycrystals/cgan/seed-0").save(folder, 3)]
        ['intact_000000.tif', 'pores_000000.tif', 'intact_000001.tif']
        """
        import pandas as pd

        from pipeline.base.files import writing
        from pipeline.sampling.export import write_images
        from pipeline.sampling.files import HOLDS

        folder = Path(folder).expanduser()
        if kind not in HOLDS:
            raise UserError(f"kind: `{kind}` is not one of {', '.join(HOLDS)}")
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"{folder}: there is something in it; name a new or empty folder")
        images, labels, numbers, seeds = self._drawn(n, seed, label, truncation, move, layout, like, batch)
        names = [self.classes[k] for k in labels]
        table = pd.DataFrame(
            {"id": [f"{name}_{i:06d}" for name, i in zip(names, numbers, strict=True)], "label": names, "seed": seeds}
        )
        meta = self._data | {"classes": list(self.classes)}
        with writing(folder):
            provenance = self._provenance if like is None else replace(self._provenance, real_pixels=LIKE)
            write_images(images, table, meta, folder, kind, provenance)
            return [folder / name for name in pd.read_csv(folder / "metadata.csv", keep_default_na=False)["file"]]

    def _drawn(
        self,
        n: int,
        seed: int,
        label: str | None,
        truncation: float,
        move: dict[str, float] | None,
        layout: Sequence[Box] | None,
        like: ArrayLike | None,
        batch: int,
    ) -> tuple[NDArray[np.unsignedinteger], list[int], list[int], list[int]]:
        """Images, their classes, their numbers in their classes, and the seeds that follow of these."""
        import numpy as np
        import torch

        from pipeline.base.seeds import derive
        from pipeline.data.preparing.scaling import stored_dtype
        from pipeline.sampling.draw import quantised
        from pipeline.sampling.layouts import draw_around, draw_arranged
        from pipeline.sampling.truncation import draw_truncated

        if n < 1 or batch < 1:
            raise UserError(f"n: {n} images, {batch} at once; at least 1 can be drawn")
        if label is not None and label not in self.classes:
            raise UserError(f"label: `{label}` is not a class of the model; it has {', '.join(self.classes)}")
        known = [*range(len(self.classes))] if label is None else [self.classes.index(label)]
        labels = [known[i % len(known)] for i in range(n)]
        numbers = [i // len(known) for i in range(n)]
        seeds = [derive(seed, *pair) for pair in zip(labels, numbers, strict=True)]
        dtype = np.dtype(stored_dtype(self._data["dtype"]))
        vector = self._move(move) if move else None
        asked = self._sampler, torch.tensor(labels), torch.tensor(seeds)
        given = layout is not None, like is not None
        if all(given) or (any(given) and (truncation != 1 or vector is not None)):
            raise UserError("layout, like: cannot be asked for together, nor with truncation or move")
        if layout is not None:
            parts = draw_arranged(*asked, layout, batch)
        elif like is not None:
            parts = draw_around(*asked, like, batch)
        else:
            parts = draw_truncated(*asked, truncation, batch, vector)
        return np.concatenate([quantised(part, dtype) for part in parts]), labels, numbers, seeds

    def directions(self) -> dict[str, dict[str, float]]:
        """What its styles can change, one at a time: names of directions, each with the change of every descriptor of
        the images over one standard deviation, in standard deviations of the images. A direction is called by the
        descriptor that it changes the most; `p(class)`, by the odds that a classifier gives a class, where the real
        images still lie where the run has put them. Finding them draws some hundred images, once.

        Raises:
            UserError: a family without styles.

        >>> model = load("results/polycrystals/stylegan2_ada/seed-0")
        >>> first = next(iter(model.directions()))
        >>> model.sample(2, move={first: 1.5}).shape
        (2, 32, 32, 1)
        """
        return {direction.name: direction.effects for direction in self._directions}

    @cached_property
    def _directions(self) -> list[Direction]:
        from pipeline.data.image_set import ImageSet
        from pipeline.sampling.abilities import styled
        from pipeline.sampling.class_odds import ClassOdds
        from pipeline.sampling.directions import find

        able = styled(self._sampler, "directions")
        real = self._real if self._real and (self._real / "meta.json").is_file() else None
        return find(able, odds=ClassOdds.of(ImageSet.open(real)) if real else None)

    def _move(self, steps: dict[str, float]) -> Tensor:
        from pipeline.sampling.directions import combined

        return combined(self._directions, steps, "move")

    def labels(self, n: int) -> list[str]:
        """The classes of the n images that `sample` draws without a label.

        >>> load("results/polycrystals/cgan/seed-0").labels(3)
        ['intact', 'pores', 'intact']
        """
        return [self.classes[i % len(self.classes)] for i in range(n)]

    def values(self, images: NDArray[np.unsignedinteger]) -> NDArray:
        """Images of `sample` in the type and range of values of the images that the model was trained on.

        >>> model = load("results/polycrystals/cgan/seed-0")
        >>> model.values(model.sample(1)).dtype
        dtype('uint8')
        """
        from pipeline.data.preparing.scaling import restore

        return restore(images, self._data)


def open_images(path: str | Path) -> ImageSet:
    """An image set, real or synthetic, memory-mapped.

    Of what it has: `images` (N, H, W, C); `metadata`, a table with the label, split and source of each; `labels` (N,),
    numbers of the classes `spec.classes`; `rows(split)`, the places of `train`, `val` or `test`; `boxes`, a table or
    None.

    Args:
        path: `results/{dataset}/real`, or the folder `synthetic` of a model.

    Raises:
        UserError: no image set is there, or a file is damaged.

    >>> real = open_images("results/polycrystals/real")
    >>> real.images.shape, real.spec.classes, len(real.rows("test"))
    ((60, 32, 32, 1), ('intact', 'pores'), 30)
    """
    from pipeline.data.image_set import ImageSet

    return ImageSet.open(Path(path).expanduser())


def export(sets: list[str | Path], folder: str | Path, kind: str, *, files: str = "png") -> pd.DataFrame:
    """Write image sets, real and synthetic ones together, as one data set in the layout of another tool.

    Synthetic files say in their metadata (XMP) that they are, by which model and from which seed.

    Args:
        sets: folders of image sets: `results/{dataset}/real`, and of models `synthetic`, `missed`, `blended` or
            `pseudo`.
        folder: a new or empty one.
        kind: `yolo` (folders and data.yaml of Ultralytics), `yolo-seg` (the same, of polygons), `coco` (object
            detection), `imagefolder` (a folder a split and class, as ImageNet's) or `huggingface` (an image folder with
            metadata.csv). `yolo` and `coco` are of sets with boxes, and leave images out whose boxes are not known;
            `yolo-seg` is of sets with masks.
        files: `png`, `tiff` or `jpeg`; what PNG and JPEG cannot hold becomes TIFF.

    Returns:
        A table with one row an image: `file`, `split`, `label`, `source`, `seed` and `digital_source_type`.

    Raises:
        UserError: no image set, one without boxes or masks where they are wanted, or a folder that holds something.

    >>> import tempfile
    >>> table = export(["results/polycrystals/real"], tempfile.mkdtemp(), "imagefolder")
    >>> table["file"][1], len(table)
    ('train/pores/real_000001.png', 60)
    """
    from pipeline.sampling.datasets import write_dataset

    return write_dataset([Path(path).expanduser() for path in sets], Path(folder).expanduser(), kind, files)


def measure(images: ArrayLike, reference: ArrayLike, *, features: str = "random") -> dict[str, float]:
    """How far images are from a reference, such as synthetic ones from real ones.

    Beside them stands what real images that nobody has trained on score, the floor; without it no number means much.
    Fréchet distances and neighbourhoods depend on how many images there are: of the larger set only as many are taken
    as the smaller one has, the first ones.

    Args:
        images: (N, H, W, C) uint8 or uint16.
        reference: (M, H, W, C) of the same type and shape.
        features: `random`, of networks without any training, which need no weights; or `imagenet`, of a network that
            was trained on photographs.

    Returns:
        `frechet` and `kid`, distances, lower is better; `precision` and `coverage`, the shares of images that look real
        and of real ones that have a neighbour among them; `recall` and `density` (see docs/distances.md); `n`, how many
        images of each set were compared.

    Raises:
        UserError: other types, other shapes, or fewer than 20 images.

    >>> real = open_images("results/polycrystals/real")
    >>> train, test = (real.images[real.rows(split)] for split in ("train", "test"))
    >>> drawn = load("results/polycrystals/cgan/seed-0").sample(30)
    >>> floor, found = measure(test, train), measure(drawn, train)
    >>> found["n"], found["frechet"] > floor["frechet"]
    (30, True)
    """
    from pipeline.evaluation.two_sets import compare

    return compare(images, reference, features)
