"""Where results lie, below the folder that `results:` names: rules make these files, and the package looks for them.

What stands in braces is a wildcard of the rules; `format` fills it in.
"""

REAL = "{dataset}/real"
RUN = "{dataset}/{model}/seed-{seed}"
DETECTION = "{dataset}/detection"
EVALUATION, COMPARISON = "evaluation.json", "comparison.json"
STRIP = "{dataset}/strip"
EMBEDDED = 4
"""Data sets up to which the report's first page holds its pictures; those of more lie in STRIP, loaded when seen."""
WEIGHTS, RECIPE = "model.safetensors", "model.json"
TOOK = "benchmarks/{dataset}/{model}-s{seed}/{stage}.tsv"
"""What a job of a generator took, as Snakemake writes it."""
