"""Every generator is judged beside the same held-out images, whose nearest training images are found once."""

import json

import numpy as np
import pandas as pd
import pytest

from pipeline.data.image_set import ImageSet
from pipeline.evaluation import copies, nearest_file, panel
from pipeline.settings import Evaluate
from tests.evaluation.conftest import blobs, label_list, write_set
from tests.evaluation.test_panel import Journal

pytestmark = pytest.mark.usefixtures("no_figures")
SETTINGS = Evaluate(inception="off", lpips="off", class_feature_steps=0, imagenet=False, subsets=20)


@pytest.fixture(scope="module")
def sets(tmp_path_factory, pieces_searched_once):
    """A real set whose floor was measured, and a synthetic one."""
    root, labels = tmp_path_factory.mktemp("nearest"), label_list(72)
    real = write_set(root / "real", blobs(labels, 1), labels, ["train"] * 45 + ["test"] * 27)
    made = write_set(root / "made", blobs(labels[:30], 2), labels[:30])
    panel.evaluate_real(SETTINGS, real.path, root / "floor.json", "blobs", figures=root / "figures")
    return real, made


def judged(sets, out):
    """The numbers of the synthetic set, and how many sets were searched for them."""
    searched, search = [], panel.nearest_training
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            panel, "nearest_training", lambda samples, *rest: searched.append(len(samples)) or search(samples, *rest)
        )
        panel.evaluate(SETTINGS, sets[0].path, sets[1].path, out, "blobs", "cgan", 0, Journal())
    return json.loads(out.read_text()), sum(searched)


def test_numbers_beside_kept_neighbours_are_those_beside_new_ones(sets, tmp_path):
    kept, few = judged(sets, tmp_path / "kept.json")
    (sets[0].path / nearest_file.NAME).rename(tmp_path / "away.npz")
    new, all_of_them = judged(sets, tmp_path / "new.json")
    (tmp_path / "away.npz").rename(sets[0].path / nearest_file.NAME)
    assert (few, all_of_them) == (1, 2)
    assert kept == new


def test_the_index_that_is_read_is_that_of_a_new_search(sets):
    context = panel._context(SETTINGS, sets[0], sets[0].meta["classes"])
    _, index = nearest_file.read(sets[0], context)
    _, new = copies.nearest_training([context.heldout], context)
    for kept, found in ((index, new), (index.pieces, new.pieces)):
        for name in (name for name in found._fields if name != "pieces"):
            assert np.array_equal(getattr(kept, name), getattr(found, name)), name


def test_what_belongs_to_other_images_or_is_damaged_is_not_used(sets, tmp_path, capsys):
    real = sets[0]
    context = panel._context(SETTINGS, real, real.meta["classes"])
    nothing = (None, None)
    assert nearest_file.read(real, context) != nothing
    assert nearest_file.read(real, context._replace(settings=Evaluate(seed=1))) == nothing
    assert nearest_file.read(real, context._replace(heldout=None)) == nothing
    other = write_set(tmp_path / "other", np.array(real.images), real.metadata["label"].tolist(), "train")
    body = (real.path / nearest_file.NAME).read_bytes()
    (other.path / nearest_file.NAME).write_bytes(body)
    assert nearest_file.read(other, context) == nothing  # the same images, other ones held out
    same = write_set(tmp_path / "same", np.array(real.images), real.metadata["label"].tolist())
    pd.read_csv(real.path / "metadata.csv", dtype=str).to_csv(same.path / "metadata.csv", index=False)
    (same.path / nearest_file.NAME).write_bytes(body[:-200])
    assert nearest_file.read(ImageSet.open(same.path), context) == nothing
    assert "damaged" in capsys.readouterr().err
