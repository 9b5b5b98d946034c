"""The real Snakefile: several draws of a few-shot set."""

from tests.workflow.test_rerun import planned


def test_every_draw_has_jobs_of_its_own(tmp_path):
    shots = "datasets.polycrystals.shots=[5,20]"
    one, three = (
        planned(tmp_path / "results", f"{shots} datasets.polycrystals.draws={draws}", "detect_all") for draws in (1, 3)
    )
    assert one["prepare"] == 2
    assert {rule: 3 * count for rule, count in one.items() if rule != "detect_all"} == {
        rule: count for rule, count in three.items() if rule != "detect_all"
    }
