import json

import numpy as np
import pytest
from PIL import Image

from pipeline.data.imageset import ImageSet
from pipeline.detection.boxes import run
from pipeline.detection.boxes.precision import Listed, average_precision
from pipeline.settings import DetectBoxes
from tests.detection.boxes.conftest import scenes

SETTINGS = DetectBoxes(seeds=2, steps=4, batch=4, width=2)


class Killed(Exception):
    pass


def result(tmp_path, real, settings=SETTINGS, synthetic=(), name="real"):
    out, state = tmp_path / "detection" / f"{name}.json", tmp_path / "state.json"
    run.run_arm(settings, real, list(synthetic), name, out, state, "steel")
    assert not state.exists()
    return json.loads(out.read_text(encoding="utf-8"))


def without_seconds(content):
    return content | {"seeds": [{k: v for k, v in seed.items() if k != "seconds"} for seed in content["seeds"]]}


@pytest.fixture
def real(boxed):
    """Eight images to learn from; of the four test images the last has no box."""
    images, marks = scenes(12, seed=4)
    return boxed("real", images, ["train"] * 8 + ["test"] * 4, [m for m in marks if m[0] != 11], symmetry="both")


def test_the_scores_follow_from_the_boxes_in_the_file(tmp_path, real):
    found = result(tmp_path, real, DetectBoxes(seeds=2, steps=40, batch=4, width=4, learning_rate=5e-3))
    assert (found["n_real"], found["n_synthetic"], found["n_test"], found["n_background"]) == (8, 0, 4, 1)
    assert found["ids"] == ImageSet.open(real).metadata["id"].tolist()[8:]
    truth = Listed(*(np.array(found["truth"][name]) for name in ("image", "class", "box")), np.empty(0))
    for seed in found["seeds"]:
        said = Listed(*(np.array(seed["found"][name]) for name in ("image", "class", "box", "score")))
        precision = average_precision(truth, said, 4, 2)
        assert seed["ap50"] == precision[:, 0].tolist()
        assert (seed["map50"], seed["map50_95"]) == (precision[:, 0].mean(), pytest.approx(precision.mean()))
    scores = [seed["map50"] for seed in found["seeds"]]
    assert found["mean"]["map50"] == pytest.approx(sum(scores) / 2)
    assert found["spread"]["map50"] == pytest.approx(abs(scores[0] - scores[1]) / 2**0.5)


def test_a_killed_job_goes_on_and_writes_what_it_would_have_written(tmp_path, real, monkeypatch):
    whole = result(tmp_path, real)
    trained = []

    def train(settings, spec, classes, pool, seed, tick, until=1, real_train=run.train):
        if len(trained) == until:
            raise Killed
        trained.append(seed)
        return real_train(settings, spec, classes, pool, seed, tick)

    monkeypatch.setattr(run, "train", train)
    again = tmp_path / "again"
    with pytest.raises(Killed):
        result(again, real)
    assert trained == [0]
    monkeypatch.setattr(run, "train", lambda *words: train(*words, until=2))
    assert without_seconds(result(again, real)) == without_seconds(whole)
    assert trained == [0, 1]


def test_other_boxes_are_another_job(real, boxed):
    images, marks = scenes(12, seed=4)
    other = boxed("other", images, ["train"] * 8 + ["test"] * 4, marks, symmetry="both")
    recipes = [run._recipe(SETTINGS, "real", [ImageSet.open(path)]) for path in (real, other)]
    assert recipes[0] != recipes[1]


def test_synthetic_images_are_learnt_from_and_not_judged_by(tmp_path, real, boxed):
    images, marks = scenes(6, seed=5)
    made = boxed("made", images, ["train"] * 6, marks)
    plain, helped = result(tmp_path, real), result(tmp_path, real, synthetic=[made], name="real+made")
    assert (helped["n_real"], helped["n_synthetic"], helped["n_test"]) == (8, 6, 4)
    assert helped["truth"] == plain["truth"]
    assert helped["seeds"][0]["found"] != plain["seeds"][0]["found"]


def test_a_class_without_test_boxes_has_no_score_and_is_named(tmp_path, boxed, monkeypatch):
    images, marks = scenes(12, seed=4)
    marks = [m for m in marks if m[0] < 8 or m[1] == "disc"]
    path = boxed("real", images, ["train"] * 8 + ["test"] * 4, marks, classes=("disc", "square", "never"))
    said = []
    monkeypatch.setattr(run, "say", said.append)
    found = result(tmp_path, path)
    assert [score is None for score in found["seeds"][0]["ap50"]] == [False, True, True]
    assert said == [
        "steel: no box of never in the training images; it cannot be found",
        "steel: no box of square, never in the test images; the mean is that of the other classes",
    ]


def test_the_picture_shows_test_images(tmp_path, real):
    result(tmp_path, real)
    with Image.open(tmp_path / "detection" / "real.png") as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 200
