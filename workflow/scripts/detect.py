from pathlib import Path

from pipeline.base.cards import claimed
from pipeline.base.job import job
from pipeline.downstream.arms import Arm
from pipeline.settings import Detect
from pipeline.tracking.stages import detector

with job(snakemake.log[0]), claimed(snakemake.resources.gpu):
    from pipeline.downstream.classifier.run import run_arm

    w, p = snakemake.wildcards, snakemake.params
    arm = Arm(**p.arm)
    with detector(p.journal, w.dataset, arm, p.seed, p.settings) as journal:
        run_arm(
            Detect(**p.settings),
            real=Path(snakemake.input.real[0]).parent,
            synthetic=[Path(file).parent for file in snakemake.input.synthetic if file.endswith("meta.json")],
            plain=[Path(file) for file in snakemake.input.plain],
            arm=arm,
            out=Path(snakemake.output[0]),
            state=Path(p.state),
            dataset=w.dataset,
            journal=journal,
        )
