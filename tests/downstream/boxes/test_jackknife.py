from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from pipeline.downstream import paired_gain
from pipeline.downstream.arms import Arm, SyntheticSet
from pipeline.downstream.boxes.jackknife import mean_precision, precision
from pipeline.downstream.boxes.records import Boxes, BoxResult
from pipeline.downstream.records import result_of
from pipeline.downstream.registry import TASKS
from pipeline.settings import UserError
from tests.downstream.cases import stub

TASK = TASKS["boxes"].load()
CLASSES = ["pit", "scratch"]
SLOT = 40.0  # pixels; true boxes stand in slots of their own, false alarms in others


def result(arm, truth, seeds, groups=None, models=(), augmented=False, validation=None):
    """The result of an arm; `truth` and each of `seeds` are lists of (image, class, box[, score])."""
    images = 1 + max(mark[0] for mark in truth)
    sets = tuple(SyntheticSet(model, "synthetic") for model in models)
    known = Arm(sets, augmented=augmented or arm == "augmented", balanced=arm == "balanced")
    scores = None if validation is None else [dict(zip(("map50", "map50_95"), validation, strict=True))]
    unused = {"map50": 0, "map50_95": 0, "ap50": [], "ap50_95": [], "seconds": 1}
    found = [
        unused | {"seed": s, "found": columns(m, ("image", "class_id", "box", "score"))} for s, m in enumerate(seeds)
    ]
    more = {"arm": arm, "classes": CLASSES, "repetitions": found}
    more |= {"ids": [f"i{i}" for i in range(images)], "truth": columns(truth, ("image", "class_id", "box"))}
    more |= {"groups": [f"g{i}" for i in range(images)] if groups is None else groups}
    return result_of(stub(TASK, known, scores) | more, BoxResult)


def compare(results):
    """Of each arm, its row with the fields of the estimates of mAP50 and, as `exact`, mAP50-95."""
    return [Row(row) for row in paired_gain.compare(TASK, results)]


class Row:
    def __init__(self, row):
        self.row, (self.of, self.exact) = row, row.estimates

    def __getattr__(self, name):
        return getattr(self.of if hasattr(self.of, name) else self.row, name)


def columns(marks, names):
    return {name: [mark[i] for mark in marks] for i, name in enumerate(names)}


def box(slot, shift=0.0):
    return [SLOT * slot + shift, 0.0, SLOT * slot + shift + 30, 30.0]


def boxes(slots, shifts=0.0):
    low = SLOT * np.asarray(slots, float) + shifts
    return np.stack([low, 0 * low, low + 30, 0 * low + 30], -1).tolist()


