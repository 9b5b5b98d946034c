"""Do synthetic images help to find defects: paired differences of mAP, honest intervals, and the verdict."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from pipeline.downstream.boxes.baseline import strongest
from pipeline.downstream.boxes.matching import matches_of, precision_without
from pipeline.downstream.paired_gain import IMAGINED, NOTHING, Judged, interval
from pipeline.settings import UserError

FIRST, EXACT = "map50", "map50_95"  # what the verdicts are about, and what asks for exact boxes too


class Precision(NamedTuple):
    """Average precisions of an arm; NaN for a class without true boxes."""

    scores: np.ndarray
    """(S, K, 10) of each repetition."""
    whole: np.ndarray
    """(K, 10) mean over the repetitions, imagined boxes among the true ones."""
    left_out: np.ndarray
    """(G, K, 10) the same without the images of group g; NaN where there is but one group of true images."""


def compare(results: list[dict[str, Any]], level: float = 0.95) -> list[dict[str, Any]]:
    """Each arm against the strongest one without a generator (`basis.strongest`), repetition by repetition.

    As `detection.compare.compare` does for classifiers: an interval holds the chance of the repetitions and that of the
    test images, by the jackknife that leaves out one group of overlapping ones at a time (average precision is no mean
    over images: it is computed anew each time). Boxes are imagined as images are there (`precision`). The level holds
    for all arms with synthetic images at once (Bonferroni), and in `by_class` for all classes of all of them. Not in
    it: another training of a generator.

    Args:
        results: contents of the arms' JSON files (`run.run_arm`), in any order; a plain arm is among them.
        level: probability that the intervals of all arms with synthetic images hold at once.

    Returns:
        For each arm, the strongest plain one first, then the other plain ones, then the rest in the order given: `arm`,
        `n_real`, `n_synthetic`, `generative`, `against` (name of the first arm); of mAP50 `scores` (one a repetition),
        `mean`, `judged`, `difference`, `low`, `high` (shares in [-1, 1]; None for the first), `spread_seeds`,
        `spread_images` and `share_seeds` as in `detection.compare.interval`; `map50_95`, the same of that; `by_class`:
        for each class with true boxes its name as `class`, the mean `ap50`, and its `difference`, `low`, `high`;
        `verdict` on mAP50 (`helps`, `hurts`, `cannot tell`; `baseline` for the first, `no generator` for other plain
        arms).

    Raises:
        UserError: no plain arm, or arms that differ in their repetitions, their test images, or what they build on.
    """
    found = {result["arm"]: result for result in results}
    base = found.pop(strongest(results))
    for result in found.values():
        _check(result, base)
    others = sorted(found.values(), key=lambda result: bool(result["models"]))
    tests = max(sum(bool(result["models"]) for result in others), 1)
    first = precision(base, against=True)
    rows = [_against(result, base, precision(result), first, level, tests) for result in others]
    return [_baseline(base, first), *rows]


def _check(result: dict[str, Any], base: dict[str, Any]) -> None:
    arm = f"arm {result['arm']} of box detectors"
    for key, what in (("version", "method"), ("classes", "classes"), ("steps", "steps"), ("ids", "test images")):
        if result[key] != base[key]:
            raise UserError(f"{arm}: its {what} are not those of `{base['arm']}`; run both anew")
    if (result["truth"], result["groups"]) != (base["truth"], base["groups"]):
        raise UserError(f"{arm}: its true boxes are not those of `{base['arm']}`; run both anew")
    if result["models"] and result["basis"] != base["arm"]:
        raise UserError(f"{arm}: built on `{result['basis']}`, not on `{base['arm']}`; run it anew")
    seeds, wanted = ([seed["seed"] for seed in one["seeds"]] for one in (result, base))
    if seeds != wanted or len(seeds) < 2:
        raise UserError(f"{arm}: repetitions {seeds}, `{base['arm']}` has {wanted}; at least 2")


def precision(result: dict[str, Any], against: bool = False) -> Precision:
    """What follows from the boxes that an arm found, and from those that people drew.

    As in `detection.compare.judged`, two groups are imagined in each class: with true boxes that only the first of two
    arms finds, before all else, and with some that only the other finds. Average precision is the mean over the true
    boxes of the precision at which each is found, 0 if it is not, so it takes them in as a mean does.

    Args:
        against: whether it is the arm that others are compared to.
    """
    classes, (names, group) = len(result["classes"]), np.unique(result["groups"], return_inverse=True)
    true, found = np.zeros((len(names) + 1, classes)), []  # the last group has no images
    np.add.at(true, (group[np.asarray(result["truth"]["image"], int)], result["truth"]["class"]), 1)
    for matches in matches_of(result):
        found.append(np.stack([precision_without(of, group, len(true)) for of in matches], 1))
    *left_out, whole = _with_imagined(np.mean(found, axis=0), true, against)
    only = np.full_like(left_out[:1], np.nan)
    return Precision(np.array(found)[:, -1], whole, np.array(left_out) if len(names) > 1 else only)


def _with_imagined(found: np.ndarray, true: np.ndarray, against: bool) -> np.ndarray:
    """(G + 1, K, 10) average precisions without each group and with all -> (G + 2 P + 1, K, 10), for P classes with
    true boxes, of which each group has (G + 1, K)."""
    left = (true.sum(0) - true)[..., None]  # (G + 1, K, 1)
    size = (IMAGINED * true.sum(0) / np.maximum((true > 0).sum(0), 1))[:, None]
    area = np.where(left > 0, found, 0) * left
    every = np.divide(area + size, left + 2 * size, out=np.full_like(area, np.nan), where=size > 0)
    rows = []
    for k in np.flatnonzero(true.sum(0)):
        for lost in (size[k], 0 * size[k])[:: -1 if against else 1]:  # of what this arm finds, or of the rest
            row = every[-1].copy()
            row[k] = (area[-1, k] + size[k] - lost) / (left[-1, k] + size[k])
            rows.append(row)
    return np.concatenate([every[:-1], np.stack(rows), every[-1:]])


def _means(of: Precision) -> dict[str, Judged]:
    """mAP50 and mAP50-95."""
    scores, whole, left_out = map(mean_precision, of)
    return {key: Judged(scores[key], float(whole[key]), left_out[key]) for key in scores}


def judged(result: dict[str, Any], metric: str = FIRST, against: bool = False) -> Judged:
    """Of an arm's JSON file (`run.run_arm`); `metric` is FIRST or EXACT, `against` as in `precision`."""
    return _means(precision(result, against))[metric]


