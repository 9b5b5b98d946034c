"""The real Snakefile: patches of defects as a data set, and images blended of them."""

import numpy as np
import pytest

from pipeline.data.image_set import ImageSet
from tests.workflow.test_boxes import source, with_boxes  # noqa: F401 (a fixture)
from tests.workflow.test_rerun import planned, run


@pytest.fixture
def patches(source):  # noqa: F811
    """Settings that add patches of the images with boxes, and one generator of them."""
    boxed = f"{with_boxes(source)} datasets.polycrystals.models=[dcgan] datasets.defects.models=[cgan]"
    return f"{boxed} datasets.defects.patches_of=polycrystals datasets.defects.size=32 all_models.total_images=32"


def test_patches_are_cut_once_and_blended_for_each_of_their_generators(tmp_path, patches):
    jobs = planned(tmp_path / "results", patches)
    expected = {"prepare": 1, "annotate": 1, "cut_patches": 1, "train": 2, "evaluate_real": 2, "blend": 1}
    assert {rule: jobs[rule] for rule in expected} == expected
    few = patches + " datasets.polycrystals.shots=[1,2] datasets.defects.models=[cgan,dcgan]"
    jobs = planned(tmp_path / "results", few)
    assert (jobs["prepare"], jobs["cut_patches"], jobs["train"], jobs["blend"]) == (2, 2, 6, 4)


@pytest.mark.slow
def test_a_generator_of_patches_makes_images_with_boxes(tmp_path, patches):
    results = tmp_path / "results"
    folder = results / "polycrystals" / "cgan" / "seed-0" / "blended"
    run(results, f"{folder}/meta.json", settings=patches)
    made, cut = ImageSet.open(folder), ImageSet.open(results / "defects" / "real")
    real = ImageSet.open(results / "polycrystals" / "real")
    assert len(cut) == len(real)
    assert sorted(made.metadata["source"]) == real.metadata["id"].iloc[real.rows("train")].tolist()
    assert np.array_equal(made.boxes[["x0", "y0"]], np.full((len(made), 2), 2.0))
    assert planned(results, patches, f"{folder}/meta.json") == {}
    assert planned(results, f"{patches} blend.images=3", f"{folder}/meta.json") == {"blend": 1}
    again = planned(results, f"{patches} datasets.defects.patches.margin=0.4", f"{folder}/meta.json")
    assert again == {"cut_patches": 1, "train": 1, "generate": 1, "blend": 1}
