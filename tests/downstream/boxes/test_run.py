import numpy as np
import pytest
from PIL import Image

from pipeline.data.image_set import ImageSet
from pipeline.downstream.boxes import run
from pipeline.downstream.boxes.arms import PLAIN, BoxArm, Made
from pipeline.downstream.boxes.average_precision import Listed, average_precision
from pipeline.settings import METHOD, DetectBoxes
from tests.downstream.boxes.conftest import WITH, result, scenes

SETTINGS = DetectBoxes(seeds=2, steps=4, batch=4, width=2, ratios=[0.5, 1.0], pilots=2)
REAL = PLAIN["real"]


class Killed(Exception):
    pass


def timeless(content):
    return content | {"seeds": [{k: v for k, v in seed.items() if k != "seconds"} for seed in content["seeds"]]}


@pytest.fixture
def real(boxed):
    """Eight images to learn from, two to choose by; of the four test images the last has no box."""
    images, marks = scenes(14, seed=4)
    split = ["train"] * 8 + ["val"] * 2 + ["test"] * 4
    return boxed("real", images, split, [m for m in marks if m[0] != 13], symmetry="both")


@pytest.fixture
def made(boxed):
    images, marks = scenes(6, seed=5)
    return boxed("made", images, ["train"] * 6, marks)


def test_the_scores_follow_from_the_boxes_in_the_file(tmp_path, real):
    settings = DetectBoxes(seeds=2, steps=40, batch=4, width=4, learning_rate=5e-3, pilots=1)
    found = result(tmp_path, settings, real)
    assert (found["n_real"], found["n_synthetic"], found["n_test"], found["n_background"]) == (8, 0, 4, 1)
    assert found["ids"] == ImageSet.open(real).metadata["id"].tolist()[10:]
    truth = Listed(*(np.array(found["truth"][name]) for name in ("image", "class", "box")), np.empty(0))
    for seed in found["seeds"]:
        said = Listed(*(np.array(seed["found"][name]) for name in ("image", "class", "box", "score")))
        precision = average_precision(truth, said, 4, 2)
        assert seed["ap50"] == precision[:, 0].tolist()
        assert (seed["map50"], seed["map50_95"]) == (precision[:, 0].mean(), pytest.approx(precision.mean()))
    scores = [seed["map50"] for seed in found["seeds"]]
    assert found["mean"]["map50"] == pytest.approx(sum(scores) / 2)
    assert found["spread"]["map50"] == pytest.approx(abs(scores[0] - scores[1]) / 2**0.5)


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_arm_says_what_was_done(tmp_path, real, name):
    found = result(tmp_path, SETTINGS, real, arm=PLAIN[name])
    known = {"version": METHOD["detect_boxes"], "arm": name, "basis": None, "models": [], "ratio": 0}
    assert found.items() >= known.items()
    assert found["augmented"] == (name == "augmented")
    assert (found["n_synthetic"], found["candidates"], found["notes"]) == (0, [], [])
    assert [set(pilot) for pilot in found["validation"]] == [{"map50", "map50_95"}] * 2


def test_an_arm_with_synthetic_images_is_built_on_the_strongest_plain_one(tmp_path, real, made):
    both = BoxArm("real+all", [Made("x", "synthetic"), Made("y", "blended")])
    found = result(tmp_path, SETTINGS, real, [made, made], both, best="augmented")
    assert (found["basis"], found["augmented"]) == ("augmented", True)
    assert found["models"] == [{"model": "x", "made": "synthetic"}, {"model": "y", "made": "blended"}]
    assert (found["n_real"], found["n_synthetic"], found["n_test"]) == (8, 12, 4)
    assert [candidate["ratio"] for candidate in found["candidates"]] == [0.5, 1.0]
    chosen = next(c for c in found["candidates"] if c["ratio"] == found["ratio"])
    assert chosen["validation"] == found["validation"]


