"""How good the snapshot is that a training keeps, beside the lowest held-out KID's and the last.

    python -m benchmarks.keep_rule --images results/polycrystals/real \\
        --config config/config.yaml config/all-families.yaml \\
        --models cgan wgan_gp ddpm dcgan stylegan2_ada --seeds 0 1 --share 0.4 --snapshots 8

Each model of the configuration is trained, for a share of its budget. At every snapshot, beside what the training
itself looks at, 600 other images are drawn and compared with the test images: Fréchet distance in random features. That
distance chooses nothing; a row says what each rule's choice has of it, and the last row how many trainings each rule
served as well as the best of the three.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
import torch
import yaml

from pipeline.base.null_journal import NullJournal
from pipeline.base.pixels import normalised, stored
from pipeline.data.image_set import ImageSet
from pipeline.metrics import distances
from pipeline.models.base import GenerativeModel
from pipeline.settings import FAMILY_SETTINGS
from pipeline.training import loop
from pipeline.training.feed import split_rows
from pipeline.training.snapshots import draw
from pipeline.training.validator import KID, Validator

DRAWN = 600
FIRST_SEED = 10**9  # of images that no look at a training has drawn
RULES = ("lowest KID", "kept", "last")


class Moment(NamedTuple):
    images: int
    kid: float
    truth: float
    kept: int  # images seen by the snapshot that is kept at this moment


class Recorder(Validator):
    """What a training looks at, and the distance to the test images beside it."""

    moments: list[Moment]

    def __init__(self, data: ImageSet, *rest):
        super().__init__(data, *rest)
        Recorder.moments = []
        rows, labels = split_rows(data, data.spec, "test")
        images = normalised(stored(data.images[rows]))
        self.test = (self._vectors(images) - self.centre) / self.scale
        self.asked = torch.from_numpy(labels[np.linspace(0, len(labels) - 1, DRAWN).round().astype(int)])

    def evaluate(self, model: GenerativeModel, images: int, batch: int) -> dict[str, float]:
        scalars = super().evaluate(model, images, batch)
        drawn = self._vectors(draw(model, self.asked, FIRST_SEED + torch.arange(DRAWN), batch))
        truth = distances.frechet((drawn - self.centre) / self.scale, self.test)
        assert self.kept is not None  # after a look there is one
        Recorder.moments.append(Moment(images, scalars[KID], truth, self.kept[1]))
        return scalars


def record(settings, data: Path, seed: int) -> list[Moment]:
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(loop, "Validator", Recorder):
        loop.train(settings, data, Path(folder) / "out", Path(folder) / "state", seed, NullJournal(), 1e9, threads=1)
    return Recorder.moments


def choices(moments: list[Moment]) -> dict[str, Moment]:
    """What each rule chooses."""
    kept = next(moment for moment in moments if moment.images == moments[-1].kept)
    return dict(zip(RULES, (min(moments, key=lambda moment: moment.kid), kept, moments[-1]), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="a prepared image set")
    parser.add_argument("--config", type=Path, nargs="+", required=True, help="files whose `models` are trained")
    parser.add_argument("--models", nargs="+", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--share", type=float, default=1.0, help="of each budget")
    parser.add_argument("--snapshots", type=int, default=8)
    given = parser.parse_args()
    models = {}
    for path in given.config:
        models |= yaml.safe_load(path.read_text()).get("models", {})
    print(f"| model, seed | {' | '.join(RULES)} | best there was |\n| --- |{' ---: |' * 4}")
    wins = dict.fromkeys(RULES, 0)
    for name in given.models:
        settings = FAMILY_SETTINGS[models[name]["family"]](**models[name])
        changes = {"total_images": round(given.share * settings.total_images), "snapshots": given.snapshots}
        for seed in given.seeds:
            moments = record(settings.model_copy(update=changes), given.images, seed)
            chosen = choices(moments)
            cells = [f"{moment.truth:.1f} (of {moment.images})" for moment in chosen.values()]
            print(f"| {name}, {seed} | {' | '.join(cells)} | {min(m.truth for m in moments):.1f} |", flush=True)
            best = min(moment.truth for moment in chosen.values())
            for rule, moment in chosen.items():
                wins[rule] += moment.truth <= 1.02 * best
    print(f"| within 2 % of the best of the three | {' | '.join(str(wins[rule]) for rule in RULES)} | |")


if __name__ == "__main__":
    main()
