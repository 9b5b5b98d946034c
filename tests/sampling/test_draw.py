"""Synthetic image sets: their number, their seeds, their likeness to the real set in form."""

import errno

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import pipeline.models
from pipeline.data.image_set import ImageSet
from pipeline.sampling.draw import generate, quantised
from pipeline.settings import Generate, UserError
from pipeline.training import model_files
from pipeline.training.loop import train
from tests.tiny_family import Events, Tiny, TinySettings, image_set


@pytest.fixture(autouse=True)
def family(monkeypatch):
    monkeypatch.setitem(pipeline.models.FAMILIES, "tiny", Tiny)
    monkeypatch.setitem(model_files.FAMILY_SETTINGS, "tiny", TinySettings)


def trained(tmp_path, classes=None, **kwargs):
    data = image_set(tmp_path / "real", n=22, **kwargs)
    folder = tmp_path / "tiny_small" / "seed-0"
    settings = TinySettings(total_images=40, snapshots=1, classes=classes)
    train(settings, data, folder, tmp_path / "state", 0, Events(), threads=1)
    return data, folder


def make(data, folder, out, **settings):
    generate(Generate(**settings), folder, data, out, Events(), threads=1)
    return ImageSet.open(out)


def test_as_many_of_each_class_as_it_has_training_images(tmp_path):
    data, folder = trained(tmp_path)
    real = ImageSet.open(data)
    made = make(data, folder, tmp_path / "out")
    expected = real.metadata[real.metadata["split"] == "train"]["label"].value_counts()
    assert made.metadata["label"].value_counts().to_dict() == expected.to_dict() == {"dark": 9, "bright": 9}
    assert set(made.metadata["split"]) == {"train"}
    assert set(made.metadata["source"]) == {"tiny_small"}
    assert made.metadata["id"].is_unique
    assert made.metadata["seed"].is_unique
    for key in ("classes", "dtype", "scaling", "pixel_size", "unit", "symmetry"):
        assert made.meta[key] == real.meta[key]
    dark, bright = (made.images[made.labels == label].mean() for label in (0, 1))
    assert dark < bright
    with Image.open(tmp_path / "out" / "samples.png") as picture:
        assert picture.height > 2 * 16


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_image_i_is_image_i(tmp_path, dtype):
    data, folder = trained(tmp_path, dtype=dtype, channels=3)
    one = make(data, folder, tmp_path / "one", batch=1, images_per_class=7)
    many = make(data, folder, tmp_path / "many", batch=64, images_per_class=7)
    more = make(data, folder, tmp_path / "more", batch=5, images_per_class=11)
    assert one.metadata.equals(many.metadata)
    # The convolutions of another batch size may round the last bit of float32 otherwise.
    assert np.abs(one.images.astype(int) - many.images).max() <= (1 if dtype == "uint16" else 0)
    first = more.metadata[more.metadata["id"].isin(one.metadata["id"])]
    assert first["seed"].tolist() == one.metadata["seed"].tolist()
    assert np.abs(more.images[first.index].astype(int) - one.images).max() <= (1 if dtype == "uint16" else 0)
    other = make(data, folder, tmp_path / "other", seed=1, images_per_class=7)
    assert not set(other.metadata["seed"]) & set(one.metadata["seed"])


def test_a_seed_in_the_table_draws_its_image_again(tmp_path):
    data, folder = trained(tmp_path)
    made = make(data, folder, tmp_path / "out")
    row = made.metadata.iloc[12]
    label = made.meta["classes"].index(row["label"])
    again = model_files.load(folder).sample(torch.tensor([label]), torch.tensor([int(row["seed"])]))
    assert np.array_equal(quantised(again.cpu(), np.dtype("uint8"))[0], made.images[12])


def test_model_of_one_class_draws_that_class_under_its_own_label(tmp_path):
    data, folder = trained(tmp_path, classes=["bright"])
    made = make(data, folder, tmp_path / "out", images_per_class=3)
    assert made.meta["classes"] == ["dark", "bright"]
    assert made.labels.tolist() == [1, 1, 1]


def test_levels_of_the_store():
    images = torch.tensor([-1.2, -1.0, 0.0, 1.0, 1.3]).view(5, 1, 1, 1)
    assert quantised(images, np.dtype("uint8")).flatten().tolist() == [0, 0, 128, 255, 255]
    assert quantised(images, np.dtype("uint16")).flatten().tolist() == [0, 0, 32768, 65535, 65535]


def test_model_of_another_size_is_refused(tmp_path):
    _, folder = trained(tmp_path)
    other = image_set(tmp_path / "other", size=32)
    with pytest.raises(UserError, match=r"32x32x1 .* the model makes 16x16x1"):
        make(other, folder, tmp_path / "out")


def test_black_images_are_refused_and_leave_no_image_set(tmp_path, monkeypatch):
    data, folder = trained(tmp_path)
    monkeypatch.setattr(Tiny, "generate", lambda self, labels, latents: torch.full((len(labels), 1, 16, 16), -1.0))
    with pytest.raises(UserError, match="all images of `dark` are constant"):
        make(data, folder, tmp_path / "out")
    assert not (tmp_path / "out" / "meta.json").exists()


@pytest.mark.parametrize("where", ["pipeline.data.image_set.ImageSetWriter.__setitem__", "tifffile.imwrite"])
def test_a_full_disk_in_a_thread_that_writes_is_named(tmp_path, monkeypatch, where):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    data, folder = trained(tmp_path)
    monkeypatch.setattr(where, full)
    with pytest.raises(UserError, match=r"out: cannot be written \(No space left on device\)"):
        make(data, folder, tmp_path / "out", batch=2)


def test_export_lists_every_file(tmp_path):
    data, folder = trained(tmp_path)
    made = make(data, folder, tmp_path / "out", images_per_class=2)
    table = pd.read_csv(tmp_path / "out" / "export" / "metadata.csv")
    assert table["file"].tolist() == [
        "dark/dark_000000.tif",
        "dark/dark_000001.tif",
        "bright/bright_000000.tif",
        "bright/bright_000001.tif",
    ]
    assert table["seed"].tolist() == made.metadata["seed"].tolist()
