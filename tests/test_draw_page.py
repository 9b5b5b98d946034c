"""The page to draw from models: over real sockets, with what hostile clients send."""

import http.client
import io
import shutil
import subprocess
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

import pyrite
from pipeline.models import build
from pipeline.models.layouts import Layout
from pipeline.settings import ImageSpec
from pipeline.training import model_files
from pipeline.training.grids import GAP
from pyrite.draw_page import HEADERS, MOST, server
from tests.models.tiny import tiny_settings

META = {"dtype": "uint8", "scaling": {"rule": "dtype", "low": 0, "high": 255}, "pixel_size": 0.5, "unit": "µm"}
CLASSES = ("a <b>", "pores")
BOXES = ("pore", "old crack")
DDPM = "model=steel/ddpm/seed-0&label=pores&n=2"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    for family in ("cgan", "stylegan2_ada"):
        model = build(tiny_settings(family), ImageSpec(32, 32, 1, CLASSES))
        if family == "stylegan2_ada":
            model.ema.mapping.w_average.normal_()
        folder = root / "steel" / family / "seed-0"
        model_files.save(model, folder, 0, META, 1.0, model_files.averaged_weights(model), None)
    drawer = build(tiny_settings("ddpm", boxes=True, sampling_steps=2), ImageSpec(32, 32, 1, CLASSES, boxes=BOXES))
    for parameter in drawer.ema.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.2)
    drawer.set_layouts([0, 1], [Layout(torch.tensor([0]), torch.tensor([[2.0, 2, 8, 8]]))] * 2)
    weights = model_files.averaged_weights(drawer)
    model_files.save(drawer, root / "steel" / "ddpm" / "seed-0", 0, META, 1.0, weights, None)
    return root


