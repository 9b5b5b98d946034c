# What a cluster does to jobs, without what Pyrite does in them.
rule all:
    input:
        expand("card-{job}", job=range(3)),
        "greedy",
        "cancelled",


rule card:
    output:
        "card-{job}",
    resources:
        gpu=1,
    shell:
        "echo $SLURMD_NODENAME cards=${{CUDA_VISIBLE_DEVICES-none}} $(date +%s.%N) > {output}; sleep 2; date +%s.%N >> {output}"


rule greedy:
    output:
        "greedy",
    resources:
        mem_mb=lambda w, attempt: 800 * attempt,
        attempt=lambda w, attempt: attempt,
    shell:
        """python3 -c 'import time; block = b"x" * 700_000_000; time.sleep(4)'; echo {resources.attempt} > {output}"""


rule cancelled:
    output:
        "cancelled",
    shell:
        "test -e begun || {{ touch begun; sleep 600; }}; echo cards=${{CUDA_VISIBLE_DEVICES-none}} > {output}"


rule moved:
    output:
        "moved",
    resources:
        slurm_partition="spare",
    shell:
        "echo $SLURMD_NODENAME >> nodes; test $(wc -l < nodes) -ge 2 || sleep 600; touch {output}"
