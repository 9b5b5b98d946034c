"""The section on anomaly detectors: arms, verdicts, false alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.downstream.anomalies.records import AnomalyResult
from pipeline.downstream.records import Arm
from pipeline.report import downstream_section
from pipeline.report.labels import learns_from


def context(arms: Sequence[Arm], results: Mapping[str, AnomalyResult]) -> dict[str, Any] | None:
    """What the template draws, None without arms.

    Args:
        arms: the anomaly detectors, the baseline first.
        results: of each arm by its name.
    """
    if not arms:
        return None
    result = results[arms[0].arm]
    return downstream_section.context(arms, result, learns_from) | {
        "n_bad": sum(result.truth),
        "n_good": len(result.truth) - sum(result.truth),
        "masks": any(one.metric == "pixel_ap" for one in arms[0].secondary),
    }
