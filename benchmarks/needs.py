"""What an update and a drawn image cost on one processor: the table in pipeline/base/needs.py.

    for family in cgan dcgan wgan_gp projected_gan ddpm stylegan2_ada; do python -m benchmarks.needs $family 64 4; done

prints seconds of the processor and the most memory that the process had; with another batch, what an image adds to it.
"""

from __future__ import annotations

import resource
import sys
import time

import torch

from pipeline.settings import ImageSpec, model_settings
from pipeline.training.forecast import forecast


def main(family: str, size: int, batch: int) -> None:
    torch.set_num_threads(1)
    before = _most()
    settings = model_settings({"family": family, "batch": batch, "precision": "fp32", "compile": "off"})
    found = forecast(settings, ImageSpec(size, size, 1, ("a", "b", "c", "d")), 0.1, time.process_time)
    print(
        f"{family}, {batch} of {size} px: {found.update / batch:.3f} s to learn from an image, {found.image:.3f} s to",
        end=" ",
    )
    print(f"draw one, {_most() - before:.0f} MB beside the {before:.0f} of the program")


def _most() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