@pytest.fixture(scope="module")
def running(results):
    with server([results], 0) as at_work:
        thread = threading.Thread(target=at_work.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield at_work
        at_work.shutdown()
        thread.join()


def get(running, path, method="GET", **headers):
    return ask(running.server_address[1], path, method, **headers)


def ask(port, path, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request(method, path, headers={"Host": f"127.0.0.1:{port}"} | headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body, dict(answer.getheaders())


def picture(body):
    with Image.open(io.BytesIO(body)) as image:
        return np.asarray(image.convert("L"), float)


class Page(HTMLParser):
    """Options, images and links of a page, by name."""

    def __init__(self, body):
        super().__init__()
        self.tags = []
        self.feed(body.decode())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def test_it_listens_to_this_machine_alone(running):
    assert running.server_address[0] == "127.0.0.1"


def test_the_page_offers_models_and_classes_and_shows_images(running):
    status, body, headers = get(running, "/")
    page = Page(body)
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert set(HEADERS.items()) <= set(headers.items())
    assert body.count(b"<option") == 3 + 1 + 2
    assert b"a &lt;b&gt;" in body
    assert not page.all("script")
    status, image, _ = get(running, page.all("img")[0]["src"])
    assert status == 200
    assert picture(image).std() > 1
    names = {attrs["name"] for attrs in page.all("input")}
    assert names == {"n", "seed"}  # cgan has no styles
    names = {attrs["name"] for attrs in Page(get(running, "/?model=steel/stylegan2_ada/seed-0")[1]).all("input")}
    assert names == {"n", "seed", "truncation"}
    assert {attrs["name"] for attrs in Page(get(running, f"/?{DDPM}")[1]).all("input")} == {"n", "seed", "layout"}


def test_the_images_are_those_of_the_public_api(running, results):
    model = pyrite.load(results / "steel" / "stylegan2_ada" / "seed-0")
    query = "model=steel/stylegan2_ada/seed-0&label=pores&seed=3&n=2&truncation=0.5"
    shown = picture(get(running, f"/images.png?{query}")[1])
    check_shown(shown, model.sample(2, seed=3, label="pores", truncation=0.5))


def check_shown(shown, images):
    for i, image in enumerate(images):
        left = i * (64 + GAP)  # enlarged to 64 pixels
        tile = shown[:64:2, left : left + 64 : 2]
        assert np.abs(tile - image[..., 0]).max() <= 1


def test_defects_are_drawn_where_they_are_asked_for(running, results):
    model = pyrite.load(results / "steel" / "ddpm" / "seed-0")
    boxes = [("old crack", 4, 8, 30, 20), ("pore", 0, 0, 5.5, 9)]
    query = f"{DDPM}&layout=old%20crack%204%208%2030%2020;%20pore%200%200%205.5%209"
    wanted, plain, none = (model.sample(2, label="pores", **own) for own in ({"layout": boxes}, {}, {"layout": []}))
    for address, images in ((query, wanted), (DDPM, plain), (f"{DDPM}&layout=none", none)):
        page = Page(get(running, f"/?{address}")[1])
        check_shown(picture(get(running, page.all("img")[0]["src"])[1]), images)
    assert (wanted != plain).any()
    assert (wanted != none).any()
    assert get(running, "/?model=steel/cgan/seed-0&layout=pore%201%201%202%202")[0] == 200  # the form keeps it
    with pytest.raises(pyrite.UserError, match="this cgan knows no boxes"):
        pyrite.load(results / "steel" / "cgan" / "seed-0").sample(layout=boxes)
    with pytest.raises(pyrite.UserError, match="layout, like: cannot be asked for together, nor with truncation"):
        model.sample(layout=boxes, truncation=0.5)


def test_files_to_take_away_say_that_they_are_synthetic(running):
    for kind, suffix in (("tiff", ".tif"), ("png", ".png")):
        status, body, headers = get(running, f"/{kind}.zip?n=3&seed=2")
        assert (status, headers["Content-Type"]) == (200, "application/zip")
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            names = [name for name in packed.namelist() if name != "metadata.csv"]
            assert len(names) == 3
            for name in names:
                assert name.endswith(suffix)
                with Image.open(io.BytesIO(packed.read(name))) as image:
                    said = image.getxmp()["xmpmeta"]["RDF"]["Description"]["DigitalSourceType"]
                assert said.endswith("trainedAlgorithmicMedia")


def test_several_people_at_once_get_their_own_images(running):
    paths = [f"/images.png?seed={seed}&n=4&label=pores" for seed in range(8)]
    alone = [get(running, path)[1] for path in paths]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda path: get(running, path)[1], paths))
    assert alone == together
    assert len(set(alone)) == 8


@pytest.mark.slow
def test_a_browser_shows_the_images_and_several_people_see_their_own(running, tmp_path):
    """Chromium, without a head: what is on the screen, of three at once."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no Chromium is installed")
    address = f"http://127.0.0.1:{running.server_address[1]}/?model=steel/stylegan2_ada/seed-0&n=8&seed="

    def screen(place, seed):
        out = tmp_path / f"{place}.png"
        quiet = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1200,640"]
        own = [f"--user-data-dir={tmp_path / str(place)}", f"--screenshot={out}"]
        subprocess.run([browser, *quiet, *own, f"{address}{seed}"], check=True, capture_output=True, timeout=120)
        with Image.open(out) as shown:
            return np.asarray(shown.convert("L"), float)

    with ThreadPoolExecutor(3) as pool:
        first, second, again = pool.map(screen, range(3), (1, 2, 1))
    beside = np.s_[70:140, 360:900]  # the sheet, beside the form
    assert first[beside].std() > 20
    assert np.array_equal(first, again)
    assert np.abs(first - second)[beside].mean() > 5
    assert first[100:400, 30:300].std() > 5  # the form


def test_the_first_image_comes_within_two_seconds(results):
    """Of a server that has just begun: the page and its image, in seconds of a processor, for others may be at work."""
    command = [sys.executable, "-m", "pyrite", "draw", str(results), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as begun:
        try:
            address = urlsplit(begun.stdout.readline().split()[0])
            before = psutil.Process(begun.pid).cpu_times()
            for path in ("/", "/images.png?n=16"):
                assert ask(address.port, path)[0] == 200
            after = psutil.Process(begun.pid).cpu_times()
        finally:
            begun.terminate()
    assert after.user + after.system - before.user - before.system < 2


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("model=../../../etc", "is none of these"),
        ("model=steel/cgan/seed-0/..", "is none of these"),
        ("n=65", f"n: 65 is not from 1 to {MOST}"),
        ("n=0", "n: 0 is not"),
        ("n=1e99", "n: 1e99 is not"),
        ("n=nan", "n: nan is not"),
        ("seed=-1", "seed: -1 is not"),
        ("seed=x%3Cscript%3E", "seed: `x<script>` is no number"),
        ("truncation=2", "truncation: 2 is not from 0 to 1"),
        ("move.a=9", "move: 9 is not from -5 to 5"),
        (f"{DDPM}&layout=pore%201%202%203", "layout: `pore 1 2 3` is not `class x0 y0 x1 y1`"),
        (f"{DDPM}&layout=hole%201%202%203%204", "layout: `hole` is no class of boxes of the model; it has pore, old"),
        (f"{DDPM}&layout=pore%201%202%2033%204", "layout: 1 2 33 4 is no box x0 y0 x1 y1 within 32 x 32 pixels"),
        (f"{DDPM}&layout=pore%205%202%203%204", "layout: 5 2 3 4 is no box"),
        (f"{DDPM}&layout=pore%20nan%202%203%204", "layout: nan is not from 0"),
        (f"{DDPM}&layout=" + "pore%201%202%203%204;" * 33, "layout: 33 boxes, at most 32"),
        ("&".join(f"a{i}=1" for i in range(100)), "Max number of fields"),
    ],
)
@pytest.mark.parametrize("page", ["/", "/images.png", "/tiff.zip"])
def test_what_is_beyond_a_limit_is_refused_as_plain_text(running, page, query, message):
    status, body, headers = get(running, f"{page}?{query}")
    assert (status, headers["Content-Type"]) == (400, "text/plain; charset=utf-8")
    assert message in body.decode()


def test_other_names_methods_and_paths_are_refused(running):
    assert get(running, "/", Host="evil.example")[0] == 403  # a site whose name resolves to this machine
    assert get(running, "/", Host="127.0.0.1")[0] == 403
    assert get(running, "/", "POST")[0] == 501
    assert get(running, "/../../etc/passwd")[0] == 404
    assert get(running, "/model.json")[0] == 404


def test_a_class_of_another_model_is_as_none(running):
    """The form keeps it where another model is chosen."""
    assert get(running, "/?label=cracks")[0] == 200


def test_where_nothing_is_there_or_the_port_is_taken(tmp_path, results, running):
    with pytest.raises(pyrite.UserError, match="no finished model is in there"):
        server([tmp_path], 0)
    with pytest.raises(pyrite.UserError, match=r"port: \d+ cannot be had .*; name another one"):
        server([results], running.server_address[1])
