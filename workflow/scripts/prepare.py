from pathlib import Path

from pipeline.base.job import job
from pipeline.data.annotations.files import masks_of
from pipeline.data.preparing.prepare import prepare
from pipeline.data.reading.inputs import remember
from pipeline.data.reading.source import files
from pipeline.settings import FewShots, load, placed

results, few = Path(snakemake.output[0]).parents[2], snakemake.params.few

settings = placed(snakemake.params.settings, load(snakemake.config).datasets[snakemake.wildcards.dataset])

with job(snakemake.log[0]):
    prepare(
        settings,
        out=Path(snakemake.output[0]).parent,
        source=list(snakemake.input) or None,
        workers=snakemake.threads,
        earlier=results / "state" / "near_duplicates",
        memory=snakemake.resources.mem_mb * 1e6,
        kept=Path(snakemake.log[0]).parent,
        few=few and FewShots(*few),
    )
    if not snakemake.input:
        remember(files(settings, masks_of(settings)), results / "state" / "inputs")
