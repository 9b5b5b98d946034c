from pathlib import Path

from pipeline.base.job import job
from pipeline.data.preparing.prepare import prepare
from pipeline.settings import Dataset, FewShots

results, few = Path(snakemake.output[0]).parents[2], snakemake.params.few

with job(snakemake.log[0]):
    prepare(
        Dataset(**snakemake.params.settings),
        out=Path(snakemake.output[0]).parent,
        source=list(snakemake.input) or None,
        workers=snakemake.threads,
        earlier=results / "state" / "near_duplicates",
        memory=snakemake.resources.mem_mb * 1e6,
        kept=Path(snakemake.log[0]).parent,
        few=few and FewShots(*few),
    )
