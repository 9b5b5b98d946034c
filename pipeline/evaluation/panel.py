"""What is measured of a set of images, and the same of real images (the floor) and of noise (the ceilings)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.data.imageset import ImageSet
from pipeline.evaluation import ceilings, metrics, phases
from pipeline.evaluation.features import computed
from pipeline.evaluation.figures import plot_psd, plot_samples
from pipeline.evaluation.intervals import Draws, Estimate, bootstrap, draw, draw_subsets, estimate, spread
from pipeline.evaluation.sample import Sample
from pipeline.job import say
from pipeline.settings import METHOD, Evaluate, UserError
from pipeline.weights import fetch, in_cache

ALL = "all"  # the class of a number over all classes
WHOLES = 10  # random subsets that a value at equal n is averaged over, where a set is larger than n
SSIM_PAIRS = 200
# Images of each set below which a metric is left out: half of them must still hold the neighbours, or a covariance.
NEEDED = {
    "frechet": 20,
    "fid": 20,
    "kid": 20,
    "precision": 20,
    "gram": 4,
    "psd": 4,
    "phases": 4,
    "nearest": 4,
    "ssim": 4,
}


class Context(NamedTuple):
    """What every candidate is judged by: the training images, and the held-out images (None where there are none)."""

    settings: Evaluate
    reference: Sample
    heldout: Sample | None
    extractors: list[str]
    cut: phases.Cut

    def equal_n(self, candidate: Sample) -> int:
        """Images of each set in a comparison, the same for all candidates: a bias that depends on it cancels."""
        return min(len(s) for s in (candidate, self.reference, self.heldout) if s is not None)

    def rng(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.settings.seed, purpose])


# ---------------------------------------------------------------- what the workflow calls


def evaluate(
    settings: Evaluate,
    data: Path,
    synthetic: Path,
    out: Path,
    dataset: str,
    model: str,
    seed: int,
    journal,
    figures: Path | None = None,
) -> None:
    """Measure a synthetic image set against the real one's training images; write `out` (JSON) and its figures.

    Every comparison is of n images with n images, n being the number of held-out real images (or of the smallest set),
    in the same shares of the classes; larger sets are drawn from several times. A metric for which there are too few
    images is left out, and a note says how many it needs.

    Args:
        data: folder of the real image set.
        synthetic: folder of the synthetic image set.
        out: the evaluation.json to write.
        journal: takes the numbers over all classes and the figures.
        figures: folder of `psd.png` and `samples.png`; null is that of `out`.

    Raises:
        UserError: the sets do not fit each other, a feature is not finite, weights are missing or altered.
    """
    real, made = ImageSet.open(data), ImageSet.open(synthetic)
    _check(real, made)
    extractors = _extractors(settings)
    context = _context(settings, real, extractors, made.meta["classes"])
    candidate = _sample(settings, made, np.arange(len(made)), extractors, context.cut)
    numbers, notes = measure(candidate, context, model)
    record = {"dataset": dataset, "model": model, "seed": seed, "n_reference": len(context.reference)}
    record |= {"n_sample": len(candidate), "phases": context.cut._asdict(), "metrics": numbers}
    record |= {"curves": _curves(real, context, candidate)}
    _write(out, record | {"notes": _set_notes(real, made, context) + notes})

    folder = figures or out.parent
    folder.mkdir(parents=True, exist_ok=True)
    plot_psd(folder / "psd.png", record["curves"]["psd"], {model: record["curves"]["psd"]["sample"]})
    plot_samples(folder / "samples.png", candidate, context.reference, model, context.rng(9))
    journal.final({_key(row): row["value"] for row in numbers if row["class"] == ALL})
    for path in (out, folder / "psd.png", folder / "samples.png"):
        journal.artifact(path, "evaluation")


def evaluate_real(settings: Evaluate, data: Path, out: Path, dataset: str, figures: Path | None = None) -> None:
    """The same panel for what is known: held-out real images (model `real`, the floor) and `noise` and `blurred noise`
    (the ceilings), in one file; each number has its `model`. Features of the real set are kept beside it.

    Args and errors as `evaluate`.
    """
    real = ImageSet.open(data)
    extractors = _extractors(settings)
    context = _context(settings, real, extractors, real.meta["classes"])
    reference, heldout = context.reference, context.heldout
    n = len(heldout) if heldout is not None else min(len(reference), 500)
    labels = heldout.labels if heldout is not None else reference.labels[context.rng(7).permutation(len(reference))[:n]]
    candidates = {} if heldout is None else {"real": heldout}
    for name, function in (("noise", ceilings.noise), ("blurred noise", ceilings.blurred_noise)):
        images = function(reference, labels, context.rng(8))
        candidate = Sample.of_array(images, labels, [*extractors, "psd"], settings.weights, name)
        statistics = computed(images, "phases", phases.extractor(context.cut.threshold), name)
        candidates[name] = candidate.also("phases", statistics)

    numbers, notes = [], [] if heldout is not None else ["no image is held out: there is no floor"]
    notes += context.cut.notes()
    for name, candidate in candidates.items():
        rows, said = measure(candidate, context, name)
        numbers += rows
        notes += [f"{name}: {note}" for note in said]
    curves = {name: _curves(real, context, candidate) for name, candidate in candidates.items()}
    first = next(iter(curves.values()))
    record = {"dataset": dataset, "model": "real", "seed": None, "n_reference": len(reference), "n_sample": n}
    record |= {"phases": context.cut._asdict(), "metrics": numbers, "curves": first}
    _write(out, record | {"notes": notes})

    folder = figures or out.parent
    folder.mkdir(parents=True, exist_ok=True)
    plot_psd(folder / "psd.png", first["psd"], {name: c["psd"]["sample"] for name, c in curves.items()})
    shown = "held-out" if heldout is not None else "noise"
    plot_samples(folder / "samples.png", next(iter(candidates.values())), reference, shown, context.rng(9))


# ---------------------------------------------------------------- the panel


def measure(candidate: Sample, context: Context, model: str) -> tuple[list[dict[str, Any]], list[str]]:
    """All numbers of one candidate, and what had to be left out.

    Returns:
        Rows {"model", "extractor", "metric", "class", "value", "low", "high", "n"} and notes. Distances are 0 for equal
        sets; the reader compares them with the floor.
    """
    n = context.equal_n(candidate)
    draws = draw(candidate.labels, context.reference.labels, n, WHOLES, context.settings.subsets, context.settings.seed)
    parts = [
        *(_features(candidate, context, extractor, n, draws) for extractor in context.extractors),
        _textures(candidate, context, n, draws),
        _phases(candidate, context, n, draws),
        _copies(candidate, context),
        _diversity(candidate, context),
        *(_classes(candidate, context, extractor) for extractor in context.extractors),
    ]
    rows, notes = [], []
    for part in parts:
        for item in part:
            if isinstance(item, str):
                notes.append(item)
            else:
                rows.append({"model": model} | item)
    return rows, notes


def _features(candidate: Sample, context: Context, extractor: str, n: int, draws: Draws) -> Iterator[dict | str]:
    """Distances between the distributions of features."""
    x, y = _scaled(candidate, context.reference, extractor)
    name = "fid" if extractor == "inception" else "frechet"
    if n < NEEDED[name]:
        yield _too_few(f"{name}, kid, precision, recall, density, coverage ({extractor})", n, NEEDED[name])
        return
    yield _row(extractor, name, ALL, estimate(metrics.frechet, x, y, draws), n)
    if name == "fid" and n < 2048:
        yield f"fid: with {n} images it is mostly bias; compare it only with the floor of this page, and see kid"
    yield _kid(x, y, candidate.labels, context, extractor, ALL)
    found = estimate(lambda a, b: np.array(list(metrics.prdc(a, b).values())), x, y, draws)
    for position, name in enumerate(("precision", "recall", "density", "coverage")):
        value, low, high = (float(part[position]) for part in found)
        limit = np.inf if name == "density" else 1.0  # the others are fractions, and so are the ends of their intervals
        yield _row(extractor, name, ALL, Estimate(value, max(low, 0.0), min(high, limit)), n)


def _kid(x: NDArray, y: NDArray, labels: NDArray, context: Context, extractor: str, label: str) -> dict:
    """Mean and spread over random subsets (Binkowski et al. 2018), at most half of a set so that they differ."""
    reference = context.reference if label == ALL else context.reference.of_class(label)
    heldout = context.heldout if label == ALL or context.heldout is None else context.heldout.of_class(label)
    n = min(len(x), len(y), len(x) if heldout is None else len(heldout))
    size = min(context.settings.subset_size, n // 2)
    pairs = draw_subsets(labels, reference.labels, size, context.settings.subsets, context.settings.seed)
    return _row(extractor, "kid", label, spread(np.array([metrics.kid(x[i], y[j]) for i, j in pairs])), size)


def _classes(candidate: Sample, context: Context, extractor: str) -> Iterator[dict | str]:
    """KID of each class for itself."""
    classes = list(dict.fromkeys(context.reference.labels.tolist()))
    if len(classes) < 2:
        return
    x, y = _scaled(candidate, context.reference, extractor)
    for label in sorted(classes):
        sets = [s.labels == label for s in (candidate, context.reference, context.heldout) if s is not None]
        n = min(int(mask.sum()) for mask in sets)
        if n < NEEDED["kid"]:
            yield _too_few(f"kid ({extractor}) of class {label}", n, NEEDED["kid"])
            continue
        yield _kid(x[sets[0]], y[sets[1]], candidate.labels[sets[0]], context, extractor, label)


def _textures(candidate: Sample, context: Context, n: int, draws: Draws) -> Iterator[dict | str]:
    """Gram matrices and power spectra."""
    if n < NEEDED["gram"]:
        yield _too_few("gram, psd", n, NEEDED["gram"])
        return
    a, b = candidate.features["random"], context.reference.features["random"]

    def gram(x: NDArray, y: NDArray) -> float:
        return metrics.gram_distance(x, y, a.gram_blocks)

    yield _row("random", "gram", ALL, estimate(gram, a.grams, b.grams, draws), n)
    spectra = candidate.vectors("psd"), context.reference.vectors("psd")
    yield _row("pixels", "psd", ALL, estimate(metrics.psd_distance, *spectra, draws), n)


def _phases(candidate: Sample, context: Context, n: int, draws: Draws) -> Iterator[dict | str]:
    """Statistics of the bright and the dark phase."""
    if n < NEEDED["phases"]:
        yield _too_few("phase fraction, two_point, lineal_path, chords, intercepts, grains", n, NEEDED["phases"])
        return
    flat = phases.flat(candidate.features["phases"])
    if flat.any():
        yield f"{flat.sum()} of {len(flat)} images show one phase only: chords and intercepts are those of the others"
    for measure in phases.measures(context.cut):
        yield from _phase_measure(measure, candidate, context, n, draws)


def _phase_measure(
    measure: phases.Measure, candidate: Sample, context: Context, n: int, draws: Draws
) -> Iterator[dict | str]:
    """One of them; images that have nothing to measure are left out, and then as many of each set are compared."""
    sets = [s for s in (candidate, context.reference, context.heldout) if s is not None]
    rows = [measure.rows(s.features["phases"], context.cut) for s in sets]
    some = [np.isfinite(r).all(axis=1) for r in rows]
    if not all(mask.all() for mask in some[:2]):
        n = min(int(mask.sum()) for mask in some)
        if n < NEEDED["phases"]:
            yield _too_few(measure.name, n, NEEDED["phases"])
            return
        labels = [s.labels[mask] for s, mask in zip(sets, some, strict=True)]
        draws = draw(*labels[:2], n, WHOLES, context.settings.subsets, context.settings.seed)
    x, y = (r[mask] for r, mask in zip(rows[:2], some[:2], strict=True))
    scale = measure.scale(y)
    if scale <= 0:
        yield f"{measure.name}: left out, the real training images show one phase only"
        return
    found = estimate(lambda a, b: measure.compare(a, b) / scale, x, y, draws)
    yield _row("pixels", measure.name, ALL, found._replace(low=max(found.low, measure.least)), n)


def _copies(candidate: Sample, context: Context) -> Iterator[dict | str]:
    """Is it learnt by heart? `nearest`: median distance to the nearest training image, over that of held-out images;
    below 1 the images are nearer to the training images than new real ones are. `ssim_nearest`: SSIM with it."""
    if min(len(candidate), len(context.reference)) < NEEDED["nearest"]:
        yield _too_few("nearest, ssim_nearest", min(len(candidate), len(context.reference)), NEEDED["nearest"])
        return
    subsets, rng = context.settings.subsets, context.rng(2)
    x, y = _scaled(candidate, context.reference, "random")
    position, distance = metrics.nearest(x, y)
    if context.heldout is None:
        yield "nearest: left out, it needs held-out real images to compare with"
    elif len(context.heldout) < NEEDED["nearest"]:
        yield _too_few("nearest", len(context.heldout), NEEDED["nearest"])
    else:
        _, usual = metrics.nearest(_scaled(context.heldout, context.reference, "random")[0], y)
        if np.median(usual) > 0:
            ratio = bootstrap(lambda a, b: float(np.median(a) / np.median(b)), (distance, usual), subsets, rng)
            yield _row("random", "nearest", ALL, ratio, len(candidate))
        else:
            yield "nearest: left out, half of the held-out images are copies of training images"
    chosen = np.sort(rng.permutation(len(candidate))[:SSIM_PAIRS])
    values = metrics.ssim(candidate.pixels(chosen), context.reference.pixels(position[chosen]))
    yield _row("pixels", "ssim_nearest", ALL, bootstrap(np.mean, (values,), subsets, rng), len(chosen))


def _diversity(candidate: Sample, context: Context) -> Iterator[dict | str]:
    """Mean SSIM of random pairs of one class within the set: unpaired data have no partner to be compared with. More
    than the held-out images' means less variety than in reality."""
    rng = context.rng(3)
    labels, counts = np.unique(candidate.labels, return_counts=True)
    pools = [np.flatnonzero(candidate.labels == label) for label in labels[counts >= 2]]
    if len(candidate) < NEEDED["ssim"] or not pools:
        yield _too_few("ssim_diversity", len(candidate), NEEDED["ssim"])
        return
    shares = np.array([np.sum(context.reference.labels == candidate.labels[pool[0]]) for pool in pools], float)
    picks = rng.choice(len(pools), SSIM_PAIRS, p=shares / shares.sum())
    pairs = np.array([rng.choice(pools[p], 2, replace=False) for p in picks])
    values = metrics.ssim(candidate.pixels(pairs[:, 0]), candidate.pixels(pairs[:, 1]))
    yield _row(
        "pixels", "ssim_diversity", ALL, bootstrap(np.mean, (values,), context.settings.subsets, rng), SSIM_PAIRS
    )