def mean_precision(precision: np.ndarray) -> dict[str, np.ndarray]:
    """mAP50 and mAP50-95 of (..., K, 10) average precisions, over the classes that have true boxes; NaN without any."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        return {FIRST: np.nanmean(precision[..., 0], -1), EXACT: np.nanmean(precision, (-2, -1))}


def _against(
    result: dict[str, Any], base: dict[str, Any], mine: Precision, first: Precision, level: float, tests: int
) -> dict[str, Any]:
    ours, theirs = _means(mine), _means(first)
    change = {key: interval(ours[key].less(theirs[key]), 1 - (1 - level) / tests) for key in ours}
    row = _row(result, mine) | {"judged": ours[FIRST], "against": base["arm"]} | change[FIRST]
    row[EXACT] |= change[EXACT] | {"judged": ours[EXACT]}
    row["by_class"] = _by_class(base, mine, first, level, tests)
    surely = "helps" if row["low"] > 0 else "hurts" if row["high"] < 0 else "cannot tell"
    return row | {"verdict": surely if row["generative"] else "no generator"}


def _baseline(base: dict[str, Any], first: Precision) -> dict[str, Any]:
    means = _means(first)
    row = _row(base, first) | {"judged": means[FIRST], "against": base["arm"], "verdict": "baseline"} | NOTHING
    row[EXACT] |= NOTHING | {"judged": means[EXACT]}
    ap50 = first.scores[..., 0].mean(0)
    return row | {"by_class": [{"class": base["classes"][k], "ap50": float(ap50[k])} for k in _present(base)]}


def _row(result: dict[str, Any], precision: Precision) -> dict[str, Any]:
    row = {key: result[key] for key in ("arm", "n_real", "n_synthetic")} | {"generative": bool(result["models"])}
    first, exact = (
        {"scores": scores.tolist(), "mean": float(scores.mean())}
        for scores in mean_precision(precision.scores).values()
    )
    return row | first | {EXACT: exact}


def _by_class(
    base: dict[str, Any], mine: Precision, first: Precision, level: float, tests: int
) -> list[dict[str, Any]]:
    present, rows = _present(base), []
    scores, whole, left_out = (one - other for one, other in zip(mine, first, strict=True))
    for k in present:
        change = Judged(scores[:, k, 0], whole[k, 0], left_out[:, k, 0])
        estimate = interval(change, 1 - (1 - level) / (tests * len(present)))
        gain = {key: estimate[key] for key in ("difference", "low", "high")}
        rows.append({"class": base["classes"][k], "ap50": float(mine.scores[:, k, 0].mean())} | gain)
    return rows


def _present(result: dict[str, Any]) -> list[int]:
    """Classes that have true boxes in the test images."""
    return sorted(set(result["truth"]["class"]))
