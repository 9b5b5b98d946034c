import sys
from contextlib import nullcontext
from pathlib import Path

from pipeline.base.cards import claimed
from pipeline.base.job import job
from pipeline.data.image_set import ImageSet
from pipeline.settings import model_settings
from pipeline.tracking.stages import watched_training
from pipeline.training.nodes import over_nodes, rank

log, cards, nodes = snakemake.log[0], snakemake.resources.gpu, snakemake.resources.get("nodes", 1)
if nodes > 1 and rank() is None:
    sys.exit(over_nodes(nodes, max(1, cards // nodes), snakemake.threads))
with job(f"{log}.rank-{rank()}" if rank() else log), claimed(snakemake.resources.gpu, cards=cards):
    from pipeline.training.launch import launch  # after the log is open: torch takes seconds
    from pipeline.training.loop import train

    w, p = snakemake.wildcards, snakemake.params
    data = Path(snakemake.input.real[0]).parent
    settings = model_settings(p.settings)
    real = ImageSet.open(data)
    run = w.dataset, w.model, int(w.seed), p.settings, real.meta["data_hash"]
    with nullcontext() if rank() else watched_training(p.journal, *run, data, real.split_sizes()) as journal:
        launch(
            cards,
            train,
            settings,
            data=data,
            out=Path(snakemake.output.weights).parent,
            state=Path(p.state),
            seed=int(w.seed),
            journal=journal,
            threads=nodes * snakemake.threads,
        )
