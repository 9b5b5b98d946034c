#!/usr/bin/env python3
"""PBS, LSF and SGE as far as profiles/generic asks them: the name that this file is called by says which command it is.

A job is a process; what is known of it lies in the folder FAKE_SCHEDULER: `{number}.words` (how it was submitted),
`{number}.pid`, `{number}.status` once it has ended.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

FOLDER = Path(os.environ["FAKE_SCHEDULER"])


def submit(words: list[str]) -> str:
    number = str(101 + len(list(FOLDER.glob("*.words"))))
    (FOLDER / f"{number}.words").write_text(" ".join(words))
    ends = f'sh "{words[-1]}"; echo $? > "{FOLDER}/{number}.new"; mv "{FOLDER}/{number}.new" "{FOLDER}/{number}.status"'
    with open(FOLDER / f"{number}.log", "w") as log:
        job = subprocess.Popen(
            ["sh", "-c", ends], stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
        )
    (FOLDER / f"{number}.pid").write_text(str(job.pid))
    return number


def status(number: str) -> int | None:
    """Exit status of a job; None while it runs."""
    path = FOLDER / f"{number}.status"
    return int(path.read_text()) if path.exists() else None


def cancel(number: str) -> None:
    os.killpg(int((FOLDER / f"{number}.pid").read_text()), signal.SIGKILL)
    (FOLDER / f"{number}.status").write_text("137")


def main(command: str, words: list[str]) -> int:
    pbs = "FAKE_SGE" not in os.environ
    if command == "qsub":
        print(submit(words) + ".server" * pbs)
    elif command == "bsub":
        print(f"Job <{submit(words)}> is submitted to default queue <normal>.")
    elif command in ("qdel", "bkill"):
        for word in words:
            cancel(word.removesuffix(".server"))
    elif command == "bjobs":
        print({None: "RUN", 0: "DONE"}.get(status(words[-1]), "EXIT"))
    elif command == "qstat" and pbs:
        found = status(words[-1].removesuffix(".server"))
        print(f"Job Id: {words[-1]}\n    Job_Name = pyrite\n    job_state = {'R' if found is None else 'F'}")
        if found is not None:
            print(f"    Exit_status = {found}")
    elif command == "qacct":
        found = status(words[-1])
        if found is None:
            print(f"error: job id {words[-1]} not found", file=sys.stderr)
            return 1
        print(f"jobname      pyrite\nfailed       0\nexit_status  {found}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[0]).name, sys.argv[1:]))
