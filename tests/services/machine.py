"""A PostgreSQL and an MLflow server of the tests' own, started by the commands of docs/tracking-server.md."""

import os
import pwd
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg2

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "tracking-server.md").read_text(encoding="utf-8")
PATIENCE = 90  # seconds for a server to start on a busy machine


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def postgres_programs() -> Path | None:
    """Folder of the newest PostgreSQL of the machine; Debian keeps them off the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def limit_files(pid: int, most: int, user: int | None) -> None:
    """For a process and all that came of it; by the user it belongs to, for a root without all rights may not."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for process in family:
        words = ["prlimit", f"--pid={process.pid}", f"--fsize={'unlimited' if most < 0 else most}:"]
        subprocess.run(words, user=user, check=False, cwd="/", stderr=subprocess.DEVNULL)


class Postgres:
    """A database of its own folder, run as an unprivileged user: it refuses to be run by root."""

    def __init__(self, programs: Path):
        self.folder = Path(tempfile.mkdtemp(prefix="pyrite-postgres-"))
        self.user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
        if self.user is not None:
            os.chown(self.folder, self.user, -1)
        self.port, data = free_port(), self.folder / "data"
        # Small segments of its log, so that a limit on the size of files meets the tables first.
        self._run(programs / "initdb", "-D", data, "-A", "trust", "-U", "mlflow", "--no-sync", "--wal-segsize=1")
        options = ["-p", self.port, "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.folder}"]
        options += ["-c", "fsync=off"]
        command = [programs / "postgres", "-D", data, *options]
        with open(self.folder / "log", "w") as log:
            self.process = subprocess.Popen(list(map(str, command)), user=self.user, stdout=log, stderr=log, cwd="/")
        self._wait()
        self.ask("CREATE DATABASE runs")

    def _run(self, *words) -> None:
        subprocess.run(list(map(str, words)), user=self.user, stdout=subprocess.DEVNULL, check=True, cwd="/")

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(psycopg2.OperationalError):
                return self._connect("postgres").close()
            time.sleep(0.1)
        raise RuntimeError((self.folder / "log").read_text())

    def _connect(self, database: str):
        return psycopg2.connect(host="127.0.0.1", port=self.port, user="mlflow", dbname=database)

    def ask(self, question: str, *values, database: str = "postgres") -> list[tuple]:
        connection = self._connect(database)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(question, values)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def points(self, experiment: str) -> list[tuple]:
        """Every number of an experiment: (run, name, images, time, value), as many times as it is there."""
        rows = self.ask(
            "SELECT r.name, m.key, m.step, m.timestamp, m.value, m.is_nan FROM metrics m"
            " JOIN runs r USING (run_uuid) JOIN experiments e USING (experiment_id)"
            " WHERE e.name = %s AND r.lifecycle_stage = 'active'",
            experiment,
            database="runs",
        )
        return sorted((run, key, step, at, "nan" if nan else str(value)) for run, key, step, at, value, nan in rows)

    def runs(self, experiment: str) -> list[tuple[str, str]]:
        """Name and status of each run."""
        return self.ask(
            "SELECT r.name, r.status FROM runs r JOIN experiments e USING (experiment_id)"
            " WHERE e.name = %s AND r.lifecycle_stage = 'active' ORDER BY r.name",
            experiment,
            database="runs",
        )

    def limit_files(self, most: int) -> None:
        """No file of the database grows beyond so many bytes, which it takes for a full disk; -1 lifts the limit."""
        limit_files(self.process.pid, most, self.user)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)  # it ends its connections first
        self.process.wait(30)
        shutil.rmtree(self.folder)


class Server:
    """MLflow's server, that can be killed and started again at the same address."""

    def __init__(self, folder: Path, store: str, *options: str, **variables: str):
        self.port, self.folder = free_port(), folder
        self.uri = f"http://127.0.0.1:{self.port}"
        self.options, self.variables = options, variables
        self.store = store
        self.process: subprocess.Popen | None = None

    @property
    def command(self) -> tuple[list[str], dict[str, str]]:
        """Words and variables of the page's command, with the addresses of the tests."""
        (block,) = re.findall(r"```sh\n(MLFLOW_DISABLE_TELEMETRY.*?)```", PAGE, re.S)
        words = shlex.split(block.replace("\\\n", " "))
        variables = dict(word.split("=", 1) for word in words[: words.index("mlflow")])
        words = words[words.index("mlflow") + 1 :]
        ours = {"--port": str(self.port), "--backend-store-uri": self.store}
        ours |= {"--artifacts-destination": str(self.folder / "artifacts")}
        for name, value in ours.items():
            words[words.index(name) + 1] = value
        return [sys.executable, "-m", "mlflow", *words, *self.options], variables | self.variables

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        words, variables = self.command
        with open(self.folder / "server.log", "a") as log:
            self.process = subprocess.Popen(
                words, env=os.environ | variables, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(OSError):
                return urllib.request.urlopen(f"{self.uri}/health", timeout=5).close()
            time.sleep(0.2)
        raise RuntimeError((self.folder / "server.log").read_text()[-3000:])

    def signal(self, number: int) -> None:
        """To all its processes: SIGSTOP leaves a server that accepts connections and never answers."""
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.signal(signal.SIGKILL)
            self.process.wait(10)
            self.process = None

    def limit_files(self, most: int) -> None:
        """As `Postgres.limit_files`: it can keep no larger artifact."""
        assert self.process is not None
        limit_files(self.process.pid, most, None)
