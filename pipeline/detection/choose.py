"""How many synthetic images a detector gets and which: chosen by pilot trainings on the validation images."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from torch import nn

from pipeline.detection.basis import rank
from pipeline.detection.fit import Diet, log_probabilities
from pipeline.detection.judge import on_validation
from pipeline.detection.ledger import Ledger
from pipeline.detection.pool import Pool
from pipeline.settings import Detect

# Seeds of their own: no training that is judged later may be one that a choice was made by.
PILOTS, FILTER = 1000, 2000

Teach = Callable[[Diet, int], nn.Module]  # a diet and a seed -> a trained detector


@dataclass
class Choice:
    """What was chosen, and by what."""

    diet: Diet
    keep: float = 1.0
    """Share of the synthetic images of each class that is used."""
    candidates: list[dict[str, Any]] = field(default_factory=list)
    """`ratio` (None: synthetic images only), `keep`, `n_synthetic`, `validation`; empty with nothing to choose."""
    validation: list[dict[str, float]] | None = None
    """`macro_f1` and `loss` of the pilot trainings of what was chosen; None where there were none."""
    notes: list[str] = field(default_factory=list)


def choose(
    settings: Detect, pool: Pool, validation: Pool | None, base: Diet, real: bool, teach: Teach, ledger: Ledger
) -> Choice:
    """The ratio and the filter of an arm with generators; without validation images the first ratio and no filter.

    Args:
        settings: of the comparison; `ratios` and `keep` are the candidates.
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
    diets = {(ratio, keep): replace(every.diet, extra=kept[keep], ratio=ratio) for keep in kept for ratio in ratios}
    if len(diets) == 1:
        ((_, every.keep), every.diet), *_ = diets.items()
        return every

    scores = {
        (ratio, keep): pilots(f"{ratio} {keep}", settings.pilots, diet, validation, settings.batch, teach, ledger)
        for (ratio, keep), diet in diets.items()
    }
    ratio, keep = max(scores, key=lambda candidate: rank(scores[candidate]))
    candidates = [
        {"ratio": finite(r), "keep": k, "n_synthetic": len(kept[k]), "validation": scores[r, k]} for r, k in scores
    ]
    return Choice(diets[ratio, keep], keep, candidates, scores[ratio, keep], every.notes)


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
    candidates, keeps = len(set(settings.ratios)) if real else 1, set(settings.keep)
    candidates *= len(keeps)
    return (candidates * settings.pilots if candidates > 1 else 0) + (min(keeps) < 1)


def finite(ratio: float) -> float | None:
    """JSON has no infinity."""
    return None if math.isinf(ratio) else ratio


def _kept(
    settings: Detect, pool: Pool, base: Diet, teach: Teach, ledger: Ledger, every: Choice
) -> dict[float, np.ndarray]:
    """Share to keep -> rows of the pool; what would leave a class empty is left out, with a note in `every`."""
    synthetic, labels = every.diet.extra, pool.labels.cpu().numpy()
    found = {}
    for keep in dict.fromkeys(settings.keep):
        if keep == 1:
            found[keep] = synthetic
            continue
        trust = ledger.once("filter", lambda: _trust(settings, pool, base, teach).tolist())
        rows = surest(np.asarray(trust), labels[synthetic], keep)
        if set(labels[synthetic[rows]]) == set(labels[synthetic]):
            found[keep] = synthetic[rows]
        else:
            every.notes.append(f"detect.keep: {keep:g} would leave a class without any synthetic image; left out")
    if not found:
        every.notes.append("detect.keep: no share leaves images of every class; all synthetic images were taken")
    return found or {1.0: synthetic}


def _trust(settings: Detect, pool: Pool, base: Diet, teach: Teach) -> np.ndarray:
    """(m,) log probability of the class asked for, by a detector of the real training images alone."""
    judge = teach(replace(base, extra=np.arange(0), ratio=0.0), FILTER)
    synthetic = np.arange(pool.n_real, len(pool))
    said = log_probabilities(judge, pool, synthetic, settings.batch)
    return said[np.arange(len(synthetic)), pool.labels.cpu().numpy()[synthetic]]


def surest(trust: np.ndarray, labels: np.ndarray, keep: float) -> np.ndarray:
    """Ascending positions of the share `keep` (rounded down) of each class that is trusted most; first come, first."""
    parts = [np.flatnonzero(labels == k) for k in np.unique(labels)]
    best = [rows[np.argsort(-trust[rows], kind="stable")[: int(keep * len(rows))]] for rows in parts]
    return np.sort(np.concatenate(best))
