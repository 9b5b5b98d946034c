"""The real Snakefile: what runs, what runs again after a change, and what a killed run loses (nothing).

Dry runs tell what would run again; only the first run and the killed training do real work.
"""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from pipeline.downstream.arms import SyntheticSet
from pipeline.downstream.registry import TASKS
from pipeline.settings import STRIPS, STYLED
from tests.forks import ROOT, Child
from tests.workflow import planning

# One core: other tests run on the others, and threads that wait for each other took eight times the processor's time.
SNAKEMAKE = [str(Path(sys.executable).with_name("snakemake")), "--cores", "1", "--configfile"]
TINY = [str(ROOT / "config" / f"{name}.yaml") for name in ("config", "all-families", "quick")]


NO_SERVER = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}


def arms(models):
    return TASKS["classification"].arms([SyntheticSet(name, "synthetic") for name in models], more_real=False)


def command(results, *words, settings=""):
    override = f"set=results={results} {settings}"
    return [*SNAKEMAKE, *TINY, "--config", override, "--", *words]


def started(results, *words, settings="", **variables):
    """A run that goes on beside the test; variables of its environment."""
    _, *options = command(results, *words, settings=settings)
    return Child("snakemake.cli", *options, **variables)


def run(results, *words, settings="", check=True, tracked=False):
    """All that it says. A run that is not tracked sends nothing: MLflow's own store outlasts most jobs here."""
    child = started(results, *words, settings=settings, **({} if tracked else NO_SERVER))
    status = child.wait(2400)
    if check:
        assert status == 0, child.said
    return child.said


def planned(results, settings="", *words):
    """Jobs by rule that a dry run would do, without `all`."""
    return planning.planned(command(results, *words, settings=settings)[1:])


MODELS = ["cgan", "stylegan2_ada"]  # one that can draw least, one that can draw most; the others are trained elsewhere
CHOSEN = f"datasets.polycrystals.shots=null datasets.polycrystals.models=[{','.join(MODELS)}]"
CHOSEN += " all_models.total_images=64 detect.filters=[confidence] detect.keep_fractions=[1]"


STOPS = [  # the log of a stage, a target that ends with it, and how it is stopped
    ("prepare", "prepare_all", signal.SIGINT),
    ("train", "train_all", signal.SIGINT),
    ("generate", "generate_all", signal.SIGTERM),
    ("evaluate", "evaluate_all", signal.SIGINT),
    ("arms", "detect_all", signal.SIGINT),
    ("write_report", "all", signal.SIGINT),
]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """One whole run with tiny budgets, stopped at every stage: its results, and the run that ended at each stop."""
    results = tmp_path_factory.mktemp("whole") / "results"
    heads = []
    for stage, target, stop in STOPS:
        head = started(results, target, settings=CHOSEN, **NO_SERVER)
        heads.append(head)
        deadline = time.monotonic() + 600
        while not list((results / "logs").rglob(f"{stage}.log")):
            assert head.poll() is None, head.said
            assert time.monotonic() < deadline, stage
            time.sleep(0.02)
        head.signal(stop)  # as Ctrl-C in a terminal, or a machine that shuts down
        head.wait(170)
    run(results, settings=CHOSEN, tracked=True)
    return results, heads


@pytest.fixture(scope="module")
def results(stopped):
    return stopped[0]


@pytest.mark.slow
def test_an_interrupt_at_every_stage_costs_a_line_and_the_same_command_goes_on(stopped):
    for head in stopped[1]:
        assert head.poll() != 0, head.said
        assert "Traceback" not in head.said
        assert "the same command goes on" in head.said, head.said


