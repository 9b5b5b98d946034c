"""Cards: what they say is what the files say; the JSON-LD has every property that Croissant asks for."""

import hashlib
import json
from datetime import date

import numpy as np
import pandas as pd
import pytest
import yaml

from pipeline.data.image_set import ImageSet
from pipeline.report import cards, tables
from pipeline.report.cards import UNKNOWN
from pipeline.sampling.export import export
from pipeline.settings import Card
from tests.report.made_up_run import make_run
from tests.sampling.fakes import SOURCE

RECIPE = {"settings": {"family": "cgan", "total_images": 9}, "seed": 0, "sha256": "ab" * 32, "images_seen": 130_000}
RECIPE |= {"seconds": 61.0, "device": "cpu"}
CARD = Card(licence="CC-BY-4.0", creators=["A. Smith"])


@pytest.fixture
def run(tmp_path):
    made = make_run(tmp_path)
    for one in made.inputs.runs:
        (one.folder / "model.json").write_text(json.dumps(RECIPE | {"seed": one.seed}))
        images = ImageSet.open(one.synthetic)
        if "seed" not in images.metadata:
            images.metadata["seed"] = range(len(images))
        export(images, one.synthetic / "export", "tiff", SOURCE)
        (one.synthetic / "export" / ".snakemake_timestamp").touch()  # which Snakemake leaves in folders
    return made


@pytest.fixture
def summary(run):
    path = run.root / "summary.csv"
    tables.write_summary(run.inputs.evaluations(), path, [run.inputs.compared()])
    return path


def written(run, summary, card=CARD):
    cards.write({"steel": run.inputs}, summary, card, date(2026, 11, 29))
    folder = run.inputs.runs[2].folder  # sg2, seed 0
    text = (folder / "card.md").read_text(encoding="utf-8")
    return text, json.loads((folder / "croissant.json").read_text(encoding="utf-8")), folder


def test_the_markdown_card_says_what_the_files_say(run, summary):
    text, _, _ = written(run, summary)
    head = yaml.safe_load(text.split("---\n")[1])
    assert (head["license"], head["size_categories"]) == ("CC-BY-4.0", ["n<1K"])
    sections = [line for line in text.splitlines() if line.startswith("## ")]
    assert len(sections) == 6
    assert "trainedAlgorithmicMedia" in text
    assert "<script>" not in text  # the name of a class there
    assert "shown 130000 real images" in text
    assert f"`{'ab' * 32}`" in text
    arm = next(a for a in run.inputs.compared().arms if a.arm == "real+sg2")
    assert f"arm `real+sg2`: **{arm.verdict}**, {100 * arm.gain:+.1f} points" in text
    assert "real+cgan" not in text
    row = next(line for line in text.splitlines() if line.startswith("| Fréchet distance"))
    scores = tables.scores(tables.summary(run.inputs.evaluations()))
    value = scores["sg2", "random", "frechet", None].value
    assert f"{value:.3g}"[:3] in row


def test_what_nobody_has_said_is_not_stated(run, summary):
    text, body, _ = written(run, summary, Card())
    assert f"licence of the images: {UNKNOWN}" in text
    assert body["license"] == UNKNOWN


def test_real_pixels_and_foreign_weights_are_limits(run, summary):
    folder = run.inputs.runs[2].folder
    start = {"path": "x.pkl", "sha256": "1", "licence": "NC"}
    recipe = RECIPE | {"real_pixels": "its images are pieces", "started_from": start}
    (folder / "model.json").write_text(json.dumps(recipe))
    text, *_ = written(run, summary)
    assert "It holds real images: its images are pieces." in text
    assert "began with the weights of `x.pkl`" in text
    assert "have a licence of their own: NC." in text


def test_croissant_has_what_it_must_and_points_at_files_that_are_there(run, summary):
    _, body, folder = written(run, summary)
    for key in ("@context", "@type", "conformsTo", "name", "description", "license", "url", "creator", "datePublished"):
        assert body[key]
    assert body["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    table, images = body["distribution"]
    there = folder / table["contentUrl"]
    assert there.is_file()
    assert table["sha256"] == hashlib.sha256(there.read_bytes()).hexdigest()
    assert len(list(folder.glob(images["includes"]))) == len(pd.read_csv(there))
    columns = set(pd.read_csv(there).columns)
    (records,) = body["recordSet"]
    assert {field["source"]["extract"]["column"] for field in records["field"]} <= columns


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what it calls
@pytest.mark.parametrize("card", [CARD, Card()])
def test_mlcroissant_finds_no_fault(run, summary, card):
    import mlcroissant

    *_, folder = written(run, summary, card)
    found = mlcroissant.Dataset(str(folder / "croissant.json"))
    assert found.metadata.name == "steel-sg2-seed-0"
    records = list(found.records("images_and_seeds"))
    assert len(records) == len(np.unique([r["images_and_seeds/file"] for r in records])) > 0
