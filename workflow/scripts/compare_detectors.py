from pathlib import Path

from pipeline.base.job import job

with job(snakemake.log[0]):
    from pipeline.downstream.comparison import member, record, write

    w, p, out = snakemake.wildcards, snakemake.params, Path(snakemake.output[0])
    members, *further = [[member(out.parents[2], name, arms) for name, arms in alike.items()] for alike in p.draws]
    record(write(members, w.dataset, p.family, out, further), Path(p.journal), p.seed)
