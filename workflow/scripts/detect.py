from pathlib import Path

from pipeline.base.cards import claimed
from pipeline.base.job import job
from pipeline.downstream.arms import Arm, SyntheticSet, sole_model
from pipeline.downstream.registry import TASKS
from pipeline.tracking.stages import detector

with job(snakemake.log[0]), claimed(snakemake.resources.gpu):
    from pipeline.downstream.experiment import run_arms
    from pipeline.downstream.training_length import of_length

    w, p = snakemake.wildcards, snakemake.params
    task, out, real = TASKS[p.task], Path(snakemake.output.numbers), Path(snakemake.input.real[0]).parent

    def journal(arm):
        place = w.dataset, task.place(arm.name), task.stage
        return detector(Path(p.journals) / arm.name, *place, sole_model(arm), arm.kind, p.seed, p.settings)

    implementation = task.load()
    run_arms(
        implementation,
        of_length(implementation.settings(**p.settings), map(Path, snakemake.input.get("steps", []))),
        real=real,
        synthetic={SyntheticSet(**one): real.parents[1] / folder for one, folder in p.trained["synthetic"]},
        arms=[Arm.of(arm) for arm in p.trained["arms"]],
        out=out,
        state=Path(p.state),
        dataset=w.dataset,
        journal=journal,
    )
