"""The pages as a whole, from a made-up run."""

import dataclasses
import functools
import json
import re
import shutil
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
from markupsafe import Markup
from PIL import Image

from pipeline.data.image_set import ImageSet
from pipeline.report import dataset_page, figures, images, tables
from pipeline.report import page as rendering
from pipeline.report.inputs import DatasetInputs, RunInputs
from pipeline.report.page import write
from pipeline.report.sentences import badge
from tests.report.made_up_run import (
    ARMS,
    HOSTILE,
    compare,
    detection,
    metric_rows,
    write_evaluation,
    write_results,
    write_set,
)
from tests.report.reading import Page, pixels, read

TWICE = np.ones((2, 2), np.uint8)  # 64 pixels are enlarged to 128, pixel for pixel


DATE = datetime(2024, 5, 21, tzinfo=UTC)


@pytest.fixture(scope="module")
def pages(whole_run):
    return render(whole_run, date=DATE)


def render(run, **more):
    """Both pages, and `said`: what the templates were given of the data set."""
    out = run.root / "report.html"
    contexts = {}
    with pytest.MonkeyPatch.context() as patch:
        into = rendering._render
        patch.setattr(rendering, "_render", lambda name, *of: (contexts.update({name: of[-1]}), into(name, *of)))
        write(out, run.root / "summary.csv", {"steel": run.inputs}, run.settings, commit="0123456789abcdef", **more)
    facts, said = contexts["front.html"]["facts"], contexts["dataset.html"]["d"]
    return SimpleNamespace(front=read(out), steel=read(run.root / "steel/report.html"), facts=facts, said=said)


def both(pages):
    return {"front": pages.front, "steel": pages.steel}


def missing(found, *texts):
    """Those that do not stand on a page, whatever breaks their lines."""
    there = re.sub(r"\s", "", found.words())
    plain = (Page(f"<p>{text}</p>").words() if isinstance(text, Markup) else str(text) for text in texts)
    return [text for text in plain if re.sub(r"\s", "", text) not in there]


def test_the_first_page_answers(pages):
    said, front = pages.said, pages.front
    assert said["glance"]["closest"] == ["sg2"]
    assert (said["glance"]["gain"]["made_of"], said["glance"]["gain"]["verdict"]) == ("<b>sg2</b>", badge("helps"))
    floor, first, *_ = said["headline"]["rows"]
    assert [floor["cells"][0][key] for key in ("text", "interval", "n")] == ["1.52", "1.44 to 1.60", 60]
    assert (first["name"], first["note"], first["gain"]["verdict"]) == ("sg2", "mean of 2 seeds", badge("helps"))
    assert "code at commit 0123456789ab" in pages.facts
    assert (said["overview"]["totals"]["train"], said["overview"]["totals"]["test"]) == (72, 24)
    answers = [*said["helped"], *said["helped_boxes"][:2], *said["closest"], *said["cautions"]]
    assert missing(front, *pages.facts, *answers, "72 training", "24 held-out") == []
    for row in said["headline"]["rows"]:
        assert missing(front, row["name"], row["note"], *(row["gain"] or {}).values()) == []
        cells = [cell for cell in row["cells"] if cell]
        assert missing(front, *(cell[key] for cell in cells for key in ("text", "interval"))) == []
    assert "glance" not in front.all("section", "id")  # there is one data set
    assert len(front.pictures("(Real|cgan|sg2), .*")) == 9  # a line a source, a column a class


def test_the_first_page_of_fifty_data_sets_stays_small(run, tmp_path_factory, monkeypatch):
    """Its pictures lie beside it, and are there when all is copied; those of few data sets are in it."""
    one = dataset_page.context

    @functools.cache
    def known():
        numbers = tables.read(summary)
        found = one("steel", run.inputs, run.inputs.compared(), numbers[numbers["kind"] != "detector"], run.settings)
        for line in found["strip"]["lines"]:
            line["cells"] = [picture.reduce(8) for picture in line["cells"]]  # to write them takes less
        return found

    monkeypatch.setattr(dataset_page, "context", lambda name, *_: known() | {"name": name})
    monkeypatch.setattr(rendering, "_render", partial(_only_first, rendering._render))
    out, summary = run.root / "report.html", run.root / "summary.csv"
    names = [f"steel-{i}" for i in range(50)]
    write(out, summary, dict.fromkeys(names, run.inputs), run.settings)
    assert out.stat().st_size < 2_000_000
    moved = tmp_path_factory.mktemp("moved") / "results"
    shutil.copytree(run.root, moved)
    shutil.rmtree(run.root)
    found = [attributes for tag, attributes in read(moved / "report.html").elements if tag == "img"]
    strips = [image for image in found if image["src"].startswith("steel-")]
    assert len(strips) == 50 * 9  # a line a source, a column a class
    assert {image["loading"] for image in strips} == {"lazy"}
    for image in strips:
        with Image.open(moved / image["src"]) as picture:
            assert (str(picture.width), str(picture.height)) == (image["width"], image["height"])


