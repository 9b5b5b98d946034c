"""Opens the runs of a results folder in MLflow's pages, on this machine only.

python -m pipeline.tracking.ui RESULTS [URI]
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from pipeline.settings import UserError
from pipeline.tracking.address import divided
from pipeline.tracking.sync import ENVIRONMENT, PREFIX, URI_HELP, Syncer, Unavailable, probe, store_uri
from pipeline.tracking.views import addresses

HOST, PORT = "127.0.0.1", 5000
# Without these the server takes 2.6 GB for workers that have nothing to do here.
SERVER = {**ENVIRONMENT, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
HINT = "Close the chat panel at the right once, and it stays closed. Ctrl-C here ends the server."
PATIENCE = 120.0  # seconds for the server to start on a busy machine


def show(results: Path, uri: str, prefix: str = PREFIX) -> None:
    """Bring MLflow up to date, print what to open, and serve it until interrupted.

    A store with a server of its own gets no second one: its addresses are printed.

    Raises:
        UserError: no journals, or a server that does not start.
        Unavailable: the store does not answer.
    """
    if not (results / "journal").is_dir():
        raise UserError(f"{results}/journal: not there, so there are no runs to show yet")
    syncer = Syncer(uri, results, prefix)
    print(f"tracking: {syncer.sync()}")
    pages = syncer.pages()
    if uri.startswith(("http://", "https://")):
        print(listing(divided(uri).uri.rstrip("/"), pages))
        return
    port = free_port()
    server = start(uri, results, port)
    try:
        wait_for(server, port)
        print(listing(f"http://{HOST}:{port}", pages) + "\n\n" + HINT, flush=True)
        server.wait()
    except KeyboardInterrupt:
        print()
    finally:
        stop(server)


def listing(server: str, pages: dict[str, str]) -> str:
    """The addresses of each experiment, one a line."""
    lines = []
    for name, experiment in pages.items():
        lines.append(f"\n{name}")
        lines += [f"  {what:<12} {url}" for what, url in addresses(server, experiment).items()]
    return "\n".join(lines)


def free_port() -> int:
    """5000 where it is free, or any other. Raises UserError where none is."""
    for port in (PORT, 0):
        with socket.socket() as probe_socket:
            try:
                probe_socket.bind((HOST, port))
            except OSError:
                continue
            return probe_socket.getsockname()[1]
    raise UserError(f"{HOST}: no port is free")


def start(uri: str, results: Path, port: int) -> subprocess.Popen:
    """The server as a process group of its own, so that nothing of it stays behind."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    # Served by gunicorn, MLflow leaves its chat assistant out, which could run commands on this machine.
    command += ["--gunicorn-opts", "--log-level warning --threads 8"]
    command += ["--backend-store-uri", uri, "--default-artifact-root", (results.absolute() / "mlflow").as_uri()]
    with open(results / "mlflow_server.log", "w") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=SERVER | os.environ, start_new_session=True)


def wait_for(server: subprocess.Popen, port: int) -> None:
    """Return once the server answers. Raises UserError where it ends, or does not answer within PATIENCE seconds."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        try:
            return probe(f"http://{HOST}:{port}")
        except Unavailable:
            time.sleep(0.5)
    raise UserError("the MLflow server did not start; its log is mlflow_server.log in the results")


def stop(server: subprocess.Popen) -> None:
    try:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(10)
    except ProcessLookupError:
        pass
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m pipeline.tracking.ui", description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("uri", nargs="?", help=URI_HELP)
    parser.add_argument("--experiment", default=PREFIX, help="prefix of the names of the experiments")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        show(args.results, store_uri(args.uri, args.results), args.experiment)
    except (UserError, Unavailable) as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
