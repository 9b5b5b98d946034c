from pathlib import Path

from pipeline.base.job import job
from pipeline.settings import Blend, Patches
from pipeline.tracking.stages import addition

with job(snakemake.log[0]):
    from pipeline.downstream.boxes.blend import blend

    w, p = snakemake.wildcards, snakemake.params
    with addition(p.journal, p.dataset, w.model, int(w.seed), "blend") as journal:
        blend(
            Blend(**p.settings),
            Patches(**p.patches),
            real=Path(snakemake.input.real[0]).parent,
            patches=Path(snakemake.input.patches[0]).parent,
            out=Path(snakemake.output[0]).parent,
            journal=journal,
        )
