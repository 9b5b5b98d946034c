"""Dry runs of the real Snakefile."""

import re

from tests.forks import Child


def planned(words):
    """Jobs by rule that Snakemake would do for these words, without `all`."""
    plan = Child("snakemake.cli", "--dry-run", *words)
    assert plan.wait() == 0, plan.said
    table = re.search(r"Job stats:\n.*?\n-+ +-+\n(.*?)\ntotal", plan.said, re.DOTALL)
    jobs = dict(line.split() for line in table[1].splitlines()) if table else {}
    return {rule: int(count) for rule, count in jobs.items() if rule != "all"}
