"""Compares detectors of any other program by the rules of ours.

    python -m pipeline.report.predictions results/neu/real predictions.csv comparison.json

The first is the prepared image set whose test images were judged; the CSV file is described at
`pipeline.downstream.classifier.predictions.read`. Gains and verdicts are printed and written.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pipeline.data.image_set import ImageSet
from pipeline.downstream import comparison, records
from pipeline.downstream.classifier import predictions
from pipeline.report import console
from pipeline.settings import UserError


def main(real: Path, predicted: Path, out: Path) -> None:
    images = ImageSet.open(real)
    dataset = real.resolve().parent.name
    found = comparison.of_results(dataset, real, "classification", predictions.read(predicted, images, dataset))
    records.write(found, out)
    print(console.detectors(found.arms).to_string())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("real", "predicted", "out"):
        parser.add_argument(name, type=Path)
    try:
        main(**vars(parser.parse_args()))
    except UserError as error:
        sys.exit(f"ERROR: {error}")
