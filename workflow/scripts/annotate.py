from pathlib import Path

from pipeline.data.annotate import annotate
from pipeline.job import job
from pipeline.settings import Dataset

with job(snakemake.log[0]):
    annotate(
        Dataset(**snakemake.params.settings),
        folder=Path(snakemake.output[0]).parent,
        workers=snakemake.threads,
        memory=snakemake.resources.mem_mb * 1e6,
        kept=Path(snakemake.log[0]).parent,
    )
