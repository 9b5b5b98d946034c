"""Do synthetic images help the detector: paired differences, honest intervals, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtrit

from pipeline.downstream.arms import PLAIN
from pipeline.downstream.baseline import strongest
from pipeline.downstream.classifier.scores import SCORES, auroc_without, f1
from pipeline.settings import UserError

IMAGINED = 0.5  # of a group: as much is imagined on which only the one arm is right, and as much for the other, a class
NOTHING = dict.fromkeys(("difference", "low", "high", "spread_seeds", "spread_images", "share_seeds"))


class Judged(NamedTuple):
    """An arm's scores, or the differences of two arms' scores, with what chance they hold.

    To the test images belong some that are imagined (`judged`), but not in `scores`.
    """

    scores: np.ndarray
    """(S,) one a repetition."""
    whole: float
    """Their mean, the imagined images among the test images."""
    left_out: np.ndarray
    """(G,) the same without the images of group g; NaN where there is but one group of true images."""

    def less(self, other: Judged) -> Judged:
        """The differences to another arm that was judged by the same images, with the other `side`."""
        return Judged(self.scores - other.scores, self.whole - other.whole, self.left_out - other.left_out)


def judged(result: dict[str, Any], metric: str = "macro_f1", against: bool = False) -> Judged:
    """Of an arm's JSON file (`classify.run_arm`); `metric` as in `compare`.

    Where two arms differ on no test image of a class, or all its few images speak for one of them, the images have no
    spread, and an interval would be a point. So there are two imagined groups of test images in each class: one that
    only the first arm gets right and one that only the other does, each IMAGINED of a mean group of the class. After
    Agresti and Min 2005, Simple improved confidence intervals for comparing matched proportions, who add one half to
    every cell of the table of two arms' answers.

    Args:
        against: whether it is the arm that others are compared to, which is right where they are wrong.
    """
    found = _judged(result, metric, against)
    return Judged(np.array([seed[metric] for seed in result["seeds"]], float), *found)


def compare(results: list[dict[str, Any]], metric: str = "macro_f1", level: float = 0.95) -> list[dict[str, Any]]:
    """Each arm against the strongest one without a generator (`basis.strongest`), repetition by repetition.

    An interval says where the gain would lie on new test images of the same kind and in new repetitions. Both sources
    of chance are in it: the variance of the paired differences over the repetitions, and that of the mean difference
    over the test images, by the jackknife that leaves out one group of them at a time (images of one source stand or
    fall together; `judged` says which images are imagined beside them). The level holds for all arms with generators
    at once (Bonferroni), and in `by_class` for all classes of all of them. `interval` says why it is no bootstrap.

    Not in it: another training of the same generator, a third source of chance.

    Args:
        results: contents of the arms' JSON files (`classify.run_arm`), in any order; a plain arm is among them.
        metric: `macro_f1`, `accuracy`, or with two classes `auroc`.
        level: probability that the intervals of all arms with generators hold at once.

    Returns:
        For each arm, the strongest plain one first, then the other plain ones, then the rest in the order given: `arm`,
        `n_real`, `n_synthetic`, `generative`, `scores` (one a repetition), `mean`, `judged`; `against` (the first arm);
        `difference`, `low`, `high` (all shares in [-1, 1]; None for the first); `spread_seeds`, `spread_images` and
        `share_seeds` as in `interval`; `by_class`: for each class that has test images its name as `class`, the mean
        `f1`, and `difference`, `low`, `high` of F1; `verdict` (`helps`, `hurts`, `cannot tell`; `baseline` for the
        first, `no generator` for other plain arms).

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
    reference = _baseline(base, metric)
    others = (*plain, *found.values())
    return [reference, *(_against(result, base, reference["judged"], metric, level, tests) for result in others)]


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
    row = _row(base, metric) | {"judged": judged(base, metric, against=True)}
    classes = [{"class": base["classes"][k], "f1": float(np.mean(_f1(base)[:, k]))} for k in _present(base)]
    return row | {"against": row["arm"], **NOTHING, "by_class": classes, "verdict": "baseline"}


def _row(result: dict[str, Any], metric: str) -> dict[str, Any]:
    scores = [seed[metric] for seed in result["seeds"]]
    counts = {key: result[key] for key in ("arm", "n_real", "n_synthetic", "generative")}
    return counts | {"scores": scores, "mean": float(np.mean(scores))}


def _against(
    result: dict[str, Any], base: dict[str, Any], reference: Judged, metric: str, level: float, tests: int
) -> dict[str, Any]:
    row = _row(result, metric) | {"judged": judged(result, metric), "against": base["arm"]}
    row |= interval(row["judged"].less(reference), 1 - (1 - level) / tests)
    row["by_class"] = _by_class(result, base, 1 - (1 - level) / (tests * len(_present(base))))
    surely = "helps" if row["low"] > 0 else "hurts" if row["high"] < 0 else "cannot tell"
    row["verdict"] = surely if result["generative"] else "no generator"
    return row


def _by_class(result: dict[str, Any], base: dict[str, Any], level: float) -> list[dict[str, Any]]:
    scores, differences = _f1(result), _f1(result) - _f1(base)
    whole, left_out = (a - b for a, b in zip(_judged(result, "f1", False), _judged(base, "f1", True), strict=True))
    rows = []
    for k in _present(base):
        estimate = interval(Judged(differences[:, k], whole[k], left_out[:, k]), level)
        gain = {key: estimate[key] for key in ("difference", "low", "high")}
        rows.append({"class": base["classes"][k], "f1": float(np.mean(scores[:, k]))} | gain)
    return rows


