from pathlib import Path

from pipeline.base.job import job
from pipeline.data.reading.voronoi import write
from pipeline.settings import Voronoi

with job(snakemake.log[0]):
    write(Voronoi(**snakemake.params.settings), snakemake.params.size, Path(snakemake.output[0]))
