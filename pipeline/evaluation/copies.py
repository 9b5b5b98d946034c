"""Is it learnt by heart?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.evaluation import metrics
from pipeline.evaluation.context import ALL, NEEDED, Context, row, scaled, too_few
from pipeline.evaluation.intervals import bootstrap
from pipeline.evaluation.sample import Sample

SSIM_PAIRS = 200


def copies(candidate: Sample, context: Context) -> Iterator[dict | str]:
    """Is it learnt by heart? `nearest`: median distance to the nearest training image, over that of held-out images;
    below 1 the images are nearer to the training images than new real ones are. `ssim_nearest`: SSIM with it."""
    if min(len(candidate), len(context.reference)) < NEEDED["nearest"]:
        yield too_few("nearest, ssim_nearest", min(len(candidate), len(context.reference)), NEEDED["nearest"])
        return
    subsets, rng = context.settings.subsets, context.rng(2)
    x, y = scaled(candidate, context.reference, "random")
    position, distance = metrics.nearest(x, y)
    if context.heldout is None:
        yield "nearest: left out, it needs held-out real images to compare with"
    elif len(context.heldout) < NEEDED["nearest"]:
        yield too_few("nearest", len(context.heldout), NEEDED["nearest"])
    else:
        _, usual = metrics.nearest(scaled(context.heldout, context.reference, "random")[0], y)
        if np.median(usual) > 0:
            groups = candidate.groups, context.heldout.groups
            ratio = bootstrap(lambda a, b: float(np.median(a) / np.median(b)), (distance, usual), subsets, rng, groups)
            yield row("random", "nearest", ALL, ratio, len(candidate))
        else:
            yield "nearest: left out, half of the held-out images are copies of training images"
    chosen = np.sort(rng.permutation(len(candidate))[:SSIM_PAIRS])
    values = metrics.ssim(candidate.pixels(chosen), context.reference.pixels(position[chosen]))
    likeness = bootstrap(np.mean, (values,), subsets, rng, (candidate.groups[chosen],))
    yield row("pixels", "ssim_nearest", ALL, likeness, len(chosen))
