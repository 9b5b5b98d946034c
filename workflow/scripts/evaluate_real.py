from pathlib import Path

from pipeline.base.cards import claimed
from pipeline.base.job import job
from pipeline.settings import Evaluate

with job(snakemake.log[0]), claimed(snakemake.resources.gpu):
    from pipeline.evaluation.panel import evaluate_real  # after the log is open: torch takes seconds

    evaluate_real(
        Evaluate(**snakemake.params.settings),
        data=Path(snakemake.input.real[0]).parent,
        out=Path(snakemake.output.numbers),
        dataset=snakemake.wildcards.dataset,
    )
