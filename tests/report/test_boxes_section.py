"""The section of the detectors of boxes."""

import numpy as np
import pandas as pd
import pytest

from pipeline.data.image_set import ImageSet
from pipeline.downstream.boxes import figure
from pipeline.downstream.boxes.average_precision import BoxTable, average_precision
from pipeline.downstream.boxes.records import BoxResult
from pipeline.downstream.records import read_results
from pipeline.report import boxes_section, detector_findings, figures, sentences
from pipeline.report.inputs import DatasetInputs
from tests.report.made_up_run import BOX_CLASSES, compare, write_box_arms, write_set


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The JSON files of the arms, of the test images of a set."""
    folder = tmp_path_factory.mktemp("boxes")
    write_set(folder / "real", np.random.default_rng(0), ["a", "b"], {"train": 2, "test": 20}, "photo.tif")
    return write_box_arms(folder / "arms", pd.read_csv(folder / "real/metadata.csv"), np.random.default_rng(1))


def compared(files):
    """Records of the arms, and the contents of their files."""
    inputs = compare("steel", DatasetInputs(files[0].parents[1] / "real", box_arms=files))
    results = read_results(files, BoxResult)
    return inputs.compared().of("boxes"), {of.arm: of for of in results}


@pytest.fixture(scope="module")
def arms(files):
    return compared(files)[0]


@pytest.fixture(scope="module")
def section(arms, files):
    with pytest.MonkeyPatch.context() as patch:
        for name in ("detectors", "class_gains", "precision_recall"):
            patch.setattr(figures, name, lambda *numbers: "<svg/>")
        return boxes_section.context(*compared(files), ImageSet.open(files[0].parents[1] / "real"))


def test_the_arms_stand_beside_the_one_that_pilots_chose(section):
    assert [arm["arm"] for arm in section["arms"]][:2] == ["augmented", "real"]
    assert [arm["first"] for arm in section["arms"]] == [True, False, False, False, False]
    first, _, sg2, pseudo, both = section["arms"]
    assert [one["gain"] for one in first["scores"].values()] == [None, None]
    assert sg2["made_of"] == "images of sg2, drawn with their boxes"
    assert pseudo["made_of"] == "images of cgan, boxes by a detector of real ones"
    assert both["made_of"] == "images of sg2, drawn with their boxes; defects of spots blended into real images"
    assert (pseudo["portion"], first["portion"]) == ("0.5 for each real one, all of them", "")
    assert [one["sure"] for one in both["scores"].values()] == ["▼ ", "▼ "]
    assert section["pair"] == ["augmented", "real+sg2"]
    assert (section["n_boxes"], section["n_test"], section["repeats"]) == (80, 40, 5)


def test_numbers_are_those_that_coco_gives_the_boxes_in_the_files(section, files):
    row, of = section["arms"][2], read_results(files, BoxResult)[2]
    scores = []
    for one in of.repetitions:
        truth, found = (
            BoxTable(*map(np.array, (boxes.image, boxes.class_id, boxes.box, boxes.score or [])))
            for boxes in (of.truth, one.found)
        )
        scores.append(average_precision(truth, found, len(of.ids), 2))
    means = np.mean(scores, axis=0)[:, 0]
    assert [one["score"] for one in row["of_class"]] == [f"{100 * mean:.1f}" for mean in means]
    assert row["scores"]["map50"]["spread"].startswith(f"{100 * means.mean():.1f} ± ")
    assert row["scores"]["map50_95"]["spread"].startswith(f"{100 * np.mean(scores):.1f} ± ")


def test_what_was_chosen_is_shown_with_its_candidates(section):
    chosen = section["chosen"]
    assert [row["arm"] for row in chosen["plain"]] == ["augmented", "real"]
    assert chosen["plain"][0]["scores"][0] == "59.0 ± 1.4"  # 60 and 58 %
    assert (chosen["runs"], chosen["titles"]) == (2, ["mAP50, %", "mAP50-95, %"])
    assert chosen["recipes"] is None
    (table,) = chosen["portions"]
    assert table["columns"] == ["0.5 for each real one, all of them", "1 for each real one, all of them"]
    picked = [[cell["chosen"] for cell in row["cells"]] for row in table["rows"]]
    assert picked == [[False, True], [True, False], [False, True]]
    assert section["notes"] == ["real+sg2, real+cgan.pseudo, real+all: a note on boxes."]


def test_the_answer_names_the_best_arm_and_the_others(arms):
    of = detector_findings.answer(arms)
    assert of.best.arm == "real+sg2"
    first, _, others, _ = sentences.helped(of)
    assert "mAP50" in first
    assert "F1" not in first
    assert "<b>sg2</b> + <b>spots.blended</b> together" in others


def test_the_mean_of_a_curve_is_the_average_precision_in_the_table(arms, files):
    results = compared(files)[1]
    panels, left_out = boxes_section._curves([results[arms[0].arm], results[arms[2].arm]])
    assert (list(panels), left_out) == (BOX_CLASSES, 0)
    for arm in (arms[0], arms[2]):
        means = [lines[arm.arm].mean() for lines in panels.values()]
        assert means == pytest.approx([row.score for row in arm.by_class], abs=1e-12)


def test_plain_arms_alone_make_a_section_and_none_make_none(files, undrawn):
    section = boxes_section.context(*compared(files[:1]), ImageSet.open(files[0].parents[1] / "real"))
    assert (section["pair"], section["by_class"]) == (["real"], None)
    assert detector_findings.answer(compared(files[:1])[0]) is None
    assert boxes_section.context([], {}, None) is None


def test_test_images_are_shown_evenly_and_names_are_no_formulas(files):
    results = compared(files)[1]
    assert figure.spread(20, 6) == [0, 3, 7, 11, 15, 19]
    assert figure.spread(2, 6) == [0, 1]
    drawn = figure.beside(ImageSet.open(files[0].parents[1] / "real"), [results["augmented"], results["real+sg2"]])
    axes = [ax for ax in drawn.axes if ax.images]
    assert [ax.get_title() for ax in axes] == ["augmented", "real+sg2"] * 6
    (legend,) = drawn.legends
    assert [text.get_text() for text in legend.texts] == [f"1: {BOX_CLASSES[0]}", f"2: {BOX_CLASSES[1]}"]
    assert not any(text.get_parse_math() for text in legend.texts)
    found = [mark for mark in axes[1].patches if mark.get_linestyle() != "-"]
    assert len(axes[1].patches) - len(found) == 2  # the true boxes of this image


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"detector": "small", "backbone": "frozen"}, "frozen"),
        ({"detector": "small", "backbone": "fine_tuned"}, "fine_tuned"),
        ({"detector": "fcos", "backbone": "frozen"}, "scratch"),
    ],
)
def test_what_detectors_see_images_with(settings, said):
    assert boxes_section.sees_with(settings) == boxes_section.BACKBONES[said]
