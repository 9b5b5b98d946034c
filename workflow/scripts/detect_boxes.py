from pathlib import Path

from pipeline.base.cards import claimed
from pipeline.base.job import job
from pipeline.downstream.boxes.arms import BoxArm, Made
from pipeline.settings import DetectBoxes
from pipeline.tracking.stages import box_detector

with job(snakemake.log[0]), claimed(snakemake.resources.gpu):
    from pipeline.downstream.boxes.run import run_arm

    w, p = snakemake.wildcards, snakemake.params
    arm = BoxArm(**p.arm | {"made": [Made(**one) for one in p.arm["made"]]})
    with box_detector(p.journal, w.dataset, arm, p.seed, p.settings) as journal:
        run_arm(
            DetectBoxes(**p.settings),
            real=Path(snakemake.input.real[0]).parent,
            synthetic=list(dict.fromkeys(Path(file).parent for file in snakemake.input.synthetic)),
            plain=[Path(file) for file in snakemake.input.plain],
            arm=arm,
            out=Path(snakemake.output.numbers),
            state=Path(p.state),
            dataset=w.dataset,
            journal=journal,
        )
