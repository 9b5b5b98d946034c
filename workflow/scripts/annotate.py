from pathlib import Path

from pipeline.data.annotate import annotate
from pipeline.job import job
from pipeline.settings import Dataset

with job(snakemake.log[0]):
    annotate(Dataset(**snakemake.params.settings), folder=Path(snakemake.output[0]).parent, workers=snakemake.threads)