def test_without_validation_images_nothing_is_chosen_and_that_is_said(tmp_path, boxed, made, capfd):
    images, marks = scenes(14, seed=4)
    split = ["train"] * 8 + ["val"] * 2 + ["test"] * 4
    path = boxed("empty", images, split, [m for m in marks if m[0] not in (8, 9)])  # background alone tells nothing
    plain = result(tmp_path, SETTINGS, path)
    assert (plain["validation"], plain["notes"]) == (None, [])
    found = result(tmp_path, SETTINGS, path, [made], WITH, best=None)
    assert (found["basis"], found["ratio"], found["validation"], found["candidates"]) == ("augmented", 0.5, None, [])
    assert "steel, real+x: no validation images with boxes to choose by: first ratio" in capfd.readouterr().err


def test_a_job_killed_again_and_again_writes_what_it_would_have_written(tmp_path, real, made, monkeypatch):
    """Two ratios with two pilots each, then two repetitions; killed in the second pilot, the fourth, the last."""
    whole = result(tmp_path, SETTINGS, real, [made], WITH)
    trained, train = [], run.train
    again = tmp_path / "again"
    for until in (1, 3, 5, 6):

        def killed(*words, until=until):
            if len(trained) == until:
                raise Killed
            trained.append(words[4])
            return train(*words)

        monkeypatch.setattr(run, "train", killed)
        if until < 6:
            with pytest.raises(Killed):
                result(again, SETTINGS, real, [made], WITH)
            assert not (again / "real+x.json").exists()
    assert timeless(result(again, SETTINGS, real, [made], WITH)) == timeless(whole)
    assert trained == [1000, 1001, 1000, 1001, 0, 1]


def test_other_boxes_or_another_basis_are_another_job(real, boxed):
    images, marks = scenes(14, seed=4)
    split = ["train"] * 8 + ["val"] * 2 + ["test"] * 4
    other = boxed("other", images, split, marks, symmetry="both")
    recipes = [
        run._recipe(SETTINGS, WITH, basis, [ImageSet.open(path)])
        for basis, path in (("real", real), ("real", other), ("augmented", real))
    ]
    assert all(recipe not in recipes[:i] for i, recipe in enumerate(recipes))
    more = SETTINGS.model_copy(update={"seeds": 9})
    assert run._recipe(more, WITH, "real", [ImageSet.open(real)]) == recipes[0], "repetitions are added"


def test_synthetic_images_are_learnt_from_and_not_judged_by(tmp_path, real, made):
    plain, helped = result(tmp_path, SETTINGS, real), result(tmp_path, SETTINGS, real, [made], WITH)
    assert (helped["n_real"], helped["n_synthetic"], helped["n_test"]) == (8, 6, 4)
    assert helped["truth"] == plain["truth"]
    assert helped["seeds"][0]["found"] != plain["seeds"][0]["found"]


def test_a_class_without_test_boxes_has_no_score_and_is_named(tmp_path, boxed, capfd):
    images, marks = scenes(14, seed=4)
    marks = [m for m in marks if m[0] < 10 or m[1] == "disc"]
    split = ["train"] * 8 + ["val"] * 2 + ["test"] * 4
    path = boxed("real", images, split, marks, classes=("disc", "square", "never"))
    found = result(tmp_path, SETTINGS, path)
    assert [score is None for score in found["seeds"][0]["ap50"]] == [False, True, True]
    assert found["notes"] == [
        "no box of never in the training images; it cannot be found",
        "no box of square, never in the test images; the mean is that of the other classes",
    ]
    assert f"steel, real: {found['notes'][0]}" in capfd.readouterr().err


def test_the_picture_shows_test_images(tmp_path, real):
    result(tmp_path, SETTINGS, real)
    with Image.open(tmp_path / "real.png") as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 200


@pytest.mark.slow
def test_synthetic_images_with_right_boxes_help_where_real_ones_are_few(tmp_path, boxed):
    images, marks = scenes(52, seed=6)
    real = boxed("real", images, ["train"] * 4 + ["test"] * 48, marks)
    more, right = scenes(120, seed=7)
    made = boxed("made", more, ["train"] * 120, right)
    settings = DetectBoxes(seeds=2, steps=60, batch=16, width=4, learning_rate=5e-3, ratios=[3.0])
    alone, helped = (
        result(tmp_path, settings, real, sets, arm)["mean"]["map50"] for sets, arm in (([], REAL), ([made], WITH))
    )
    assert helped > alone + 0.2
