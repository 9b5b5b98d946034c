"""The crate of a run: every file of it is there and described, every reference leads somewhere."""

import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.data.image_set import ImageSet
from pipeline.report import crate
from pipeline.settings import Card

WORKFLOW = Path(__file__).resolve().parents[2] / "workflow"
CARD = Card(licence="CC-BY-4.0", creators=["A. Smith"])
WHEN = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


@pytest.fixture
def packed(run):
    for one in run.inputs.runs:
        (one.folder / "model.json").write_text(json.dumps({"sha256": ("0" if one.seed else "a") * 64}))
    (run.root / "report.html").write_text("<p>yes</p>")
    (run.root / "steel/strip").mkdir(parents=True, exist_ok=True)
    (run.root / "steel/strip/0-0.png").write_bytes(b"a picture")
    path = run.root / "run.crate.zip"
    crate.write(path, WORKFLOW, {"steel": run.inputs}, {"seeds": [0]}, CARD, commit="abc", end=WHEN)
    return path


def graph(path):
    with zipfile.ZipFile(path) as file:
        body = json.loads(file.read("ro-crate-metadata.json"))
    return {entity["@id"]: entity for entity in body["@graph"]}


def references(value):
    """The identifiers that an entity speaks of."""
    if isinstance(value, dict):
        if set(value) == {"@id"}:
            yield value["@id"]
        else:
            for part in value.values():
                yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)


def test_every_reference_leads_to_an_entity_and_every_file_is_packed(packed):
    found = graph(packed)
    spoken_of = {name for entity in found.values() for name in references(entity)}
    assert spoken_of - set(found) == {"https://w3id.org/ro/crate/1.1"}
    with zipfile.ZipFile(packed) as file:
        names = set(file.namelist())
    files = {name for name, entity in found.items() if "File" in entity["@type"] and not name.startswith("urn:")}
    assert files <= names
    assert {name for name in names - files if not name.startswith("workflow/")} == {"ro-crate-metadata.json"}
    assert found["steel/strip/0-0.png"]["encodingFormat"] == "image/png"
    assert {
        "workflow/rules/train.smk",
        "workflow/scripts/train.py",
        "workflow/profiles/default/profile.v9+.yaml",
    } <= names
    assert not [name for name in names if "__pycache__" in name]
    parts = {part["@id"] for part in found["./"]["hasPart"]}
    assert parts == {name for name, e in found.items() if {"File", "Dataset"} & set(kinds(e)) and name != "./"}


def kinds(entity):
    return entity["@type"] if isinstance(entity["@type"], list) else [entity["@type"]]


def test_the_run_took_settings_and_real_images_and_made_all_else(packed, run):
    found = graph(packed)
    action = found["#run"]
    took, made = ({part["@id"] for part in action[role]} for role in ("object", "result"))
    real = f"urn:hash::sha256:{ImageSet.open(run.inputs.real).meta['data_hash']}"
    assert took == {"settings.yaml", real}
    assert "216 images of 64 x 64" not in found[real]["description"]
    assert "108 images of 64 x 64" in found[real]["description"]
    assert {"report.html", "steel/cgan/seed-0/training.csv", f"urn:hash::sha256:{'a' * 64}"} <= made
    assert action["instrument"] == found["./"]["mainEntity"] == {"@id": "workflow/Snakefile"}
    assert "ComputationalWorkflow" in found["workflow/Snakefile"]["@type"]
    assert found["workflow/Snakefile"]["version"].endswith("commit abc")
    assert action["endTime"] == "2026-11-29T12:00:00+00:00"
    assert found["./"]["license"] == "CC-BY-4.0"
    assert found[found["./"]["author"]["@id"]]["name"] == found[action["agent"]["@id"]]["name"] == "A. Smith"
    assert not [entity for entity in found.values() if "role" in entity]
    assert {part["@id"] for part in found["./"]["conformsTo"]} == set(crate.PROFILES)


def test_the_same_run_gives_the_same_file(packed, run):
    first = packed.read_bytes()
    crate.write(packed, WORKFLOW, {"steel": run.inputs}, {"seeds": [0]}, CARD, commit="abc", end=WHEN)
    assert packed.read_bytes() == first


def test_rocrate_reads_it(packed):
    """The reader of the RO-Crate community."""
    from rocrate.rocrate import ROCrate

    read = ROCrate(packed)
    assert read.mainEntity.id == "workflow/Snakefile"
    assert read.root_dataset["mentions"].type == "CreateAction"
