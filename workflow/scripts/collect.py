from pathlib import Path

from pipeline.base.job import job
from pipeline.data.image_set import ImageSet
from pipeline.settings import model_settings
from pipeline.tracking.stages import watched_training

with job(snakemake.log[0]):
    from pipeline.training.collect import collect  # after the log is open: torch takes seconds

    w, p = snakemake.wildcards, snakemake.params
    data = Path(snakemake.input.real[0]).parent
    real = ImageSet.open(data)
    run = w.dataset, w.model, int(w.seed), p.settings, real.meta["data_hash"]
    with watched_training(p.journal, *run, data, real.split_sizes()) as journal:
        collect(
            model_settings(p.settings),
            data=data,
            out=Path(snakemake.output.images).parent,
            seed=int(w.seed),
            journal=journal,
        )
