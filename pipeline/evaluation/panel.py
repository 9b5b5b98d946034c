"""The panel: all metrics of a set of images, of held-out real images (the floor) and of noise baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.base.device import device, say_device
from pipeline.base.files import write_json
from pipeline.base.job import say
from pipeline.data.image_set import ImageSet
from pipeline.evaluation import (
    catalog,
    class_features,
    distances,
    lpips,
    nearest_file,
    noise_baselines,
    phases,
    structure,
)
from pipeline.evaluation.class_agreement import class_agreement
from pipeline.evaluation.context import ALL, Context, of_classes
from pipeline.evaluation.copies import NearestTraining, closest, copies, nearest_of_some, nearest_training
from pipeline.evaluation.diversity import diversity
from pipeline.evaluation.extractors import extractors
from pipeline.evaluation.figures import plot_closest, plot_psd, plot_samples
from pipeline.evaluation.sample import Sample
from pipeline.settings import METHOD, Evaluate, UserError

HELDOUT = "real held-out images"  # as the figures call them
JUDGED = 10_000  # synthetic images, at most, that are looked at, or as many as are held out

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
        figures: folder of `psd.png`, `samples.png` and `closest.png`; null is that of `out`.

    Raises:
        UserError: the sets do not fit each other, a feature is not finite, weights are missing or altered.
    """
    real, made = ImageSet.open(data), ImageSet.open(synthetic)
    _check(real, made)
    real, made = (images.within(real.filled) for images in (real, made))
    say_device(f"evaluate {dataset}, {model}", device())
    context = _context(settings, real, made.meta["classes"])
    most = max(JUDGED, len(context.heldout) if context.heldout is not None else 0)
    candidate = Sample.drawn(made, most, context.rng(16), context.extractors)
    known, index = nearest_file.read(real, context)
    judged = [candidate] if known or context.heldout is None else [candidate, context.heldout]
    (found, *others), _ = nearest_training(judged, context, index)
    del index  # of many training images the largest of all
    numbers, notes = measure(candidate, context, model, found, known or next(iter(others), None))
    record: dict[str, Any] = {"dataset": dataset, "model": model, "seed": seed, "n_reference": len(context.reference)}
    record |= {"n_sample": len(candidate), "phases": context.binarisation._asdict(), "metrics": numbers}
    record |= {"curves": _curves(real, context, candidate), "closest": closest(candidate, context, found)}
    record |= {"neighbours": nearest_of_some(candidate, context, found), "smallest_piece": found.smallest}
    _write(out, record | {"notes": _set_notes(real, made, candidate, context) + notes})

    folder = figures or out.parent
    folder.mkdir(parents=True, exist_ok=True)
    plot_psd(folder / "psd.png", record["curves"]["psd"], {model: record["curves"]["psd"]["sample"]})
    plot_samples(folder / "samples.png", candidate, context.reference, model, context.rng(9))
    plot_closest(folder / "closest.png", record["closest"], candidate, context.reference, model)
    journal.final({_key(row): row["value"] for row in numbers if row["class"] == ALL})
    for path in (out, *(folder / name for name in ("psd.png", "samples.png", "closest.png"))):
        journal.artifact(path, "evaluation")


