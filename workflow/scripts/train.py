from pathlib import Path

from pipeline.base.cards import claimed
from pipeline.base.job import job
from pipeline.data.image_set import ImageSet
from pipeline.settings import model_settings
from pipeline.tracking.stages import training
from pipeline.tracking.system import watched

with job(snakemake.log[0]), claimed(snakemake.resources.gpu, cards=snakemake.resources.gpu):
    from pipeline.training.launch import launch  # after the log is open: torch takes seconds
    from pipeline.training.loop import train

    w, p = snakemake.wildcards, snakemake.params
    data = Path(snakemake.input.real[0]).parent
    settings = model_settings(p.settings)
    real = ImageSet.open(data)
    opened = training(p.journal, w.dataset, w.model, int(w.seed), p.settings, real.meta["data_hash"])
    with opened as journal, watched(journal):
        journal.dataset(w.dataset, real.meta["data_hash"], data, real.split_sizes())
        launch(
            snakemake.resources.gpu,
            train,
            settings,
            data=data,
            out=Path(snakemake.output.weights).parent,
            state=Path(p.state),
            seed=int(w.seed),
            journal=journal,
            threads=snakemake.threads,
        )
