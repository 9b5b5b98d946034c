"""The direction of the dependencies, kept by walking the imports (design, section 1)."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted((ROOT / "pipeline").rglob("*.py"))
# The rooms of the package that a room may look into, beside itself, settings and job.
MAY_IMPORT = {
    "settings": set(),
    "job": set(),
    "weights": set(),
    "data": set(),
    "models": {"weights"},
    "tracking": set(),
    "training": {"models", "data", "tracking", "evaluation", "weights"},
    "sampling": {"models", "data", "training", "tracking"},
    "evaluation": {"data", "detection", "tracking", "weights"},
    "detection": {"data", "tracking", "training"},
    "report": {"data", "detection", "evaluation", "tracking", "training"},
    "gpu_check": {"data", "models", "training", "evaluation", "detection"},
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
    everyone_may = set() if own == "settings" else {"settings", "job"}
    assert seen <= MAY_IMPORT[own] | {own} | everyone_may


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_only_the_syncer_imports_mlflow_and_nothing_imports_snakemake(path):
    names = {name.split(".")[0] for name in imports(path)}
    assert "snakemake" not in names
    if path.name != "sync.py":
        assert "mlflow" not in names


def test_metrics_know_no_data_set():
    seen = set(imports(ROOT / "pipeline" / "evaluation" / "metrics.py"))
    assert not {name for name in seen if name.startswith("pipeline.data") or name == "torch"}


@pytest.mark.parametrize(
    "module",
    [
        "pipeline.settings",
        "pipeline.data.source",
        "pipeline.detection.arms",
        "pipeline.detection.boxes.arms",
        "pipeline.weights",
    ],
)
def test_planning_a_run_imports_no_torch(module):
    code = f"import {module}, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