def evaluate_real(settings: Evaluate, data: Path, out: Path, dataset: str, figures: Path | None = None) -> None:
    """The same panel for what is known: held-out real images (model `real`, the floor) and `noise` and `blurred noise`
    (the noise baselines), in one file; each number has its `model`. Features of the real set are kept beside it, and
    the training images nearest to the held-out ones.

    Args and errors as `evaluate`.
    """
    real = ImageSet.open(data)
    real = real.within(real.filled)
    say_device(f"evaluate {dataset}, real", device())
    context = _context(settings, real, real.meta["classes"])
    reference, heldout = context.reference, context.heldout
    n = len(heldout) if heldout is not None else min(len(reference), 500)
    labels = heldout.labels if heldout is not None else reference.labels[context.rng(7).permutation(len(reference))[:n]]
    candidates = {} if heldout is None else {"real": heldout}
    for name, function in (("noise", noise_baselines.noise), ("blurred noise", noise_baselines.blurred_noise)):
        images = function(reference, labels, context.rng(8))
        candidates[name] = Sample.of_array(images, labels, context.extractors, name)

    numbers, notes = [], [] if heldout is not None else ["no image is held out: there is no floor"]
    notes += [*_compared(real), *context.binarisation.notes(), *class_features.notes(settings, real)]
    nearest, index = nearest_training(list(candidates.values()), context)
    found = dict(zip(candidates, nearest, strict=True))
    if heldout is not None:
        nearest_file.write(real, context, found["real"], index)
    del index  # of many training images the largest of all
    for name, candidate in candidates.items():
        rows, said = measure(candidate, context, name, found[name], found.get("real"))
        numbers += rows
        notes += [f"{name}: {note}" for note in said]
    new = _without_leaked(context, found["real"]) if context.leaked is not None else []
    notes += _beside(numbers, new, context)
    curves = {name: _curves(real, context, candidate) for name, candidate in candidates.items()}
    first = next(iter(curves.values()))
    record: dict[str, Any] = {
        "dataset": dataset,
        "model": "real",
        "seed": None,
        "n_reference": len(reference),
        "n_sample": n,
    }
    record |= {"phases": context.binarisation._asdict(), "metrics": numbers, "curves": first}
    record |= {"closest": [] if heldout is None else closest(heldout, context, found["real"])}
    record |= {"smallest_piece": found[next(iter(found))].smallest}
    _write(out, record | {"without_leaked": new, "notes": notes})

    folder = figures or out.parent
    folder.mkdir(parents=True, exist_ok=True)
    lines = {HELDOUT if name == "real" else name: c["psd"]["sample"] for name, c in curves.items()}
    plot_psd(folder / "psd.png", first["psd"], lines)
    shown = "held-out" if heldout is not None else "noise"
    plot_samples(folder / "samples.png", next(iter(candidates.values())), reference, shown, context.rng(9))
    if heldout is not None:
        plot_closest(folder / "closest.png", record["closest"], heldout, reference, shown)


# ---------------------------------------------------------------- the panel


def measure(
    candidate: Sample,
    context: Context,
    model: str,
    found: NearestTraining,
    heldout: NearestTraining | None = None,
) -> tuple[list[dict[str, Any]], list[str]]:
    """All numbers of one candidate, and what had to be left out.

    Args:
        found: its nearest training images.
        heldout: those of the held-out images; None where there are none.

    Returns:
        Rows {"model", "extractor", "metric", "class", "value", "low", "high", "n"}, and notes. `class` is None for a
        number over all classes. Distances are 0 for equal sets; the reader compares them with the floor. `low` and
        `high` are None where there are too few images.
    """
    n = context.equal_n(candidate)
    spaces = [name for name in catalog.FEATURES if name in context.extractors]
    labels, groups = (candidate.labels, context.reference.labels), (candidate.groups, context.reference.groups)
    draws = context.draws(labels, n, groups)
    parts = [
        *(distances.overall(candidate, context, extractor, n, draws) for extractor in spaces),
        structure.textures(candidate, context, n, draws),
        structure.microstructure(candidate, context, n, draws),
        copies(candidate, context, found, heldout),
        diversity(candidate, context),
        class_agreement(candidate, context, n, draws),
        *(distances.by_class(candidate, context, extractor) for extractor in spaces),
    ]
    rows, notes = [], []
    for part in parts:
        for item in part:
            if isinstance(item, str):
                notes.append(item)
            else:
                rows.append({"model": model} | item)
    return rows, notes + _unsure(rows)


def _without_leaked(context: Context, found: NearestTraining) -> list[dict[str, Any]]:
    """The numbers of the held-out images that have no partner in training."""
    assert context.heldout is not None
    assert context.leaked is not None
    if context.leaked.all():
        return []
    new, near = context.heldout.where(~context.leaked), found.where(~context.leaked)
    return measure(new, context._replace(heldout=new, leaked=None), "real", near, near)[0]


