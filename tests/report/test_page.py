"""The page as a whole, from a made-up run."""

import dataclasses
import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from pipeline.data.imageset import ImageSet
from pipeline.report import figures, images
from pipeline.report.inputs import DatasetInputs
from pipeline.report.page import write
from tests.report.made_up_run import HOSTILE, write_set

VOID = {"meta", "link", "img", "br", "col", "wbr"}


class Page(HTMLParser):
    """Checks that tags are balanced; collects text, elements and attributes."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.open, self.text, self.elements = [], [], []
        self.feed(html)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] not in (["style"], ["script"]):
            self.text.append(data)

    def words(self):
        return re.sub(r"\s+", " ", " ".join(self.text))


@pytest.fixture(scope="module")
def page(whole_run):
    return render(whole_run)


def render(run, **more):
    out = run.root / "report.html"
    write(out, run.root / "summary.csv", {"steel": run.inputs}, run.settings, commit="0123456789abcdef", **more)
    return Page(out.read_text(encoding="utf-8"))


def test_the_page_answers_and_shows_everything(page):
    words = page.words()
    assert "sg2 comes closest to the real images" in words
    assert re.search(r"real\+sg2 ▲ helps \+\d", words)
    assert re.search(r"real\+cgan ● cannot tell", words)
    assert re.search(r"real\+all ▼ hurts −\d", words)
    assert "not FID" in words
    assert "code at commit 0123456789ab" in words
    assert "2 files were rejected" in words
    assert "12 of 40 source images overlap another (7 pairs); they stay on one side of the split." in words
    assert "In a random split 25% of the test images would have a partner in training." in words
    assert "truncated after 12 bytes" in words
    assert "train cgan, seed 0 1 h 2 min 1.8 GB" in words
    assert "prepare 0.4 s –" in words
    assert "mean of 2 seeds" in words
    assert "a note on the floor" in words
    assert "is cut at one gray value: 50 % of the way from black to white" in words
    assert "ASTM grain size number G ≈ like the floor is best" in words
    assert any(a.get("alt", "").startswith("Two-point correlation, lineal path") for _, a in page.elements)


def test_galleries_show_what_each_family_can(page):
    words = page.words()
    assert words.count("Interpolation: from one image to another in 6 steps") == 2  # of the first seed of each model
    assert words.count("Truncation: a seed a line") == words.count("Style mixing: ") == 1
    assert "Strips: the first 1024 of 5000 pixels" in words
    assert "1.01 (0.90 to 1.10). The files" in words
    pictures = [a["src"] for tag, a in page.elements if tag == "img" and a["alt"].endswith("of sg2, seed 0")]
    assert len(pictures) == 5  # with its progress


def test_a_truncated_set_is_said_to_be(run):
    path = run.inputs.runs[0].synthetic / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"truncation": 0.7}), encoding="utf-8")
    words = render(run).words()
    assert words.count("truncated to 0.7") == 1


def test_the_page_loads_nothing_from_elsewhere(page, whole_run):
    for tag, attributes in page.elements:
        for name in ("src", "href", "data", "srcset", "action"):
            if name in attributes:
                allowed = ("data:", "#") if tag in ("img", "a") else ("data:",)
                assert attributes[name].startswith(allowed), (tag, attributes[name][:80])
    html = (whole_run.root / "report.html").read_text(encoding="utf-8")
    assert "@import" not in html
    assert "url(" not in html
    assert all(attributes.get("alt") for tag, attributes in page.elements if tag == "img")


def test_hostile_names_are_text_and_nothing_else(page):
    scripts = [tag for tag, _ in page.elements if tag == "script"]
    assert len(scripts) == 1  # the page's own
    for name in (*HOSTILE, "data/<neu>", "broken <b>.tif"):
        assert re.sub(r"\s+", " ", name) in page.words()
    assert any(attributes.get("alt") == f"{HOSTILE[1]}, Real" for tag, attributes in page.elements if tag == "img")


def test_the_same_run_gives_the_same_page(run):
    date = pd.Timestamp("2024-05-21", tz="UTC").to_pydatetime()
    render(run, date=date)
    first = (run.root / "report.html").read_bytes()
    render(run, date=date)
    assert (run.root / "report.html").read_bytes() == first


def test_only_real_images_make_a_page_too(run):
    run.inputs = DatasetInputs(real=run.inputs.real)
    words = render(run).words()
    assert "No generator was measured" in words
    assert "No detector was trained" in words
    assert "Nothing was measured" in words
    assert pd.read_csv(run.root / "summary.csv").empty


@pytest.mark.parametrize("gone", ["evaluation", "runs", "detection", "benchmarks"])
def test_a_piece_that_was_not_made_is_left_out(run, gone):
    empty = {"evaluation": None, "runs": [], "detection": [], "benchmarks": {}}[gone]
    run.inputs = dataclasses.replace(run.inputs, **{gone: empty})
    render(run)


def test_the_images_that_the_kept_weights_had_seen_are_said_for_each_seed(run):
    assert "130 000, 130 000" in render(run).words()


def test_files_that_are_not_there_are_left_out(run):
    for name in ("model.json", "training.csv", "progress.gif", "evaluation.json", "gallery/gallery.json"):
        (run.inputs.runs[0].folder / name).unlink()
    (run.inputs.real / "rejected.csv").unlink()
    words = render(run).words()
    assert "No file was rejected" in words


def test_several_data_sets_each_have_their_answer(run):
    out = run.root / "report.html"
    other = DatasetInputs(real=run.inputs.real)
    settings = run.settings | {"datasets": run.settings["datasets"] | {"grains": {"source": "voronoi"}}}
    write(out, run.root / "summary.csv", {"steel": run.inputs, "grains": other}, settings)
    page = Page(out.read_text(encoding="utf-8"))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert ids == ["answer", "run", "steel", "grains", "settings"]
    assert "procedural images, drawn by this program" in page.words()


def test_confusion_cells_count_what_the_detectors_said(page):
    titles = [a["title"] for tag, a in page.elements if tag == "td" and "title" in a]
    assert len(titles) == 4 * len(HOSTILE) ** 2
    said = [t for t in titles if t.startswith(f"{HOSTILE[0]} taken for {HOSTILE[1]}: ")]
    assert len(said) == 4
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


def test_a_heavy_animation_is_replaced_by_its_end(run, monkeypatch):
    gif = run.inputs.runs[0].folder / "progress.gif"
    assert images.animation(gif)[1] is True
    monkeypatch.setattr(images, "GIF_BYTES", 10)
    uri, moves = images.animation(gif)
    assert uri.startswith("data:image/png")
    assert moves is False
    assert images.animation(gif.with_name("none.gif")) is None


def test_curves_are_thinned_without_losing_their_mean():
    x, y = np.arange(10_000.0), np.arange(10_000.0)
    y[::2] = np.nan
    kimg, value = figures._thin(x, y)
    assert len(kimg) == len(value) == figures.POINTS
    np.testing.assert_allclose(kimg, value)
    assert len(figures._thin(x[:1], y[:1])[0]) == 0
