"""The configuration of two kinds of colour photographs as it is shipped, on drawn ones, a folder a kind."""

import numpy as np
from PIL import Image

from pipeline.data.image_set import ImageSet
from tests.forks import ROOT, Child
from tests.workflow import planning
from tests.workflow.test_rerun import SNAKEMAKE

KINDS = {"cats": (200, 120, 60), "dogs": (60, 90, 180)}
SHOWN = 20  # photographs of a kind


def photographs(folder):
    """Colour of a kind with noise, wide and high ones."""
    rng = np.random.default_rng(0)
    for kind, colour in KINDS.items():
        (folder / kind).mkdir(parents=True)
        for i in range(SHOWN):
            sides = (60, 80) if i % 2 else (80, 60)
            levels = np.clip(rng.normal(colour, 25, (*sides, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(levels).save(folder / kind / f"{i}.jpg", quality=95)
    return [str(folder / kind) for kind in KINDS]


def test_cats_against_dogs_are_planned_and_prepared(tmp_path):
    folders = photographs(tmp_path / "photographs")
    files = [str(ROOT / "config" / f"{name}.yaml") for name in ("cats-dogs", "quick")]
    override = f"set=results={tmp_path / 'results'} datasets.cats_dogs.source=[{','.join(folders)}]"
    command = [*SNAKEMAKE[1:], *files, "--config", override, "--"]
    jobs = planning.planned(command)
    models = ["projected_gan", "stylegan2_ada", "ddpm"]
    assert {rule: jobs[rule] for rule in ("prepare", "train", "detect", "compare_detectors", "write_report")} == {
        "prepare": 1, "train": len(models), "detect": 1, "compare_detectors": 1, "write_report": 1
    }  # fmt: skip
    prepared = Child("snakemake.cli", *command, "prepare_all")
    assert prepared.wait() == 0, prepared.said
    images = ImageSet.open(tmp_path / "results" / "cats_dogs" / "real")
    assert images.images.shape == (2 * SHOWN, 32, 32, 3)
    assert images.meta["classes"] == list(KINDS)
    for place, kind in enumerate(images.metadata["label"]):
        np.testing.assert_allclose(images.images[place].mean((0, 1)), KINDS[kind], atol=12)
    for split in ("train", "val", "test"):
        assert set(images.metadata["label"][images.rows(split)]) == set(KINDS)
