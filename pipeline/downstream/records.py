"""The results of detectors as data, with one reader and one writer: an arm's own file, and `comparison.json`.

Imported by the report: computes nothing, imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from pipeline.base.files import AGAIN, write_json, write_whole
from pipeline.downstream.arms import Defects, Recipe, SyntheticSet, is_control
from pipeline.settings import UserError

VERSION = 2

Verdict = Literal["helps", "hurts", "cannot tell", "baseline", "no generator"]
Share = float | None
"""In [-1, 1]; None where there is no such number: the baseline has no gain."""


@dataclass(frozen=True)
class Estimate:
    """A score of an arm, and its gain over the baseline of its task."""

    metric: str
    """`macro_f1`, `accuracy` or `auroc` of classifiers; `map50` or `map50_95` of detectors of boxes; `auroc`,
    `recall_1`, `recall_5` or `pixel_ap` of anomaly detectors."""
    score: float
    """In [0, 1]; mean over the repetitions."""
    score_low: float
    """95 % interval of the score by itself, for chance in the repetitions and in the test images."""
    score_high: float
    repetitions: list[float]
    """The score of each."""
    gain: Share
    """Mean paired difference to the baseline."""
    low: Share
    """Interval of the gain, which holds for all arms with generators of the task at once (Bonferroni)."""
    high: Share
    error_repetitions: Share
    """Standard error of the gain from the repetitions alone."""
    error_images: Share
    """Standard error of the gain from the test images alone; None with a single group of them."""
    share_repetitions: Share
    """Part of the interval's width, in [0, 1], that comes from the repetitions; the rest comes from the test images."""
    detectable: Share
    """The smallest gain that an experiment like this one would find in four of five repeats: the reach of the interval
    plus 0.84 standard errors, whatever gain was found."""

    @property
    def scarcer(self) -> Literal["repetitions", "test images"]:
        """Which of the two sources of chance makes the interval wide."""
        return "repetitions" if (self.share_repetitions or 0) > 0.5 else "test images"


@dataclass(frozen=True)
class ClassEstimate:
    """The score of one class; its interval holds for all classes and all arms with generators of the task at once."""

    name: str
    score: float
    gain: Share
    low: Share
    high: Share


@dataclass(frozen=True)
class RecipeGain:
    """The gain over the arm of real images alone that presents them alike."""

    arm: str
    gain: float
    low: float
    high: float
    detectable: Share


@dataclass(frozen=True)
class Candidate:
    """A recipe, how many synthetic images, and which, that validation images chose from."""

    augmented: bool
    balanced: bool
    ratio: float | None
    """Synthetic images for each real one in a batch; None: no real images."""
    filter: str | None
    keep: float | None
    validation: list[dict[str, float]]
    """Scores on the validation set, one a selection run."""
    n_synthetic: int | None = None
    """Different synthetic images there were to see."""
    defects: Defects = "real"


@dataclass(frozen=True)
class Chosen:
    """How the detectors of an arm were trained, and what chose it."""

    augmented: bool
    balanced: bool
    ratio: float | None
    """Added images for each real one; None: no real images, or no others."""
    filter: str | None
    """Which synthetic images were kept: `confidence`, `nearest`, or None for all."""
    keep: float | None
    """Fraction of the synthetic images of each class that was used; None without any."""
    candidates: list[Candidate]
    """Empty where there was nothing to choose."""
    validation: list[dict[str, float]] | None
    """Scores on the validation set of what was chosen, one a selection run; None without validation images."""
    notes: list[str]
    defects: Defects = "real"
    """What anomaly detectors learnt of defects from, beside added images."""


@dataclass(frozen=True)
class NewShots:
    """The gain over the baseline with other real images of as many a class: over several draws of them."""

    draws: int
    gain: float
    """Mean over the draws, each over its own baseline."""
    low: float
    """Interval that holds for new real images, new repetitions and new test images, and for all arms with generators
    of the task at once."""
    high: float
    verdict: Verdict
    """As that of the arm, by the gains over all draws."""


@dataclass(frozen=True)
class LabelEfficiency:
    """How many real images a class score, without a generator, what an arm scores with it."""

    images: float
    """Real images a class that the arm itself learnt from."""
    worth: float | None
    """Real images a class at which the curve of the baselines has the arm's score; None: see `beyond`."""
    low: float | None
    """Ends of its interval; None where it is open: fewer than `fewest`, more than `most`."""
    high: float | None
    fewest: float
    """Real images a class of the smallest and the largest data set of the family."""
    most: float
    beyond: Literal["fewer", "more"] | None
    """Of `worth` None: fewer than `fewest`, more than `most`, or (None) the curve is level from `low` to `high`."""
    draws: int = 1
    """Draws of the real images that it is the mean of, whose chance is in the interval from the fifth on."""

    @property
    def unknown(self) -> bool:
        """Whether fewer images than were measured are as possible as more."""
        return self.low is None and self.high is None


class TrainedOn:
    """An arm, in its own file and in that of the comparison."""

    real: bool
    synthetic: list[SyntheticSet]

    @property
    def generative(self) -> bool:
        return bool(self.synthetic)

    @property
    def control(self) -> bool:
        return is_control(self.synthetic)


