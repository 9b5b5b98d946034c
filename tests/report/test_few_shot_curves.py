"""Curves over the number of real images, from made-up runs."""

import json
import math
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from pipeline.data.image_set import ImageSet
from pipeline.downstream import comparison
from pipeline.downstream.paired_gain import compare
from pipeline.downstream.records import Comparison, read_results
from pipeline.downstream.registry import TASKS
from pipeline.report import console, few_shot_curves, few_shot_figure, few_shot_latex, figures, tables
from pipeline.report.inputs import DatasetInputs
from pipeline.report.page import write
from pipeline.settings import UserError
from tests.report.made_up_run import (
    ALL_IMAGES,
    FEW,
    box_arm,
    compare_family,
    few_shot_skill,
    make_few_shots,
    write_results,
    write_set,
)
from tests.report.reading import read


def estimates(task, files):
    """By arm, what the comparison says of its first score."""
    task = TASKS[task].load()
    return {row.result.arm: row.estimates[0] for row in compare(task, read_results(files, task.result))}


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return make_few_shots(tmp_path_factory.mktemp("few"))


def curves_of(datasets):
    return few_shot_curves.found({name: of.compared() or Comparison(name, []) for name, of in datasets.items()})


@pytest.fixture(scope="module")
def curves(family):
    (found,) = curves_of(family.datasets)
    return found


@pytest.fixture(scope="module")
def pages(family):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "detectors", lambda *numbers: "<svg/>")  # drawing takes most of a page's time
        write(family.root / "report.html", family.root / "summary.csv", family.datasets, family.settings)
    return {name: read(family.root / name / "report.html") for name in (".", *FEW)}


def test_points_stand_at_the_true_number_of_images(curves):
    assert curves.family == "steel"
    assert curves.images == [5, 10, 20, ALL_IMAGES]
    assert [point.dataset for point in curves.points] == list(FEW)
    assert [next(iter(point.arms)) for point in curves.points] == ["augmented"] * 4
    assert list(curves.generators) == ["real+cgan", "real+sg2", "real+all", "cgan-only", "sg2-only"]


def test_a_generator_worth_twice_its_images_is_found_to_be(curves):
    five, ten, twenty, _ = curves.efficiencies["real+cgan"]
    for n, of in ((5, five), (10, ten)):
        assert of.low <= 2 * n <= (of.high or math.inf)
        assert of.low > n, "it surely adds something"
    assert (twenty.worth, twenty.beyond) == (None, "more"), "worth 40, of which there are not so many"
    nothing = curves.efficiencies["real+sg2"]
    assert all((of.low or 0) <= 0.95 * n <= (of.high or math.inf) for n, of in zip(curves.images, nothing, strict=True))


def test_curves_are_the_comparison_s_own_numbers(family, curves):
    lines = few_shot_curves.drawn(curves)
    assert list(lines)[:4] == ["without a generator", "augmented", "real", "balanced"]
    files = family.datasets["steel_10"].detection
    rows = estimates("classification", files)
    line = lines["real+all"]
    assert [line[key][1] for key in ("score", "gain", "low", "high")] == [
        getattr(rows["real+all"], key) for key in ("score", "gain", "low", "high")
    ]
    assert lines["without a generator"]["score"][1] == rows["augmented"].score
    assert np.isnan(lines["without a generator"]["gain"]).all()
    # Right answers of 120 test images in 5 repetitions, each with its own luck: a binomial spread.
    half = (line["score_high"][1] - line["score_low"][1]) / 2
    p = few_shot_skill("real+all", 10)
    assert half == pytest.approx(2 * math.sqrt(p * (1 - p) / 600), rel=0.8)


def test_a_shot_is_a_source_and_not_its_tiles(tmp_path):
    """Two classes, of three and of one source image, four tiles each."""
    sources = [f"photo {i // 4}" for i in range(16)]
    write_set(tmp_path / "real", np.random.default_rng(0), ["a"], {"train": 16}, sources)
    table = ImageSet.open(tmp_path / "real").metadata
    table["label"] = ["a"] * 12 + ["b"] * 4
    table.to_csv(tmp_path / "real/metadata.csv", index=False)
    meta = json.loads((tmp_path / "real/meta.json").read_text())
    (tmp_path / "real/meta.json").write_text(json.dumps(meta | {"classes": ["a", "b"]}))
    assert comparison.images_per_class(tmp_path / "real") == 2


def test_a_set_that_holds_no_more_images_than_one_before_it_is_no_point(family):
    """A class of 20 images gives all it has to 40 shots and to all."""
    (found,) = curves_of(family.datasets | {"steel": family.datasets["steel_20"]})
    assert found.images == [5, 10, 20]


def test_detectors_of_boxes_have_curves_of_their_own(tmp_path, family):
    """With real images alone 40 % and 80 % of the boxes are found; sg2's images make 5 as good as 20."""
    table = ImageSet.open(family.datasets["steel"].real).metadata
    datasets = {}
    for name, found in (("steel_5", {"real": 0.4, "real+sg2.blended": 0.8}), ("steel_20", {"real": 0.8})):
        shutil.copytree(family.datasets[name].real, tmp_path / name / "real")
        for i, (arm, share) in enumerate(found.items()):
            models = [("sg2", "blended")] if i else []
            body = box_arm(arm, models, (share, share), i, table, np.random.default_rng([len(name), i]))
            write_results(tmp_path / f"{name}/{arm}.json", body)
        files = [tmp_path / f"{name}/{arm}.json" for arm in found]
        datasets[name] = DatasetInputs(tmp_path / name / "real", box_arms=files)
    datasets = compare_family(datasets)
    (found,) = curves_of(datasets)
    assert (found.task, found.images) == ("boxes", [5, 20])
    rows = estimates("boxes", datasets["steel_5"].box_arms)
    lines = few_shot_curves.drawn(found)
    assert lines["real"]["score"][0] == pytest.approx(rows["real"].score)
    assert lines["real+sg2.blended"]["low"][0] == rows["real+sg2.blended"].low > 0
    efficiency = found.efficiencies["real+sg2.blended"][0]
    assert efficiency.low > 5
    assert efficiency.high is None
    metrics = set(tables.detectors(of.compared() for of in datasets.values())["metric"])
    assert metrics >= {"map50", "map50_gain", "map50_95_gain", "ap50", "map50_worth_images_a_class"}


