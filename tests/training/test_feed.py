"""Which images a step shows, and in which orientation."""

import numpy as np
import pytest
import torch

from pipeline.data.image_set import ImageSet
from pipeline.models.batch import BatchRng
from pipeline.settings import UserError
from pipeline.training import feed as feeds
from pipeline.training.feed import Feed, augment, model_spec
from tests.learning import plates
from tests.tiny_family import image_set
from tests.uploads import META, Uploads

CPU = torch.device("cpu")


def make(path, batch=3, classes=None, **kwargs):
    data = ImageSet.open(image_set(path, **kwargs))
    return data, Feed(data, model_spec(data, classes), batch, CPU)


def test_every_epoch_shows_every_training_image_once(tmp_path):
    data, feed = make(tmp_path)
    shown = np.concatenate([feed.order(7, step) for step in range(32)])  # 96 = 6 epochs of 16
    for epoch in shown.reshape(6, 16):
        assert sorted(epoch) == list(range(16))
    assert len({tuple(epoch) for epoch in shown.reshape(6, 16)}) == 6
    assert set(feed.rows) == set(data.rows("train"))
    assert not set(feed.rows) & set(data.rows("test"))


def test_order_depends_on_seed_and_step_alone(tmp_path):
    _, feed = make(tmp_path)
    later = feed.order(7, 20).copy()
    for step in (0, 99, 3):
        feed.order(7, step)
    assert np.array_equal(feed.order(7, 20), later)
    assert not np.array_equal(feed.order(8, 20), later)


def test_a_batch_may_be_larger_than_the_data_set(tmp_path):
    _, feed = make(tmp_path, batch=40)
    order = feed.order(0, 0)
    assert sorted(order[:16]) == sorted(order[16:32]) == list(range(16))


@pytest.mark.parametrize("resident", [1.0, 0.0])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_images_keep_their_levels_and_their_labels(tmp_path, monkeypatch, dtype, resident):
    monkeypatch.setattr(feeds, "RESIDENT", resident)
    data, feed = make(tmp_path, dtype=dtype, channels=3)
    assert type(feed.source).__name__ == ("_Resident" if resident else "_Mapped")
    for step in (0, 1, 7):  # 1 was read ahead, 7 was not
        batch = feed.batch(5, step)
        images, labels = batch.images, batch.labels
        rows = feed.rows[feed.order(5, step)]
        levels = np.rint((images.numpy().astype(np.float64) + 1) / 2 * np.iinfo(dtype).max)
        assert np.array_equal(levels.transpose(0, 2, 3, 1), data.images[rows])
        assert images.dtype == torch.float32
        assert images.is_contiguous(memory_format=torch.channels_last)
        assert np.array_equal(labels.numpy(), data.labels[rows])


@pytest.mark.parametrize(
    ("symmetry", "elements"), [("none", 1), ("horizontal", 2), ("vertical", 2), ("both", 4), ("dihedral", 8)]
)
def test_the_group_is_drawn_whole_and_evenly(symmetry, elements):
    """An image without symmetry has as many pictures as its group has elements, each equally often."""
    n = 4000
    image = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])
    drawn = augment(image.expand(n, 1, 3, 3), symmetry, BatchRng(0, n, slice(None), CPU))
    _, counts = drawn.flatten(1).unique(dim=0, return_counts=True)
    assert len(counts) == elements
    deviation = (n / elements * (1 - 1 / elements)) ** 0.5
    assert (counts - n / elements).abs().max() <= 4 * deviation
    if symmetry == "horizontal":
        assert any(torch.equal(d[0], image.fliplr()) for d in drawn)
    if symmetry == "vertical":
        assert any(torch.equal(d[0], image.flipud()) for d in drawn)


def test_some_classes_only_are_renumbered(tmp_path):
    data, feed = make(tmp_path, classes=["bright"])
    assert set(data.metadata["label"][feed.rows]) == {"bright"}
    assert set(feed.labels.tolist()) == {0}
    _, both = make(tmp_path, classes=["bright", "dark"])
    assert np.array_equal(both.labels.numpy(), 1 - data.labels[both.rows])


def test_class_without_training_images_is_named(tmp_path):
    data = ImageSet.open(image_set(tmp_path))
    data.metadata.loc[data.metadata["label"] == "bright", "split"] = "test"
    assert set(Feed(data, model_spec(data, None), 2, CPU).labels.tolist()) == {0}
    with pytest.raises(UserError, match="`bright` has no training image"):
        Feed(data, model_spec(data, ["bright"]), 2, CPU)


class Undrawn:
    """`BatchRng` on the device `meta`, which has no random numbers."""

    def __init__(self, seed, total, rows, device):
        self.rows = range(total)[rows]

    def uniform(self, *shape):
        return torch.empty(len(self.rows), *shape, device=META)


@pytest.mark.parametrize(("boxes", "resident", "uploads"), [(False, 1.0, 1), (True, 1.0, 1), (True, 0.0, 2)])
def test_a_step_uploads_the_order_once_and_waits_for_nothing(tmp_path, monkeypatch, boxes, resident, uploads):
    """The images too where they do not fit on the device; boxes never."""
    monkeypatch.setattr(feeds, "RESIDENT", resident)
    monkeypatch.setattr(feeds, "BatchRng", Undrawn)
    data = ImageSet.open(plates.image_set(tmp_path / "real", 12))
    feed = Feed(data, model_spec(data, None, boxes), 4, META)
    with Uploads() as uploaded:
        batch = feed.batch(0, 0)
    assert uploaded.count == uploads
    assert batch.images.shape == (4, 1, 16, 16)
    assert (batch.masks is not None) == boxes
