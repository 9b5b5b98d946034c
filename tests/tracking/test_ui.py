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

import pytest

from pipeline.settings import UserError
from pipeline.tracking import ui
from pipeline.tracking.journal import Journal
from pipeline.tracking.views import addresses, saved_views


def state_of(name):
    """Of a saved view, as MLflow's page unpacks it."""
    method, _, packed = json.loads(saved_views()[f"mlflow.sharedViewState.{name}"])["state"].partition(";")
    assert method == "deflate"
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def test_the_table_of_generators_is_sorted_by_the_distance_to_the_floor():
    state = state_of("generators")
    names = ["tags.`family`", "metrics.`times the floor`", "metrics.`gain in points`", "tags.`verdict`"]
    assert state["selectedColumns"] == [*names, "tags.`copies`", "metrics.`minutes`"]
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`times the floor`", True)
    assert state["searchFilter"] == "tags.kind = 'generator'"


def test_every_view_fits_in_a_tag_and_has_an_address_for_model_training():
    assert max(len(value) for value in saved_views().values()) < 5000
    shown = addresses("http://127.0.0.1:5000", "7")
    assert [f"mlflow.sharedViewState.{name}" for name in shown] == list(saved_views())
    for name, address in shown.items():
        assert address.startswith("http://127.0.0.1:5000/#/experiments/7/runs?workflowType=machine_learning")
        assert ("compareRunsMode=CHART" in address) == ("compareRunCharts" in state_of(name))


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
    scores = next(line for line in lines if line.split()[:1] == ["generators"]).split()[1]
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
