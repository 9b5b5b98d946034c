"""Prints what a run would do, a line a stage: `make plan CONFIG=mine.yaml`."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

WORKFLOW = Path(__file__).resolve().parent
JOB = re.compile(r"^(\w+) +(\d+)$", re.MULTILINE)


def stages() -> dict[str, list[str]]:
    """The rules of each stage, which has a file, in the order of the stages."""
    order = re.findall(r"rules/(\w+)\.smk", (WORKFLOW / "Snakefile").read_text(encoding="utf-8"))
    texts = {name: (WORKFLOW / "rules" / f"{name}.smk").read_text(encoding="utf-8") for name in order}
    return {name: re.findall(r"^(?:rule|use rule \w+ as) (\w+)", text, re.M) for name, text in texts.items()}


def lines(shown: str) -> list[str]:
    """The plan in a dry run's table of jobs."""
    table = shown.partition("Job stats:")[2].partition("\n\n")[0]
    jobs = {rule: int(count) for rule, count in JOB.findall(table) if rule != "total"}
    found = []
    for stage, rules in stages().items():
        own = {rule: jobs[rule] for rule in rules if rule in jobs and not rule.endswith("_all")}
        if own:
            found.append(
                f"{stage:<13}{sum(own.values()):>6} job(s): {', '.join(f'{n} {rule}' for rule, n in own.items())}"
            )
    return found or ["nothing to do: all is there"]


def main(options: Sequence[str]) -> int:
    """Print the plan of a run with these options of Snakemake, or its error."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", *options]
    done = subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(done.stdout if done.returncode else "\n".join(lines(done.stdout)))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
