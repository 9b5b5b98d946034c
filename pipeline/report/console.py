"""What a run ends with on the console: a small table, and where the report is."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from pipeline.files import read_json
from pipeline.report import labels

NAMES = {"real": "held-out real"}


def measures(summary: pd.DataFrame) -> pd.DataFrame:
    """The numbers over all classes of one data set, mean of the seeds: a row a measure, a column a set of images."""
    rows = summary[(summary["class"] == "all") & (summary["extractor"] != "detector")]
    rows = rows.assign(measure=[labels.title(e, m) for e, m in zip(rows["extractor"], rows["metric"], strict=True)])
    table = rows.pivot_table("value", "measure", "model", "mean", sort=False)
    ends = [name for name in ("noise", "blurred noise") if name in table]
    middle = [name for name in table if name not in ("real", *ends)]
    order = [name for name in ("real", *middle, *ends) if name in table]
    return table[order].rename(columns=NAMES)


def detectors(folder: Path) -> pd.DataFrame:
    """Mean scores of each training arm of a data set, over its repetitions."""
    rows = {}
    for path in sorted(folder.glob("*.json"), key=lambda p: (p.stem != "real", p.stem)):
        seeds = read_json(path, "seeds")["seeds"]
        scores = pd.DataFrame(seeds)[["accuracy", "macro_f1"]].mean()
        rows[path.stem] = {"accuracy": scores["accuracy"], "macro F1": scores["macro_f1"], "repetitions": len(seeds)}
    return pd.DataFrame.from_dict(rows, orient="index")


def main(results: Path) -> None:
    summary = pd.read_csv(results / "summary.csv")
    for dataset, rows in summary.groupby("dataset", sort=False):
        print(f"\n{dataset}: distance to the training images (held-out real = as good as it gets)")
        print(measures(rows).rename_axis(index=None, columns=None).to_string(float_format="{:.3g}".format))
        print(f"\n{dataset}: detector trained without synthetic images, with them, and on them only")
        print(detectors(results / dataset / "detection").to_string(float_format="{:.3f}".format))
    print(f"\nThe report: {(results / 'report.html').absolute()}")
    for dataset in summary["dataset"].unique():
        print(f"All of {dataset}: {(results / dataset / 'report.html').absolute()}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
