"""The pages: `report.html` with the answer, `{dataset}/report.html` with all of a data set; and `summary.csv`."""

from __future__ import annotations

import functools
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
import yaml
from markupsafe import Markup, escape

from pipeline.base.files import write_whole
from pipeline.downstream.records import Comparison
from pipeline.report import (
    dataset_page,
    detectors_latex,
    few_shot_curves,
    few_shot_latex,
    few_shot_section,
    latex,
    next_steps,
    sample_grid,
    tables,
)
from pipeline.report.inputs import DatasetInputs
from pipeline.settings import places


def write(
    out_html: Path,
    summary_csv: Path,
    datasets: Mapping[str, DatasetInputs],
    settings: Mapping[str, Any],
    commit: str | None = None,
    date: datetime | None = None,
    quick: bool = False,
) -> None:
    """Write the pages, the table of all their numbers, and `{dataset}/table.tex`; each whole or not at all.

    Args:
        out_html: the first page. Each data set has its own at `page_of`. Pages are self-contained (images embedded,
            nothing loaded from elsewhere) but for the pictures of a first page of more data sets than
            `places.EMBEDDED`, which lie in the folder of each; links to these, to one another and to the tables are
            relative.
        summary_csv: one row a number (`tables.COLUMNS`).
        datasets: by the name in the config, in the order of the page. Pieces that are None or absent are left out.
        settings: `Settings.model_dump(mode="json")`.
        commit: of the code that ran, if known.
        date: of the report; None is now.
        quick: whether the run only shows that everything runs.

    Raises:
        UserError: a file that is there and cannot be read.
    """
    evaluations = [path for inputs in datasets.values() for path in inputs.evaluations()]
    compared = {name: inputs.compared() or Comparison(name, []) for name, inputs in datasets.items()}
    curves = few_shot_curves.found(compared)
    numbers = tables.write_summary(evaluations, summary_csv, compared.values())
    latex.write(numbers, list(datasets), summary_csv.parent, _papers(compared, curves))
    few = [few_shot_section.context(of) for of in curves]
    shared: dict[str, Any] = {
        "embedded": True,
        "facts": _facts(datasets, commit, date or datetime.now(UTC)),
        "version": version("pyrite"),
        "quick": quick,
    }
    found, pages = {}, {name: page_of(out_html, name) for name in datasets}
    papers = {name: summary_csv.parent / name / "table.tex" for name in datasets}
    embedded = len(datasets) <= places.EMBEDDED
    for name, inputs in datasets.items():
        found[name] = dataset_page.context(name, inputs, compared[name], numbers[numbers["dataset"] == name], settings)
        pages[name].parent.mkdir(parents=True, exist_ok=True)
        files = {"first": out_html, "summary": summary_csv, "paper": papers[name]}
        files |= {"rejected": inputs.real / "rejected.csv"}
        mine = {"title": name, "d": found[name], "files": _links(pages[name], files), "few": _of(name, few)}
        _render("dataset.html", pages[name], shared | mine)
        beside = out_html.parent / places.STRIP.format(dataset=name)
        shutil.rmtree(beside, ignore_errors=True)  # what a run of more data sets left
        found[name]["strip"] = sample_grid.shown(found[name]["strip"], out_html, None if embedded else beside)
    mine = {"title": "Pyrite report", "datasets": list(found.values()), "few": few}
    one_seed = next_steps.one_seed(settings) and any(inputs.runs for inputs in datasets.values())
    mine |= {"pages": _links(out_html, pages), "papers": _links(out_html, papers)}
    mine |= {"files": _links(out_html, {"summary": summary_csv})}
    mine |= {"settings": yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True)}
    _render("front.html", out_html, shared | {"embedded": embedded, "one_seed": one_seed} | mine)


def _of(name: str, few: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The families that a data set is of: one for each kind of detector."""
    return [shown for shown in few if name in [member["dataset"] for member in shown["members"]]]


def _papers(compared: Mapping[str, Comparison], curves: Sequence[few_shot_curves.Curves]) -> dict[str, str]:
    """LaTeX tables of the detectors of each data set; those of a family follow at the data set with most images."""
    found = {name: detectors_latex.table(comparison) for name, comparison in compared.items()}
    for of in curves:
        found[of.points[-1].dataset] += few_shot_latex.table(of)
    return found


def page_of(out_html: Path, name: str) -> Path:
    """Where the page of a data set lies: `{dataset}/report.html` beside the first page."""
    return out_html.parent / name / "report.html"


def _links(page: Path, files: Mapping[str, Path]) -> dict[str, str]:
    """As they are seen from a page, so that all can be moved together."""
    return {name: Path(os.path.relpath(file, page.parent)).as_posix() for name, file in files.items()}


def _render(template: str, out: Path, context: Mapping[str, Any]) -> None:
    html = _environment().get_template(template).render(context)
    write_whole(out, html.encode("utf-8", "replace"))  # file names may hold bytes that are no text


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["capitalize_first"] = lambda text: text[:1].upper() + text[1:]
    environment.filters["breakable"] = breakable
    environment.filters["coded"] = coded
    return environment


def coded(text: str) -> Markup:
    """A message with what stands in backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def breakable(text: str) -> Markup:
    """A name that may be broken behind its dashes, and where it has none for long: no table is wider than its page."""
    return Markup("<wbr>").join(re.findall(r"[^_-]{0,39}[_-]|[^_-]{1,40}", text))


def _facts(datasets: Mapping[str, DatasetInputs], commit: str | None, date: datetime) -> list[str]:
    models = {run.model for inputs in datasets.values() for run in inputs.runs}
    seeds = {run.seed for inputs in datasets.values() for run in inputs.runs}
    facts = [date.strftime("%Y-%m-%d %H:%M %Z").strip()]
    facts += [_count(len(datasets), "data set"), _count(len(models), "generator"), _count(len(seeds), "training seed")]
    return [*facts, f"code at commit {commit[:12]}"] if commit else facts


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
