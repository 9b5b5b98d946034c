from pathlib import Path

from pipeline.base.job import job
from pipeline.report.inputs import collect
from pipeline.report.page import write
from pipeline.settings import load
from pipeline.tracking.journal import git_tags

with job(snakemake.log[0]):
    settings = load(snakemake.params.config)
    page = Path(snakemake.output.page)
    arms = (*snakemake.input.detection, *snakemake.input.boxes, *snakemake.input.anomalies)
    write(
        page,
        Path(snakemake.output.summary),
        collect(page.parent, settings, [Path(file) for file in arms]),
        settings=settings.model_dump(mode="json"),
        commit=git_tags(Path.cwd()).get("git_commit"),
    )
