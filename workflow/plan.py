"""Prints what a run would do, a line a stage, and how long it takes: `make plan CONFIG=mine.yaml`."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.base.job import print_anywhere
from pipeline.settings import UserError

WORKFLOW = Path(__file__).resolve().parent
RULE = re.compile(r"^ *(?:local)?rule (\w+):\n((?: +\w+: .*\n)+)", re.MULTILINE)
TIMED = {"train", "generate", "generate_boxed", "gallery"}  # by `pyrite plan`, with the networks themselves


class Job(NamedTuple):
    rule: str
    took: str
    """The file that will say how long it took; empty where none will."""
    threads: int
    work: int
    """Seconds of one processor, after its start, on the machine whose costs are known."""


def stages() -> dict[str, list[str]]:
    """The rules of each stage, which has a file, in the order of the stages."""
    order = re.findall(r"rules/(\w+)\.smk", (WORKFLOW / "Snakefile").read_text(encoding="utf-8"))
    texts = {name: (WORKFLOW / "rules" / f"{name}.smk").read_text(encoding="utf-8") for name in order}
    return {name: re.findall(r"^(?:rule|use rule \w+ as) (\w+)", text, re.M) for name, text in texts.items()}


def jobs(shown: str) -> Iterator[Job]:
    """Those that a dry run shows, without the targets."""
    for rule, text in RULE.findall(shown):
        if rule != "all" and not rule.endswith("_all"):
            said = (re.search(word, text) for word in (r"benchmark: (.+)", r"threads: (\d+)", r"\bseconds=(\d+)"))
            took, threads, work = (found[1] if found else "" for found in said)
            yield Job(rule, took, int(threads or 1), int(work or 0))


def keep(planned: Sequence[Job]) -> list[float]:
    """Seconds that each job should take on this machine, which its results keep as well; of what `pyrite plan` times
    they hold what it says, and nothing else.

    Raises:
        UserError: the folder cannot be written.
    """
    from pipeline.base.needs import gained
    from pipeline.base.results import forecasts, keep_forecasts
    from pipeline.training.forecast import START, pace

    of = pace()
    folder = Path(next((job.took.partition("/benchmarks/")[0] for job in planned if job.took), "."))
    timed, seconds, kept = forecasts(folder), [], {}
    for job in planned:
        name, said = job.took.removeprefix(f"{folder}/"), START + of * job.work / gained(job.threads)
        if job.rule in TIMED:
            said = timed.get(name, said)
        elif name:
            kept[name] = said
        seconds.append(said)
    if kept:
        keep_forecasts(folder, kept)
    return seconds


def lines(planned: Sequence[Job], seconds: Sequence[float]) -> Iterator[str]:
    """The plan: of each stage its jobs and how long they take one after another, and so all of them."""
    from pyrite.plan import short

    for stage, rules in stages().items():
        own = [(job.rule, said) for job, said in zip(planned, seconds, strict=True) if job.rule in rules]
        if own:
            counts = Counter(rule for rule, _ in own)
            named = ", ".join(f"{counts[rule]} {rule}" for rule in rules if rule in counts)
            yield f"{stage:<13}{len(own):>6} job(s) {short(sum(said for _, said in own)):>7}: {named}"
    yield f"one after another: {short(sum(seconds))}"


def timed(configurations: Sequence[str]) -> int:
    """Minutes: what `pyrite plan` says of the generators, which it times. The status."""
    return subprocess.run([sys.executable, "-m", "pyrite", "plan", *configurations], check=False).returncode


def main(configurations: Sequence[str], options: Sequence[str] = ()) -> int:
    """Print the plan of a run of these configurations, with options of Snakemake, or its error before anything is
    timed. The status."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--configfile", *configurations, *options]
    done = subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        print(done.stdout)
        return done.returncode
    if status := timed(configurations):
        return status
    planned = list(jobs(done.stdout))
    try:
        print("\n".join(lines(planned, keep(planned))) if planned else "nothing to do: all is there")
    except UserError as error:
        print(f"ERROR: {error}")
        return 1
    return 0


if __name__ == "__main__":
    print_anywhere()
    sys.exit(main(sys.argv[1:]))