def test_one_judged_member_makes_no_curve(family):
    one = dict.fromkeys(FEW, DatasetInputs(family.datasets["steel"].real))
    assert curves_of(one | {"steel_5": family.datasets["steel_5"]}) == []
    assert curves_of({"steel_5": family.datasets["steel_5"]}) == []


def test_arms_without_a_generator_alone_make_no_curve(tmp_path):
    run = make_few_shots(tmp_path, models=(), names=["steel_5", "steel_20"])
    assert all(of.compared().of("classification")[0].label_efficiency is None for of in run.datasets.values())
    assert curves_of(run.datasets) == []


def test_members_judged_by_other_test_images_are_refused(tmp_path):
    run = make_few_shots(tmp_path, names=["steel_5", "steel_20"])
    (path,) = run.datasets["steel_20"].detection
    write_results(path, *({**body, "groups": body["groups"][::-1]} for body in json.loads(path.read_text())))
    with pytest.raises(UserError, match=r"classification in steel_5 and steel_20: not judged by the same test images"):
        compare_family(run.datasets)


def test_an_arm_that_one_member_lacks_has_a_gap(tmp_path):
    run = make_few_shots(tmp_path)
    (path,) = run.datasets["steel_10"].detection
    write_results(path, *(body for body in json.loads(path.read_text()) if body["arm"] != "real+sg2"))
    (found,) = curves_of(compare_family(run.datasets))
    assert [of is None for of in found.efficiencies["real+sg2"]] == [False, True, False, False]
    assert np.isnan(few_shot_curves.drawn(found)["real+sg2"]["score"][1])
    assert "real+sg2 & 4" in few_shot_latex.table(found)


def test_the_pages_show_the_family(pages):
    said = (
        r"real\+cgan at 5 real images a class scores like \d+(\.\d)? \(\d.*? to .*?\) without a generator; at 10 like"
    )
    for page in pages.values():
        assert re.search(said, page.words())
        assert len(page.pictures("Score, and gain of each generator's arm, .*")) == 1
    assert pages["."].all("section", "id")[:2] == ["glance", "shots"]
    for name in FEW:
        assert len(pages[name].pictures("Scores and gains .*, a panel for each generator")) == 1
        assert "5 real images a class steel_ 5 10 real images a class" in pages[name].words()
        assert "strongest without a generator" in pages[name].words()
        assert name.replace("_", "_ ") in pages[name].words()
    links = [link for link in pages["."].all("a", "href") if link.endswith("#few-shots")]
    assert links == [f"{name}/report.html#few-shots" for name in FEW]


def test_the_summary_holds_scores_gains_and_worths(pages, family, curves):
    summary = pd.read_csv(family.root / "summary.csv").set_index(["dataset", "model", "metric"])
    assert set(summary["extractor"]) == {"detector"}
    assert summary.loc["steel_5", "real+cgan", "macro_f1_gain"]["verdict"] == "helps"
    row = summary.loc["steel_5", "real+cgan", "macro_f1_worth_images_a_class"]
    of = curves.efficiencies["real+cgan"][0]
    assert row[["value", "low", "high"]].tolist() == pytest.approx([of.worth, of.low, of.high])
    beyond = summary.loc["steel", "real+cgan", "macro_f1_worth_images_a_class"]
    assert beyond[["value", "high"]].isna().all()
    assert ("steel_5", "augmented", "macro_f1_gain") not in summary.index
    assert summary.loc["steel_5", "augmented", "macro_f1"]["n"] == 120
    console.main(family.root)


def test_the_table_for_a_paper(pages, family):
    text = (family.root / "steel/table.tex").read_text(encoding="utf-8")
    assert text.count(r"\begin{table*}") == text.count(r"\end{table*}") == 1
    rows = [line for line in text.split(r"\begin{table*}")[1].splitlines() if line.endswith(r"\\")]
    assert all(len(re.findall(r"(?<!\\)&", line)) == 4 for line in rows)
    assert len(rows) == 2 + 3 * 5
    assert r" & 5 & 10 & 20 & 36 \\" in text
    alone = (family.root / "steel_5/table.tex").read_text(encoding="utf-8")
    assert alone.count(r"\begin{table}") == 1
    assert r"\begin{table*}" not in alone
    (line,) = (line for line in alone.splitlines() if line.startswith("real+cgan &"))
    assert line.endswith(r"& helps \\")


def test_many_generators_have_a_panel_each_and_no_tangle(tmp_path, monkeypatch, undrawn):
    drawn = []
    for name in ("overview", "panels"):
        monkeypatch.setattr(few_shot_figure, name, lambda *of, name=name: drawn.append(name) or "<svg/>")
    run = make_few_shots(
        tmp_path, [f"model_{i}" for i in range(7)], lambda arm, n: 0.5 + n / 100, ["steel_5", "steel_20"]
    )
    write(tmp_path / "report.html", tmp_path / "summary.csv", run.datasets, run.settings)
    assert drawn == ["panels"]
    for name in (".", *run.datasets):
        assert len(read(tmp_path / name / "report.html").pictures("Scores and gains .*, a panel for each .*")) == 1
