from pathlib import Path

from pipeline.base.job import job
from pipeline.report import cards, crate, standing
from pipeline.report.inputs import collect
from pipeline.report.page import write
from pipeline.settings import load
from pipeline.tracking.journal import git_tags

with job(snakemake.log[0]):
    settings = load(snakemake.params.config)
    page, summary = Path(snakemake.output.page), Path(snakemake.output.summary)
    found = (*snakemake.input.detection, *snakemake.input.boxes, *snakemake.input.anomalies)
    datasets = collect(page.parent, settings, [Path(file) for file in found])
    commit = git_tags(Path.cwd()).get("git_commit")
    plain = settings.model_dump(mode="json")
    write(page, summary, datasets, settings=plain, commit=commit, quick=settings.quick)
    cards.write(datasets, summary, settings.card)
    workflow = Path(snakemake.scriptdir).parent
    crate.write(Path(snakemake.output.crate), workflow, datasets, snakemake.params.config, settings.card, commit)
    standing.record(datasets, summary, Path(snakemake.params.journals))
