import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path

from pipeline.base.cards import claimed
from pipeline.base.job import job
from pipeline.data.image_set import ImageSet
from pipeline.settings import model_settings
from pipeline.tracking.stages import training
from pipeline.tracking.system import watched
from pipeline.training.nodes import over_nodes, rank


@contextmanager
def recorded(real: ImageSet):
    """The journal of the first process, with the machine's load while it trains."""
    run = w.dataset, w.model, int(w.seed), p.settings, real.meta["data_hash"]
    with training(p.journal, *run) as journal, watched(journal):
        journal.dataset(w.dataset, real.meta["data_hash"], data, real.split_sizes())
        yield journal


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
    with nullcontext() if rank() else recorded(real) as journal:
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
