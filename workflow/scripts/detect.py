from pathlib import Path

from pipeline.base.cards import claimed
from pipeline.base.job import job
from pipeline.downstream.arms import Arm, sole_model
from pipeline.downstream.registry import TASKS
from pipeline.tracking.stages import detector

with job(snakemake.log[0]), claimed(snakemake.resources.gpu):
    from pipeline.downstream.experiment import run_arm

    w, p = snakemake.wildcards, snakemake.params
    task, arm = TASKS[p.task], Arm.of(p.arm)
    place = w.dataset, task.place(arm.name), task.stage
    with detector(p.journal, *place, sole_model(arm), arm.kind, p.seed, p.settings) as journal:
        implementation = task.load()
        run_arm(
            implementation,
            implementation.settings(**p.settings),
            real=Path(snakemake.input.real[0]).parent,
            synthetic=list(dict.fromkeys(Path(file).parent for file in snakemake.input.synthetic)),
            baselines=[Path(file) for file in snakemake.input.baselines],
            arm=arm,
            out=Path(snakemake.output.numbers),
            state=Path(p.state),
            dataset=w.dataset,
            journal=journal,
        )
