"""What a person sees who opens MLflow, in a headless Chromium: the views of the real pages on the real server.

PYRITE_SCREENSHOTS=folder keeps a picture of each, to be looked at.
"""

import os
from pathlib import Path

import pytest

from pipeline.tracking.sync import Syncer
from pipeline.tracking.views import addresses
from tests.services import made_up
from tests.services.browser import Browser, chromium

# MLflow and what it brings use things that are deprecated; that is not ours to mend.
pytestmark = [
    pytest.mark.services,
    *map(pytest.mark.filterwarnings, ("ignore::DeprecationWarning", "ignore::FutureWarning")),
]


def in_place(selector: str, axis: str) -> str:
    """Expression for the texts of these elements along x or y; in the page's text they stand as they came."""
    place = f"getBoundingClientRect().{axis}"
    found = f"[...document.querySelectorAll({selector!r})].sort((a, b) => a.{place} - b.{place})"
    return f"{found}.map(element => element.innerText).join()"


@pytest.fixture(scope="module")
def browser():
    program = chromium()
    if program is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install --no-install-recommends chromium)")
    page = Browser(program)
    yield page
    page.close()


@pytest.fixture(scope="module")
def steel(tmp_path_factory, the_server):
    """The made-up data set, sent; its syncer."""
    if the_server.process is None:
        the_server.start()
    root = tmp_path_factory.mktemp("made")
    made_up.make(root, "steel")
    syncer = Syncer(the_server.uri, root, "pages")
    assert syncer.sync().failed == []
    return syncer


@pytest.fixture
def look(browser, steel, server):
    """Opens a view and waits for these words; then the text of the page, line by line."""

    def seen(view, *words):
        browser.open(addresses(server.uri, steel.pages()["steel"])[view])
        browser.wait_for_text(*words)
        if folder := os.environ.get("PYRITE_SCREENSHOTS"):
            browser.screenshot(Path(folder) / f"{view}.png")
        return browser.text().splitlines()

    return seen


def test_generators_stand_in_the_order_of_their_distance(look, browser):
    lines = look("generators", "no sign of copies", "minutes")
    assert "real+all" not in lines  # an arm of detectors
    browser.wait_for(in_place("a[href*=runs]", "y") + ".includes('warp-s0,sg2-s0,cgan-s0')")
    columns = "family,times the floor,gain in points,verdict,copies,minutes"
    browser.wait_for(in_place("[data-testid^=sort-header-]", "x") + f".includes('{columns}')")


def test_detectors_and_the_answer_have_tables_of_their_own(look):
    lines = look("detectors", "score", "92")
    assert {"real", "real+all"} <= set(lines)
    assert not any(line.endswith("-s0") for line in lines)
    assert "sg2" in look("comparisons", "arms that help", "sg2")


def test_few_curves_are_drawn_a_line_a_family(look, browser):
    lines = look("curves", "Group: cgan", "cgan (held_out/kid)", "loss/D")  # the words of a figure are the last to come
    assert "Group: stylegan2_ada" in lines
    assert "speed/images_per_second" not in lines
    browser.wait_for("document.querySelectorAll('.js-plotly-plot').length == 3")


def test_samples_have_a_slider(look, browser):
    look("samples", "cgan-s0", "sg2-s0", "Samples")
    browser.wait_for("document.querySelectorAll('img[src^=blob], img[src*=artifact]').length >= 2")
    assert browser.evaluate("document.querySelectorAll('[role=slider]').length") >= 1


def test_the_comparison_opens_on_what_differs(look):
    lines = look("differences", "Show differences only", "z_dim")
    assert "batch" not in lines  # the same for all


def test_the_registry_names_the_best_of_a_data_set(browser, steel, server):
    browser.open(f"{server.uri}/#/models/pages-steel")
    browser.wait_for_text("pages-steel", "Version 3", "best")
    chosen = steel.store.client.get_model_version_by_alias("pages-steel", "best")
    assert steel.store.client.get_run(chosen.run_id).info.run_name == "sg2-s0"


def test_runs_are_found_by_their_data_set(steel):
    runs = steel.store.client.search_runs([steel.pages()["steel"]], f"dataset.digest = '{'d' * 36}'")
    assert sorted(run.info.run_name for run in runs) == ["cgan-s0", "sg2-s0", "warp-s0"]
