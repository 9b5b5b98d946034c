import numpy as np
import pytest
from PIL import Image

from pipeline.data.image_set import ImageSet
from pipeline.downstream.boxes.average_precision import BoxTable, average_precision
from pipeline.downstream.registry import TASKS
from pipeline.settings import DetectBoxes
from tests.downstream.cases import WITH, X, run, scenes

TASK = TASKS["boxes"].load()
SETTINGS = DetectBoxes(repetitions=2, steps=4, batch=4, width=2, ratios=[0.5, 1.0], selection_runs=2)
SPLIT = ["train"] * 8 + ["val"] * 2 + ["test"] * 4


@pytest.fixture
def real(boxed):
    """Eight images to learn from, two to choose by; of the four test images the last has no box."""
    images, marks = scenes(14, seed=4)
    return boxed("real", images, SPLIT, [m for m in marks if m[0] != 13], symmetry="both")


def test_the_scores_follow_from_the_boxes_in_the_file(tmp_path, real):
    settings = DetectBoxes(repetitions=2, steps=40, batch=4, width=4, learning_rate=5e-3, selection_runs=1)
    found = run(tmp_path, TASK, settings, real)
    assert (found.n_test, found.n_background) == (4, 1)
    assert found.ids == ImageSet.open(real).metadata["id"].tolist()[10:]
    truth = BoxTable(*map(np.array, (found.truth.image, found.truth.class_id, found.truth.box)), np.empty(0))
    for one in found.repetitions:
        said = BoxTable(*map(np.array, (one.found.image, one.found.class_id, one.found.box, one.found.score)))
        precision = average_precision(truth, said, 4, 2)
        assert one.ap50 == precision[:, 0].tolist()
        assert (one.map50, one.map50_95) == (precision[:, 0].mean(), pytest.approx(precision.mean()))
    with Image.open(tmp_path / "real.png") as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 200


def test_background_alone_tells_nothing_to_choose_by(tmp_path, boxed):
    images, marks = scenes(14, seed=4)
    path = boxed("empty", images, SPLIT, [m for m in marks if m[0] not in (8, 9)])
    assert run(tmp_path, TASK, SETTINGS, path).chosen.validation is None


def test_other_boxes_are_another_job(boxed, real):
    images, marks = scenes(14, seed=4)
    more = boxed("other", images, SPLIT, marks, symmetry="both")
    assert [(real / name).read_bytes() == (more / name).read_bytes() for name in ("images.npy", "boxes.csv")] == [
        True,
        False,
    ]
    assert "boxes.csv" in TASK.files


def test_a_class_without_test_boxes_has_no_score_and_is_named(tmp_path, boxed, capfd):
    images, marks = scenes(14, seed=4)
    marks = [m for m in marks if m[0] < 10 or m[1] == "disc"]
    path = boxed("real", images, SPLIT, marks, classes=("disc", "square", "never"))
    found = run(tmp_path, TASK, SETTINGS, path)
    assert [score is None for score in found.repetitions[0].ap50] == [False, True, True]
    assert found.chosen.notes == [
        "no box of never in the training images; it cannot be found",
        "no box of square, never in the test images; the mean is that of the other classes",
    ]
    assert f"plates, real: {found.chosen.notes[0]}" in capfd.readouterr().err


@pytest.mark.slow
def test_synthetic_images_with_right_boxes_help_where_real_ones_are_few(tmp_path, boxed):
    images, marks = scenes(52, seed=6)
    real = boxed("real", images, ["train"] * 4 + ["test"] * 48, marks)
    more, right = scenes(120, seed=7)
    made = boxed("made", more, ["train"] * 120, right)
    settings = DetectBoxes(repetitions=2, steps=60, batch=16, width=4, learning_rate=5e-3, ratios=[3.0])
    alone = run(tmp_path, TASK, settings, real).mean["map50"]
    assert run(tmp_path, TASK, settings, real, {X: made}, WITH).mean["map50"] > alone + 0.2
