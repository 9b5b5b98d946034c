"""The real Snakefile: what a box that was drawn anew runs again, and what not."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.annotated import voc
from tests.forks import Child
from tests.workflow.test_rerun import command, planned, run


def again(results, settings):
    """Jobs that preparing would do."""
    jobs = planned(results, settings, "prepare_all")
    return sorted(set(jobs) - {"prepare_all"})


@pytest.fixture
def source(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(6):
        for folder in ("images", "boxes"):
            (tmp_path / folder).mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (32, 32), np.uint8)).save(tmp_path / "images" / f"{i}.png")
        (tmp_path / "boxes" / f"{i}.xml").write_text(voc(("a", 3, 3, 9, 9)))
    return tmp_path


def plain(source):
    """Settings of a run on these images."""
    images = f"datasets.polycrystals.source={source}/images datasets.polycrystals.labels.rule=none"
    return f"{images} datasets.polycrystals.shots=null"


def with_boxes(source, form="voc", folder="boxes"):
    return (
        f"{plain(source)} datasets.polycrystals.boxes.format={form} datasets.polycrystals.boxes.path={source}/{folder}"
    )


@pytest.mark.slow
def test_a_mask_that_lies_among_the_images_and_is_corrected_makes_no_image_anew(source):
    results, mask = source / "results", np.zeros((32, 32), np.uint8)
    mask[3:9, 3:9] = 255
    for i in range(6):
        Image.fromarray(mask).save(source / "images" / f"{i}_mask.png")
    masked = with_boxes(source, "mask", "images")
    run(results, "prepare_all", settings=masked)
    assert np.load(results / "polycrystals" / "real" / "masks.npy").any((1, 2)).tolist() == [True] * 6
    Image.fromarray(mask.T // 2).save(source / "images" / "3_mask.png")
    assert again(results, masked) == ["annotate_masks"]


@pytest.fixture
def pseudo(source):
    """Settings of a run that labels the images of one model."""
    settings = f"{with_boxes(source)} detect.boxes.repetitions=2 detect.boxes.steps=2"
    settings += " detect.boxes.batch=2 detect.boxes.width=2 detect.boxes.selection_runs=1"
    return f"{settings} detect.boxes.pseudo_labels=[ddpm] all_models.total_images=32"


def test_a_model_whose_images_are_labelled_has_an_arm_of_its_own(source, pseudo):
    results = source / "results"
    jobs = {"prepare": 1, "annotate": 1, "train": 1, "generate": 1}
    jobs |= {"choose_box_steps": 1, "pseudo_label": 1, "detect_boxes": 4}
    assert planned(results, pseudo, "detect_all") == jobs | {"compare_detectors": 1, "detect_all": 1}
    wrong = run(results, settings=pseudo.replace("[ddpm]", "[dpm]"), check=False)
    assert "ERROR: detect.boxes.pseudo_labels: `dpm` is no model; did you mean `ddpm`?" in wrong


@pytest.mark.slow
def test_detectors_of_boxes_and_labels_are_made_anew_for_what_concerns_them_and_for_nothing_else(source, pseudo):
    """One run with labels; without them, the detectors that it has made are all that there is to do. Images that were
    prepared before there were boxes stay as they are."""
    results, boxed = source / "results", with_boxes(source)
    run(results, "prepare_all", settings=plain(source))
    assert again(results, boxed) == ["annotate"]
    length = results / "polycrystals" / "detection" / "boxes" / "steps.json"
    run(results, str(length), settings=pseudo)
    assert json.loads(length.read_text()) == {"steps": 2, "most": 2, "tried": []}  # there is nothing to choose by
    length.write_text('{"steps": 1, "most": 2, "tried": []}')
    run(results, "detect_all", settings=pseudo)
    assert json.loads((results / "polycrystals" / "real" / "boxes.json").read_text())["classes"] == ["a"]
    assert again(results, boxed) == again(results, plain(source)) == []
    assert again(results, f"{boxed} datasets.polycrystals.boxes.visible=0.6") == ["annotate"]
    folder = results / "polycrystals" / "ddpm" / "seed-0" / "pseudo"
    labels = json.loads((folder / "pseudo_labels.json").read_text())
    assert (labels["model"], labels["settings"]["steps"]) == ("ddpm", 1)
    assert (folder / "boxes.csv").is_file()
    folder = results / "polycrystals" / "detection" / "boxes"
    for arm in ("real", "augmented", "real+same_real", "real+ddpm.pseudo"):
        (written,) = json.loads((folder / f"{arm}.json").read_text())
        assert (len(written["repetitions"]), written["steps"]) == (2, 1)
        assert (folder / f"{arm}.png").is_file()
    last = {"compare_detectors": 1, "detect_all": 1}
    assert planned(results, pseudo, "detect_all") == {}
    assert planned(results, f"{pseudo} detect.steps=7", "detect_all") == {}
    more = pseudo.replace("[ddpm]", "[ddpm,cgan]")
    added = {"train": 1, "generate": 1, "pseudo_label": 1, "detect_boxes": 1}
    assert planned(results, more, "detect_all") == added | last
    assert planned(results, f"{pseudo} detect.boxes.repetitions=3", "detect_all") == {"detect_boxes": 4} | last
    anew = {"choose_box_steps": 1, "pseudo_label": 1, "detect_boxes": 4} | last
    assert planned(results, f"{pseudo} detect.boxes.steps=3", "detect_all") == anew
    unlabelled = pseudo.replace("[ddpm]", "[]")
    assert planned(results, unlabelled, "detect_all") == last
    alone = {"choose_box_steps": 1, "detect_boxes": 3} | last
    assert planned(results, f"{unlabelled} detect.boxes.steps=3", "detect_all") == alone
    (source / "boxes" / "3.xml").write_text(voc(("a", 3, 3, 9, 19)))
    assert planned(results, pseudo, "detect_all") == {"annotate": 1} | anew
    assert planned(results, unlabelled, "detect_all") == {"annotate": 1} | alone


def test_the_chosen_length_is_handed_to_every_detector_of_boxes(source, pseudo):
    """To those of the arms, to the one that labels, and to those that say what is missed."""
    settings = f"{with_boxes(source)} detect.boxes.pseudo_labels=[cgan] models.ddpm.boxes=true detect.missed=[ddpm]"
    dry = Child("snakemake.cli", "--dry-run", *command(source / "results", "detect_all", settings=settings)[1:])
    assert dry.wait() == 0, dry.said
    asked = re.findall(r"^rule (\w+):\n +input: (.*)\n", dry.said, re.M)
    length = f"{source}/results/polycrystals/detection/boxes/steps.json"
    told = [rule for rule, files in asked if length in files.split(", ")]
    wanted = ("detect_boxes", "pseudo_label", "find_missed_boxes")
    assert {*told} == {*wanted}
    assert len(told) == len([rule for rule, _ in asked if rule in wanted]) == 8


def test_links_to_nowhere_and_pipes_among_annotations_stop_nothing(source):
    (source / "boxes" / "lost.xml").symlink_to(source / "nowhere.xml")
    os.mkfifo(source / "boxes" / "pipe.xml")
    assert planned(source / "results", with_boxes(source), "prepare_all")["annotate"] == 1


@pytest.mark.slow
def test_boxes_are_inputs_of_models_that_draw_boxes_alone(source):
    results = source / "results"
    boxed = f"{with_boxes(source)} datasets.polycrystals.split.val=0 models.ddpm.boxes=true models.ddpm.total_images=16"
    folder = results / "polycrystals"
    asked = str(folder / "ddpm" / "seed-0" / "synthetic" / "boxes.json")
    before = planned(results, boxed, "detect_all")
    assert before["generate_boxed"] == 1
    assert before["detect_boxes"] >= 2
    run(results, asked, settings=boxed)
    assert json.loads(Path(asked).read_text())["classes"] == ["a"]
    assert Path(asked).with_name("boxes.png").is_file()
    assert planned(results, boxed, asked) == {}
    (source / "boxes" / "3.xml").write_text(voc(("a", 3, 3, 9, 19)))
    assert planned(results, boxed, asked) == {"annotate": 1, "train": 1, "generate_boxed": 1}


def test_missing_annotations_are_one_line(tmp_path, source):
    settings = f"datasets.polycrystals.boxes.format=coco datasets.polycrystals.boxes.path={source}/boxes"
    settings += f" datasets.polycrystals.source={source}/images"
    printed = run(tmp_path / "results", settings=settings, check=False)
    assert "ERROR: datasets.polycrystals.boxes.path: " in printed
    assert "holds no *.json file, as `format: coco`" in printed
    assert "Traceback" not in printed
