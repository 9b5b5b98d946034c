from pathlib import Path

from pipeline.detection.arms import Arm
from pipeline.job import job
from pipeline.settings import DetectBoxes
from pipeline.tracking.stages import detector

with job(snakemake.log[0]):
    from pipeline.detection.boxes.run import run_arm  # after the log is open: torch takes seconds

    w, p = snakemake.wildcards, snakemake.params
    with detector(p.journal, w.dataset, Arm(f"boxes/{w.box_arm}", []), 0, p.settings) as journal:
        run_arm(
            DetectBoxes(**p.settings),
            real=Path(snakemake.input.real[0]).parent,
            synthetic=list(dict.fromkeys(Path(file).parent for file in snakemake.input.synthetic)),
            arm=w.box_arm,
            out=Path(snakemake.output.numbers),
            state=Path(p.state),
            dataset=w.dataset,
            journal=journal,
        )