def _scaled(candidate: Sample, reference: Sample, extractor: str) -> tuple[NDArray, NDArray]:
    """Features of both: Inception's as they are, so FID is FID; each layer of the random networks counts the same."""
    x, y = candidate.vectors(extractor).astype(np.float64), reference.vectors(extractor).astype(np.float64)
    if extractor == "inception":
        return x, y
    try:
        centre, scale = metrics.block_scale(y, reference.features[extractor].vector_blocks)
    except ValueError as error:
        raise UserError(f"the real image set's training images are constant, or all alike: {error}") from error
    return (x - centre) / scale, (y - centre) / scale


def _row(extractor: str, metric: str, label: str, found: Estimate, n: int) -> dict[str, Any]:
    row = {"extractor": extractor, "metric": metric, "class": label}
    return row | {name: float(value) for name, value in found._asdict().items()} | {"n": int(n)}


def _too_few(what: str, n: int, needed: int) -> str:
    return f"{what}: left out, needs {needed} images of each set, there are {n}"


# ---------------------------------------------------------------- what is compared


def _extractors(settings: Evaluate) -> list[str]:
    """`random` always; `inception` where its weights are wanted and to be had."""
    if settings.inception == "on":
        fetch("inception", settings.weights)
        return ["random", "inception"]
    found = settings.inception == "auto" and in_cache("inception", settings.weights)
    return ["random", "inception"] if found else ["random"]


