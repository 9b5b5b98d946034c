"""A third task, as small as can be: is an image too bright? Its detector is the mean gray level of the good images."""

from dataclasses import dataclass

import numpy as np
import torch

from pipeline.downstream.paired_gain import JackknifeScores, JackknifeTable
from pipeline.downstream.records import ArmResult, Repetition
from pipeline.downstream.task import Task
from pipeline.settings import Detect


@dataclass(frozen=True, kw_only=True)
class GrayRepetition(Repetition):
    right: float
    answers: list[bool]


@dataclass(frozen=True)
class GrayResult(ArmResult):
    repetitions: list[GrayRepetition]


@dataclass(frozen=True)
class Levels:
    """Mean gray levels, and whether each image is good."""

    level: np.ndarray
    good: np.ndarray
    n_real: int

    def __len__(self):
        return len(self.level)

    @property
    def device(self):
        return torch.device("cpu")


def levels(sets, split):
    rows = [of.rows(split) for of in sets]
    level = np.concatenate([of.images[r].mean((1, 2, 3)) for of, r in zip(sets, rows, strict=True)])
    good = np.concatenate([of.metadata["label"].to_numpy()[r] == "good" for of, r in zip(sets, rows, strict=True)])
    return Levels(level, good, len(rows[0]))


class Gray(Task):
    name = "gray"
    settings = Detect
    setting = "detect.gray"
    detector = "gray level"
    examples = "images"
    scores = ("right",)
    selection = (("right", 1),)
    result = GrayResult
    test_fields = (("truth", "test images"), ("groups", "test images"))

    def check(self, real, dataset):
        pass

    def training_set(self, settings, real, synthetic, dataset, device):
        return levels([real, *synthetic], "train")

    def validation_set(self, settings, real, device):
        return levels([real], "val")

    def test_set(self, settings, real, dataset, device):
        return levels([real], "test")

    def steps(self, settings):
        return 1

    def train(self, settings, real, data, mix, seed, tick):
        seen = np.concatenate([np.arange(data.n_real), mix.extra])
        seen = np.random.default_rng(seed).choice(seen[data.good[seen]], len(seen))
        return data.level[seen].mean() + 3 * data.level[seen].std()

    def validation_scores(self, settings, real, detector, validation):
        return {"right": float(np.mean((validation.level <= detector) == validation.good))}

    def test_record(self, settings, real, detector, test, validation):
        right = (test.level <= detector) == test.good
        return {"right": float(right.mean()), "answers": right.tolist()}

    def ground_truth(self, real, test):
        groups = real.metadata["group"].iloc[real.rows("test")].tolist()
        return {"classes": ["good", "bad"], "groups": groups, "truth": test.good.tolist()}

    def jackknife(self, result, against=False):
        """Groups are single images here."""
        right = np.mean([one.answers for one in result.repetitions], axis=0)
        left_out = (right.sum() - right) / (len(right) - 1)
        scores = JackknifeScores(np.array([one.right for one in result.repetitions]), float(right.mean()), left_out)
        return JackknifeTable({"right": scores}, {}, len(right))


TASK = Gray()
