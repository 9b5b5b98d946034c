from pathlib import Path

from pipeline.base.job import job
from pipeline.data.annotations.attach import annotate
from pipeline.data.annotations.files import files
from pipeline.data.reading.inputs import remember
from pipeline.settings import load, placed

settings = placed(snakemake.params.settings, load(snakemake.config).datasets[snakemake.wildcards.dataset])

with job(snakemake.log[0]):
    annotate(
        settings,
        folder=Path(snakemake.output[0]).parent,
        workers=snakemake.threads,
        memory=snakemake.resources.mem_mb * 1e6,
        kept=Path(snakemake.log[0]).parent,
    )
    remember(files(settings.boxes), Path(snakemake.output[0]).parents[2] / "state" / "inputs")
