"""Snakemake as its command line starts it, but it looks every second whether jobs have ended.

The plugin for SLURM waits longer from look to look, up to three minutes.
"""

import asyncio
import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def a_second(self) -> None:
    await asyncio.sleep(1)


RemoteExecutor.sleep = a_second
main(sys.argv[1:])