@dataclass(frozen=True)
class Arm(TrainedOn, Estimate):
    """What the detectors of an arm learnt from, how they score, and what that says of the synthetic images."""

    task: str
    """A name of `registry.TASKS`."""
    arm: str
    """Its name, that of its file too."""
    baseline: str
    """Name of the arm that it is compared with."""
    real: bool
    """Whether its detectors saw real training images."""
    synthetic: list[SyntheticSet]
    """Empty in an arm without a generator."""
    n_real: int
    n_synthetic: int
    """Different images there were to see."""
    n_test: int
    n_groups: int
    """Groups of test images that stand or fall together."""
    n_effective: float
    """Groups of equal size that would judge as well, of the class that has the fewest: (Σ n)² / Σ n² over the numbers n
    of its images in each group (Kish 1965)."""
    recipe: RecipeGain | None
    """Of arms with added images."""
    verdict: Verdict
    secondary: list[Estimate]
    """Other scores of the same detectors, which no verdict is about."""
    by_class: list[ClassEstimate]
    chosen: Chosen
    label_efficiency: LabelEfficiency | None = None
    """In a family of few-shot data sets, of arms with generators."""
    new_shots: NewShots | None = None
    """Of arms with added images, where the data set is the first of enough draws."""

    @property
    def detects(self) -> float | None:
        """The smallest gain that would be called *helps* in four of five repeats; None where that is more than all that
        can be gained, 1."""
        both = [one.detectable for one in (self, self.recipe) if one is not None and one.detectable is not None]
        least = max(both, default=1.0)
        return least if least < 1 else None

    def other(self, metric: str) -> Estimate:
        """One of `secondary`. Raises StopIteration where it was not measured."""
        return next(one for one in self.secondary if one.metric == metric)


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True)
class Comparison:
    """Every arm of all tasks of one data set: of each task the baseline first, then the other arms without a
    generator, then those with generators."""

    dataset: str
    arms: list[Arm]
    family: str | None = None
    """Name of the family of few-shot data sets that it belongs to."""
    images_per_class: float | None = None
    """Real training images a class, mean over the classes."""
    level: float = 0.95
    version: int = field(default=VERSION)

    def of(self, task: str) -> list[Arm]:
        """The arms of one task, the baseline first; empty where it was not compared."""
        return [arm for arm in self.arms if arm.task == task]


@dataclass(frozen=True)
class Repetition:
    """One training of an arm, judged by the test set; each task adds its scores, and what they follow from."""

    seed: int
    seconds: float


@dataclass(frozen=True)
class ArmResult(TrainedOn):
    """The file of an arm. Each task adds what its scores follow from, so that intervals need no new training."""

    version: int
    """METHOD of the stage."""
    task: str
    dataset: str
    arm: str
    """Its name, that of the file too."""
    synthetic: list[SyntheticSet]
    """Empty in a baseline arm."""
    real: bool
    """Whether its detectors saw real training images."""
    classes: list[str]
    steps: int
    settings: dict[str, Any]
    chosen: Chosen
    n_real: int
    n_synthetic: int
    """Different images there were to see."""
    n_test: int
    groups: list[str]
    """Of each test image."""
    truth: Any
    """Ground truth of the test set."""
    mean: dict[str, float]
    """Of each score over the repetitions."""
    spread: dict[str, float]
    """Its standard deviation over the repetitions."""
    repetitions: list[Any]
    """A Repetition each; one where no two can differ."""

    @property
    def recipe(self) -> Recipe:
        return Recipe(self.chosen.augmented, self.chosen.balanced, self.chosen.defects)


Result = TypeVar("Result", bound=ArmResult)
Record = TypeVar("Record")
ADAPTERS: dict[Any, TypeAdapter[Any]] = {}  # to make one takes thirty times as long as to check a result by it


def _adapter(kind: type[Record]) -> TypeAdapter[Record]:
    if kind not in ADAPTERS:
        ADAPTERS[kind] = TypeAdapter(kind)
    return ADAPTERS[kind]


def result_of(values: Mapping[str, Any], kind: type[Result]) -> Result:
    """The fields in plain values. Raises ValidationError for a task that gives others than its kind has."""
    return _adapter(kind).validate_python(values)


def read_results(paths: Iterable[Path], kind: type[Result]) -> list[Result]:
    """Of the arms of all these files, in order. Raises UserError where one cannot be read or holds no such results."""
    several: type[list[Result]] = list[kind]  # type: ignore[valid-type]  # of the kind that is asked for
    return [result for path in paths for result in _read(path, several, "list of results of detectors' arms")]


def write_results(results: Sequence[ArmResult], path: Path) -> None:
    """Whole. Raises ValueError for numbers that are not finite."""
    write_json(path, [_adapter(type(one)).dump_python(one) for one in results])


def finite(value: float) -> float | None:
    """JSON has neither NaN nor infinity."""
    return float(value) if math.isfinite(value) else None


def read(path: Path) -> Comparison:
    """Raises UserError where the file cannot be read or is no comparison."""
    return _read(path, Comparison, "comparison of detectors")


def write(comparison: Comparison, path: Path) -> None:
    """Whole."""
    write_whole(path, text(comparison).encode())


def text(comparison: Comparison) -> str:
    """As the file holds it."""
    return _adapter(Comparison).dump_json(comparison, indent=1).decode() + "\n"


def _read(path: Path, kind: type[Record], noun: str) -> Record:
    try:
        return _adapter(kind).validate_json(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"{path}: not a {noun}: {where or 'the file'}: {first['msg']}; {AGAIN}") from None