def test_pictures_beside_the_page_go_where_few_data_sets_are_left(run):
    beside = run.root / "steel" / "strip" / "0-0.png"
    beside.parent.mkdir(exist_ok=True)
    beside.write_bytes(b"of an earlier run")
    render(run)
    assert not beside.exists()


def _only_first(render, template, out, context):
    if template == "front.html":
        render(template, out, context)


def test_every_page_of_a_quick_run_says_so(pages, run):
    said = "Quick run: it shows that everything runs."
    for page, quick in zip(both(pages).values(), both(render(run, quick=True)).values(), strict=True):
        assert (said in page.words(), said in quick.words()) == (False, True)


def test_the_page_of_a_data_set_shows_everything(pages):
    said, steel = pages.said, pages.steel
    detector, about = said["detector"], said["overview"]
    rows = {row["arm"]: row for row in detector["arms"]}
    assert rows["real"]["first"]
    assert "±" not in rows["real"]["scores"]["macro_f1"]["spread"]  # trained once
    verdicts = {"real+sg2": "helps", "real+cgan": "cannot tell", "real+all": "hurts", "real+more_real": "helps"}
    assert {name: rows[name]["verdict"] for name in verdicts} == {name: badge(of) for name, of in verdicts.items()}
    assert rows["real+cgan"]["sees"].startswith("sees gains from")
    assert [(rows[name]["n_real"], rows[name]["n_synthetic"]) for name in ("real", "real+all")] == [
        (240, 0),
        (240, 480),
    ]
    for row in rows.values():
        of = row["scores"]["macro_f1"]
        gains = [
            value for one in (of, row["over_recipe"] or {}) for key, value in one.items() if key != "sure" and value
        ]
        parts = (row["arm"], row["made_of"], row["portion"], row["recipe"], row["sees"], row["verdict"] or "", *gains)
        assert missing(steel, *parts) == []
    assert len(steel.pictures("F1 of each class with and without synthetic images")) == 1
    assert "AUROC" not in steel.words()  # there are three classes
    assert "not FID" in steel.words()
    rejected = [of[key] for of in about["rejected"] for key in ("file", "reason")]
    assert len(rejected) == 4
    times = [of[key] for of in said["timings"] for key in ("stage", "time", "memory")]
    assert times == ["prepare", "0.4 s", "–", "train cgan, seed 0", "1 h 2 min", "1.8 GB"]
    texts = [
        detector["backbone"],
        about["groups"],
        about["overlaps"],
        *rejected,
        *times,
        *said["notes"],
        *said["closest"],
    ]
    assert missing(steel, *texts, "mean of 2 seeds") == []
    assert said["notes"] == ["a note on the floor (real)"]
    assert said["binarisation"]["threshold"] == pytest.approx(0.502, abs=1e-3)
    assert "ASTM grain size number G" in steel.words()
    assert steel.pictures("Two-point correlation, lineal path.*")


def test_box_detectors_have_a_section_and_a_sentence(pages):
    rows = {row["arm"]: row for row in pages.said["boxes"]["arms"]}
    verdicts = {"real+sg2": "helps", "real+cgan.pseudo": "cannot tell"}
    assert {name: rows[name]["verdict"] for name in verdicts} == {name: badge(of) for name, of in verdicts.items()}
    assert missing(pages.steel, *pages.said["helped_boxes"], *rows) == []
    assert missing(pages.front, *pages.said["helped_boxes"][:2]) == []
    assert len(pages.steel.pictures(r"Test images with true and found boxes: augmented beside real\+sg2")) == 1


