"""Do synthetic images help the detector: paired differences, honest intervals, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtrit

from pipeline.detection.arms import PLAIN
from pipeline.detection.basis import strongest
from pipeline.detection.scores import SCORES, auroc_without, f1
from pipeline.settings import UserError

NOTHING = dict.fromkeys(("difference", "low", "high", "spread_seeds", "spread_images"))


class Judged(NamedTuple):
    """An arm's scores with what chance they hold."""

    scores: np.ndarray
    """(S,) one a repetition."""
    left_out: np.ndarray
    """(G,) their mean without the test images of group g; NaN where that leaves nothing to judge by."""


def judged(result: dict[str, Any], metric: str = "macro_f1") -> Judged:
    """Of an arm's JSON file (`classify.run_arm`); `metric` as in `compare`."""
    return Judged(np.array([seed[metric] for seed in result["seeds"]], float), _left_out(result, metric))


def compare(results: list[dict[str, Any]], metric: str = "macro_f1", level: float = 0.95) -> list[dict[str, Any]]:
    """Each arm against the strongest one without a generator (`basis.strongest`), repetition by repetition.

    An interval says where the gain would lie on new test images of the same kind and in new repetitions. Both sources
    of chance are in it: the variance of the paired differences over the repetitions, and that of the mean difference
    over the test images, by the jackknife that leaves out one group of them at a time (images of one source stand or
    fall together). The level holds for all arms with generators at once (Bonferroni), and in `by_class` for all classes
    of all of them. `interval` says why it is no bootstrap.

    Not in it: another training of the same generator, a third source of chance.

    Args:
        results: contents of the arms' JSON files (`classify.run_arm`), in any order; a plain arm is among them.
        metric: `macro_f1`, `accuracy`, or with two classes `auroc`.
        level: probability that the intervals of all arms with generators hold at once.

    Returns:
        For each arm, the strongest plain one first, then the other plain ones, then the rest in the order given: `arm`,
        `n_real`, `n_synthetic`, `generative`, `scores` (one a repetition), `mean`; `against` (name of the first arm);
        `difference`, `low`, `high` (all shares in [-1, 1]; None for the first); `spread_seeds` and `spread_images` (the
        two standard errors); `by_class`: for each class that has test images its name as `class`, the mean `f1`, and
        `difference`, `low`, `high` of F1; `verdict` (`helps`, `hurts`, `cannot tell`; `baseline` for the first, `no
        generator` for other plain arms).

    Raises:
        UserError: no plain arm, or arms that differ in their repetitions, their test images, or what they build on.
    """
    found = {result["arm"]: result for result in results}
    first = strongest(results)
    base = found.pop(first)
    for result in found.values():
        _check(result, base)
    plain = [found.pop(name) for name in PLAIN if name in found]
    tests = max(len(found), 1)
    others = [_against(result, base, metric, level, tests) for result in (*plain, *found.values())]
    return [_baseline(base, metric), *others]


def _check(result: dict[str, Any], base: dict[str, Any]) -> None:
    for key, what in (
        ("version", "method"),
        ("classes", "classes"),
        ("steps", "steps"),
        ("truth", "test images"),
        ("groups", "test images"),  # other images may have the same classes in the same order
    ):
        if result[key] != base[key]:
            raise UserError(
                f"detection arm {result['arm']}: its {what} are not those of `{base['arm']}`; run both anew"
            )
    if result["generative"] and result["basis"] != base["arm"]:
        raise UserError(
            f"detection arm {result['arm']}: built on `{result['basis']}`, not on `{base['arm']}`; run it anew"
        )
    seeds, wanted = ([s["seed"] for s in r["seeds"]] for r in (result, base))
    if seeds != wanted or len(seeds) < 2:
        raise UserError(f"detection arm {result['arm']}: repetitions {seeds}, `{base['arm']}` has {wanted}; at least 2")


def _baseline(base: dict[str, Any], metric: str) -> dict[str, Any]:
    row = _row(base, metric)
    classes = [{"class": base["classes"][k], "f1": float(np.mean(_f1(base)[:, k]))} for k in _present(base)]
    return row | {"against": row["arm"], **NOTHING, "by_class": classes, "verdict": "baseline"}


def _row(result: dict[str, Any], metric: str) -> dict[str, Any]:
    scores = [seed[metric] for seed in result["seeds"]]
    counts = {key: result[key] for key in ("arm", "n_real", "n_synthetic", "generative")}
    return counts | {"scores": scores, "mean": float(np.mean(scores))}


def _against(result: dict[str, Any], base: dict[str, Any], metric: str, level: float, tests: int) -> dict[str, Any]:
    row = _row(result, metric)
    differences, left_out = (a - b for a, b in zip(judged(result, metric), judged(base, metric), strict=True))
    row |= {"against": base["arm"]} | interval(differences, left_out, 1 - (1 - level) / tests)
    row["by_class"] = _by_class(result, base, 1 - (1 - level) / (tests * len(_present(base))))
    surely = "helps" if row["low"] > 0 else "hurts" if row["high"] < 0 else "cannot tell"
    row["verdict"] = surely if result["generative"] else "no generator"
    return row


