from pathlib import Path

from pipeline.base.job import job

with job(snakemake.log[0]):
    from pipeline.downstream.comparison import member, record, write

    w, p, out = snakemake.wildcards, snakemake.params, Path(snakemake.output[0])
    members = [member(out.parents[2], name, arms) for name, arms in p.members.items()]
    record(write(members, w.dataset, p.family, out), Path(p.journal), p.seed)
