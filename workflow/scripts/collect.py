from pathlib import Path

from pipeline.base.job import job
from pipeline.data.image_set import ImageSet
from pipeline.settings import model_settings
from pipeline.tracking.stages import training

with job(snakemake.log[0]):
    from pipeline.training.collect import collect  # after the log is open: torch takes seconds

    w, p = snakemake.wildcards, snakemake.params
    data = Path(snakemake.input.real[0]).parent
    real = ImageSet.open(data)
    with training(p.journal, w.dataset, w.model, int(w.seed), p.settings, real.meta["data_hash"]) as journal:
        journal.dataset(w.dataset, real.meta["data_hash"], data, real.split_sizes())
        collect(
            model_settings(p.settings),
            data=data,
            out=Path(snakemake.output.images).parent,
            seed=int(w.seed),
            journal=journal,
        )
