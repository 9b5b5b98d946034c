"""The direction of the dependencies, kept by walking the imports (design, section 1)."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted((ROOT / "pipeline").rglob("*.py"))
# The rooms of the package that a room may look into, beside itself, settings, job and files.
MAY_IMPORT = {
    "settings": set(),
    "base": {"device"},
    "job": set(),
    "cards": set(),
    "device": {"cards"},
    "files": set(),
    "weights": set(),
    "data": set(),
    "models": {"weights"},
    "tracking": set(),
    "training": {"models", "data", "device", "tracking", "evaluation", "weights"},
    "sampling": {"models", "data", "device", "training", "tracking"},
    "evaluation": {"base", "data", "detection", "device", "tracking", "weights"},
    "detection": {"data", "device", "tracking", "training"},
    "report": {"data", "detection", "evaluation", "tracking", "training"},
    "gpu_check": {"data", "device", "models", "training", "evaluation", "detection"},
}


def imports(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def room(path):
    return path.relative_to(ROOT / "pipeline").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_imports_only_what_its_room_may_see(path):
    if room(path) == "__init__":
        return
    seen = {name.split(".")[1] for name in imports(path) if name.startswith("pipeline.")}
    own = room(path)
    everyone_may = set() if own == "settings" else {"settings", "job", "files"}
    assert seen <= MAY_IMPORT[own] | {own} | everyone_may


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_only_the_syncer_imports_mlflow_and_nothing_imports_snakemake(path):
    names = {name.split(".")[0] for name in imports(path)}
    assert "snakemake" not in names
    if path.name != "sync.py":
        assert "mlflow" not in names


def test_the_report_computes_no_gain_and_no_verdict_of_detectors():
    """It lays out what `comparison.json` holds, and draws curves and boxes of the arms' own files."""
    files = (ROOT / "pipeline/report").glob("*.py")
    seen = {name for path in files for name in imports(path) if name.startswith("pipeline.detection")}
    drawn = {"pipeline.detection.scores", "pipeline.detection.boxes", "pipeline.detection.boxes.matches"}
    assert seen == {"pipeline.detection", "pipeline.detection.arms", "pipeline.detection.records"} | drawn


def test_one_module_chooses_the_device():
    """So that PYRITE_DEVICE reaches every job; a check of the card itself and its sharing among ranks may ask too."""
    asking = {str(p.relative_to(ROOT / "pipeline")) for p in MODULES if ".is_available()" in p.read_text("utf-8")}
    assert {name for name in asking if not name.startswith("gpu_check")} == {"device.py", "training/launch.py"}


def test_metrics_know_no_data_set():
    seen = set(imports(ROOT / "pipeline" / "evaluation" / "metrics.py"))
    assert not {name for name in seen if name.startswith("pipeline.data") or name == "torch"}


@pytest.mark.parametrize(
    "module",
    [
        "pipeline.settings",
        "pipeline.cards",
        "pipeline.data.source",
        "pipeline.detection.arms",
        "pipeline.detection.boxes.arms",
        "pipeline.weights",
    ],
)
def test_planning_a_run_imports_no_torch(module):
    code = f"import {module}, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_results_take_their_names_and_json_is_read_in_one_module(path):
    """So that no full disk ends a stage without a path, and no damaged file with Python's words."""
    if room(path) not in {"data", "evaluation", "detection", "report", "training"}:
        return
    text = path.read_text(encoding="utf-8")
    assert "os.replace(" not in text or path.name == "imageset.py"  # three files at once
    elsewhere = {
        "coco.py",
        "pairs.py",
        "checkpoint.py",
        "domain.py",
    }  # a user's file; caches and states that are remade
    assert not re.search(r"json\.loads?\(", text) or path.name in elsewhere