def test_galleries_show_what_each_family_can(pages):
    found = {kind["name"]: kind for kind in pages.said["galleries"]}
    drawn = {name: len(kind["figures"]) for name, kind in found.items()}
    assert drawn == {"truncation": 1, "interpolation": 2, "mixing": 1, "directions": 1, "strips": 1}  # first seeds
    for kind in found.values():
        assert missing(pages.steel, kind["title"], kind["reading"], *(of["caption"] for of in kind["figures"])) == []
    (strips,), (directions,) = found["strips"]["figures"], found["directions"]["figures"]
    assert all(number in strips["caption"] for number in ("1024 of 5000", "1.01 (0.90 to 1.10)"))
    assert "grain_size (SeFa 2, r 0.91, +0.40 σ)" in directions["caption"]
    assert directions["caption"].endswith("unnamed (SeFa 2)")
    assert len(pages.steel.pictures(".* of sg2, seed 0")) == 6  # with its progress


def test_every_link_leads_to_a_file_and_every_anchor_to_a_place(pages, whole_run):
    files = {"front": whole_run.root / "report.html", "steel": whole_run.root / "steel/report.html"}
    ids = {files[name].resolve(): page.all("section", "id") for name, page in both(pages).items()}
    for name, page in both(pages).items():
        links = page.all("a", "href")
        assert links
        for link in links:
            parts = urlsplit(link)
            assert not parts.scheme
            target = (files[name].parent / parts.path).resolve() if parts.path else files[name].resolve()
            assert target.is_file(), link
            assert not parts.fragment or parts.fragment in ids[target], link
    assert "../report.html" in pages.steel.all("a", "href")
    assert "steel/report.html" in pages.front.all("a", "href")
    assert "summary.csv" in pages.front.all("a", "href")


def test_the_pages_can_be_moved_together(run, tmp_path):
    """Links are relative, so nothing in a page names the folder that it was made in."""
    render(run)
    for page in (run.root / "report.html", run.root / "steel/report.html"):
        assert str(run.root) not in page.read_text(encoding="utf-8")


def test_the_pages_load_nothing_from_elsewhere(pages, whole_run):
    for page in both(pages).values():
        for tag, attributes in page.elements:
            for name in {"src", "data", "srcset", "action", "href"} & attributes.keys():
                assert tag == "a" or attributes[name].startswith("data:"), (tag, attributes[name][:80])
        assert all(attributes.get("alt") for tag, attributes in page.elements if tag == "img")
    for html in whole_run.root.glob("**/report.html"):
        text = html.read_text(encoding="utf-8")
        assert "@import" not in text
        assert "url(" not in text


def test_hostile_names_are_text_and_nothing_else(pages):
    for page in both(pages).values():
        assert len([tag for tag, _ in page.elements if tag == "script"]) == 1  # the page's own
        assert all(re.sub(r"\s+", " ", name) in page.words() for name in HOSTILE)
    for name in ("data/<neu>", "broken <b>.tif"):
        assert name in pages.steel.words()
    assert pages.steel.pictures(re.escape(f"{HOSTILE[1]}, Real"))


def test_every_number_of_the_summary_stands_in_the_table_to_sort(pages, whole_run):
    summary = tables.read(whole_run.root / "summary.csv")
    summary = summary[summary["kind"] != "detector"]
    means = summary.groupby(["kind", "model", "extractor", "metric", "scope", "class"])["value"].mean()
    elements = pages.steel.elements
    start = next(i for i, (_, a) in enumerate(elements) if a.get("id") == "every-number")
    table = elements[start : next(i for i, (tag, _) in enumerate(elements) if i > start and tag == "section")]
    cells = [a["data-value"] for tag, a in table if tag == "td" and "data-value" in a]
    assert sorted(float(value) for value in cells if value) == pytest.approx(sorted(means))
    rows = [a["data-label"] for tag, a in table if tag == "tr" and "data-label" in a]
    assert len(rows) == len(summary.drop_duplicates(["extractor", "metric", "scope", "class"]))


