"""The real Snakefile on broken files: what is wrong with them is there after the failure, where the message says."""

import csv
import os
import re

import numpy as np
import pytest
from PIL import Image

from tests.workflow.test_rerun import run


def listed(printed):
    """File and reason of each row of the list that the error names."""
    (path,) = set(re.findall(r"ERROR: .* all \d+ lines are in (\S+\.csv)", printed))
    with open(path, encoding="utf-8") as file:
        return {row["file"]: row["reason"] for row in csv.DictReader(file)}


def test_why_files_were_rejected_survives_a_failed_preparation(tmp_path):
    source = tmp_path / "images"
    source.mkdir()
    (source / "link.png").symlink_to("nowhere")
    os.mkfifo(source / "pipe.png")
    (source / "0.png").write_bytes(b"")
    settings = (
        f"datasets.polycrystals.source={source} datasets.polycrystals.labels.rule=none datasets.polycrystals.shots=null"
    )
    printed = run(tmp_path / "results", "prepare_all", settings=settings, check=False)
    assert "1 rejected: is a pipe, not a file (pipe.png)" in printed
    assert listed(printed) == {
        "0.png": "is empty (zero bytes)",
        "link.png": "is a link to nowhere, which is not there: was its content fetched?",
        "pipe.png": "is a pipe, not a file",
    }


@pytest.mark.slow
def test_what_is_wrong_with_boxes_survives_a_failed_annotation(tmp_path):
    for i in range(4):
        for folder in ("images", "boxes"):
            (tmp_path / folder).mkdir(exist_ok=True)
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (32, 32), np.uint8)).save(
            tmp_path / f"images/{i}.png"
        )
        (tmp_path / "boxes" / f"{i}.xml").write_text("no annotation")
    settings = f"datasets.polycrystals.source={tmp_path}/images datasets.polycrystals.labels.rule=none"
    settings += " datasets.polycrystals.shots=null"
    settings += f" datasets.polycrystals.boxes.format=voc datasets.polycrystals.boxes.path={tmp_path}/boxes"
    printed = run(tmp_path / "results", "prepare_all", settings=settings, check=False)
    assert listed(printed) == {f"{i}.png": "is no XML: line 1, column 0" for i in range(4)}
    assert (tmp_path / "results" / "polycrystals" / "real" / "rejected.csv").is_file()  # that went well
