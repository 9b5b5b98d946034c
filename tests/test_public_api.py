"""What users import: its examples, in docstrings and on its page, and the notebooks, run on a small finished run."""

import doctest
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import jupytext
import jupytext.cli
import nbformat
import numpy as np
import pandas as pd
import pytest

import pyrite
from pipeline.data.image_set import ImageSet
from pipeline.sampling.draw import generate
from pipeline.settings import Generate
from pipeline.training.loop import train
from tests.evaluation.conftest import blobs, write_set
from tests.models import nvidia
from tests.models.tiny import tiny_settings
from tests.tiny_family import Events

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """`results/` of two classes of 32-pixel images and two models that have learnt next to nothing."""
    root = tmp_path_factory.mktemp("user")
    real = root / "results" / "polycrystals" / "real"
    labels = ["intact", "pores"] * 30
    images = blobs([{"intact": "coarse", "pores": "fine"}[name] for name in labels], seed=0, size=32)
    write_set(real, images, labels, ["train"] * 30 + ["test"] * 30)
    for family in ("cgan", "stylegan2_ada"):
        out = root / "results" / "polycrystals" / family / "seed-0"
        around = {"coarse_pictures": True} if family == "cgan" else {}
        settings = tiny_settings(family, total_images=16, snapshots=1, **around)
        train(settings, real, out, root / "state" / family, 0, Events(), threads=1)
    return root


