"""Numbers of texture, spectrum and microstructure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation import catalog, phases
from pipeline.evaluation.context import ALL, Context, needed, row, too_few
from pipeline.evaluation.sample import Sample
from pipeline.metrics.distances import curve_distance, gram_distance
from pipeline.metrics.intervals import Draws, estimate, positive, symmetric


def textures(candidate: Sample, context: Context, n: int, draws: Draws) -> Iterator[dict | str]:
    """Gram matrices and power spectra."""
    if n < needed("gram", "psd"):
        yield too_few(catalog.names("texture"), n)
        return
    a, b = candidate.features["random"], context.reference.features["random"]

    def gram(x: NDArray, y: NDArray) -> float:
        return gram_distance(x, y, a.gram_blocks)

    found = estimate(gram, a.grams, b.grams, draws)
    if n < catalog.METRICS["gram"].interval_images:
        found = found._replace(error=np.nan)
    yield row("random", "gram", ALL, positive(found), n)
    spectra = candidate.vectors("psd"), context.reference.vectors("psd")
    yield row("pixels", "psd", ALL, positive(estimate(curve_distance, *spectra, draws)), n)


def microstructure(candidate: Sample, context: Context, n: int, draws: Draws) -> Iterator[dict | str]:
    """Statistics of the bright and the dark phase."""
    metrics = catalog.names("microstructure")
    if n < needed(*metrics):
        yield too_few(metrics, n)
        return
    single = phases.single_phase(candidate.features["phases"])
    if single.any():
        count = f"{single.sum()} of {len(single)} images"
        yield f"{count} show one phase only: chords and intercepts are those of the others"
    for measure in phases.measures(context.binarisation):
        yield from _phase_measure(measure, candidate, context, n, draws)


def _phase_measure(
    measure: phases.Measure, candidate: Sample, context: Context, n: int, draws: Draws
) -> Iterator[dict | str]:
    """One of them; images that have nothing to measure are left out, and then as many of each set are compared."""
    sets = [s for s in (candidate, context.reference, context.heldout) if s is not None]
    rows = [measure.rows(s.features["phases"], context.binarisation) for s in sets]
    some = [np.isfinite(r).all(axis=1) for r in rows]
    if not all(mask.all() for mask in some[:2]):
        n = min(int(mask.sum()) for mask in some)
        if n < needed(measure.name):
            yield too_few([measure.name], n)
            return
        labels, groups = zip(
            *((s.labels[m], s.groups[m]) for s, m in zip(sets[:2], some[:2], strict=True)), strict=True
        )
        draws = context.draws(labels, n, groups)
    x, y = (r[mask] for r, mask in zip(rows[:2], some[:2], strict=True))
    scale = measure.scale(y)
    if scale <= 0:
        yield f"{measure.name}: left out, the real training images show one phase only"
        return
    found = estimate(lambda a, b: measure.compare(a, b) / scale, x, y, draws)
    interval = symmetric if measure.signed else positive
    yield row("pixels", measure.name, ALL, interval(found), n)
