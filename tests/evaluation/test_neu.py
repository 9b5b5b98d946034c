"""A panel that can tell, on real steel: new real images pass; a fault is flagged by what it concerns and by no more."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import ndimage

from pipeline.base.null_journal import NullJournal
from pipeline.data.image_set import ImageSet
from pipeline.data.preparing import prepare
from pipeline.data.preparing.tiling import resize
from pipeline.evaluation import panel
from pipeline.evaluation.catalog import names
from pipeline.report import tables
from pipeline.report.verdict import off, paired, verdict
from pipeline.settings import Dataset, Evaluate
from tests.data.conftest import Inline
from tests.evaluation.conftest import write_set

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_figures")]
SIZE = 64
SETTINGS = Evaluate(inception="off", subsets=20)
DROPPED = "scratches"
COPIES = set(names("copies"))
DISTANCES = {"frechet", "frechet_inf", "kid", "gram"}
VARIETY = {"precision", "recall", "density", "coverage"}
LIKENESS = {"pair_ssim", "pair_ms_ssim"}  # of pairs, which grows with smoothness
PHASES = {"phase_fraction", "two_point", "lineal_path", "chords_bright", "chords_dark", "mean_intercept"}


class Steel(NamedTuple):
    """Images of NEU in three parts without common scenes: half A to train, images held out of it, and half B."""

    folder: Path
    images: np.ndarray
    table: pd.DataFrame

    def part(self, split):
        return np.flatnonzero(self.table["split"] == split)

    def write(self, path, images, rows, splits):
        """An image set of these images, with the classes and the scenes of some rows."""
        chosen = self.table.iloc[rows]
        write_set(path, images, chosen["label"].tolist(), splits, sorted(set(self.table["label"])))
        metadata = pd.read_csv(path / "metadata.csv").assign(group=chosen["group"].to_numpy())
        metadata.to_csv(path / "metadata.csv", index=False)


@pytest.fixture(scope="module")
def steel(shared_data, tmp_path_factory, pieces_searched_once, few_pieced):
    folder, source = tmp_path_factory.mktemp("neu"), shared_data("neu_det")
    settings = Dataset(
        source=str(source / "IMAGES"),
        size=SIZE,
        labels={"rule": "csv", "csv": [str(source / "splits" / f"{name}.csv") for name in ("train", "val")]},
        # the groups that come with the images: to search 1 620 for overlaps takes two minutes. Half B is called test
        split={"group_column": "group", "near_duplicates": "off", "test": 0.3, "val": 0.4},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare, "SandboxPool", Inline)
        prepare.prepare(settings, folder / "whole")
    whole = ImageSet.open(folder / "whole")  # all of it: of every other scene the panel tells three of these facts not
    return halved(Steel(folder, np.array(whole.images), whole.metadata))


def halved(steel):
    """With the real set of half A, and its floor."""
    a = np.flatnonzero(steel.table["split"] != "test")
    splits = ["test" if split == "val" else "train" for split in steel.table["split"].iloc[a]]
    steel.write(steel.folder / "real", steel.images[a], a, splits)
    panel.evaluate_real(SETTINGS, steel.folder / "real", steel.folder / "floor.json", "neu")
    return steel


def judge(steel, images, rows, name):
    """Scores of these images and of the floor."""
    path = steel.folder / name
    steel.write(path, np.rint(np.clip(images, 0, 255)).astype(np.uint8), rows, "train")
    panel.evaluate(SETTINGS, steel.folder / "real", path, path / "evaluation.json", "neu", name, 0, NullJournal())
    return tables.scores(tables.summary([steel.folder / "floor.json", path / "evaluation.json"]))


def flagged(scores, name):
    pairs = paired(scores, name)[None]
    return {of.metric for of in off(pairs, len(pairs))}, {of.metric for of in pairs}


def test_new_real_images_are_within_the_floor(steel):
    rows = steel.part("test")
    scores = judge(steel, steel.images[rows], rows, "new")
    assert flagged(scores, "new")[0] == set()
    found = verdict(scores, "new", {})
    assert (found.throughout, found.copies) == (True, "none")


def magnified(steel, rows, source):
    """The middle half of the source images at the same number of pixels: all is twice as coarse."""
    found = []
    for name in steel.table["source"].iloc[rows]:
        with Image.open(source / "IMAGES" / Path(name).name) as image:
            found.append(resize(np.float32(image.convert("L"))[50:150, 50:150, None] / 255, (SIZE, SIZE)))
    return 255 * np.stack(found)


def faulty(fault, images):
    if fault == "blurred":
        return ndimage.gaussian_filter(images, 0.7, axes=(1, 2))
    if fault == "noised":
        return images + 8 * np.random.default_rng(0).standard_normal(images.shape)
    return images + 40


@pytest.mark.parametrize(
    ("fault", "must", "may"),
    [
        ("blurred", {"psd", "chords_dark", "coverage"}, DISTANCES | VARIETY | PHASES | LIKENESS | {"nn_ssim"}),
        # Noise is not in the photographs that class agreement learned from: it takes such images for other classes.
        ("noised", {"psd", "frechet", "coverage"}, DISTANCES | VARIETY | PHASES | LIKENESS | {"class_agreement"}),
        ("brighter", {"phase_fraction", "two_point"}, PHASES | DISTANCES | VARIETY | {"pair_ssim"}),  # some clip
    ],
)
def test_faulty_images_are_flagged_by_what_the_fault_concerns(steel, fault, must, may):
    rows = steel.part("test")
    made = faulty(fault, steel.images[rows].astype(float))
    found, _ = flagged(judge(steel, made, rows, fault), fault)
    assert must - found == set()
    assert found - must - may == set()


def test_coarser_texture_of_one_class_is_flagged_by_its_lengths(steel, shared_data, tmp_path):
    chosen = np.flatnonzero(steel.table["label"] == "patches")
    patches = halved(Steel(tmp_path, steel.images[chosen], steel.table.iloc[chosen].reset_index(drop=True)))
    rows = patches.part("test")
    assert flagged(judge(patches, patches.images[rows], rows, "new"), "new")[0] == set()
    made = magnified(patches, rows, shared_data("neu_det"))
    found, _ = flagged(judge(patches, made, rows, "coarser"), "coarser")
    assert "chords_dark" in found
    assert found <= DISTANCES | VARIETY | PHASES | LIKENESS | {"psd"}


def test_a_dropped_class_is_missing_variety_and_is_named(steel):
    rows = steel.part("test")
    rows = rows[steel.table["label"].iloc[rows] != DROPPED]
    scores = judge(steel, steel.images[rows], rows, "dropped")
    found, _ = flagged(scores, "dropped")
    assert "recall" in found
    # what is left is real, but ImageNet features tell scratches so well that their absence moves the whole set
    assert found <= {"recall", "coverage", "frechet", "frechet_inf", *PHASES}
    assert DROPPED in verdict(scores, "dropped", {}).missing


def moved(images):
    """Mirrored, and shifted by 2 and 1 pixels as if cut elsewhere."""
    return np.pad(images[:, :, ::-1], ((0, 0), (0, 2), (1, 0), (0, 0)), mode="reflect")[:, 2:, :-1]


@pytest.mark.parametrize(
    ("fault", "must"),
    [
        ("copied", {"nn_distance_ratio", "nn_ssim", "nn_distance_ratio_pixels", "authenticity", "copy_rate"}),
        ("a third copied", {"nn_ssim", "authenticity", "copy_rate"}),
        ("mirrored and shifted", {"nn_distance_ratio_pixels", "copy_rate"}),
    ],
)
def test_copies_are_flagged_as_copies_and_by_nothing_else(steel, fault, must):
    train, new = steel.part("train")[::2], steel.part("test")[::2]
    rows = np.concatenate([train[::3], new]) if fault == "a third copied" else train
    images = moved(steel.images[rows]) if fault == "mirrored and shifted" else steel.images[rows]
    scores = judge(steel, images, rows, fault)
    found, measured = flagged(scores, fault)
    if not must & measured:
        pytest.skip("no measure of the panel looks for such copies")
    assert (must & measured) - found == set()
    assert found <= COPIES
    assert verdict(scores, fault, {}).copies != "none"
