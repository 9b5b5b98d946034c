from pathlib import Path

from pipeline.base.job import job
from pipeline.base.weights import fetch

with job(snakemake.log[0]):
    fetch(snakemake.params.name, Path(snakemake.output[0]).parent)
