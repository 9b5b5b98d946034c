from pathlib import Path

from pipeline.base.cards import claimed
from pipeline.base.job import job
from pipeline.settings import DetectBoxes
from pipeline.tracking.stages import addition

with job(snakemake.log[0]), claimed(snakemake.resources.gpu):
    from pipeline.downstream.boxes.pseudo_labels import pseudo_label
    from pipeline.downstream.training_length import of_length

    w, p = snakemake.wildcards, snakemake.params
    with addition(p.journal, w.dataset, w.model, int(w.seed), "pseudo_label") as journal:
        pseudo_label(
            of_length(DetectBoxes(**p.settings), map(Path, snakemake.input.steps)),
            real=Path(snakemake.input.real[0]).parent,
            synthetic=Path(snakemake.input.synthetic[0]).parent,
            out=Path(snakemake.output.numbers).parent,
            dataset=w.dataset,
            model=w.model,
            journal=journal,
        )
