"""Dry runs of the real Snakefile, in children of a process that has imported Snakemake once: a quarter of the time."""

import multiprocessing
import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["snakemake.cli", "pipeline.settings"])
LONGEST = 120  # seconds


def planned(words, folder):
    """Jobs by rule that Snakemake would do for these words, without `all`; `folder` is for its output."""
    out = Path(folder) / "plan.txt"
    child = FORKS.Process(target=_plan, args=(["--dry-run", *words], out))
    child.start()
    child.join(LONGEST)
    child.kill()
    child.join()
    text = out.read_text(encoding="utf-8")
    assert child.exitcode == 0, text
    table = re.search(r"Job stats:\n.*?\n-+ +-+\n(.*?)\ntotal", text, re.DOTALL)
    jobs = dict(line.split() for line in table[1].splitlines()) if table else {}
    return {rule: int(count) for rule, count in jobs.items() if rule != "all"}


def _plan(words, out):
    from snakemake.cli import main

    os.chdir(ROOT)
    with open(out, "w", encoding="utf-8") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
        sys.argv[1:] = words
        main(words)
