import numpy as np
import pytest

from pipeline.evaluation import phases
from pipeline.evaluation.catalog import METRICS, names
from pipeline.evaluation.features import computed
from pipeline.report import curves, figures
from tests.report.made_up_run import phase_curves, psd_curve


def evaluation(model, notes, names=("real",), curve=None):
    body = {
        "model": model,
        "seed": None if model == "real" else 0,
        "notes": notes,
        "metrics": [{"model": name} for name in names],
        "curves": {},
    }
    return body | ({"curves": curve} if curve else {})


def test_a_note_is_said_once_with_all_that_it_concerns():
    real = ["no image is held out", "real: kid: left out", "blurred noise: kid: left out"]
    files = [
        evaluation("real", real, ("real", "noise", "blurred noise")),
        evaluation("sg2", ["kid: left out"], ("sg2",)),
        evaluation("sg2", ["kid: left out", "fid: few images"], ("sg2",)),
    ]
    assert curves.notes(files) == [
        "no image is held out (real)",
        "kid: left out (real, blurred noise, sg2)",
        "fid: few images (sg2)",
    ]


def test_noise_is_never_drawn_as_the_held_out_images(monkeypatch):
    """Without held-out images the real file's curve is that of noise."""
    drawn = []
    monkeypatch.setattr(
        curves.figures, "psd", lambda x, band, floor, lines, unit: drawn.append((floor, lines)) or "<svg/>"
    )
    model = evaluation("sg2", [], ("sg2",), {"psd": psd_curve(4.0)})
    twin = evaluation("sg2", [], ("sg2",), {"psd": psd_curve(2.0)})
    for models in (("noise",), ("real", "noise")):
        curves.psd(evaluation("real", [], models, {"psd": psd_curve(1.0)}), {"sg2": [model, twin]})
    assert drawn[0][0] is None
    assert drawn[1][0] == psd_curve(1.0)["sample"]
    assert drawn[0][1]["sg2"] == pytest.approx(psd_curve(3.0)["sample"])  # the mean over seeds
    assert curves.psd({}, {"sg2": []}) is None


def test_phases_are_drawn_as_far_as_they_were_measured(monkeypatch):
    """The mean over seeds; a statistic that no file holds has no panel, and none at all no figure."""
    drawn = []
    monkeypatch.setattr(curves.figures, "microstructure", lambda found: drawn.append(found) or "<svg/>")
    long, short = phase_curves(1.5), phase_curves(0.5)
    del long["mean_intercept"], short["mean_intercept"]
    models = {"sg2": [evaluation("sg2", [], curve=long), evaluation("sg2", [], curve=short)]}
    real = evaluation("real", [], ("real", "noise"), phase_curves(1.0) | {"psd": psd_curve(1.0)})
    curves.microstructure(real, models)
    assert list(drawn[0]) == list(phase_curves(1.0))
    curve, floor, lines = drawn[0]["chords_bright"]
    assert (curve["unit"], floor) == ("µm", phase_curves(1.0)["chords_bright"]["sample"])
    both = [c["chords_bright"]["sample"] for c in (long, short)]
    assert lines["sg2"] == pytest.approx([(a + b) / 2 for a, b in zip(*both, strict=True)])
    assert drawn[0]["mean_intercept"][2] == {}
    assert curves.microstructure({}, {"sg2": [evaluation("sg2", [])]}) is None


def test_a_phase_figure_shows_where_something_happens():
    """From the last x at which all is still there to the first at which nothing is."""
    x = np.arange(1.0, 9)
    shares = np.array([[1, 1, 1, 0.5, 0.2, 0, 0, 0], [1, 1, 0.9, 0.4, 0, 0, 0, 0]])
    assert figures._where_it_happens(x, shares.max(axis=0), shares.min(axis=0)) == (2, 6)
    flat = np.ones(8)
    assert figures._where_it_happens(x, flat, flat) == (1, 8)


def test_every_statistic_of_the_phases_has_a_name_and_a_panel():
    images = np.zeros((4, 48, 48, 1), np.uint8)
    images[:, 8:16, 8:16] = images[:, 8:24, 24:40] = 200
    cut = phases.Binarisation(0.5, has_grains=True, boundaries=False, single_phase=0.0, pixel=1.0, unit="µm")
    measured = computed(images, "phases", phases.extractor(cut.threshold), "test")
    assert list(phases.curves(measured, measured, cut)) == [metric.name for metric in METRICS.values() if metric.curve]
    assert {measure.name for measure in phases.measures(cut)} == set(names("microstructure"))
