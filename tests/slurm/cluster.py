"""A SLURM on this machine: two nodes with a made-up graphics card each, and two spare ones without, to be set down.

Nothing is written to /etc, and the daemons belong to whoever started them.
"""

from __future__ import annotations

import getpass
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")
NODES = ("vn1", "vn2", "vn3", "vn4")
WITH_CARD = NODES[:2]
CONFIGURATION = """
ClusterName=pyrite
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
ReturnToService=1
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
MinJobAge=3600
KillWait=2
NodeName=vn1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=8 RealMemory=16000 Gres=gpu:1
NodeName=vn2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=8 RealMemory=16000 Gres=gpu:1
NodeName=vn3 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[3]} CPUs=8 RealMemory=16000
NodeName=vn4 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[4]} CPUs=8 RealMemory=16000
PartitionName=cpu Nodes=vn1,vn2 Default=YES MaxTime=1-0 DefMemPerCPU=200 PriorityTier=1
PartitionName=gpu Nodes=vn1,vn2 MaxTime=1-0 DefMemPerCPU=200 PriorityTier=1 GraceTime=60
PartitionName=spare Nodes=vn3,vn4 MaxTime=1-0 DefMemPerCPU=200 PriorityTier=1
PartitionName=urgent Nodes=vn1,vn2 MaxTime=1-0 DefMemPerCPU=200 PriorityTier=2
"""


def absent() -> list[str]:
    """The programs that are not installed."""
    return [name for name in PROGRAMS if not _program(name)]


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/bin")


class Cluster:
    """Started by `start`, which raises RuntimeError with the daemons' last words; `stop` ends all that it started."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.configuration = folder / "slurm.conf"
        self.environment = os.environ | {
            "SLURM_CONF": str(self.configuration),
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}:/usr/sbin",
        }

    def start(self) -> None:
        for name in ("state", "bin", *(f"spool-{node}" for node in NODES)):
            (self.folder / name).mkdir()
        self.folder.chmod(0o755)  # what munge asks of the folder of its socket
        self._munge()
        ports = free_ports(1 + len(NODES))
        text = CONFIGURATION.format(
            host=socket.gethostname().split(".")[0], user=getpass.getuser(), folder=self.folder, ports=ports
        )
        self.configuration.write_text(text)
        self._cards()
        self._srun()
        self.run("slurmctld", "-c")
        for node in NODES:
            self.run("slurmd", "-N", node)
        if not until(lambda: len(self.run("sinfo", "-h", "-N", "-t", "idle", "-o", "%N").split()) >= len(NODES), 30):
            raise RuntimeError("\n".join(path.read_text()[-2000:] for path in self.folder.glob("*.log")))

    def _munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        files = {"key-file": key, "socket": "munge.socket", "pid-file": "munged.pid", "log-file": "munged.log"}
        files |= {"seed-file": "munge.seed"}
        self.run("munged", "--force", *(f"--{name}={self.folder / file}" for name, file in files.items()))

    def _cards(self) -> None:
        """A card must be a device whose name ends in a number; who may make none has /dev/null, which is card 0 too."""
        lines = ["AutoDetect=off"]
        for node in WITH_CARD:
            card = self.folder / f"{node}-card0"
            try:
                os.mknod(card, 0o20666, os.makedev(1, 3))
            except OSError:
                card.symlink_to("/dev/null")
            lines.append(f"NodeName={node} Name=gpu File={card}")
        (self.folder / "gres.conf").write_text("\n".join(lines) + "\n")

    def _srun(self) -> None:
        """Snakemake's job step hides SLURM_CONF, which is in /etc on a cluster, from its srun."""
        srun = self.folder / "bin" / "srun"
        srun.write_text(f'#!/bin/sh\nexport SLURM_CONF={self.configuration}\nexec {_program("srun")} "$@"\n')
        srun.chmod(0o755)

    def run(self, *words: str) -> str:
        """What a command of SLURM's prints.

        Raises:
            RuntimeError: it failed.
        """
        words = (_program(words[0]) or words[0], *words[1:])
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr}")
        return done.stdout

    def jobs(self) -> list[dict[str, str]]:
        """All jobs so far, each with `JobId`, `Comment` (rule and wildcards), `JobState`, `NodeList`, …"""
        lines = self.run("scontrol", "-o", "show", "job").splitlines()
        found = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in lines if line.startswith("JobId")]
        return [{"Comment": ""} | job for job in found]

    def running(self, rule: str) -> list[dict[str, str]]:
        """Those jobs of a rule that run."""
        return [job for job in self.jobs() if job["JobState"] == "RUNNING" and f"rule_{rule}" in job["Comment"]]

    def hurry(self) -> None:
        """Jobs that SLURM has put back into the queue wait two minutes there; they need not."""
        for job in self.jobs():
            if job["JobState"] == "PENDING" and job["Restarts"] != "0":
                with suppress(RuntimeError):  # it may have started since
                    self.run("scontrol", "update", f"jobid={job['JobId']}", "starttime=now")

    def stop(self) -> None:
        """End its jobs and its daemons."""
        if (self.folder / "slurmctld.pid").exists():
            self.run("scancel", "--signal=KILL", "--full", f"--user={getpass.getuser()}")
            self.run("scancel", f"--user={getpass.getuser()}")
            until(lambda: not self.run("squeue", "-h"), 20)
        for name in (*(f"slurmd-{node}" for node in NODES), "slurmctld", "munged"):
            file = self.folder / f"{name}.pid"
            if file.exists() and (text := file.read_text().strip()):
                _end(int(text))
        for process in psutil.process_iter():  # those that a node which was set down no longer knows
            with suppress(psutil.Error):
                if process.environ().get("SLURM_CONF") == str(self.configuration):
                    process.kill()


def until(true: Callable[[], object], seconds: float, every: float = 0.2) -> bool:
    """Wait until it is true, at most so long, with a look at it every so many seconds; whether it is."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _end(process: int) -> None:
    if _alive(process):
        os.kill(process, signal.SIGTERM)
        if not until(lambda: not _alive(process), 10):
            os.kill(process, signal.SIGKILL)


def free_ports(count: int) -> list[int]:
    """Ports of this machine on which nobody listens."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
