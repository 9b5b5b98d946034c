from pathlib import Path

from pipeline.base.job import job
from pipeline.data.annotations.attach import annotate
from pipeline.data.annotations.files import files
from pipeline.data.reading.inputs import remember
from pipeline.settings import Dataset

settings = Dataset(**snakemake.params.settings)

with job(snakemake.log[0]):
    annotate(
        settings,
        folder=Path(snakemake.output[0]).parent,
        workers=snakemake.threads,
        memory=snakemake.resources.mem_mb * 1e6,
        kept=Path(snakemake.log[0]).parent,
    )
    remember(map(Path, files(settings.boxes)), Path(snakemake.output[0]).parents[2] / "state" / "inputs")
