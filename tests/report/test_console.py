"""The table a run ends with."""

import os
import subprocess
import sys

import pandas as pd

from pipeline.downstream import records
from pipeline.downstream.records import Comparison
from pipeline.report import console, tables
from pipeline.report.tables import COLUMNS, MEASURED
from tests.report.arms import arm, plain, same_real


def test_columns_go_from_real_to_noise_and_hold_the_mean_of_the_seeds(tmp_path, capsys):
    rows = [
        ["steel", "noise baseline", "noise", None, "random", "kid", "set", "", 9.0, 8.0, 10.0, 40],
        ["steel", "generator", "noise", 0, "random", "kid", "set", "", 1.0, 0.5, 1.5, 40],
        ["steel", "generator", "noise", 1, "random", "kid", "set", "", 2.0, 1.5, 2.5, 40],
        ["steel", "generator", "noise", 0, "random", "kid", "class", "all", 77.0, 1.5, 2.5, 40],
        ["steel", "floor", "real", None, "random", "kid", "set", "", 0.1, 0.0, 0.2, 40],
    ]
    pd.DataFrame(rows, columns=MEASURED).reindex(columns=COLUMNS).to_csv(tmp_path / "summary.csv", index=False)
    arms = [plain("balanced"), arm("real+cgan", "helps", 0.05, 0.01, 0.09), same_real()]
    (tmp_path / "steel/detection").mkdir(parents=True)
    (tmp_path / "steel/detection/comparison.json").write_text(records.text(Comparison("steel", arms)))

    table = console.measures(tables.read(tmp_path / "summary.csv"))
    assert list(table) == ["held-out real", "noise", "noise (no skill)"]
    assert table.to_numpy().tolist() == [[0.1, 1.5, 9.0]]
    console.main(tmp_path)
    printed = capsys.readouterr().out
    assert "▲ helps Yes: images of cgan added to the real ones lift the macro F1 from 80.0 to 85.0 %" in printed
    assert [line.split() for line in printed.splitlines() if line.startswith("real+")] == [
        ["real+cgan", "85.0", "+5.0", "+1.0", "to", "+9.0", "8.4", "helps"],
        ["real+same_real", "80.1", "+0.1", "−0.6", "to", "+0.8", "8.4", "(cannot", "tell)"],
    ]
    assert str(tmp_path / "report.html") in printed
    assert f"All of steel: {tmp_path / 'steel' / 'report.html'}" in printed

    console.ending(tmp_path)
    verdict, last = capsys.readouterr().out.splitlines()
    assert verdict.startswith("steel, ")
    assert "helps Yes: images of cgan" in verdict
    assert last == f"The report: {tmp_path / 'report.html'}"


def test_a_console_that_lacks_signs_shows_the_rest(tmp_path):
    rows = [["größe", "floor", "real", None, "random", "frechet", "set", "", 0.1, 0.0, 0.2, 40]]
    pd.DataFrame(rows, columns=MEASURED).reindex(columns=COLUMNS).to_csv(tmp_path / "summary.csv", index=False)
    words = [sys.executable, "-m", "pipeline.report.console", tmp_path]
    done = subprocess.run(words, capture_output=True, check=False, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert b"gr??e: distance to the training images" in done.stdout
    assert b"Fr?chet distance" in done.stdout


def test_results_that_are_not_there_are_a_line(tmp_path):
    words = [sys.executable, "-m", "pipeline.report.console", tmp_path / "none"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"ERROR: {tmp_path / 'none' / 'summary.csv'}: cannot be read (No such file or directory)\n"
