"""A card for each generator and its synthetic images: `card.md` for people, `croissant.json` for programs.

The Markdown card follows Mitchell et al. 2019 (model cards) and Gebru et al. 2021 (datasheets), as far as files know
the answers; Croissant is ML Commons' JSON-LD description of a data set, version 1.1.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import date as Date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from pipeline.base.files import read_json, sha256, write_json, write_whole
from pipeline.data.image_set import ImageSet
from pipeline.downstream.records import Arm
from pipeline.evaluation.catalog import METRICS
from pipeline.report import overview, sentences, tables
from pipeline.report.directions import shifts
from pipeline.report.inputs import DatasetInputs, RunInputs
from pipeline.report.labels import DETECTORS, number
from pipeline.report.tables import FLOOR, Score
from pipeline.report.verdict import Scores, verdict
from pipeline.settings import FAMILY_SETTINGS, Card

UNKNOWN = "not stated"
TABLE = "metadata.csv"  # beside the exported files
# ML Commons' context of Croissant 1.1, which its validator compares word by word.
CONTEXT: dict[str, Any] = {"@language": "en", "@vocab": "https://schema.org/", "cr": "http://mlcommons.org/croissant/"}
CONTEXT |= {
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    "rai": "http://mlcommons.org/croissant/RAI/",
}
CONTEXT |= {"citeAs": "cr:citeAs", "conformsTo": "dct:conformsTo"}
CONTEXT |= {"data": {"@id": "cr:data", "@type": "@json"}, "dataType": {"@id": "cr:dataType", "@type": "@vocab"}}
CONTEXT |= {"examples": {"@id": "cr:examples", "@type": "@json"}}
NAMES = """column dataBiases dataCollection equivalentProperty extract field fileProperty fileObject fileSet format
includes isLiveDataset jsonPath key md5 parentField path personalSensitiveInformation recordSet references regex
repeated replace samplingRate separator source subField transform"""
CONTEXT |= {name: f"cr:{name}" for name in NAMES.split()}


def write(datasets: Mapping[str, DatasetInputs], summary_csv: Path, card: Card, date: Date | None = None) -> None:
    """Write both files beside every generator whose synthetic set is there.

    Args:
        datasets: by their names.
        summary_csv: the table of all numbers.
        card: what no file knows.
        date: of the cards; None is today.

    Raises:
        UserError: a file that is there and cannot be read.
    """
    numbers = tables.read(summary_csv)
    for name, inputs in datasets.items():
        of_it = (numbers["dataset"] == name) & (numbers["kind"] != "detector")
        scores, compared = tables.scores(numbers[of_it]), inputs.compared()
        real = ImageSet.open(inputs.real)
        for run in inputs.runs:
            made, recipe = run.drawn(), run.recipe()
            if made is None or not recipe:
                continue
            text = _markdown(name, inputs, run, real, made, recipe, scores, compared.arms if compared else [], card)
            write_whole(run.folder / "card.md", text.encode())
            body = _croissant(name, run, made, recipe, card, date or Date.today())
            write_json(run.folder / "croissant.json", body, indent=2)


# ---------------------------------------------------------------- for people


def _markdown(
    dataset: str,
    inputs: DatasetInputs,
    run: RunInputs,
    real: ImageSet,
    made: ImageSet,
    recipe: Mapping[str, Any],
    scores: Scores,
    arms: Sequence[Arm],
    card: Card,
) -> str:
    title = f"{dataset}: synthetic images of {run.model}, seed {run.seed}"
    head = {"pretty_name": title, "license": card.licence or "unknown", "tags": ["synthetic", "pyrite"]}
    head |= {"size_categories": [_size_category(len(made))]}
    sections = {
        "What it is": _what(made, recipe, run, card),
        "How it was made": _recipe(recipe),
        "What it learned from": _learned_from(real),
        "How close it is to real images": _closeness(inputs, run, scores),
        "Whether it helps a detector": _help(run.model, arms),
        "Limits": _limits(recipe),
    }
    front = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    body = "\n\n".join(f"## {name}\n\n" + "\n".join(map(_plain, lines)) for name, lines in sections.items())
    return f"---\n{front}---\n\n# {title}\n\n{body}\n"


def _plain(line: str) -> str:
    """A line in which names of classes and files are no markup; settings keep their lines."""
    return line.replace("<", "&lt;").replace("\r", " ")


def _what(made: ImageSet, recipe: Mapping[str, Any], run: RunInputs, card: Card) -> list[str]:
    meta = made.meta
    counts = ", ".join(f"{label} {n}" for label, n in made.metadata["label"].value_counts(sort=False).items())
    lines = [
        f"- {len(made)} synthetic images of {meta['width']} × {meta['height']} pixels, "
        f"{'gray' if meta['channels'] == 1 else 'colour'}, in files of {meta['dtype']}: {counts}",
        f"- digital source type (IPTC): {_source_type(recipe)}; every file says so",
        f"- files: `synthetic/export/`, with the seed of each in `{TABLE}`",
        f"- licence of the images: {card.licence or UNKNOWN}",
        f"- made by: {', '.join(card.creators) or UNKNOWN}, with Pyrite {version('pyrite')}",
    ]
    if made.boxes is not None:
        lines.append(f"- {len(made.boxes)} boxes of {', '.join(made.box_classes)}, those that were asked for")
    if meta.get("pixel_size"):
        lines.append(f"- one pixel is {number(meta['pixel_size'])} {meta['unit']}")
    return lines


def _recipe(recipe: Mapping[str, Any]) -> list[str]:
    settings = recipe.get("settings", {})
    lines = [f"- family `{settings.get('family', UNKNOWN)}`, seed {recipe.get('seed')}"]
    if "images_seen" in recipe:
        time = f"{recipe.get('seconds', 0):.0f} s on {recipe.get('device')}"
        lines.append(f"- shown {recipe['images_seen']} real images, for {time}")
    lines.append(f"- SHA-256 of the model: `{recipe.get('sha256', UNKNOWN)}`")
    if start := recipe.get("started_from"):
        lines.append(f"- began with the weights of `{start['path']}` (SHA-256 `{start['sha256']}`)")
    shown = yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True).rstrip()
    return [*lines, "", "```yaml", shown, "```"]


def _learned_from(real: ImageSet) -> list[str]:
    about = overview.dataset(real, {})
    counts = ", ".join(f"{row['label']} {row['train']}" for row in about["counts"])
    lines = [f"- {about['totals']['train']} real images: {counts}", *(f"- {fact}" for fact in about["facts"])]
    return [*lines, f"- SHA-256 of the prepared images: `{real.meta['data_hash']}`", f"- {about['groups']}"]


def _closeness(inputs: DatasetInputs, run: RunInputs, scores: Scores) -> list[str]:
    """The verdict, and each number of the whole set beside its floor."""
    evaluations = [read_json(path, "metrics") for path in inputs.evaluations_of(run.model)]
    if not evaluations:
        return ["It was not measured."]
    said = str(sentences.verdict(verdict(scores, run.model, shifts(evaluations))).striptags())
    lines = [said, "", "| measure | these images | real images (the floor) | better |", "| --- | --- | --- | --- |"]
    for (whose, extractor, metric, label), score in scores.items():
        floor = scores.get((FLOOR, extractor, metric, label))
        if whose == run.model and label is None and floor is not None:
            row = METRICS[metric]
            lines.append(f"| {row.title_of(extractor)} | {_score(score)} | {_score(floor)} | {row.better} |")
    return lines


def _score(score: Score) -> str:
    return f"{number(score.value)} ({number(score.low)} to {number(score.high)})" if score.sure else number(score.value)


def _help(model: str, arms: Sequence[Arm]) -> list[str]:
    lines = []
    for arm in arms:
        if [one.model for one in arm.synthetic] == [model] and arm.gain is not None:
            low, high = (f"{100 * end:+.1f}" for end in (arm.low or 0.0, arm.high or 0.0))
            lines.append(
                f"- {DETECTORS[arm.task].score}, arm `{arm.arm}`: **{arm.verdict}**, {100 * arm.gain:+.1f} points "
                f"({low} to {high}, 95 %) over `{arm.baseline}`"
            )
    return lines or ["It was not tried."]


def _limits(recipe: Mapping[str, Any]) -> list[str]:
    lines = ["- Synthetic: no image is evidence of anything in a real specimen or part."]
    if real := recipe.get("real_pixels"):
        lines.append(f"- It holds real images: {real}. Whoever may not see those may not have these.")
    if licence := recipe.get("started_from", {}).get("licence"):
        lines.append(f"- The weights that it began with have a licence of their own: {licence}.")
    return [
        *lines,
        "- *Cannot tell* is no proof that the images are useless, and *helps* holds for the detector that was tried.",
    ]


def _source_type(recipe: Mapping[str, Any]) -> str:
    return FAMILY_SETTINGS[recipe["settings"]["family"]].digital_source


def _size_category(n: int) -> str:
    """As Hugging Face has them."""
    ends = [(1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K")]
    return next((name for end, name in ends if n < end), "100K<n<1M")


# ---------------------------------------------------------------- for programs


def _croissant(
    dataset: str, run: RunInputs, made: ImageSet, recipe: Mapping[str, Any], card: Card, date: Date
) -> dict[str, Any]:
    export = run.folder / "synthetic" / "export"
    kinds = {".tif": "image/tiff", ".png": "image/png", ".jpg": "image/jpeg"}
    files = sorted({path.suffix for path in export.rglob("*.*")} & set(kinds))
    table = export / TABLE
    place = Path(os.path.relpath(export, run.folder)).as_posix()
    body: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
    }
    body |= {"name": f"{dataset}-{run.model}-seed-{run.seed}", "version": "1.0.0", "datePublished": date.isoformat()}
    body |= {"description": f"{len(made)} synthetic images of {dataset}, drawn by {run.model} (Pyrite); see card.md."}
    body |= {"license": card.licence or UNKNOWN, "url": card.url or "https://example.invalid/not-published"}
    body |= {"creator": [{"@type": "sc:Person", "name": name} for name in card.creators or [UNKNOWN]]}
    body |= {"citeAs": card.cite or UNKNOWN, "isLiveDataset": False}
    body |= {"dataCollection": f"digital source type {_source_type(recipe)}; model SHA-256 {recipe.get('sha256')}"}
    body["distribution"] = [
        {
            "@type": "cr:FileObject", "@id": TABLE, "name": TABLE, "contentUrl": f"{place}/{TABLE}",
            "encodingFormat": "text/csv", "sha256": sha256(table),
        },
        {
            "@type": "cr:FileSet", "@id": "images", "name": "images", "encodingFormat": kinds[files[0]],
            "includes": f"{place}/**/*{files[0]}",
        },
    ]  # fmt: skip
    columns = {"file": "sc:Text", "label": "sc:Text", "seed": "sc:Text", "digital_source_type": "sc:Text"}
    fields = [
        {
            "@type": "cr:Field", "@id": f"images_and_seeds/{name}", "name": name, "dataType": kind,
            "source": {"fileObject": {"@id": TABLE}, "extract": {"column": name}},
        }
        for name, kind in columns.items()
    ]  # fmt: skip
    records = {"@type": "cr:RecordSet", "@id": "images_and_seeds", "name": "images_and_seeds", "field": fields}
    return body | {"recordSet": [records | {"description": "One row an exported file."}]}
