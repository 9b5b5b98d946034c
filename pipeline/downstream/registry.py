"""Every task that a detector can have. Imported when a run is planned: no torch."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from pipeline.downstream.arms import Arm, Defects, Recipe, SyntheticSet, arms, baseline_arms, recipes

if TYPE_CHECKING:
    from pipeline.downstream.task import Task

HERE = "pipeline.downstream"


class PlannedTask(NamedTuple):
    """What the plan of a run, the journals and the comparison know of a task."""

    name: str
    module: str
    """Its `TASK` is the implementation, a `pipeline.downstream.task.Task`."""
    stage: str
    """Key of METHOD, name of the rule, prefix of the metrics in journals."""
    comparison: str
    """Stage of the journal that adds gains and verdicts."""
    folder: str
    """Of the arms' results, within `{dataset}/detection`; empty: there."""
    balanced: bool
    """Whether images can be drawn class by class: not where one may show several."""
    alone: bool
    """Whether there are arms of synthetic images alone."""
    defects: tuple[Defects, ...] = ()
    """What its detectors may learn of defects from, where its recipes differ in that."""

    def arms(self, synthetic: Sequence[SyntheticSet], more_real: bool) -> dict[str, Arm]:
        """By name, the arms of a data set that has these synthetic sets; `more_real`: and a positive control."""
        return arms(synthetic, self.balanced, self.alone, more_real, self.defects)

    def recipes(self) -> list[Recipe]:
        return recipes(self.balanced, self.defects)

    def baseline_arms(self) -> list[Arm]:
        return baseline_arms(self.balanced, self.defects)

    def place(self, arm: str) -> str:
        """Of an arm's results within `{dataset}/detection`, without a suffix."""
        return f"{self.folder}/{arm}" if self.folder else arm

    def load(self) -> Task:
        """The implementation; imports torch."""
        return import_module(self.module).TASK


TASKS = {
    task.name: task
    for task in (
        PlannedTask("classification", f"{HERE}.classifier.task", "detect", "compare", "", balanced=True, alone=True),
        PlannedTask(
            "boxes", f"{HERE}.boxes.task", "detect_boxes", "compare_boxes", "boxes", balanced=False, alone=False
        ),
        PlannedTask(
            "anomalies",
            f"{HERE}.anomalies.task",
            "detect_anomalies",
            "compare_anomalies",
            "anomalies",
            balanced=False,
            alone=False,
            defects=("real", "pasted", "scarred", "moved", "none"),
        ),
    )
}