@pytest.mark.slow
def test_a_run_leaves_all_that_the_contract_names(results):
    dataset = results / "polycrystals"
    real = ["images.npy", "metadata.csv", "meta.json", "rejected.csv", "near_duplicates.csv", "preview.png"]
    real += ["evaluation.json", "classifier.safetensors"]
    real += [f"features-{name}.npz" for name in ("random", "classifier", "imagenet")]
    assert all((dataset / "real" / name).is_file() for name in real)
    for model in MODELS:  # the default experiment names its models by their families
        folder = dataset / model / "seed-0"
        files = ["model.safetensors", "model.json", "training.csv", "progress.gif", "evaluation.json"]
        assert all((folder / name).is_file() for name in files)
        assert len(list((folder / "synthetic" / "export").rglob("*.tif"))) == 4 * 12
        assert (folder / "gallery" / "interpolation.mp4").is_file()
        drawn = {path.name for path in (folder / "gallery").glob("*.png")}
        sheets = {"truncation.png", "mixing.png", "directions.png"} if model in STYLED else set()
        assert drawn == sheets | ({"strips.png"} if model in STRIPS else set())
    found = {path.stem for path in (dataset / "detection").glob("*.json")}
    assert found == {"arms", "comparison"}  # all arms of a frozen backbone are one job
    written = json.loads((dataset / "detection" / "arms.json").read_text())
    assert [arm["arm"] for arm in written] == list(arms(MODELS))
    assert (results / "summary.csv").stat().st_size > 0
    for page in (results / "report.html", dataset / "report.html"):
        assert "<html" in page.read_text(encoding="utf-8")[:500]
    assert (results / "mlflow" / "mlflow.db").is_file()


@pytest.mark.slow
def test_a_second_run_has_nothing_to_do_also_after_a_fresh_clone_and_where_the_results_were_moved(results):
    assert planned(results, CHOSEN) == {}
    moved = results.rename(results.with_name("elsewhere"))
    assert planned(moved, CHOSEN) == {}
    moved.rename(results)
    for path in [ROOT / "workflow" / "Snakefile", *(ROOT / "workflow").rglob("*.*"), *(ROOT / "config").glob("*.yaml")]:
        path.touch()
    assert planned(results, CHOSEN) == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "jobs"),
    [
        ("evaluate.subsets=11", {"evaluate_real": 1, "evaluate": 2, "write_report": 1}),
        ("evaluate.class_feature_steps=0", {"evaluate_real": 1, "evaluate": 2, "write_report": 1}),
        (
            "models.cgan.generator_lr=0.0003",
            {"train": 1, "generate": 1, "gallery": 1, "evaluate": 1, "detect": 1, "compare_detectors": 1}
            | {"write_report": 1},
        ),
        ("detect.repetitions=11", {"detect": 1, "compare_detectors": 1, "write_report": 1}),
        (
            "generate.images_per_class=13",
            {"generate": 2, "evaluate": 2, "detect": 1, "compare_detectors": 1, "write_report": 1},
        ),
        ("tracking.experiment=other", {}),
        ("device=cpu jobs_per_gpu=3", {}),
        (
            "generate.truncation=0.7",
            {"generate": 1, "evaluate": 1, "detect": 1, "compare_detectors": 1, "write_report": 1},
        ),
        ("gallery.interpolation.fps=5", {"gallery": 2, "write_report": 1}),
        ("gallery.strips.width=100", {"gallery": 1, "write_report": 1}),
        (
            "datasets.polycrystals.shots=[5,null]",
            {"draw_voronoi": 1, "prepare": 1, "train": 2, "generate": 2, "gallery": 2}
            | {"evaluate_real": 1, "evaluate": 2, "detect": 1, "compare_detectors": 2, "write_report": 1},
        ),
        ("seeds=[0,1]", {"train": 2, "generate": 2, "gallery": 2, "evaluate": 2, "write_report": 1}),
    ],
)
def test_a_changed_setting_reruns_what_depends_on_it_and_nothing_else(results, change, jobs):
    assert planned(results, f"{CHOSEN} {change}") == jobs


def test_shots_are_data_sets_of_their_own_generators_included(tmp_path):
    families = len(MODELS)
    assert planned(tmp_path / "results", f"{CHOSEN} datasets.polycrystals.shots=[5,10]") == {
        "draw_voronoi": 2, "prepare": 2, "train": 2 * families, "generate": 2 * families, "gallery": 2 * families,
        "evaluate_real": 2, "evaluate": 2 * families, "detect": 2,
        "compare_detectors": 2, "write_report": 1,
    }  # fmt: skip


def test_a_generator_without_training_is_not_trained_and_has_no_gallery(tmp_path):
    jobs, more = (planned(tmp_path / "results", settings) for settings in ("", "models.free.family=quilting"))
    assert {rule: more[rule] - jobs.get(rule, 0) for rule in more if more[rule] != jobs.get(rule)} == {
        "collect": 1, "generate": 1, "evaluate": 1,
    }  # fmt: skip


