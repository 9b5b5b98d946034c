"""What a person sees on the console when a job fails, and where the rest goes."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
from contextlib import contextmanager, suppress
from signal import SIGINT, default_int_handler, raise_signal, signal
from pipeline.base.job import job
from pipeline.settings import UserError
signal(SIGINT, default_int_handler)  # a job of cron ignores it
@contextmanager
def instead():  # as libraries in C do
    try:
        yield
    except KeyboardInterrupt:
        raise ValueError from None
with job({log!r}):
    print("work")
    {body}
"""


@pytest.mark.parametrize(
    ("body", "console"),
    [
        ("print('more')", "ERROR: OSError: [Errno 27] File too large (traceback in {log})\n"),
        ("raise UserError('results/x.npy: cannot be written')", "ERROR: results/x.npy: cannot be written\n"),
    ],
)
def test_a_log_that_cannot_grow_hides_no_failure_from_the_console(tmp_path, body, console):
    log = str(tmp_path / "job.log")
    no_more = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (5, 5)); "
    command = [sys.executable, "-c", SCRIPT.format(log=log, body=no_more + body)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert console.format(log=log) in done.stderr


@pytest.mark.parametrize(
    ("body", "status", "console"),
    [
        ("pass", 0, ""),
        ("raise UserError('datasets.steel.source: empty')", 1, "ERROR: datasets.steel.source: empty\n"),
        ("raise KeyboardInterrupt", 130, "interrupted: the same command goes on\n"),
        ("with suppress(KeyboardInterrupt): raise_signal(SIGINT)", 130, "interrupted: the same command goes on\n"),
        ("with instead(): raise_signal(SIGINT)", 130, "interrupted: the same command goes on\n"),
        ("1 / 0", 1, "ERROR: ZeroDivisionError: division by zero (traceback in {log})\n"),
    ],
)
def test_a_failure_is_one_line_on_the_console_and_all_of_it_in_the_log(tmp_path, body, status, console):
    log = str(tmp_path / "logs" / "job.log")
    command = [sys.executable, "-c", SCRIPT.format(log=log, body=body)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert done.stderr == console.format(log=log)
    written = Path(log).read_text(encoding="utf-8")
    assert written.startswith("work\n")
    assert ("Traceback" in written) == body.startswith("1")
    assert console.format(log=log) in written
