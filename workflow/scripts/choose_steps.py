from pathlib import Path

from pipeline.base.cards import claimed
from pipeline.base.job import job
from pipeline.downstream.registry import TASKS

with job(snakemake.log[0]), claimed(snakemake.resources.gpu):
    from pipeline.downstream.training_length import choose_length  # after the log is open: torch takes seconds

    p = snakemake.params
    task = TASKS[p.task].load()
    choose_length(
        task,
        task.settings(**p.settings),
        real=Path(snakemake.input.real[0]).parent,
        out=Path(snakemake.output[0]),
        state=Path(p.state),
        dataset=snakemake.wildcards.dataset,
    )
