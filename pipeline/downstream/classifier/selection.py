"""How many synthetic images a detector gets and which: chosen by pilot trainings on the validation images."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from torch import nn

from pipeline.downstream.baseline import rank
from pipeline.downstream.classifier.device_dataset import Pool
from pipeline.downstream.classifier.filters import FILTERS, best, count
from pipeline.downstream.classifier.fit import Diet
from pipeline.downstream.classifier.scoring import on_validation
from pipeline.downstream.resumable import Ledger
from pipeline.settings import Detect

# Seeds of their own: no training that is judged later may be one that a choice was made by.
PILOTS, FILTER = 1000, 2000

Teach = Callable[[Diet, int], nn.Module]  # a diet and a seed -> a trained detector


@dataclass
class Choice:
    """What was chosen, and by what."""

    diet: Diet
    filter: str | None = None
    """A key of `FILTERS`; None: every synthetic image is used."""
    keep: float = 1.0
    """Share of the synthetic images of each class that is used."""
    candidates: list[dict[str, Any]] = field(default_factory=list)
    """`ratio` (None: synthetic images only), `filter`, `keep`, `n_synthetic`, `validation`; empty with nothing to
    choose."""
    validation: list[dict[str, float]] | None = None
    """`macro_f1` and `loss` of the pilot trainings of what was chosen; None where there were none."""
    notes: list[str] = field(default_factory=list)


def choose(
    settings: Detect, pool: Pool, validation: Pool | None, base: Diet, real: bool, teach: Teach, ledger: Ledger
) -> Choice:
    """The ratio and the filter of an arm with generators; without validation images the first ratio and no filter.

    Args:
        settings: of the comparison; the candidates are `ratios`, each with all images (`keep` 1) and with each share
            below 1 that each of `filters` keeps.
        pool: the training images, real and synthetic.
        validation: the images to choose by, or None.
        base: augmentation and sampling to choose with.
        real: whether the arm's detectors see real images; else there is no ratio to choose.
        teach: trains a detector on a diet of the pool.
        ledger: of the job.
    """
    ratios = settings.ratios if real else [math.inf]
    every = Choice(replace(base, extra=np.arange(pool.n_real, len(pool)), ratio=ratios[0]))
    if validation is None:
        every.notes.append(
            "no validation images to choose by: first ratio, every synthetic image, on the arm `augmented`"
        )
        return every
    kept = _kept(settings, pool, base, teach, ledger, every)
    diets = {(ratio, *part): replace(every.diet, extra=kept[part], ratio=ratio) for part in kept for ratio in ratios}
    if len(diets) == 1:
        ((_, every.filter, every.keep), every.diet), *_ = diets.items()
        return every

    scores = {
        (ratio, sieve, keep): pilots(
            f"{ratio} {sieve} {keep}", settings.pilots, diet, validation, settings.batch, teach, ledger
        )
        for (ratio, sieve, keep), diet in diets.items()
    }
    chosen = max(scores, key=lambda candidate: rank(scores[candidate]))
    candidates = [
        {"ratio": finite(r), "filter": f, "keep": k, "n_synthetic": len(kept[f, k]), "validation": scores[r, f, k]}
        for r, f, k in scores
    ]
    return Choice(diets[chosen], *chosen[1:], candidates, scores[chosen], every.notes)


def pilots(
    name: str, count: int, diet: Diet, validation: Pool, batch: int, teach: Teach, ledger: Ledger
) -> list[dict[str, float]]:
    """`macro_f1` and `loss` on the validation images of trainings that are for choosing alone."""
    return [
        ledger.once(
            f"pilot {name} {pilot}",
            lambda seed=PILOTS + pilot: on_validation(teach(diet, seed), validation, batch),
        )
        for pilot in range(count)
    ]


def trainings(settings: Detect, generative: bool, real: bool) -> int:
    """The most trainings that choosing makes in an arm."""
    if not generative:
        return settings.seeds
    shares = {keep for keep in settings.keep if keep < 1}
    candidates = (1 in settings.keep) + len(set(settings.filters)) * len(shares)
    candidates *= len(set(settings.ratios)) if real else 1
    return (candidates * settings.pilots if candidates > 1 else 0) + bool(shares)


def finite(ratio: float) -> float | None:
    """JSON has no infinity."""
    return None if math.isinf(ratio) else ratio


def _kept(
    settings: Detect, pool: Pool, base: Diet, teach: Teach, ledger: Ledger, every: Choice
) -> dict[tuple[str | None, float], np.ndarray]:
    """(filter, share to keep) -> rows of the pool, all of them first; what would leave a class empty is left out, with
    a note in `every`."""
    synthetic = every.diet.extra
    labels = pool.labels.cpu().numpy()[synthetic]
    shares = _possible(settings, labels, every.notes)
    found = {(None, 1.0): synthetic} if 1 in shares else {}
    below = [keep for keep in shares if keep < 1]
    if below:
        trust = ledger.once("filter", lambda: _trust(settings, pool, base, teach))
        for sieve in dict.fromkeys(settings.filters):
            for keep in below:
                found[sieve, keep] = synthetic[best(np.asarray(trust[sieve]), labels, keep)]
    return found or {(None, 1.0): synthetic}


def _possible(settings: Detect, labels: np.ndarray, notes: list[str]) -> list[float]:
    """The shares to keep that leave images of every class there is."""
    fewest = np.unique(labels, return_counts=True)[1].min()
    shares = []
    for keep in dict.fromkeys(settings.keep):
        if count(fewest, keep):
            shares.append(keep)
        else:
            notes.append(f"detect.keep: {keep:g} would leave a class without any synthetic image; left out")
    if not shares:
        notes.append("detect.keep: no share leaves images of every class; all synthetic images were taken")
    return shares


def _trust(settings: Detect, pool: Pool, base: Diet, teach: Teach) -> dict[str, list[float]]:
    """Of each filter, how much each synthetic image is trusted: by one detector, of the real training images alone."""
    judge = teach(replace(base, extra=np.arange(0), ratio=0.0), FILTER)
    return {name: FILTERS[name](judge, pool, settings.batch).tolist() for name in settings.filters}
