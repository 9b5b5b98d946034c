"""A training on several nodes of a SLURM job: the program that Snakemake has started there becomes one rank of many."""

from __future__ import annotations

import os
import socket
import subprocess
import sys


def rank() -> int | None:
    """This process's number among those that somebody has started together; None where nobody has."""
    return int(os.environ["RANK"]) if "RANK" in os.environ else None


def over_nodes(nodes: int, each: int, threads: int) -> int:
    """Start this very program again, `each` times on every node of this SLURM job, as ranks that find each other.

    SLURM's signals reach the ranks, not this process, which waits for them.

    Returns:
        the highest status of all ranks; one that fails ends the others.
    """
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    met = {"WORLD_SIZE": str(nodes * each), "MASTER_ADDR": socket.gethostname(), "MASTER_PORT": str(port)}
    ranks = [f"--nodes={nodes}", f"--ntasks={nodes * each}", f"--ntasks-per-node={each}", f"--cpus-per-task={threads}"]
    # In blocks, so that rank 0 is on this node.
    started = ["srun", *ranks, "--distribution=block", "--kill-on-bad-exit=1", "--export=ALL"]
    as_rank = 'RANK=$SLURM_PROCID LOCAL_RANK=$SLURM_LOCALID exec "$0" "$@"'
    command = [*started, "sh", "-c", as_rank, sys.executable, *sys.argv]
    return subprocess.run(command, env=os.environ | met, check=False).returncode