def draw(rng, skills, luck, images=40):
    """True boxes, and for each arm what each of its repetitions found: all in lists.

    Whether a box is found, and how surely, depends on the pair of images that it is in (two of one source), the box,
    the repetition (`luck`, (arms, S)) and chance; false alarms are as frequent in all arms. `skills` are numbers, or
    pairs, one a class.
    """
    count = rng.integers(1, 3, images)
    image = np.repeat(np.arange(images), count)
    class_id, slot = rng.integers(0, 2, len(image)), np.arange(len(image)) - np.repeat(np.cumsum(count) - count, count)
    difficulty = rng.normal(0, 0.7, images // 2)[image // 2] + rng.normal(0, 0.7, len(image))
    truth = list(zip(image.tolist(), class_id.tolist(), boxes(slot), strict=True))
    found = []
    for skill, of_arm in zip(skills, luck, strict=True):
        skill = np.broadcast_to(skill, 2)[class_id] + difficulty + 0.4 * rng.normal(size=len(image))
        found.append([_found(rng, skill + one, image, class_id, slot, images) for one in of_arm])
    return truth, found


def _found(rng, logit, image, class_id, slot, images):
    seen = rng.random(len(image)) < 1 / (1 + np.exp(-logit))
    score = 1 / (1 + np.exp(-logit - rng.normal(0, 1, len(image))))
    place = boxes(slot, rng.exponential(4, len(image)))  # an overlap of one half is a shift of 10 pixels
    hits = [
        m
        for m, s in zip(zip(image.tolist(), class_id.tolist(), place, score.tolist(), strict=True), seen, strict=True)
        if s
    ]
    alarms = rng.integers(0, images, rng.poisson(0.7 * images))
    scores = 1 / (1 + np.exp(-rng.normal(-0.5, 1, len(alarms))))
    wrong = rng.integers(0, 2, len(alarms)).tolist(), boxes(4 + np.arange(len(alarms)) % 50), scores.tolist()
    return [*hits, *zip(alarms.tolist(), *wrong, strict=True)]


def pairs(images):
    return [f"g{i // 2}" for i in range(images)]


def arms(truth, found, images=40):
    return [
        result(arm, truth, seeds, pairs(1 + max(t[0] for t in truth)), models=[arm] * (arm != "real"))
        for arm, seeds in zip(("real", "x", "y", "z"), found, strict=False)
    ]


def luck(rng, arms, seeds, spread):
    """Half of it is that of the repetition in every arm."""
    return spread * (rng.normal(size=seeds) + rng.normal(size=(arms, seeds)))


def expected(rng, skills, spread):
    """(arms, 2, 10) average precisions with very many images and repetitions."""
    evenly = np.tile(2**0.5 * spread * norm.ppf((np.arange(20) + 0.5) / 20), (len(skills), 1))
    truth, found = draw(rng, skills, evenly, images=2000)
    return np.stack([precision(replace(arm, groups=[""] * 2000)).scores.mean(0) for arm in arms(truth, found)])


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.05, 0.5])
def test_all_intervals_hold_the_true_gains_together_as_often_as_promised(spread):
    rng = np.random.default_rng(5)
    skills = [1.0, 1.0, 1.7, (1.0, 0.0)]
    true = mean_precision(expected(rng, skills, spread))
    held, trials = [], 120
    for _ in range(trials):
        rows = compare(arms(*draw(rng, skills, luck(rng, 4, 3, spread))))[1:]
        held.append(
            [
                all(row.low <= gain <= row.high for row, gain in zip(rows, gains, strict=True))
                for rows, gains in (
                    (rows, true["map50"][1:] - true["map50"][0]),
                    ([row.exact for row in rows], true["map50_95"][1:] - true["map50_95"][0]),
                )
            ]
        )
    # 0.95 less two standard errors of the trials.
    assert (np.mean(held, axis=0) >= 0.95 - 2 * np.sqrt(0.95 * 0.05 / trials)).all()


def marks(of_class, found, score=0.9):
    """One box in each of as many images, found in these images and nothing else."""
    images = range(len(of_class))
    return (
        [(i, of_class[i], box(0)) for i in images],
        [(i, of_class[i], box(0), score) for i in images if found[i]],
    )


def test_a_known_difference_by_hand():
    """Of twelve pits six are found, and all with x; the scratches, of which a quarter is missed, stay as they are."""
    of_class = [0] * 12 + [1] * 8
    truth, poor = marks(of_class, [True] * 6 + [False] * 6 + [True] * 6 + [False] * 2)
    _, good = marks(of_class, [True] * 18 + [False] * 2)
    rows = compare([result("real", truth, [poor] * 5), result("real+x", truth, [good] * 5, models=["x"])])
    # Without false alarms the precision is 1 at the recalls up to the share that is found: 51 of 101, 76 of 101.
    assert [row.score for row in rows[0].by_class] == pytest.approx([51 / 101, 76 / 101])
    assert [rows[0].score, rows[0].exact.score] == pytest.approx([(51 + 76) / 202] * 2)
    pits, scratches = rows[1].by_class
    assert (pits.gain, scratches.gain) == pytest.approx((50 / 101, 0))
    assert pits.low > 0
    assert -scratches.low == pytest.approx(scratches.high)
    assert 0.1 < scratches.high < 0.3
    assert [rows[1].gain, rows[1].exact.gain] == pytest.approx([25 / 101] * 2)
    assert rows[1].error_repetitions == pytest.approx(0)
    assert rows[1].verdict == "helps"
    back = compare([result("real", truth, [good] * 5), result("real+x", truth, [poor] * 5, models=["x"])])[1]
    assert (back.gain, back.verdict) == (pytest.approx(-25 / 101), "hurts")


