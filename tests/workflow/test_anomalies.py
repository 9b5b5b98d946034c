"""The real Snakefile: a data set that names its good class has detectors of anomalies, and no others."""

import numpy as np
from PIL import Image

from tests.workflow.test_rerun import planned


def test_a_good_class_makes_one_job_of_anomaly_detectors_in_place_of_the_others(tmp_path):
    for place in ("good", "bad", "masks"):
        (tmp_path / place).mkdir()
        Image.fromarray(np.eye(32, dtype=np.uint8)).save(tmp_path / place / "bad_1.png")
    of = "datasets.polycrystals"
    settings = f"{of}.source=[{tmp_path}/good,{tmp_path}/bad] {of}.labels.rule=folder {of}.boxes.format=mask"
    settings += f" {of}.boxes.path={tmp_path}/masks"
    jobs = planned(tmp_path / "results", f"{settings} {of}.good=good", "detect_all")
    assert jobs["detect_anomalies"] == jobs["annotate_masks"] == jobs["compare_detectors"] == 1
    assert not {"detect", "detect_boxes"} & set(jobs)
    assert {"detect", "detect_boxes"} < set(planned(tmp_path / "results", settings, "detect_all"))
