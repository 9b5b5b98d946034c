"""What to run longer to learn more: the end of the first page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.downstream.chance import detectable_with_more
from pipeline.downstream.records import Arm, ArmResult
from pipeline.report.detector_findings import MORE, best_of, may_guess, perfect
from pipeline.settings import UNTRAINED

ENOUGH = 0.02  # a comparison that sees such gains needs no more of anything


class NextSteps(NamedTuple):
    """None, False or empty where nothing is to be learnt."""

    guessing: Arm | None
    """The baseline, where it may be guessing."""
    perfect: Arm | None
    """The baseline, where it makes no mistake: more of what it is judged by is not asked for."""
    unsure: Arm | None
    """The best arm, where MORE times the repetitions or test images would tell more of it: it would then detect gains
    from `sees` on (None where nobody knows)."""
    sees: float | None
    draws: bool
    """Whether other real images may give another answer."""
    longer: Sequence[Mapping[str, Any]]
    """Rows of the generators whose last weights were kept, as if they had not been done."""
    rising: Arm | None = None
    """The baseline, where its detectors took all the steps that they might and gained by the last of them."""


def of_dataset(
    arms: Sequence[Arm], settings: Mapping[str, Any], generators: Sequence[Mapping[str, Any]], rising: bool = False
) -> NextSteps:
    """What to run longer on one data set.

    Args:
        arms: of the first of its tasks, the baseline first; empty without detectors.
        settings: of the data set, plain.
        generators: rows of `overview.generators`.
        rising: what `took_all` says of the baseline.
    """
    longer = [of for of in generators if of["images"] != "–" and of["kept"].split(", ").count(of["images"])]
    best = best_of(arms)
    if may_guess(arms) or best is None:
        return NextSteps(arms[0] if may_guess(arms) else None, None, None, None, False, longer)
    enough = best.detects is not None and best.detects <= ENOUGH
    nothing_left = best.verdict == "cannot tell" and perfect(arms)
    unsure = best.verdict == "cannot tell" and best.error_images is not None and not enough and not nothing_left
    draws = settings.get("shots") is not None and best.new_shots is None and settings.get("draw", 1) == 1
    sees = detectable_with_more(best, arms, MORE)
    return NextSteps(
        None,
        arms[0] if nothing_left else None,
        best if unsure else None,
        sees if unsure else None,
        draws,
        longer,
        arms[0] if rising else None,
    )


def took_all(result: ArmResult, detect: Mapping[str, Any]) -> bool:
    """Whether validation images chose all the steps of an arm that the settings `detect`, plain, allow, which they do
    only where real images gain by the last half of them."""
    own = detect.get("boxes", {}) if result.task == "boxes" else detect
    learns = result.task == "boxes" or result.settings.get("backbone", "frozen") != "frozen"
    return learns and result.chosen.validation is not None and result.steps == own.get("steps")


def one_seed(settings: Mapping[str, Any]) -> bool:
    """Whether generators are trained, each once, which leaves open what is luck; `settings` of the run, plain."""
    trained = any(model["family"] not in UNTRAINED for model in settings.get("models", {}).values())
    return trained and len(settings.get("seeds", [0])) == 1