def _by_class(result: dict[str, Any], base: dict[str, Any], level: float) -> list[dict[str, Any]]:
    scores, differences = _f1(result), _f1(result) - _f1(base)
    left_out = _left_out(result, "f1") - _left_out(base, "f1")
    rows = []
    for k in _present(base):
        estimate = interval(differences[:, k], left_out[:, k], level)
        gain = {key: estimate[key] for key in ("difference", "low", "high")}
        rows.append({"class": base["classes"][k], "f1": float(np.mean(scores[:, k]))} | gain)
    return rows


def _f1(result: dict[str, Any]) -> np.ndarray:
    """(S, K) F1 of each repetition and class; NaN without test images."""
    return np.array([seed["f1"] for seed in result["seeds"]], float)


def _present(result: dict[str, Any]) -> list[int]:
    """Classes that have test images."""
    return sorted(set(result["truth"]))


def _left_out(result: dict[str, Any], metric: str) -> np.ndarray:
    """(G,) mean score over the repetitions without the test images of group g, (G, K) of `f1`; NaN where none is left.

    Of one group alone nothing can be left out: (1,) of NaN.
    """
    classes, truth = len(result["classes"]), np.asarray(result["truth"])
    names, group = np.unique(result["groups"], return_inverse=True)
    scores = []
    for seed in result["seeds"]:
        if metric == "auroc":
            scores.append(auroc_without(truth == 1, np.asarray(seed["log_odds"]), group))
            continue
        matrix = np.zeros((len(names), classes, classes), np.int64)
        np.add.at(matrix, (group, truth, seed["predicted"]), 1)
        rest = matrix.sum(0) - matrix
        scores.append(f1(rest) if metric == "f1" else _of_some(rest, metric))
    return np.mean(scores, axis=0)


def _of_some(matrices: np.ndarray, metric: str) -> np.ndarray:
    """(G,) scores of (G, K, K) counts, NaN where there are none."""
    some = matrices.any((1, 2))
    scores = np.full(len(matrices), np.nan)
    scores[some] = SCORES[metric](matrices[some])
    return scores


def interval(differences: np.ndarray, left_out: np.ndarray, level: float) -> dict[str, float | None]:
    """Interval of a mean paired difference, for chance in the repetitions and in the test images.

    The two variances are added; the quantile is the mean of their Student quantiles, weighted by them (Cochran and Cox,
    Experimental Designs, 1957). With the simulated detectors of tests/detection/test_compare.py (three arms, 95 %, 3 to
    10 repetitions, 3000 trials each) the intervals held the true gains of all arms at once in 95.6 to 99.8 % of trials.
    On the same trials Satterthwaite's quantile went down to 89 %, and Student's interval of the repetitions alone to
    90 %, since repetitions judged by one small test set agree on its luck. A percentile bootstrap of three repetitions
    holds a single gain in 75 %.

    Args:
        differences: (S,) score of the arm minus that of the baseline, S >= 2 repetitions.
        left_out: (G,) their mean without the test images of group g, NaN where that leaves nothing to judge by. One
            group says nothing of other groups: the interval is then all of [-1, 1].
        level: probability, two-sided.

    Returns:
        `difference`, `low`, `high`, `spread_seeds`, `spread_images` (None for one group or a NaN). Bounds are cut to
        the possible [-1, 1].
    """
    repetitions, groups = len(differences), len(left_out)
    mean, seeds = float(np.mean(differences)), float(np.var(differences, ddof=1) / repetitions)
    if groups < 2 or np.isnan(left_out).any():
        return {"difference": mean, "low": -1.0, "high": 1.0, "spread_seeds": seeds**0.5, "spread_images": None}
    # Efron and Stein 1981: the jackknife's variance, on average too large if anything.
    images = float((groups - 1) / groups * np.sum((left_out - np.mean(left_out)) ** 2))
    variance = seeds + images
    by_seeds, by_images = (stdtrit(n - 1, (1 + level) / 2) for n in (repetitions, groups))
    reach = float((seeds * by_seeds + images * by_images) / variance**0.5) if variance else 0.0
    return {
        "difference": mean,
        "low": max(mean - reach, -1.0),
        "high": min(mean + reach, 1.0),
        "spread_seeds": seeds**0.5,
        "spread_images": images**0.5,
    }


def wanting(row: Mapping[str, Any]) -> str:
    """Which of the two sources of chance makes the interval wide."""
    if row["spread_images"] is None:
        return "test images"
    seeds = stdtrit(len(row["scores"]) - 1, 0.975) * row["spread_seeds"]
    return "repetitions (`seeds`)" if seeds > 1.96 * row["spread_images"] else "test images"