def test_boxes_that_fit_better_help_the_exact_score_alone():
    truth, loose = marks([0, 1] * 15, [True] * 30)
    loose = [(i, k, box(0, shift=5), score) for i, k, _, score in loose]  # overlap 25 / 35: found at 5 limits of 10
    _, exact = marks([0, 1] * 15, [True] * 30)
    row = compare([result("real", truth, [loose] * 3), result("real+x", truth, [exact] * 3, models=["x"])])[1]
    assert (row.gain, row.verdict) == (0, "cannot tell")
    assert -0.1 < row.low < 0 < row.high < 0.1
    assert row.exact.gain == pytest.approx(0.5)
    assert row.exact.low > 0.35


def test_the_jackknife_is_that_of_scores_computed_anew():
    """Without each group; half a mean group of true boxes is found, and as much is missed, in each class."""
    rng = np.random.default_rng(3)
    (of, _), found = arms(*draw(rng, [0.5, 1.5], luck(rng, 2, 2, 0.3), 12), 12), []
    counted = [np.bincount(lacking(of, of.truth, group).class_id, minlength=2) for group in ("", *groups_of(of))]
    own = np.array(counted[0]) - counted[1:]
    size = 0.5 * own.sum(0) / (own > 0).sum(0)
    for group, n in zip(groups_of(of), counted[1:], strict=True):
        seeds = [lacking_all(of, seed, group) for seed in of.repetitions]
        left = precision(replace(of, truth=lacking(of, of.truth, group), repetitions=seeds)).scores.mean(0)[:, 0]
        found.append(np.mean((left * n + size) / (n + 2 * size)))
    np.testing.assert_allclose(precision(of).left_out[:6, :, 0].mean(1), found)


def groups_of(of):
    return sorted(set(of.groups))


def test_pseudo_observations_by_hand():
    """Three of four boxes are found, each in an image of its own: AP 76 / 101, and half a box is found and missed."""
    truth, found = marks([0] * 4, [True] * 3 + [False])
    first, other = (precision(result("real", truth, [found] * 2), against=side) for side in (False, True))
    area = 4 * 76 / 101
    np.testing.assert_allclose([first.whole[0], other.whole[0]], (area + 0.5) / 5)
    lost = [area / 4.5, (area + 0.5) / 4.5]  # what is found, what is missed
    np.testing.assert_allclose(first.left_out[4:, 0, 0], lost)
    np.testing.assert_allclose(other.left_out[4:, 0, 0], lost[::-1])
    np.testing.assert_allclose(first.left_out[:4, 0], other.left_out[:4, 0])


def test_few_boxes_that_one_arm_alone_finds_prove_little():
    """Both boxes of a class are found with x and neither without; a class of 30 stays as it is."""
    of_class = [0] * 30 + [1] * 2
    truth, poor = marks(of_class, [True] * 30 + [False] * 2)
    _, good = marks(of_class, [True] * 32)
    row = compare([result("real", truth, [poor] * 5), result("real+x", truth, [good] * 5, models=["x"])])[1]
    assert (row.gain, row.verdict) == (pytest.approx(0.5), "cannot tell")
    assert row.by_class[1].low < 0


def lacking(of, boxes, group):
    keep = [of.groups[i] != group for i in boxes.image]
    columns = ([value for value, k in zip(column or [], keep, strict=False) if k] for column in vars(boxes).values())
    return Boxes(*columns)


def chosen_by(result, *scores):
    """The same arm, as if its selection run had these scores."""
    validation = [dict(zip(("map50", "map50_95"), scores, strict=True))] if scores else None
    return replace(result, chosen=replace(result.chosen, validation=validation))


