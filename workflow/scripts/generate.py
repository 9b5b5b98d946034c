from pathlib import Path

from pipeline.base.cards import claimed
from pipeline.base.job import job
from pipeline.settings import Generate
from pipeline.tracking.stages import addition

with job(snakemake.log[0]), claimed(snakemake.resources.gpu):
    from pipeline.sampling.draw import generate  # after the log is open: torch takes seconds

    w, p = snakemake.wildcards, snakemake.params
    with addition(p.journal, w.dataset, w.model, int(w.seed), "generate") as journal:
        generate(
            Generate(**p.settings),
            model=Path(snakemake.input.model[0]).parent,
            data=Path(snakemake.input.real[0]).parent,
            out=Path(snakemake.output[0]).parent,
            journal=journal,
            threads=snakemake.threads,
            missed=Path(missed) if (missed := snakemake.input.get("missed")) else None,
        )