@pytest.fixture
def there(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    return folder


def test_the_examples_of_the_docstrings(there):
    assert doctest.testmod(pyrite).attempted > 10
    assert doctest.testmod(pyrite).failed == 0


def test_the_examples_of_the_page(there):
    found = doctest.testfile(str(ROOT / "docs" / "api.md"), module_relative=False)
    assert (found.failed, found.attempted > 5) == (0, True)


def test_the_page_names_all_that_is_public():
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    methods = [name for name in vars(pyrite.Model) if not name.startswith("_") and name != "labels"]
    assert {name for name in methods if f"`model.{name}(" not in page} == set()
    assert {name for name in pyrite.__all__ if name.islower() and f"`pyrite.{name}(" not in page} == set()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run_from_top_to_bottom(there, notebook, capsys, monkeypatch):
    import matplotlib.pyplot as plt

    shown = []
    monkeypatch.setattr(plt, "show", lambda: (shown.append(plt.gcf()), plt.close("all")))
    runpy.run_path(str(notebook))
    assert shown
    assert capsys.readouterr().out


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_jupytext_makes_jupyters_files_of_notebooks(notebook, tmp_path):
    """As its page says; no cell is lost, code stays code, and the way back gives the script."""
    jupytext.cli.jupytext(["--quiet", "--to", "notebook", "--output", str(tmp_path / "made.ipynb"), str(notebook)])
    made = nbformat.read(tmp_path / "made.ipynb", as_version=4)
    nbformat.validate(made)
    script = notebook.read_text(encoding="utf-8")
    heads = {"markdown": "# %% [markdown]", "code": "# %%"}
    assert [heads[cell.cell_type] for cell in made.cells] == re.findall(r"^# %%.*", script, re.M)
    for cell in made.cells:
        assert cell.cell_type == "markdown" or compile(cell.source, notebook.name, "exec")
    assert jupytext.writes(made, "py:percent") == script


def test_the_seed_of_a_run_gives_the_images_of_its_set(there, tmp_path):
    model, real = "results/polycrystals/cgan/seed-0", "results/polycrystals/real"
    generate(Generate(images_per_class=3, seed=5), Path(model), Path(real), tmp_path / "set", Events(), threads=1)
    made = ImageSet.open(tmp_path / "set")
    drawn = pyrite.load(model)
    for label, name in enumerate(drawn.classes):
        assert np.array_equal(drawn.sample(3, seed=5, label=name), made.images[made.labels == label])
    in_turn = drawn.sample(6, seed=5)
    assert drawn.labels(6) == ["intact", "pores"] * 3
    assert np.array_equal(in_turn[1::2], made.images[made.labels == 1])


def test_truncation_is_for_styles(there):
    model = pyrite.load("results/polycrystals/stylegan2_ada/seed-0")
    spread = [model.sample(8, label="pores", truncation=t).astype(float).std(0).mean() for t in (0.0, 1.0)]
    assert spread[0] < spread[1]
    with pytest.raises(pyrite.UserError, match="has no styles"):
        pyrite.load("results/polycrystals/cgan/seed-0").sample(1, truncation=0.5)


def test_images_are_laid_out_like_an_image_that_is_given(there):
    """Dark above and bright below, in whatever type; without it neither."""
    model = pyrite.load("results/polycrystals/cgan/seed-0")
    image = np.full((32, 32), 40, np.uint8)
    image[16:] = 210
    drawn = model.sample(4, label="pores", like=image).astype(float)
    upper, lower = drawn[:, :16].mean((1, 2, 3)), drawn[:, 16:].mean((1, 2, 3))
    assert (lower - upper > 100).all()
    assert len({one.tobytes() for one in drawn}) == 4
    backwards = model.sample(4, label="pores", like=image[::-1])
    assert (backwards[:, 16:].mean() < backwards[:, :16].mean()).all()
    deep = model.sample(4, label="pores", like=image.astype(np.uint16)[:, :, None] * 257)
    assert np.array_equal(drawn.astype(np.uint8), deep)
    assert (
        abs(np.subtract(*(model.sample(4, label="pores")[:, half].mean() for half in (slice(16), slice(16, 32))))) < 60
    )


def test_files_of_images_that_follow_a_given_one_say_so(there, tmp_path):
    model = pyrite.load("results/polycrystals/cgan/seed-0")
    for folder, wish in (("own", {}), ("given", {"like": np.full((32, 32), 90, np.uint8)})):
        model.save(tmp_path / folder, 1, **wish)
        said = pd.read_csv(tmp_path / folder / "metadata.csv")["real_pixels"][0]
        assert ("an image that was given" in said, "a training image" in said) == (bool(wish), not wish)


@pytest.mark.parametrize(
    ("model", "wish", "message"),
    [
        (
            "stylegan2_ada",
            {"like": np.zeros((32, 32), np.uint8)},
            "stylegan2_ada follows no image; a `projected_gan` does",
        ),
        (
            "cgan",
            {"like": np.zeros((16, 32), np.uint8)},
            "an image of 16 x 32 x 1, uint8; the model's are 32 x 32 x 1,",
        ),
        ("cgan", {"like": np.zeros((32, 32))}, "like: an image of 32 x 32 x 1, float64; the model's"),
        ("cgan", {"like": np.zeros((32, 32), np.uint8), "layout": []}, "layout, like: cannot be asked for together"),
        ("cgan", {"like": np.zeros((32, 32), np.uint8), "truncation": 0.5}, "nor with truncation or move"),
        ("cgan", {"layout": []}, "knows no boxes"),
    ],
)
def test_a_layout_that_a_model_cannot_follow_is_refused(there, model, wish, message):
    with pytest.raises(pyrite.UserError, match=message):
        pyrite.load(f"results/polycrystals/{model}/seed-0").sample(1, **wish)


def test_a_snapshot_draws_too(tmp_path):
    path = nvidia.write(tmp_path / "s.pkl", nvidia.networks(2, 3, 16))
    model = pyrite.load(path)
    assert (model.classes, model.shape, model.family) == (("0", "1"), (16, 16, 3), "stylegan2_ada")
    assert model.sample(2).shape == (2, 16, 16, 3)


@pytest.mark.parametrize(
    ("images", "reference", "message"),
    [
        (np.zeros((30, 8, 8, 1), np.uint8), np.zeros((30, 8, 8, 3), np.uint8), "cannot be compared"),
        (np.zeros((30, 8, 8, 1)), np.zeros((30, 8, 8, 1), np.uint8), "images are float64"),
        (np.zeros((19, 8, 8, 1), np.uint8), np.zeros((30, 8, 8, 1), np.uint8), "19 images are too few"),
        (np.zeros((30, 32, 32, 1), np.uint8), np.zeros((30, 32, 32, 1), np.uint8), "constant, or all alike"),
    ],
)
def test_sets_that_cannot_be_measured_are_named(images, reference, message):
    with pytest.raises(pyrite.UserError, match=message):
        pyrite.measure(images, reference)


def test_equal_sets_have_no_distance_and_other_ones_have():
    images = blobs(["coarse", "middle"] * 20, seed=1)
    other = blobs(["fine"] * 40, seed=2)
    same, far = pyrite.measure(images, images), pyrite.measure(other, images)
    assert same["frechet"] == pytest.approx(0, abs=1e-6)
    assert same["precision"] == same["coverage"] == 1
    assert far["frechet"] > 10
    assert far["kid"] > same["kid"]


def test_importing_it_takes_no_torch():
    code = "import pyrite, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_it_is_installed_with_the_package():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert json.loads(re.search(r"^include = (\[.*\])$", text, re.M)[1]) == ["pipeline*", "pyrite"]
