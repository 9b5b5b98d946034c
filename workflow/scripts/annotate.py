from pathlib import Path

from pipeline.base.job import job
from pipeline.data.annotations.attach import annotate
from pipeline.settings import Dataset

with job(snakemake.log[0]):
    annotate(
        Dataset(**snakemake.params.settings),
        folder=Path(snakemake.output[0]).parent,
        workers=snakemake.threads,
        memory=snakemake.resources.mem_mb * 1e6,
        kept=Path(snakemake.log[0]).parent,
    )