def test_the_closest_pairs_of_all_seeds_are_shown_the_closest_first(pages, whole_run):
    real = ImageSet.open(whole_run.inputs.real)
    made = {run.seed: ImageSet.open(run.synthetic) for run in whole_run.inputs.of("cgan")}
    shown = pages.steel.pictures(re.escape("cgan, ") + "(?!.*seed).*")
    shown = [uri for uri in shown if pixels(uri).shape == (128, 128)]
    expected = [(seed, 2 * i) for i in (9, 8, 7, 6, 5) for seed in (1, 0)]  # pair i, seed 1 a little closer
    assert len(shown) == 10
    for uri, (seed, row) in zip(shown, expected, strict=True):
        np.testing.assert_array_equal(pixels(uri), np.kron(made[seed].images[row, ..., 0], TWICE))
    nearest = [pixels(uri) for uri in pages.steel.pictures("nearest training image")]
    assert len(nearest) == 30  # of the held-out images, and of two generators
    for picture, (_, row) in zip(nearest[10:20], expected, strict=True):
        i = row // 2  # moved i - 2 pixels down and i to the left, over white; the closest was flipped before
        image = real.images[7 + 3 * i, ..., 0]
        laid = np.full_like(image, 255)
        laid[i - 2 :, : 64 - i] = (image[:, ::-1] if i == 9 else image)[: 66 - i, i:]
        np.testing.assert_array_equal(picture, np.kron(laid, TWICE))
    words = pages.steel.words()
    assert f"0.310 {HOSTILE[2]} / {HOSTILE[0]} seed 1, flipped left to right, 7 px down, 9 px left" in words
    assert words.index("Real, held out what chance makes") < words.index(f"0.310 {HOSTILE[2]}")


def test_below_each_synthetic_image_stands_its_nearest_training_image(pages, whole_run):
    real, made = ImageSet.open(whole_run.inputs.real), ImageSet.open(whole_run.inputs.of("sg2")[0].synthetic)
    (sheet,) = [pixels(uri) for uri in pages.steel.pictures(re.escape(f"{HOSTILE[1]}, sg2"))]
    assert sheet.shape == (2 * 128 + images.GAP, 3 * 128 + 2 * images.GAP)
    for i in range(3):
        left = i * (128 + images.GAP)
        upper, lower = sheet[:128, left : left + 128], sheet[-128:, left : left + 128]
        np.testing.assert_array_equal(upper, np.kron(made.images[8 + i, ..., 0], TWICE))
        np.testing.assert_array_equal(lower, np.kron(real.images[36 + 5 * i, ..., 0], TWICE))


def test_evaluations_from_before_the_pairs_make_a_page_without_them(run):
    for path in run.inputs.evaluations():
        body = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({k: v for k, v in body.items() if k not in ("closest", "neighbours")}))
    page = render(run).steel
    assert "closest pairs" not in page.words()
    assert "#pairs" not in page.all("a", "href")
    assert "nearest real" not in page.words()
    assert page.pictures(re.escape(f"{HOSTILE[1]}, sg2"))


def test_a_truncated_set_is_said_to_be(run):
    path = run.inputs.runs[0].synthetic / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"truncation": 0.7}), encoding="utf-8")
    pages = render(run)
    assert all(page.words().count("truncated to 0.7") == 1 for page in both(pages).values())


def test_the_same_run_gives_the_same_pages(pages, whole_run):
    files = sorted(whole_run.root.glob("**/report.html"))
    first = [path.read_bytes() for path in files]
    render(whole_run, date=DATE)
    assert [path.read_bytes() for path in files] == first
    assert len(files) == 2


def test_only_real_images_make_a_page_too(run):
    run.inputs.evaluation.unlink()
    run.inputs = DatasetInputs(real=run.inputs.real)
    pages = render(run)
    for page in both(pages).values():
        assert "Nothing was measured by which a generator could be recommended" in page.words()
        assert "No detector was trained" in page.words()
    assert "Nothing was measured" in pages.steel.words()
    assert [a["href"] for tag, a in pages.steel.elements if tag == "a"] == [
        "../report.html",
        "#answer",
        "#run",
        "#images",
        "#numbers",
    ]
    assert pd.read_csv(run.root / "summary.csv").empty


@pytest.mark.parametrize("gone", ["evaluation", "runs", "comparison", "benchmarks"])
def test_a_piece_that_was_not_made_is_left_out(run, gone):
    empty = {"runs": [], "comparison": None, "benchmarks": {}}
    if gone in empty:
        run.inputs = dataclasses.replace(run.inputs, **{gone: empty[gone]})
    else:
        run.inputs.evaluation.unlink()
    render(run)


def test_the_images_that_the_kept_weights_had_seen_are_said_for_each_seed(run):
    assert "130 000, 130 000" in render(run).steel.words()


