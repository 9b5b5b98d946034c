"""Journals of a made-up data set, written as the stages write theirs: three generators, their detectors, the answer."""

import math
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

from pipeline.tracking import stages, views

GENERATORS = {  # times the floor, gain in points, verdict, copies, minutes
    "cgan": ("cgan", 2.7, -0.4, "cannot tell", "no sign of copies", 4.0),
    "sg2": ("stylegan2_ada", 1.4, 2.1, "helps", "no sign of copies", 29.0),
    "warp": ("warp", 1.1, 0.2, "cannot tell", "80 % copies", 0.1),
}
DETECTORS = {"real": ("baseline", 91.2, 0.0, "baseline"), "real+all": ("hybrid", 92.0, 0.8, "cannot tell")}
SPLITS = {"train": 80, "val": 10, "test": 30}
STEPS = range(0, 2001, 40)


def make(root: Path, dataset: str) -> None:
    """All journals of a results folder, below `root`."""
    journals = root / "journal" / dataset
    for model, (family, *standing) in GENERATORS.items():
        out = root / dataset / model
        out.mkdir(parents=True)
        save_file({"w": np.arange(4.0)}, out / "model.safetensors")
        (out / "model.json").write_text("{}")
        settings = {"family": family, "batch": 32, "z_dim": 128 if model == "cgan" else 512}
        with stages.training(journals / model / "train", dataset, model, 0, settings, "d" * 64) as run:
            run.dataset(dataset, "d" * 64, root, SPLITS)
            for images in STEPS if family != "warp" else ():
                kid = 40 * math.exp(-images / 700) + standing[0]
                run.metrics({"loss/G": 1 + kid / 50, "loss/D": 2 - kid / 50, "held_out/kid": kid}, images)
                run.metrics({"gradient/G": kid, "speed/images_per_second": 90}, images)
                if images % 1000 == 0:
                    Image.fromarray(cells(images)).save(out / "grid.png")
                    run.image("samples", out / "grid.png", images)
            run.system({"cpu_utilization_percentage": 97})
            run.model("generator", out)
        with stages.addition(journals / model / "report", dataset, model, 0, "report") as run:
            times, gain, verdict, copies, minutes = standing
            run.final({views.DISTANCE: times, views.GAIN: gain, views.MINUTES: minutes})
            run.labels({views.VERDICT: verdict, views.COPIES: copies})
            run.version(best=model == "sg2")
    for arm, (kind, score, gain, verdict) in DETECTORS.items():
        with stages.detector(journals / arm, dataset, arm, "detect", None, kind, 0, {"steps": 300}) as run:
            run.final({"detect/accuracy": score / 100})
        with stages.compared(journals / arm / "report", dataset, arm, "report", None, 0) as run:
            run.final({views.SCORE: score, views.GAIN: gain})
            run.labels({views.VERDICT: verdict})
    with stages.comparison(journals / "report", dataset) as run:
        run.labels({views.CLOSEST: "sg2"})
        run.final({views.HELP: 1, views.HURT: 0})


def cells(images: int) -> np.ndarray:
    """(64, 64) uint8: cells about some points, the sharper the more images were seen."""
    rng = np.random.default_rng(images)
    y, x = np.mgrid[:64, :64]
    distance = np.sort([np.hypot(x - a, y - b) for a, b in rng.uniform(0, 64, (20, 2))], axis=0)
    wall = 1 - np.exp(-(distance[1] - distance[0]) * (0.2 + images / 1000))
    return np.uint8(255 * wall)
