"""Images of what is missed: how many of each class, and which, by cases worked by hand."""

import numpy as np
import pandas as pd
import pytest
import torch

import pipeline.models
from pipeline.data.image_set import ImageSet
from pipeline.models.base import DrawsBoxes
from pipeline.models.layouts import Layout
from pipeline.sampling.draw import generate
from pipeline.sampling.missed import CANDIDATES, Missed
from pipeline.settings import Generate, ImageSpec, UserError
from pipeline.training import model_files
from pipeline.training.loop import train
from tests.learning import plates
from tests.sampling.fakes import Plain
from tests.tiny_family import Events, Tiny, TinySettings, image_set


def of_images(**shares):
    labels = np.repeat(list(shares), [len(some) for some in shares.values()])
    return Missed(labels, labels, None, np.concatenate([np.array(some, float) for some in shares.values()]))


def test_as_many_images_in_proportion_to_what_is_missed():
    missed = of_images(pits=[1] * 5 + [0.5, 0.5, 0], grains=[0] * 7, other=[1])
    assert missed.counts({"pits": 10, "grains": 10}) == {"pits": 18, "grains": 2}  # by 6.5 / 9 and 0.5 / 8: 18.41, 1.59
    assert missed.counts({"pits": 10, "grains": 10, "new": 10}) == {"pits": 18, "grains": 2, "new": 10}  # their mean
    assert missed.counts({"new": 7, "newer": 2}) == {"new": 7, "newer": 2}
    assert of_images(pits=[0] * 5, grains=[0] * 5).counts({"pits": 9, "grains": 4}) == {"pits": 9, "grains": 4}
    one = of_images(pits=[1, *[0] * 8], grains=[0] * 9)
    assert one.counts({"pits": 10, "grains": 10}) == {"pits": 15, "grains": 5}  # three times as many, and not all
    assert missed.numbers(Plain(), "pits", 0, 0, seed=0, n=4).tolist() == [0, 1, 2, 3]


class Painter(Plain, DrawsBoxes):
    """Asks for one box: the seed's remainder by 2 is its class, by 4 (0 and 1, or 2 and 3) its place, left or right."""

    def __init__(self):
        super().__init__(spec=ImageSpec(32, 32, 1, ("plate",), boxes=("pit", "crack")))

    def set_layouts(self, labels, layouts):
        raise NotImplementedError

    def arrange(self, labels, latents, layout):
        raise NotImplementedError

    def boxes(self, labels, seeds):
        return [self.layout(int(seed)) for seed in seeds]

    @staticmethod
    def layout(seed):
        if seed % 8 == 7:
            return Layout(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4, dtype=torch.float64))
        left = 20.0 if seed % 4 > 1 else 2.0
        return Layout(torch.tensor([seed % 2]), torch.tensor([[left, 4, left + 8, 12]], dtype=torch.float64))


def test_of_a_model_with_boxes_those_like_the_missed_ones(monkeypatch):
    from pipeline.sampling import missed as module

    monkeypatch.setattr(module, "derive", lambda seed, label, i: i)
    cracks_at_the_right = [19.0, 4, 28, 13]
    pits_at_the_left = [2.0, 4, 10, 12]
    boxes = np.array([cracks_at_the_right, pits_at_the_left, [5.0, 5, 7, 7]])
    missed = Missed(np.array(["plate"] * 3), np.array(["crack", "pit", "pit"]), boxes, np.array([0.75, 0.25, 0]))
    chosen = missed.numbers(Painter(), "plate", 0, 0, seed=0, n=4).tolist()
    assert chosen == [0, 3, 11, 19]  # three of 3, 11, 19, ...: 7, 15, ... ask for nothing; one of 0, 4, ...
    assert max(missed.numbers(Painter(), "plate", 0, 0, seed=0, n=6)) < 6 * CANDIDATES
    every = missed.numbers(Painter(), "plate", 0, 0, seed=0, n=2 * CANDIDATES)
    assert len(set(every.tolist())) == 2 * CANDIDATES
    assert missed.numbers(Painter(), "sound", 0, 0, seed=0, n=2).tolist() == [0, 1]


def test_a_set_is_drawn_of_what_the_table_says(tmp_path, monkeypatch):
    monkeypatch.setitem(pipeline.models.FAMILIES, "tiny", Tiny)
    monkeypatch.setitem(model_files.FAMILY_SETTINGS, "tiny", TinySettings)
    data, folder = image_set(tmp_path / "real", n=30, val=True), tmp_path / "tiny" / "seed-0"
    train(TinySettings(total_images=8, snapshots=1), data, folder, tmp_path / "s", 0, Events(), threads=1)
    real = ImageSet.open(data)
    held = real.metadata.iloc[real.rows("val")]
    table = held[["id", "label"]].assign(missed=np.where(held["label"] == "dark", 0.0, 1.0))
    table.to_csv(tmp_path / "missed.csv", index=False)
    journal = Events()
    for name, missed in (("plain", None), ("missed", tmp_path / "missed.csv")):
        generate(Generate(images_per_class=12), folder, data, folder / name, journal, threads=1, missed=missed)
    plain, asked = (ImageSet.open(folder / name) for name in ("plain", "missed"))
    assert asked.metadata["label"].value_counts().to_dict() == {"bright": 21, "dark": 3}  # 3 of 3 and 0 of 3 are missed
    both = np.isin(asked.metadata["id"], plain.metadata["id"])
    same = pd.Index(plain.metadata["id"]).get_indexer(asked.metadata["id"][both])
    assert np.array_equal(asked.images[both], plain.images[same])  # image i is image i
    assert both.sum() == 12 + 3
    assert {event[1] for event in journal.of("artifact")} == {"plain", "missed"}


def written(tmp_path, **columns):
    data = plates.image_set(tmp_path / "real", 6)
    path = tmp_path / "missed.csv"
    row = {"id": "plate_00001", "label": "striped", "x0": 1, "y0": 2, "x1": 3, "y1": 4, "missed": 0.5} | columns
    pd.DataFrame({name: [value] for name, value in row.items() if value is not None}).to_csv(path, index=False)
    return path, ImageSet.open(data)


def test_tables_are_read_by_the_ids_of_images(tmp_path):
    path, real = written(tmp_path)
    found = Missed.read(path, real)
    assert (found.images.tolist(), found.labels.tolist()) == ([plates.CLASSES[1]], ["striped"])
    assert found.boxes.tolist() == [[1, 2, 3, 4]]
    assert found.share == pytest.approx([0.5])
    assert Missed.read(written(tmp_path / "images", label="any", x0=None)[0], real).boxes is None


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": "plate_9"}, "`plate_9` is no image of"),
        ({"label": "dent"}, "`dent` is no class of boxes of"),
        ({"missed": 1.5}, "missed: 1.5 is not from 0 to 1"),
        ({"missed": "yes"}, "missed: yes is not from 0 to 1"),
        ({"missed": None}, "the column `missed` is missing"),
    ],
)
def test_a_table_of_somebody_that_cannot_be_is_named(tmp_path, columns, message):
    with pytest.raises(UserError, match=rf"missed\.csv: .*{message}"):
        Missed.read(*written(tmp_path, **columns))
