"""Snakemake as its command line starts it, but it looks every second whether jobs have ended.

The plugin for SLURM waits longer from look to look, up to three minutes.
"""

import asyncio

from snakemake import cli
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def a_second(self) -> None:
    await asyncio.sleep(1)


def main() -> None:
    RemoteExecutor.sleep = a_second
    cli.main()