def _f1(result: dict[str, Any]) -> np.ndarray:
    """(S, K) F1 of each repetition and class; NaN without test images."""
    return np.array([seed["f1"] for seed in result["seeds"]], float)


def _present(result: dict[str, Any]) -> list[int]:
    """Classes that have test images."""
    return sorted(set(result["truth"]))


def _judged(result: dict[str, Any], metric: str, against: bool) -> tuple[np.ndarray, np.ndarray]:
    """`Judged.whole` and `left_out`, (G,), or of `f1` (K,) and (G, K); NaN for a class without test images."""
    truth, classes = np.asarray(result["truth"]), len(result["classes"])
    names, group = np.unique(result["groups"], return_inverse=True)
    more = _imagined(truth, group, classes, against)
    weight = np.concatenate([np.ones(len(truth)), more.weight])
    group, truth = np.concatenate([group, len(names) + more.group]), np.concatenate([truth, more.truth])
    found = []
    for seed in result["seeds"]:
        if metric == "auroc":
            odds = np.concatenate([seed["log_odds"], np.where(more.answer == 1, np.inf, -np.inf)])
            found.append(auroc_without(truth == 1, odds, group, weight))
            continue
        matrix = np.zeros((group.max() + 2, classes, classes))  # the last group has no images
        np.add.at(matrix, (group, truth, np.concatenate([seed["predicted"], more.answer])), weight)
        found.append((f1 if metric == "f1" else SCORES[metric])(matrix.sum(0) - matrix))
    *left_out, whole = np.mean(found, axis=0)
    return whole, np.array(left_out) if len(names) > 1 else np.full_like(left_out[:1], np.nan)


class Imagined(NamedTuple):
    """Test images that there are not, each (n,)."""

    truth: np.ndarray
    answer: np.ndarray
    """The class that the arm takes them for; a wrong answer is each of the others in equal parts."""
    group: np.ndarray
    weight: np.ndarray
    """How many images each of them is."""


def _imagined(truth: np.ndarray, group: np.ndarray, classes: int, against: bool) -> Imagined:
    rows = []
    for k in np.unique(truth):
        size = IMAGINED * np.sum(truth == k) / len(np.unique(group[truth == k]))
        answers = [(k, size)], [(other, size / (classes - 1)) for other in range(classes) if other != k]
        for side in answers[::-1] if against else answers:
            number = rows[-1][2] + 1 if rows else 0
            rows += [(k, answer, number, weight) for answer, weight in side]
    *integers, weight = zip(*rows, strict=True)
    return Imagined(*map(np.array, integers), np.array(weight))


def interval(judged: Judged, level: float) -> dict[str, float | None]:
    """Interval of a mean score or paired difference, for chance in the repetitions and in the test images.

    The two variances are added; the quantile is the mean of their Student quantiles, weighted by them (Cochran and Cox,
    Experimental Designs, 1957). With the simulated detectors of tests/downstream/test_paired_gain.py (two to four arms,
    95 %, 2 to 40 images a class) the intervals held the true gains of all arms at once in 96 to 100 % of trials. There
    Satterthwaite's quantile went down to 89 %, and Student's interval of the repetitions alone to 90 %, since
    repetitions judged by one small test set agree on its luck; without the imagined images it was 40 to 87 % with two
    images of a class. A percentile bootstrap of three repetitions holds a single gain in 75 %.

    Args:
        judged: S >= 2 repetitions. One group of images says nothing of others: the interval is then all of [-1, 1].
        level: probability, two-sided.

    Returns:
        `difference`, `low`, `high`; the two standard errors `spread_seeds` and `spread_images`, and the share of
        the interval's width that comes from the repetitions, `share_seeds` (the latter two None for one group). The
        middle is the mean with the imagined images, a little nearer to zero than `difference`. Bounds are cut to the
        possible [-1, 1].
    """
    repetitions, groups = len(judged.scores), len(judged.left_out)
    mean, seeds = float(np.mean(judged.scores)), float(np.var(judged.scores, ddof=1) / repetitions)
    if np.isnan(judged.left_out).any():
        spread = {"spread_seeds": seeds**0.5, "spread_images": None, "share_seeds": None}
        return {"difference": mean, "low": -1.0, "high": 1.0} | spread
    # Efron and Stein 1981: the jackknife's variance, on average too large if anything.
    images = float((groups - 1) / groups * np.sum((judged.left_out - np.mean(judged.left_out)) ** 2))
    by_seeds, by_images = (
        float(variance * stdtrit(n - 1, (1 + level) / 2)) for variance, n in ((seeds, repetitions), (images, groups))
    )
    reach = (by_seeds + by_images) / (seeds + images) ** 0.5 if seeds + images else 0.0
    return {
        "difference": mean,
        "low": max(float(judged.whole) - reach, -1.0),
        "high": min(float(judged.whole) + reach, 1.0),
        "spread_seeds": seeds**0.5,
        "spread_images": images**0.5,
        "share_seeds": by_seeds / (by_seeds + by_images) if by_seeds else 0.0,
    }


def wanting(row: Mapping[str, Any]) -> str:
    """Which of the two sources of chance makes the interval wide."""
    return "repetitions (`seeds`)" if (row["share_seeds"] or 0) > 0.5 else "test images"
