from pathlib import Path

from pipeline.base.cards import claimed
from pipeline.base.job import job
from pipeline.downstream.registry import TASKS

with job(snakemake.log[0]), claimed(snakemake.resources.gpu):
    from pipeline.downstream.missed import write_missed  # after the log is open: torch takes seconds
    from pipeline.downstream.training_length import of_length

    task = TASKS[snakemake.params.task].load()
    write_missed(
        task,
        of_length(task.settings(**snakemake.params.settings), map(Path, snakemake.input.get("steps", []))),
        real=Path(snakemake.input.real[0]).parent,
        out=Path(snakemake.output[0]),
        dataset=snakemake.wildcards.dataset,
    )
