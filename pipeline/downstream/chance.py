"""How wide chance makes an interval of the detectors' scores and gains, and which gains one as wide would miss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from scipy.special import stdtrit

from pipeline.downstream.records import Arm, TrainedOn

LEVEL = 0.95
POWER = 0.84  # quantile of the normal distribution that four of five lie below


class Chance(NamedTuple):
    """Variances of a mean score or paired difference, and of how many repetitions and groups of test images."""

    by_repetitions: float
    repetitions: int
    by_images: float
    groups: int

    @property
    def error(self) -> float:
        return (self.by_repetitions + self.by_images) ** 0.5

    def widths(self, level: float) -> tuple[float, float]:
        """Each variance times its own Student quantile, two-sided; half an interval's width is their sum over `error`
        (Cochran and Cox, Experimental Designs, 1957)."""
        by_repetitions, by_images = (
            float(variance * stdtrit(max(n - 1, 1), (1 + level) / 2))
            for variance, n in ((self.by_repetitions, self.repetitions), (self.by_images, self.groups))
        )
        return by_repetitions, by_images

    def reach(self, level: float) -> float:
        """Half the width of an interval."""
        return sum(self.widths(level)) / self.error if self.error else 0.0

    def detectable(self, level: float) -> float:
        """The gain that an interval as wide as this leaves zero behind in four of five experiments."""
        return self.reach(level) + POWER * self.error


def family_size(results: Sequence[TrainedOn]) -> int:
    """How many verdicts hold at once: of arms that add a generator's images to real ones; at least 1."""
    return max(sum(of.generative and of.real and not of.control for of in results), 1)


def detectable_with_more(arm: Arm, arms: Sequence[Arm], more: int) -> float | None:
    """The gain that an arm would detect with `more` times as many repetitions or groups of test images, whichever are
    scarcer, if new ones varied as the present ones do; `arms` are all those of its task.

    The pseudo-observations among the groups, which `Arm` does not count, are left out of the quantiles. None where it
    detects nothing as it is, or where a source of chance is not known.
    """
    if arm.detects is None or arm.error_repetitions is None or arm.error_images is None:
        return None
    now = Chance(arm.error_repetitions**2, len(arm.repetitions), arm.error_images**2, arm.n_groups)
    if arm.scarcer == "repetitions":
        then = now._replace(by_repetitions=now.by_repetitions / more, repetitions=more * now.repetitions)
    else:
        then = now._replace(by_images=now.by_images / more, groups=more * now.groups)
    level = 1 - (1 - LEVEL) / family_size(arms)
    return arm.detects * then.detectable(level) / now.detectable(level)
