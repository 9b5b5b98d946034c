"""A generator without training as files, and what is drawn and exported of it."""

import numpy as np
import pandas as pd
import pytest
import tifffile

from pipeline.data.image_set import ImageSet
from pipeline.sampling.draw import generate
from pipeline.settings import FAMILY_SETTINGS, UNTRAINED, Generate, UserError
from pipeline.training import model_files
from pipeline.training.collect import collect
from tests.tiny_family import Events, image_set


def collected(family, data, folder, seed=0, **changes):
    collect(FAMILY_SETTINGS[family](family=family, **changes), data, folder, seed, Events())
    return folder


def draw(data, folder, out, **settings):
    generate(Generate(**settings), folder, data, out, Events(), threads=1)
    return ImageSet.open(out)


@pytest.mark.parametrize("family", sorted(UNTRAINED))
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_files_say_that_they_hold_real_pixels(family, dtype, tmp_path):
    data = image_set(tmp_path / "real", dtype=dtype, symmetry="both", val=True)
    folder = collected(family, data, tmp_path / family / "seed-0")
    said = model_files.read_recipe(folder)["real_pixels"]
    assert "training images" in said
    assert len(model_files.load(folder).ema.labels) == 12  # neither those held out nor those to choose by
    made = draw(data, folder, tmp_path / "synthetic")
    assert made.meta["real_pixels"] == said
    assert set(made.metadata["source"]) == {family}
    table = pd.read_csv(tmp_path / "synthetic" / "export" / "metadata.csv")
    assert set(table["real_pixels"]) == {said}
    with tifffile.TiffFile(tmp_path / "synthetic" / "export" / table["file"][0]) as file:
        assert f"<Description>synthetic: {said}</Description>" in file.ome_metadata
    dark, bright = (made.images[made.labels == label].mean() for label in (0, 1))
    assert dark < bright


@pytest.mark.parametrize("family", sorted(UNTRAINED))
def test_image_i_is_image_i_and_seeds_differ(family, tmp_path):
    data = image_set(tmp_path / "real")
    folders = [collected(family, data, tmp_path / "g" / f"seed-{seed}", seed) for seed in (0, 1)]
    one = draw(data, folders[0], tmp_path / "one", batch=1, images_per_class=5)
    many = draw(data, folders[0], tmp_path / "many", batch=64, images_per_class=5)
    other = draw(data, folders[1], tmp_path / "other", images_per_class=5)
    assert np.array_equal(one.images, many.images)
    assert not np.array_equal(one.images, other.images)


def test_only_classes_with_training_images_are_made(tmp_path):
    data = image_set(tmp_path / "real")
    table = pd.read_csv(data / "metadata.csv")
    table.loc[table["label"] == "dark", "split"] = "test"
    table.to_csv(data / "metadata.csv", index=False)
    folder = collected("quilting", data, tmp_path / "q" / "seed-0")
    assert model_files.load(folder).spec.classes == ("bright",)
    assert set(draw(data, folder, tmp_path / "out", images_per_class=3).metadata["label"]) == {"bright"}
    with pytest.raises(UserError, match="`dark` has no training image"):
        collected("quilting", data, tmp_path / "q", classes=["dark"])


def test_a_class_of_its_own_keeps_its_label(tmp_path):
    data = image_set(tmp_path / "real")
    folder = collected("warp", data, tmp_path / "w" / "seed-0", classes=["bright"])
    made = draw(data, folder, tmp_path / "out", images_per_class=3)
    assert made.labels.tolist() == [1, 1, 1]
    assert made.images.mean() > 150