def test_a_generator_that_learned_from_the_features_it_is_measured_in_is_named_with_the_cautions(run):
    before = render(run).said["cautions"]
    for seed in run.inputs.of("cgan"):
        (seed.folder / "model.json").write_text(json.dumps({"images_seen": 1, "features": "random"}))
    pages = render(run)
    (caution,) = [text for text in pages.said["cautions"] if text not in before]
    assert "cgan" in caution
    assert missing(pages.steel, caution) == missing(pages.front, caution) == []


def test_files_that_are_not_there_are_left_out(run):
    for name in ("model.json", "training.csv", "progress.gif", "evaluation.json", "gallery/gallery.json"):
        (run.inputs.runs[0].folder / name).unlink()
    (run.inputs.real / "rejected.csv").unlink()
    assert "No file was rejected" in render(run).steel.words()


def test_several_data_sets_each_have_their_answer(run):
    out = run.root / "report.html"
    other = DatasetInputs(real=run.root / "grains/real")
    boxes = DatasetInputs(real=run.root / "boxes/real", box_arms=run.inputs.box_arms)
    for of in (other, boxes):  # whose images were not measured
        shutil.copytree(run.inputs.real, of.real, ignore=shutil.ignore_patterns("evaluation.json"))
    boxes = compare("boxes", boxes)
    settings = run.settings | {"datasets": run.settings["datasets"] | {"grains": {"source": "voronoi"}}}
    settings["seeds"] = [0]
    write(out, run.root / "summary.csv", {"steel": run.inputs, "boxes": boxes, "grains": other}, settings)
    page = read(out)
    assert page.all("section", "id") == ["glance", "set-steel", "set-boxes", "set-grains", "next", "files", "settings"]
    assert "the luck of one training. No interval here holds it." in page.words()
    steel = r"steel 72 sg2 \d\d\.\d macro F1 \+\d+\.\d .*? ▲ helps sg2"
    boxed = r"boxes 72 – \d\d\.\d mAP50 \+\d+\.\d .*? ▲ helps sg2"
    assert re.search(f"{steel} {boxed} grains 72 – – – –", page.words())
    assert "Procedural images, drawn by this program: a demonstration." in page.words()
    assert read(run.root / "grains/report.html").all("a", "href")[0] == "../report.html"


def test_of_a_few_shot_set_among_others_the_first_page_folds_all_but_the_answers(run):
    meta = run.inputs.real / "meta.json"
    meta.write_text(json.dumps(json.loads(meta.read_text()) | {"settings": {"shots": 5}}))
    assert "details" not in _section(render(run).front, "set-steel")  # the only set is shown whole
    other = DatasetInputs(real=run.inputs.real)
    write(run.root / "report.html", run.root / "summary.csv", {"steel": run.inputs, "few": other}, run.settings)
    front = read(run.root / "report.html")
    tags = _section(front, "set-steel")
    assert tags.count("details") == 1
    assert tags.index("details") < tags.index("table")
    assert "comes closest" in front.words()
    assert "other measures" not in front.words()


def _section(page, name):
    """Tags of a section."""
    start = next(i for i, (_, attributes) in enumerate(page.elements) if attributes.get("id") == name)
    rest = [tag for tag, _ in page.elements[start + 1 :]]
    return rest[: rest.index("section")]


def test_two_classes_have_their_curve_their_threshold_and_two_matrices(run):
    rng = np.random.default_rng(5)
    results = [detection(arm, rng, ["bad", "good"], 0.9, 240) for arm, *_ in ARMS]
    write_results(run.inputs.detection[0], *results)
    run.inputs = compare("steel", run.inputs)
    words = render(run).steel.words()
    assert "Good or bad: ranking and threshold" in words  # as many of both: the second is the one to find
    assert re.search(r"real\+cgan \d\d\.\d ± \d\.\d [+−]\d\.\d \S+ to \S+ 62 \(62 to 62\) \d+ \d+ \d\d\.\d ±", words)


def test_confusion_cells_count_what_the_detectors_said(pages):
    titles = [a["title"] for tag, a in pages.steel.elements if tag == "td" and "title" in a]
    assert len(titles) == 6 * len(HOSTILE) ** 2  # two at sight, four folded
    said = [t for t in titles if t.startswith(f"{HOSTILE[0]} taken for {HOSTILE[1]}: ")]
    assert len(said) == 6
    assert not any(t.startswith(f"{HOSTILE[0]} taken for {HOSTILE[2]}: ") and not t.endswith(": 0") for t in titles)


