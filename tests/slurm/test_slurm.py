"""The real Snakefile and the real profile on a real SLURM, and what may happen to jobs and their head there."""

import shutil
import signal
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from safetensors.torch import load_file

from pipeline.base.null_journal import NullJournal
from pipeline.training.loop import train
from pyrite.plan import read
from tests.forks import ROOT, Child
from tests.slurm.cluster import Cluster, absent, until

PROFILE = ["--workflow-profile", str(ROOT / "profiles" / "slurm"), "--latency-wait", "5"]
QUICK = ["--configfile", *(str(ROOT / "config" / f"{name}.yaml") for name in ("config", "quick"))]
PATIENCE = 600  # seconds: where others compute too, a job may take ten times as long

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(bool(absent()), reason=f"{', '.join(absent())} not installed (tests/slurm/install.sh)"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


class Head:
    """A run of Snakemake on the cluster, in a folder of its own; `said` is what it prints."""

    def __init__(self, cluster, folder, *words, **variables):
        self.cluster = cluster
        share(folder)
        variables = cluster.environment | {"OMP_NUM_THREADS": "1"} | variables
        self.process = Child("tests.slurm.head", *PROFILE, *words, folder=folder, **variables)

    @property
    def text(self):
        return self.process.said

    def ends(self):
        """Its status."""
        until(self.over, PATIENCE, every=1)
        self.kill()
        return self.process.poll()

    def over(self):
        self.cluster.hurry()
        return self.process.poll() is not None

    def kill(self):
        """As a machine that is switched off does: nothing is tidied up."""
        if self.process.poll() is None:
            self.process.signal(signal.SIGKILL)
            self.process.kill()


def share(folder):
    """What the profile and the settings name by paths within the clone."""
    for shared in ("config", "profiles"):
        if not (folder / shared).exists():
            (folder / shared).symlink_to(ROOT / shared)


@pytest.fixture
def started(cluster):
    """Starts heads, none of which outlives the test; they send nothing to MLflow, for none answers there."""
    heads = []

    def start(folder, *words):
        heads.append(Head(cluster, folder, *words, MLFLOW_TRACKING_URI="http://127.0.0.1:9"))
        return heads[-1]

    yield start
    for head in heads:
        head.kill()


def settings(results, more=""):
    few = "datasets.polycrystals.shots=null datasets.polycrystals.models=[cgan,quilting]"
    few += " datasets.polycrystals.voronoi.images_per_class=20 detect.filters=[confidence] detect.keep_fractions=[1]"
    few += " evaluate.imagenet=false evaluate.class_feature_steps=0"
    return [
        "--snakefile",
        str(ROOT / "workflow" / "Snakefile"),
        *QUICK,
        "--config",
        f"set=results={results} {few} {more}",
    ]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Results with the prepared images alone, made without the cluster."""
    folder = tmp_path_factory.mktemp("images")
    share(folder)
    run = Child("snakemake.cli", "--cores", "1", *settings("results"), "--", "prepare_all", folder=folder)
    assert run.wait() == 0, run.said
    return folder / "results"


@pytest.fixture
def prepared(images, tmp_path):
    """A folder for a head, whose images are prepared."""
    shutil.copytree(images, tmp_path / "results")
    return tmp_path


@pytest.fixture(scope="module")
def whole(cluster, tmp_path_factory):
    """The quick run of everything, which goes on beside the other tests."""
    folder = tmp_path_factory.mktemp("whole")
    head = Head(cluster, folder, *settings("results"))
    yield head, folder
    head.kill()


FAULTS = ["--snakefile", str(ROOT / "tests" / "slurm" / "faults.smk")]


def test_cards_memory_and_jobs_that_somebody_cancels(cluster, whole, started, tmp_path):
    head = started(tmp_path, *FAULTS)
    assert until(lambda: (tmp_path / "begun").exists() and cluster.running("cancelled"), PATIENCE), head.text
    cluster.run("scancel", cluster.running("cancelled")[0]["JobId"])
    assert head.ends() == 0, head.text
    cards = [(tmp_path / f"card-{job}").read_text().split() for job in range(3)]
    held = sorted((node, float(since), float(to)) for node, cards, since, to in cards)
    assert [words[1] for words in cards] == ["cards=0"] * 3
    for (node, _, to), (other, since, _) in pairwise(held):
        assert node != other or to <= since, f"two jobs had the card of {node} at once: {held}"
    assert (tmp_path / "cancelled").read_text() == "cards=none\n"  # a job that asked for none
    assert (tmp_path / "greedy").read_text() == "2\n"
    states = {(job["Comment"], job["JobState"]) for job in cluster.jobs()}
    assert {("rule_greedy", "FAILED"), ("rule_greedy", "COMPLETED")} <= states
    assert {("rule_cancelled", "CANCELLED"), ("rule_cancelled", "COMPLETED")} <= states


RUN = Path("polycrystals") / "cgan" / "seed-0"
LONG = "all_models.total_images=1024"


def rows(folder):
    """Of the curves of a training so far."""
    path = folder / "results" / RUN / "training.csv"
    return len(path.read_text().splitlines()) if path.is_file() else 0


def learns(cluster, folder, head):
    """Wait until the training has come further in the job that runs now; that job."""
    assert until(lambda: head.over() or cluster.running("train"), PATIENCE)
    before = rows(folder)
    assert until(lambda: head.over() or rows(folder) > before + 1, PATIENCE), "no training"
    assert not head.over(), head.text
    return cluster.running("train")[0]


def test_a_training_that_is_stopped_in_three_ways_ends_with_the_weights_of_one_that_nobody_stopped(
    cluster, started, prepared
):
    target = f"results/{RUN}/model.safetensors"
    head = started(prepared, target, *settings("results", LONG))
    learns(cluster, prepared, head)
    head.kill()
    subprocess.run([ROOT / "profiles" / "slurm" / "stop.sh"], cwd=prepared, env=cluster.environment, check=True)
    head = started(prepared, target, *settings("results", LONG))
    # As two minutes before the end of its time.
    cluster.run("scancel", "--signal=TERM", learns(cluster, prepared, head)["JobId"])
    assert until(lambda: not cluster.running("train"), PATIENCE)
    job = learns(cluster, prepared, head)
    urgent = ["--partition=urgent", f"--nodelist={job['NodeList']}", "--gpus=1", "--time=1", "--output=/dev/null"]
    cluster.run("sbatch", *urgent, "--wrap=sleep 1")
    assert head.ends() == 0, head.text
    assert "cgan: goes on from" in (prepared / "results/logs/polycrystals/cgan-s0/train.log").read_text()
    alone = prepared / "alone"
    model = read([ROOT / "config" / "config.yaml", ROOT / "config" / "quick.yaml"], LONG).models["cgan"]
    train(model, prepared / "results/polycrystals/real", alone, alone / "state", 0, NullJournal(), threads=1)
    weights, same = (load_file(folder / "model.safetensors") for folder in (prepared / "results" / RUN, alone))
    assert weights.keys() == same.keys()
    assert all(weights[name].equal(same[name]) for name in same)


def test_a_job_that_fails_shows_its_last_lines_at_the_end(started, prepared):
    wrong = 'models.cgan.classes=["absent"]'
    head = started(prepared, f"results/{RUN}/model.safetensors", *settings("results", wrong), "--retries", "0")
    assert head.ends() == 1
    end = head.text.split("train.log ends with:")[1]
    assert "ERROR: classes: `absent` is not a class of" in end


def test_a_training_on_two_nodes(cluster, started, prepared):
    both = [f"train:{name}" for name in ("nodes=2", "tasks=2", "mpi=srun")]
    target = f"results/{RUN}/model.safetensors"
    head = started(prepared, target, *settings("results", "device=cpu"), "--set-resources", *both)
    assert head.ends() == 0, head.text
    said = (prepared / "results/logs/polycrystals/cgan-s0/train.log").read_text()
    assert "2 processes train together, all on the CPU" in said
    assert "vn[1-2]" in [job["NodeList"] for job in cluster.jobs() if job["WorkDir"] == str(prepared)]


def test_the_quick_run_of_everything(cluster, whole):
    head, folder = whole
    assert head.ends() == 0, head.text
    results = folder / "results"
    for file in ("report.html", "summary.csv", "polycrystals/report.html", "polycrystals/detection/arms.json"):
        assert (results / file).stat().st_size > 0
    assert (results / "mlflow" / "mlflow.db").is_file()
    jobs = [job["Comment"] for job in cluster.jobs() if job["WorkDir"] == str(folder)]
    assert "13 of 14 steps" in head.text
    assert len(jobs) == 8, "short stages that follow each other are one job of the queue"


def test_a_node_that_goes_down_costs_no_job(cluster, started, tmp_path):
    head = started(tmp_path, "moved", *FAULTS)
    nodes = tmp_path / "nodes"
    assert until(nodes.exists, PATIENCE), head.text
    down = nodes.read_text().strip()
    cluster.run("scontrol", "update", f"nodename={down}", "state=down", "reason=test")
    assert head.ends() == 0, head.text
    assert nodes.read_text().split()[0] == down
    assert nodes.read_text().split()[1] != down
