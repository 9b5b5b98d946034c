"""The curves of a training: sums kept on the device, a row now and then."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.base.files import write_whole
from pipeline.models import distributed


class TrainingLog:
    """Rows of `training.csv`, each the mean of the scalars since the row before.

    Scalars are summed on the device and read when a row is due, so that no step waits for the accelerator. The rows
    and the open sums travel in the checkpoint: a resumed training goes on with the table as it was there.
    """

    def __init__(self, path: Path, device: torch.device):
        self.path, self.device = path, device
        self.rows: list[dict[str, float]] = []
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}

    def add(self, scalars: dict[str, Tensor]) -> None:
        """Take the scalars of one step; a name may be absent in some steps."""
        for name, value in scalars.items():
            value = value.detach().to(torch.float32)
            self.sums[name] = self.sums[name] + value if name in self.sums else value
            self.counts[name] = self.counts.get(name, 0) + 1

    def means(self) -> dict[str, float]:
        """Mean of each scalar since the last row, over all ranks; the one place that waits for the device."""
        if not self.sums:
            return {}
        totals = (distributed.total(torch.stack(list(self.sums.values()))) / distributed.count()).tolist()
        return {name: total / self.counts[name] for name, total in zip(self.sums, totals, strict=True)}

    def row(self, images: int, seconds: float, more: dict[str, float]) -> dict[str, float]:
        """Close the sums, and what else is known now, into a row; returns the row's scalars, with the speed."""
        last = self.rows[-1] if self.rows else {"images": 0, "seconds": 0.0}
        scalars = self.means() | more
        elapsed = seconds - last["seconds"]
        if elapsed > 0:
            scalars["speed/images_per_second"] = (images - last["images"]) / elapsed
        self.rows.append({"images": images, "seconds": round(seconds, 3)} | scalars)
        self.sums, self.counts = {}, {}
        return scalars

    def write(self) -> None:
        """Write the whole table at once: it has some 200 rows, and is never seen half written."""
        names = list(dict.fromkeys(name for row in self.rows for name in row)) or ["images", "seconds"]
        text = io.StringIO()
        table = csv.DictWriter(text, names, restval="", lineterminator="\n")
        table.writeheader()
        table.writerows(self.rows)
        write_whole(self.path, text.getvalue().encode())

    def state(self) -> dict[str, Any]:
        """All of it as JSON types."""
        totals = {name: [float(total), self.counts[name]] for name, total in self.sums.items()}
        return {"rows": self.rows, "sums": totals}

    def load_state(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self.rows = list(state["rows"])
        self.sums = {name: torch.tensor(total, device=self.device) for name, (total, _) in state["sums"].items()}
        self.counts = {name: count for name, (_, count) in state["sums"].items()}