def test_deep_images_are_shown_with_their_full_range(tmp_path):
    """Stored 0 and 65535 become 0 and 255, so a page of 16-bit images is that of their 8-bit twins."""
    sheets = []
    for dtype in ("uint8", "uint16"):
        write_set(tmp_path / dtype, np.random.default_rng(1), ["a"], {"train": 6}, "x", dtype=dtype)
        sheets.append(images.samples(ImageSet.open(tmp_path / dtype), "a", "train"))
    assert sheets[0] == sheets[1]


def test_samples_of_a_class_that_is_not_there(tmp_path):
    write_set(tmp_path / "s", np.random.default_rng(1), ["a"], {"train": 2}, "x")
    image_set = ImageSet.open(tmp_path / "s")
    assert images.samples(image_set, "b", None) is None
    assert images.samples(image_set, "a", "test") is None
    assert images.samples(image_set, "a", None).startswith("data:image/png;base64,")


def test_a_film_is_lighter_and_a_heavy_one_is_replaced_by_its_end(run, monkeypatch):
    gif = run.inputs.runs[0].folder / "progress.gif"
    uri, moves = images.animation(gif)
    assert moves is True
    assert uri.startswith("data:image/webp")
    assert len(uri) < gif.stat().st_size
    monkeypatch.setattr(images, "FILM_BYTES", 10)
    uri, moves = images.animation(gif)
    assert moves is False
    with Image.open(gif) as film:
        film.seek(film.n_frames - 1)
        np.testing.assert_array_equal(pixels(uri), np.asarray(film.convert("RGB")))
    assert images.animation(gif.with_name("none.gif")) is None


def test_small_images_are_enlarged_pixel_for_pixel_and_large_ones_reduced():
    small = np.arange(20 * 10, dtype=np.uint8).reshape(20, 10, 1)
    np.testing.assert_array_equal(np.asarray(images.picture(small)), np.kron(small[..., 0], np.ones((5, 5), np.uint8)))
    assert images.picture(np.zeros((600, 300, 3), np.uint8)).size == (96, 192)


def test_curves_are_thinned_without_losing_their_mean():
    x, y = np.arange(10_000.0), np.arange(10_000.0)
    y[::2] = np.nan
    kimg, value = figures._thin(x, y)
    assert len(kimg) == len(value) == figures.POINTS
    np.testing.assert_allclose(kimg, value)
    assert len(figures._thin(x[:1], y[:1])[0]) == 0


def large_run(root):
    """Fifty classes, twelve generators."""
    rng = np.random.default_rng(0)
    classes, models = [f"class {i}" for i in range(50)], [f"model_{i}" for i in range(12)]
    write_set(root / "steel/real", rng, classes, {"train": 2, "test": 1}, "photo.tif")
    floor = [row for i, name in enumerate(("real", "noise")) for row in metric_rows(name, i, classes)]
    write_evaluation(root / "steel/real/evaluation.json", "real", None, floor, 0.3)
    runs = []
    for i, model in enumerate(models):
        folder = root / "steel" / model
        write_set(folder / "synthetic", rng, classes, {"train": 1}, model)
        write_evaluation(folder / "evaluation.json", model, 0, metric_rows(model, 0.01 * (i + 1), classes), i / 4)
        runs.append(RunInputs(model, 0, folder))
    results = [detection(arm, rng, classes, 0.8, 0, models=models) for arm in ("real", "real+model_3")]
    arms = write_results(root / "arms.json", *results)
    inputs = DatasetInputs(root / "steel/real", runs, [arms])
    return SimpleNamespace(inputs=compare("steel", inputs), settings={}, root=root)


def test_fifty_classes_and_twelve_generators(tmp_path, undrawn):
    """Everything is there or said to be left out, and the pages stay light."""
    pages = render(large_run(tmp_path))
    assert all("38 more classes are not shown." in page.words() for page in both(pages).values())
    assert "True class taken for % of the class" in pages.steel.words()  # no matrix of 50 classes
    assert "class 0 class 1" in pages.steel.words()
    assert all(path.stat().st_size < 6e6 for path in tmp_path.glob("**/report.html"))
