from pathlib import Path

from pipeline.base.job import job
from pipeline.data.patches import cut_patches
from pipeline.settings import Dataset

with job(snakemake.log[0]):
    cut_patches(
        Dataset(**snakemake.params.settings),
        images=Path(snakemake.input[0]).parent,
        out=Path(snakemake.output[0]).parent,
        kept=Path(snakemake.log[0]).parent,
    )