def _beside(numbers: list[dict[str, Any]], new: list[dict[str, Any]], context: Context) -> list[str]:
    """A warning, with the numbers of all held-out images beside those of the ones without a partner in training."""
    if context.leaked is None:
        return []
    without = {_key(row): row["value"] for row in new if row["class"] == ALL}
    listed = [
        f"{_key(row).removeprefix('final/')} {row['value']:.3g} ({without[_key(row)]:.3g})"
        for row in numbers
        if row["model"] == "real" and row["class"] == ALL and _key(row) in without
    ]
    leaked, held = context.leaked.sum(), len(context.leaked)
    if not listed:
        return [f"WARNING: all {held} held-out images have a partner in training: none is new"]
    return [
        f"WARNING: the given split leaves {leaked} of {held} held-out images with a partner in training, and the "
        f"floor is lower than that of new images; without them, in brackets: {', '.join(listed)}"
    ]


def _unsure(rows: list[dict[str, Any]]) -> list[str]:
    """Which numbers have no interval."""
    found: dict[str | None, list[str]] = {}
    for item in rows:
        if item["low"] is None:
            found.setdefault(item["class"], []).append(f"{item['metric']} ({item['extractor']})")
    lacking = [", ".join(found.pop(ALL))] if ALL in found else []
    alike: dict[str, list[str]] = {}
    for label, names in found.items():
        alike.setdefault(", ".join(names), []).append(str(label))
    lacking += [f"{names} {of_classes(labels)}" for names, labels in alike.items()]
    return [f"{what}: too few images for an interval; those of one group count as one" for what in lacking]


# ---------------------------------------------------------------- what is compared


def _context(settings: Evaluate, real: ImageSet, classes: list[str]) -> Context:
    """Training and held-out images of some classes."""
    wanted = real.metadata["label"].isin(classes).to_numpy()
    train = real.rows("train")[wanted[real.rows("train")]]
    if len(train) < 2:
        raise UserError(f"{real.path}: {len(train)} training images of {', '.join(classes)}; evaluation needs 2")
    binarisation = phases.find_binarisation(real)
    looking = extractors(settings, real, binarisation)
    held = real.rows("test") if len(real.rows("test")) else real.rows("val")
    held = held[wanted[held]]
    reference = Sample.of_set(real, train, looking)
    heldout = Sample.of_set(real, held, looking) if len(held) else None
    network = lpips.network(settings.lpips, settings.weights)
    leaked = real.metadata["source"].isin((real.meta.get("near_duplicates") or {}).get("leaked", [])).to_numpy()[held]
    return Context(settings, reference, heldout, looking, binarisation, network, leaked if leaked.any() else None)


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


def _set_notes(real: ImageSet, made: ImageSet, candidate: Sample, context: Context) -> list[str]:
    notes = _compared(real)
    if len(candidate) < len(made):
        notes.append(f"{len(candidate)} of {len(made)} synthetic images are judged, drawn in the shares of the classes")
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
    return notes + class_features.notes(context.settings, real)


def _compared(real: ImageSet) -> list[str]:
    """Which part of the images is compared, where it is not all."""
    if real.part is None:
        return []
    top, left, bottom, right = real.part
    return [
        f"only rows {top} to {bottom} and columns {left} to {right} are compared, which every picture fills: around "
        "them lies the rim of `fit: pad`"
    ]


def _curves(real: ImageSet, context: Context, candidate: Sample) -> dict[str, Any]:
    ours, theirs = context.reference.features["phases"], candidate.features["phases"]
    return {"psd": _spectra(real, context.reference, candidate)} | phases.curves(ours, theirs, context.binarisation)


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
    several = len(catalog.METRICS[row["metric"]].extractors) > 1
    return f"final/{row['metric']}_{row['extractor']}" if several else f"final/{row['metric']}"


def _write(out: Path, record: dict[str, Any]) -> None:
    write_json(out, {"version": METHOD["evaluate"]} | record, indent=1)
    for note in record["notes"]:
        say(f"{record['dataset']}/{record['model']}: {note}")
