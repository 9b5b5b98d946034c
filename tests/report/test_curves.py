import json

import pytest

from pipeline.report import curves
from tests.report.made_up_run import psd_curve


def write(path, model, notes, names=("real",), curve=None):
    body = {"model": model, "notes": notes, "metrics": [{"model": name} for name in names], "curves": {}}
    path.write_text(json.dumps(body | ({"curves": {"psd": curve}} if curve else {})), encoding="utf-8")
    return path


def test_a_note_is_said_once_with_all_that_it_concerns(tmp_path):
    real = ["no image is held out", "real: kid: left out", "blurred noise: kid: left out"]
    files = [
        write(tmp_path / "a", "real", real, ("real", "noise", "blurred noise")),
        write(tmp_path / "b", "sg2", ["kid: left out"], ("sg2",)),
        write(tmp_path / "c", "sg2", ["kid: left out", "fid: few images"], ("sg2",)),
    ]
    assert curves.notes(files) == [
        "no image is held out (real)",
        "kid: left out (real, blurred noise, sg2)",
        "fid: few images (sg2)",
    ]


def test_noise_is_never_drawn_as_the_held_out_images(tmp_path, monkeypatch):
    """Without held-out images the real file's curve is that of noise."""
    drawn = []
    monkeypatch.setattr(
        curves.figures, "psd", lambda x, band, floor, lines, unit: drawn.append((floor, lines)) or "<svg/>"
    )
    model = write(tmp_path / "m", "sg2", [], ("sg2",), psd_curve(4.0))
    twin = write(tmp_path / "t", "sg2", [], ("sg2",), psd_curve(2.0))
    for names in (("noise",), ("real", "noise")):
        curves.psd(write(tmp_path / "r", "real", [], names, psd_curve(1.0)), {"sg2": [model, twin]})
    assert drawn[0][0] is None
    assert drawn[1][0] == psd_curve(1.0)["sample"]
    assert drawn[0][1]["sg2"] == pytest.approx(psd_curve(3.0)["sample"])  # the mean over seeds
    assert curves.psd(None, {"sg2": []}) is None
