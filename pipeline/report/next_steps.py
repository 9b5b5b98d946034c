"""What to run longer to learn more: the end of the first page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from pipeline.downstream.chance import detectable_with_more
from pipeline.downstream.records import Arm
from pipeline.report.detector_findings import best_of, may_guess
from pipeline.report.labels import DETECTORS, joined

MORE = 4  # times as much of what is scarce
ENOUGH = 0.02  # a comparison that sees such gains needs no more of anything
SETTING = {"classification": "detect", "boxes": "detect.boxes", "anomalies": "detect.anomalies"}


def of_dataset(
    arms: Sequence[Arm], settings: Mapping[str, Any], generators: Sequence[Mapping[str, Any]]
) -> list[Markup]:
    """Sentences; empty where nothing more is to be learnt.

    Args:
        arms: of the first of its tasks, the baseline first; empty without detectors.
        settings: of the data set, plain.
        generators: rows of `overview.generators`.
    """
    best = best_of(arms)
    if may_guess(arms):  # more of what such a detector is judged by would show no more
        return [_learning(arms[0]), *_longer(generators)]
    found = [] if best is None else [*_sharper(best, arms), *_other_shots(best, settings)]
    return [*found, *_longer(generators)]


def seeds(settings: Mapping[str, Any]) -> list[Markup]:
    """What a single training seed leaves open; `settings` of the run, plain."""
    if len(settings.get("seeds", [0])) > 1:
        return []
    text = (
        "<code>seeds: [0, 1, 2]</code>, three times the trainings: how much of the difference between generators is the"
        " luck of one training. No interval here holds it."
    )
    return [Markup(text)]


def _learning(baseline: Arm) -> Markup:
    """What may make a detector learn that guesses."""
    more = {
        "classification": "<code>detect.backbone: frozen</code>, or more <code>detect.steps</code> for one that learns",
        "boxes": "More <code>detect.boxes.steps</code>",
        "anomalies": "More good images to train on, or a larger <code>size</code> at which the defects can be seen",
    }
    text = (
        ": the detector may be guessing, and nothing can be compared before it learns. Then more real images a class."
    )
    return Markup(more[baseline.task] + text)


def _sharper(best: Arm, arms: Sequence[Arm]) -> list[Markup]:
    """More of what makes the interval of the best arm wide, and what that would let it see."""
    if best.verdict != "cannot tell" or best.error_images is None:
        return []
    if best.detects is not None and best.detects <= ENOUGH:
        return []
    if best.scarcer == "repetitions":
        what = Markup("<code>{}.repetitions: {}</code>").format(SETTING[best.task], MORE * len(best.repetitions))
    else:
        what = Markup("Four times the test images (there are {} of {} groups)").format(best.n_test, best.n_groups)
    sees = detectable_with_more(best, arms, MORE)
    if best.detects is None or sees is None:
        return [Markup("{}, to begin with: as it is, the comparison sees no gain.").format(what)]
    text = Markup("{}: the comparison would see gains in {} from about {:.1f} points, in place of {:.1f}.")
    return [text.format(what, DETECTORS[best.task].score, 100 * sees, 100 * best.detects)]


def _other_shots(best: Arm, settings: Mapping[str, Any]) -> list[Markup]:
    if settings.get("shots") is None or best.new_shots is not None or settings.get("draw", 1) > 1:
        return []
    text = (
        "<code>draws: 5</code>, five times the trainings: whether the answer holds for other real images of as many a"
    )
    return [Markup(text + " class. The intervals are for these.")]


def _longer(generators: Sequence[Mapping[str, Any]]) -> list[Markup]:
    """The generators whose last weights were kept, as if they had not been done."""
    last = [of for of in generators if of["images"] != "–" and of["kept"].split(", ").count(of["images"])]
    if not last:
        return []
    names = joined([Markup("<b>{}</b> ({})").format(of["name"], of["images"]) for of in last])
    text = Markup(
        "A larger <code>total_images</code> of {}: the last weights were kept, so there may be better to come."
    )
    return [text.format(names)]
