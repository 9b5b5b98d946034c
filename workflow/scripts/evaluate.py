from pathlib import Path

from pipeline.base.cards import claimed
from pipeline.base.job import job
from pipeline.settings import Evaluate
from pipeline.tracking.stages import addition

with job(snakemake.log[0]), claimed(snakemake.resources.gpu):
    from pipeline.evaluation.panel import evaluate  # after the log is open: torch takes seconds

    w, p = snakemake.wildcards, snakemake.params
    with addition(p.journal, w.dataset, w.model, int(w.seed), "evaluate") as journal:
        evaluate(
            Evaluate(**p.settings),
            data=Path(snakemake.input.real[0]).parent,
            synthetic=Path(snakemake.input.synthetic[0]).parent,
            out=Path(snakemake.output.numbers),
            dataset=w.dataset,
            model=w.model,
            seed=int(w.seed),
            journal=journal,
        )