def _context(settings: Evaluate, real: ImageSet, extractors: list[str], classes: list[str]) -> Context:
    """Training and held-out images of some classes."""
    wanted = real.metadata["label"].isin(classes).to_numpy()
    train = real.rows("train")[wanted[real.rows("train")]]
    if len(train) < 2:
        raise UserError(f"{real.path}: {len(train)} training images of {', '.join(classes)}; evaluation needs 2")
    cut = phases.find_cut(real)
    reference = _sample(settings, real, train, extractors, cut)
    held = real.rows("test") if len(real.rows("test")) else real.rows("val")
    held = held[wanted[held]]
    heldout = _sample(settings, real, held, extractors, cut) if len(held) else None
    return Context(settings, reference, heldout, extractors, cut)


def _sample(
    settings: Evaluate, images: ImageSet, rows: NDArray[np.int64], extractors: list[str], cut: phases.Cut
) -> Sample:
    """Some images of a set with all that the panel looks at."""
    found = Sample.of_set(images, rows, [*extractors, "psd"], settings.weights)
    return found.also("phases", phases.of_set(images, cut.threshold).rows(rows))


def _check(real: ImageSet, made: ImageSet) -> None:
    shapes = [tuple(s.spec[:3]) for s in (real, made)]
    if shapes[0] != shapes[1]:
        text = ["×".join(map(str, shape)) for shape in shapes]
        raise UserError(
            f"{made.path}: images of {text[1]} cannot be compared with the real ones of {text[0]} ({real.path})"
        )
    if not len(made):
        raise UserError(f"{made.path}: holds no image")
    for label in {*made.meta["classes"], *made.metadata["label"]}:
        if label not in real.meta["classes"]:
            raise UserError(
                f"{made.path}: class `{label}` is not one of the real set's: {', '.join(real.meta['classes'])}"
            )


