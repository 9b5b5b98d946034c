"""A finished run as one file to publish: a Workflow Run RO-Crate (Leo et al. 2024, profile 0.5), packed as ZIP.

In it are the workflow, the settings, the report and every number; images and weights are named by their SHA-256.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from pipeline.base.files import whole
from pipeline.data.image_set import ImageSet
from pipeline.report.inputs import DatasetInputs
from pipeline.settings import Card, places

Entity = dict[str, Any]

DESCRIPTOR, MAIN, SETTINGS = "ro-crate-metadata.json", "workflow/Snakefile", "settings.yaml"
CONTEXT = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
LANGUAGE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
OF_WORKFLOW = {".smk", ".py", ".rst", ".yaml", ""}  # endings of its files, "" the Snakefile's
KINDS = {
    "": "text/x-python",  # the Snakefile
    ".html": "text/html",
    ".csv": "text/csv",
    ".tex": "application/x-tex",
    ".json": "application/json",
    ".md": "text/markdown",
    ".png": "image/png",
    ".yaml": "application/yaml",
}
OF_DATASET = {
    "report.html": "report of {0}",
    "table.tex": "numbers of {0}, for LaTeX",
    "real/evaluation.json": "floor of {0}: held-out real images against training images",
    "detection/comparison.json": "detectors of {0} with and without synthetic images",
}
OF_RUN = {
    "model.json": "recipe of {0}",
    "training.csv": "training of {0}",
    "evaluation.json": "images of {0} against the real ones",
    "card.md": "card of {0}",
    "croissant.json": "Croissant description of the images of {0}",
}


def write(
    out: Path,
    workflow: Path,
    datasets: Mapping[str, DatasetInputs],
    settings: Mapping[str, Any],
    card: Card,
    commit: str | None = None,
    end: datetime | None = None,
) -> None:
    """Write the crate of a run whose report is there.

    Args:
        out: the ZIP file, in the root of the results.
        workflow: folder of the Snakefile.
        datasets: by their names.
        settings: of the run, without what is private.
        card: licence and creators.
        commit: of the code that ran, if known.
        end: of the run; None is now.

    Raises:
        UserError: a file that is there and cannot be read, or a full disk.
    """
    root, when = out.parent, end or datetime.now(UTC)
    made = {name: text for name, text in _made(root, datasets) if (root / name).is_file()}
    entities = [
        *_outline(when, card),
        *_of_workflow(commit),
        _file(SETTINGS, "settings of the run") | {"exampleOfWork": {"@id": "#settings"}},
        *(_file(name, text) for name, text in made.items()),
        *_by_hash(datasets),
    ]
    unique = list({entity["@id"]: entity for entity in entities}.values())
    body = {"@context": CONTEXT, "@graph": _linked(unique, when)}
    with whole(out) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as file:
        _pack(file, DESCRIPTOR, json.dumps(body, indent=2, ensure_ascii=False).encode())
        _pack(file, SETTINGS, yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True).encode())
        for path in sorted(workflow.rglob("*")):
            if path.is_file() and path.suffix in OF_WORKFLOW:
                _pack(file, (Path("workflow") / path.relative_to(workflow)).as_posix(), path.read_bytes())
        for name in made:
            _pack(file, name, (root / name).read_bytes())


def _pack(file: zipfile.ZipFile, name: str, payload: bytes) -> None:
    """Without the time, so that the same files are the same crate."""
    file.writestr(zipfile.ZipInfo(name), payload, zipfile.ZIP_DEFLATED)


def _made(root: Path, datasets: Mapping[str, DatasetInputs]) -> Iterator[tuple[str, str]]:
    """Files that the run may have made, by their paths below the root, and what they are."""
    yield "report.html", "report: the answer"
    yield "summary.csv", "every number"
    for dataset, inputs in datasets.items():
        yield from ((f"{dataset}/{name}", text.format(dataset)) for name, text in OF_DATASET.items())
        strip = sorted((root / places.STRIP.format(dataset=dataset)).glob("*.png"))
        yield from ((path.relative_to(root).as_posix(), f"picture of {dataset} in the report") for path in strip)
        for run in inputs.runs:
            folder, who = run.folder.relative_to(root).as_posix(), f"{run.model}, seed {run.seed}, on {dataset}"
            yield from ((f"{folder}/{name}", text.format(who)) for name, text in OF_RUN.items())


def _outline(when: datetime, card: Card) -> list[Entity]:
    """Descriptor, root, profiles and people."""
    people: list[Entity] = [
        {"@id": f"#person-{i}", "@type": "Person", "name": name} for i, name in enumerate(card.creators)
    ]
    root: Entity = {"@id": "./", "@type": "Dataset", "name": "A run of Pyrite"}
    root |= {
        "description": "Generators of images trained on real ones, how close theirs are to these, and whether they "
        "help detectors. Images and weights are not in here; they are named by their SHA-256.",
        "datePublished": when.date().isoformat(),
        "license": card.licence or "not stated",
        "conformsTo": [{"@id": name} for name in PROFILES],
        "mainEntity": {"@id": MAIN},
        "mentions": {"@id": "#run"},
    }
    root |= {"author": _one_or_all([{"@id": person["@id"]} for person in people])} if people else {}
    descriptor: Entity = {"@id": DESCRIPTOR, "@type": "CreativeWork", "about": {"@id": "./"}}
    descriptor["conformsTo"] = [{"@id": "https://w3id.org/ro/crate/1.1"}, {"@id": list(PROFILES)[-1]}]
    profiles: list[Entity] = [
        {"@id": name, "@type": "CreativeWork", "name": title, "version": number}
        for name, (title, number) in PROFILES.items()
    ]
    return [descriptor, root, *profiles, *people]


def _one_or_all(values: list[Entity]) -> Entity | list[Entity]:
    """As JSON-LD is wanted there: one is no list."""
    return values[0] if len(values) == 1 else values


def _of_workflow(commit: str | None) -> list[Entity]:
    parameter: Entity = {"@id": "#settings", "@type": "FormalParameter", "name": "settings", "additionalType": "File"}
    main: Entity = _file(MAIN, "Pyrite") | {"@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"]}
    main |= {"programmingLanguage": {"@id": LANGUAGE}, "input": {"@id": "#settings"}, "license": "Apache-2.0"}
    main |= {"version": version("pyrite") + (f", commit {commit}" if commit else "")}
    language: Entity = {"@id": LANGUAGE, "@type": "ComputerLanguage", "name": "Snakemake"}
    language |= {"url": {"@id": "https://snakemake.github.io"}, "version": version("snakemake")}
    site: Entity = {"@id": "https://snakemake.github.io", "@type": "WebSite", "name": "Snakemake"}
    return [main, parameter, language, site]


def _file(name: str, text: str) -> Entity:
    return {"@id": name, "@type": "File", "name": text, "encodingFormat": KINDS[Path(name).suffix]}


def _by_hash(datasets: Mapping[str, DatasetInputs]) -> Iterator[Entity]:
    """The images and weights, which are not in the crate."""
    for dataset, inputs in datasets.items():
        yield _images(ImageSet.open(inputs.real), f"real images of {dataset}", "object")
        for run in inputs.runs:
            who = f"{run.model}, seed {run.seed}, on {dataset}"
            if (made := run.drawn()) is not None:
                yield _images(made, f"synthetic images of {who}", "result")
            if digest := run.recipe().get("sha256"):
                weights = _hashed(digest, "File", f"weights of {who} (safetensors)", "result")
                yield weights | {"encodingFormat": "application/octet-stream"}


def _images(images: ImageSet, name: str, role: str) -> Entity:
    text = f"{len(images)} images of {images.meta['width']} x {images.meta['height']} pixels, prepared"
    return _hashed(images.meta["data_hash"], "Dataset", name, role) | {"description": text}


def _hashed(digest: str, kind: str, name: str, role: str) -> Entity:
    return {"@id": f"urn:hash::sha256:{digest}", "@type": kind, "name": name, "role": role}


def _linked(entities: list[Entity], when: datetime) -> list[Entity]:
    """With the parts of the root, and the run, which took settings and real images and made all else."""
    outline = {DESCRIPTOR, "./"}
    kinds = {e["@id"]: e["@type"] if isinstance(e["@type"], list) else [e["@type"]] for e in entities}
    parts = [name for name, kind in kinds.items() if {"File", "Dataset"} & set(kind) and name not in outline]
    roles = {e["@id"]: e.pop("role", "object" if e["@id"] == SETTINGS else "result") for e in entities}
    next(e for e in entities if e["@id"] == "./")["hasPart"] = [{"@id": name} for name in parts]
    run: Entity = {"@id": "#run", "@type": "CreateAction", "name": "The run", "instrument": {"@id": MAIN}}
    run["description"] = "Prepared the real images, trained and drew, measured, trained detectors and compared them."
    people = [{"@id": e["@id"]} for e in entities if e["@type"] == "Person"]
    run |= {"agent": people[0]} if people else {}
    run |= {
        role: [{"@id": name} for name in parts if roles[name] == role and name != MAIN] for role in ("object", "result")
    }
    run |= {"endTime": when.isoformat(timespec="seconds"), "actionStatus": "http://schema.org/CompletedActionStatus"}
    return [*entities, run]
