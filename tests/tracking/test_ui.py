"""The addresses and the table that a person opens first, and the server behind them."""

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
import zlib
from urllib.parse import parse_qs, unquote

import pytest

from pipeline.settings import UserError
from pipeline.tracking import ui
from pipeline.tracking.journal import Journal
from pipeline.tracking.views import addresses, leaderboard


def test_the_leaderboard_lists_scores_of_the_whole_before_those_of_a_part():
    key, value = leaderboard(["kid/pores", "kid", "kid/intact", "psd", "kid"])
    assert key == "mlflow.sharedViewState.leaderboard"
    method, _, packed = json.loads(value)["state"].partition(";")
    state = json.loads(zlib.decompress(base64.b64decode(packed)))
    assert method == "deflate"
    names = [column for column in state["selectedColumns"] if column.startswith("metrics")]
    assert names == ["metrics.`kid`", "metrics.`psd`", "metrics.`kid/pores`", "metrics.`kid/intact`"]


def test_an_endless_leaderboard_fits_in_a_tag():
    assert len(leaderboard(f"evaluation/random_convolutions/metric_{i}" for i in range(500))[1]) < 20_000


def test_addresses_name_the_runs_and_open_the_pages_for_model_training():
    shown = addresses("http://127.0.0.1:5000", "7", ["a1", "b2"])
    for address in shown.values():
        assert "workflowType=machine_learning" in address
    query = shown["side by side"].partition("?")[2]
    assert query.startswith("runs=")  # in another place the page fails
    assert json.loads(unquote(parse_qs(query)["runs"][0])) == ["a1", "b2"]
    assert "side by side" not in addresses("http://127.0.0.1:5000", "7", ["a1"])


def test_a_taken_port_is_not_used():
    with socket.socket() as other:
        try:
            other.bind((ui.HOST, ui.PORT))
            other.listen()
        except OSError:
            pass  # another process has it
        assert ui.free_port() != ui.PORT


def test_without_runs_it_says_so(tmp_path):
    with pytest.raises(UserError, match="no runs to show"):
        ui.show(tmp_path, "sqlite://")


@pytest.mark.slow
def test_the_server_shows_the_runs_and_leaves_nothing_behind(tmp_path, uri):
    names = {"key": "steel/cgan/seed-0", "stage": "train", "name": "cgan-s0", "experiment": "ui"}
    with Journal(tmp_path / "journal" / "train", **names) as journal:
        journal.metrics({"loss": 1}, 1)
    command = [sys.executable, "-m", "pipeline.tracking.ui", str(tmp_path), uri]
    viewer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    lines = []
    for line in viewer.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            break
    scores = next(line for line in lines if line.split()[:1] == ["scores"]).split()[1]
    server, experiment = re.match(r"(http://127.0.0.1:\d+)/#/experiments/(\d+)/runs", scores).groups()
    body = json.dumps({"experiment_ids": [experiment]}).encode()
    request = urllib.request.Request(
        f"{server}/api/2.0/mlflow/runs/search", body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        (run,) = json.load(answer)["runs"]
    assert run["info"]["run_name"] == "cgan-s0"
    viewer.send_signal(signal.SIGTERM)
    viewer.communicate(timeout=30)
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{server}/health", timeout=5)