def test_a_model_that_begins_with_another_of_the_run_is_trained_after_it(tmp_path):
    results = tmp_path / "results"
    settings = f"models.later.family=cgan models.later.init_from={results}/polycrystals/cgan/seed-0"
    target = f"{results}/polycrystals/later/seed-0/model.safetensors"
    assert planned(results, settings, target) == {"draw_voronoi": 1, "prepare": 1, "train": 2}


@pytest.mark.slow
def test_few_shot_sets_share_their_test_images_and_a_longer_list_adds_to_them(tmp_path):
    results, few = tmp_path / "results", "datasets.polycrystals.shots="
    run(results, "prepare_all", settings=f"{few}[5,10]")
    tables = {k: pd.read_csv(results / f"polycrystals_{k}" / "real" / "metadata.csv") for k in (5, 10)}
    train, test = (
        {k: set(table["id"][table["split"] == side]) for k, table in tables.items()} for side in ("train", "test")
    )
    assert (len(train[5]), len(train[10])) == (4 * 5, 4 * 10)
    assert train[5] < train[10]
    assert test[5] == test[10]
    assert planned(results, f"{few}[5,10]", "prepare_all") == {}
    assert planned(results, f"{few}[3,5,10]", "prepare_all") == {"draw_voronoi": 1, "prepare": 1, "prepare_all": 1}
    # A larger one leaves other images over, to judge all of them by.
    assert planned(results, f"{few}[5,10,12]", "prepare_all") == {"draw_voronoi": 1, "prepare": 3, "prepare_all": 1}


STEADY = "models.cgan.lr_schedule=none"  # rates that do not depend on the budget: another one begins nothing anew


@pytest.mark.slow
def test_a_training_killed_with_its_run_goes_on_from_its_last_checkpoint(tmp_path):
    """Two processes began it, and one ends it."""
    results = tmp_path / "results"
    target = f"{results}/polycrystals/cgan/seed-0/model.safetensors"
    state = results / "state" / "polycrystals" / "cgan" / "seed-0"
    long = f"{STEADY} models.cgan.total_images=200000 models.cgan.snapshots=4000"  # a checkpoint at each snapshot
    words = command(results, target, settings=long)[1:]
    words[words.index("--cores") + 1] = "2"
    first = Child("snakemake.cli", "--resources", "gpu=2", "--set-resources", "train:gpu=2", *words)
    try:
        deadline = time.monotonic() + 400
        while steps_kept(state) <= 0:
            assert first.poll() is None, "the training ended by itself"
            assert time.monotonic() < deadline, "no checkpoint within 400 s"
            time.sleep(0.05)
    finally:
        first.signal(signal.SIGKILL)
        first.kill()
    log = results / "logs" / "polycrystals" / "cgan-s0" / "train.log"
    assert "2 processes train together, all on the CPU" in log.read_text(encoding="utf-8")
    reached = 16 * steps_kept(state)
    printed = run(results, target, settings=f"{STEADY} models.cgan.total_images={reached + 64}")
    assert f"goes on from {reached} images" in printed
    assert Path(target).is_file()


def steps_kept(state):
    """Steps of the newest checkpoint, which its name tells."""
    return max((int(path.name.split("-")[2]) for path in state.glob("*.safetensors")), default=0)


def test_a_wrong_setting_and_a_missing_folder_are_one_line(tmp_path):
    for settings, line in (
        ("datasets.polycrystals.sze=3", "ERROR: datasets.polycrystals.sze: unknown setting; did you mean `size`?"),
        (f"datasets.polycrystals.source={tmp_path}/none", f"ERROR: datasets.polycrystals.source: `{tmp_path}/none`"),
    ):
        printed = run(tmp_path / "results", settings=settings, check=False)
        assert line in printed
        assert "Traceback" not in printed


def test_planning_imports_no_torch(tmp_path):
    script = (
        "import sys; from snakemake.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: code = end.code\n"
        "sys.exit(code or ('torch' in sys.modules and 'torch was imported'))"
    )
    words = [*command(tmp_path / "results")[1:-1], "--dry-run", "--quiet"]
    done = subprocess.run([sys.executable, "-c", script, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