def lacking_all(of, seed, group):
    return replace(seed, found=lacking(of, seed.found, group))


def test_arms_are_compared_to_the_plain_one_that_is_strongest_on_validation_images():
    rng = np.random.default_rng(7)
    truth, found = draw(rng, [-1.0, 5.0, 0.5, 0.5], luck(rng, 4, 4, 0.1), 40)
    names = ("real", "augmented", "balanced")
    plain = [result(n, truth, f, validation=(v, v / 2)) for n, f, v in zip(names, found, (0.5, 0.9, 0.6), strict=False)]
    x = result("real+x", truth, found[3], models=["x"], augmented=True)
    rows = compare([x, *plain])
    assert [row.result.arm for row in rows] == ["augmented", "real", "balanced", "real+x"]
    assert [row.verdict for row in rows] == ["baseline", "no generator", "no generator", "hurts"]
    assert rows[3].score > rows[1].score  # better than real images alone, and no help
    assert rows[3].low == compare([x, plain[1]])[1].low  # nothing to correct for, however many plain arms
    equal = [chosen_by(arm, 0.5, e) for arm, e in zip(plain, (0.2, 0.1, 0.3), strict=True)]
    assert compare(equal)[0].result.arm == "balanced"
    unchosen = [chosen_by(arm) for arm in plain]
    assert [compare(some)[0].result.arm for some in (unchosen, unchosen[:1])] == ["augmented", "real"]


def test_more_arms_make_wider_intervals():
    rng = np.random.default_rng(3)
    four = arms(*draw(rng, [1.0, 1.2, 1.0, 0.9], luck(rng, 4, 3, 0.3)))
    alone, corrected = compare(four[:2])[1], compare(four)[1]
    assert corrected.low < alone.low < alone.gain < alone.high < corrected.high
    assert corrected.exact.low < alone.exact.low


def test_images_of_one_source_or_a_class_of_one_source_prove_nothing():
    truth, poor = marks([0, 1] * 10, [False] * 20)
    _, good = marks([0, 1] * 10, [True] * 20)
    both = [result("real", truth, [poor] * 3), result("x", truth, [good] * 3, models=["x"])]
    row = compare([replace(arm, groups=["strip"] * 20) for arm in both])[1]
    assert (row.low, row.high, row.verdict) == (-1, 1, "cannot tell")
    groups = [f"g{i}" if i % 2 else "strip" for i in range(20)]
    pits, scratches = compare([replace(arm, groups=groups) for arm in both])[1].by_class
    assert (pits.low, pits.high) == (-1, 1)
    assert scratches.low > 0


def test_a_class_without_true_boxes_has_no_row_and_is_in_no_mean():
    truth, found = marks([1] * 8, [True] * 8)
    rows = compare([result("real", truth, [found] * 2), result("x", truth, [found] * 2, models=["x"])])
    assert rows[0].score == pytest.approx(1)
    assert [[one.name for one in row.by_class] for row in rows] == [["scratch"]] * 2


def test_arms_that_cannot_be_compared_are_refused():
    truth, found = marks([0, 1] * 4, [True] * 8)
    real, x = result("real", truth, [found] * 3), result("x", truth, [found] * 3, models=["x"])
    with pytest.raises(UserError, match="no arm without a generator"):
        compare([x])
    other = replace(x.truth, box=[[1.0, *x.truth.box[0][1:]], *x.truth.box[1:]])
    with pytest.raises(UserError, match="boxes, arm x: its true boxes are not those"):
        compare([real, replace(x, truth=other)])
    with pytest.raises(UserError, match="its test images are not those"):
        compare([real, replace(x, ids=x.ids[::-1])])
    with pytest.raises(UserError, match=r"repetitions \[0, 1\], `real` has \[0, 1, 2\]"):
        compare([real, replace(x, repetitions=x.repetitions[:2])])
