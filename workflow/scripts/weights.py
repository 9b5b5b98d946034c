from pathlib import Path

from pipeline.evaluation.weights import fetch
from pipeline.job import job

with job(snakemake.log[0]):
    fetch("inception", Path(snakemake.output[0]).parent)