def _set_notes(real: ImageSet, made: ImageSet, context: Context) -> list[str]:
    notes = []
    left = [c for c in real.meta["classes"] if c not in made.meta["classes"]]
    if left:
        notes.append(
            f"the model was not made for class {', '.join(left)}: compared with real images of the others alone"
        )
    missing = sorted(set(context.reference.labels) - set(made.metadata["label"]))
    if missing:
        notes.append(f"no synthetic image of class {', '.join(missing)}: numbers over all classes count it as missing")
    if context.heldout is None:
        notes.append("no image is held out: there is no floor")
    elif len(made) < len(context.heldout):
        notes.append(f"{len(made)} synthetic images, fewer than the {len(context.heldout)} held-out ones of the floor")
    return notes


def _curves(real: ImageSet, context: Context, candidate: Sample) -> dict[str, Any]:
    statistics = (s.features["phases"] for s in (context.reference, candidate))
    return {"psd": _spectra(real, context.reference, candidate)} | phases.curves(*statistics, context.cut)


def _spectra(real: ImageSet, reference: Sample, candidate: Sample) -> dict[str, Any]:
    """Mean power spectra in decibel; the band holds 90 % of the training images."""
    spectra = reference.vectors("psd").astype(np.float64)
    height, width, *_ = real.spec
    frequency = np.arange(1, spectra.shape[1] + 1) / min(height, width)
    unit, pixel = "1/px", real.meta.get("pixel_size")
    if pixel:
        frequency, unit = frequency / pixel, f"1/{real.meta['unit']}"
    low, high = np.percentile(spectra, (5, 95), axis=0)
    curves = {"frequency": frequency, "reference": spectra.mean(axis=0), "reference_low": low, "reference_high": high}
    curves["sample"] = candidate.vectors("psd").astype(np.float64).mean(axis=0)
    return {"unit": unit, "power_unit": "dB"} | {name: [round(float(v), 6) for v in c] for name, c in curves.items()}


def _key(row: dict[str, Any]) -> str:
    """`final/kid_random`; without the extractor where a metric has but one."""
    several = ("frechet", "kid", "precision", "recall", "density", "coverage")
    return f"final/{row['metric']}_{row['extractor']}" if row["metric"] in several else f"final/{row['metric']}"


def _write(out: Path, record: dict[str, Any]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"version": METHOD["evaluate"]} | record, indent=1, ensure_ascii=False, allow_nan=False)
    part = out.with_name(f"{out.name}.part")
    part.write_text(text + "\n", encoding="utf-8")
    os.replace(part, out)
    for note in record["notes"]:
        say(f"{record['dataset']}/{record['model']}: {note}")
