"""profiles/kubernetes with a store of objects and no shared file system, on an API that a script plays."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.slurm.cluster import free_ports, until

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("snakemake_executor_plugin_kubernetes", "snakemake_storage_plugin_s3", "moto", "boto3")
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
KEYS |= {f"SNAKEMAKE_STORAGE_S3_{name}": "testing" for name in ("ACCESS_KEY", "SECRET_KEY")}
KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: fake
clusters: [{{name: fake, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: fake, user: {{token: none}}}}]
contexts: [{{name: fake, context: {{cluster: fake, user: fake}}}}]
"""

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.skipif(
        not all(importlib.util.find_spec(name) for name in NEEDED), reason="only in `make test-kubernetes`"
    ),
]


@pytest.fixture
def cluster(tmp_path):
    """Environment of a cluster's user, the address of the store, the folder that tells what was asked of the API."""
    pods = tmp_path / "pods"
    pods.mkdir()
    api, store = free_ports(2)
    (tmp_path / "kubeconfig").write_text(KUBECONFIG.format(port=api))
    commands = [
        [sys.executable, ROOT / "tests" / "kubernetes" / "fake_api.py", str(api), pods],
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(store)],
    ]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | KEYS | {"KUBECONFIG": str(tmp_path / "kubeconfig"), "PATH": path}
    with ExitStack() as started:
        for command in commands:
            process = started.enter_context(subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL))
            started.callback(process.kill)
        yield environment, f"http://127.0.0.1:{store}", pods


def bucket(address):
    import boto3

    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}
    found = boto3.resource("s3", endpoint_url=address, **keys).Bucket("pyrite")

    def made():
        try:
            return found.create()
        except Exception:  # the store has not started yet
            return None

    assert until(made, 120)
    return found


def test_pods_that_share_no_file_make_all_of_a_run(cluster, tmp_path):
    environment, address, pods = cluster
    store = bucket(address)
    for folder in (
        "config",
        "envs",
        "profiles",
        "workflow",
    ):  # what travels to the pods must lie below the working folder
        shutil.copytree(ROOT / folder, tmp_path / folder)
    command = [sys.executable, "-m", "snakemake", "all", "--workflow-profile", "profiles/kubernetes"]
    command += ["--seconds-between-status-checks", "1"]
    command += ["--storage-s3-endpoint-url", address, "--configfile", "config/config.yaml", "config/quick.yaml"]
    few = "datasets.polycrystals.shots=null datasets.polycrystals.models=[cgan]"
    command += ["--config", f"set=results=results {few}"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    kept = {entry.key for entry in store.objects.all()}
    model = "run/results/polycrystals/cgan/seed-0"
    dataset = "run/results/polycrystals"
    files = (f"{model}/model.safetensors", f"{dataset}/real/images.npy", f"{dataset}/detection/comparison.json")
    assert {*files, "run/results/report.html"} <= kept
    for folder in (f"{model}/synthetic/export/", f"{model}/gallery/"):
        assert any(name.startswith(folder) for name in kept), folder
    assert not (tmp_path / "results/polycrystals").exists()
    asked = [json.loads(path.read_text())["spec"]["template"]["spec"]["containers"][0] for path in pods.glob("*.json")]
    cards = sorted(container["resources"]["limits"].get("nvidia.com/gpu", "0") for container in asked)
    assert cards == ["0", "0", "1", "1", "1", "1", "1"]  # preparing and reporting need none
    assert {container["image"] for container in asked} == {"pyrite:0.1.0"}
