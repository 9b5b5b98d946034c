"""The table a run ends with."""

import json

import pandas as pd

from pipeline.report import console, tables
from pipeline.report.tables import COLUMNS


def test_columns_go_from_real_to_noise_and_hold_the_mean_of_the_seeds(tmp_path, capsys):
    rows = [
        ["steel", "ceiling", "noise", None, "random", "kid", "set", "", 9.0, 8.0, 10.0, 40],
        ["steel", "generator", "noise", 0, "random", "kid", "set", "", 1.0, 0.5, 1.5, 40],
        ["steel", "generator", "noise", 1, "random", "kid", "set", "", 2.0, 1.5, 2.5, 40],
        ["steel", "generator", "noise", 0, "random", "kid", "class", "all", 77.0, 1.5, 2.5, 40],
        ["steel", "floor", "real", None, "random", "kid", "set", "", 0.1, 0.0, 0.2, 40],
    ]
    pd.DataFrame(rows, columns=COLUMNS).to_csv(tmp_path / "summary.csv", index=False)
    folder = tmp_path / "steel" / "detection"
    folder.mkdir(parents=True)
    for arm, scores in (("real", [0.5, 0.7]), ("real+cgan", [0.9, 0.8])):
        seeds = [{"accuracy": score, "macro_f1": score} for score in scores]
        (folder / f"{arm}.json").write_text(json.dumps({"seeds": seeds}), encoding="utf-8")

    table = console.measures(tables.read(tmp_path / "summary.csv"))
    assert list(table) == ["held-out real", "noise", "noise (ceiling)"]
    assert table.to_numpy().tolist() == [[0.1, 1.5, 9.0]]
    console.main(tmp_path)
    printed = capsys.readouterr().out
    assert "0.600" in printed
    assert "0.850" in printed
    assert str(tmp_path / "report.html") in printed
    assert f"All of steel: {tmp_path / 'steel' / 'report.html'}" in printed
