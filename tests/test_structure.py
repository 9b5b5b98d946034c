"""The direction of the dependencies, kept by walking the imports (design, section 1)."""

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted((ROOT / "pipeline").rglob("*.py"))


def rooms_of_the_page():
    """The table of docs/architecture.md: the rooms that each room imports from."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| .* \|([^|]*)\|$", page, re.M)
    return {name: set(re.findall(r"`(\w+)`", others)) for name, others in rows}


LOOKS_INTO = rooms_of_the_page()


def imports(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def room(path):
    return path.relative_to(ROOT / "pipeline").parts[0].removesuffix(".py")


def looked_into(name):
    """Rooms that a room's modules import."""
    seen = {module for path in MODULES if room(path) == name for module in imports(path)}
    return {module.split(".")[1] for module in seen if module.startswith("pipeline.")} - {name}


@pytest.mark.parametrize("name", sorted({room(path) for path in MODULES} - {"__init__"}))
def test_a_room_imports_from_the_rooms_of_the_page_and_no_others(name):
    assert looked_into(name) == LOOKS_INTO[name]


def test_no_two_rooms_need_each_other():
    order = list(graphlib.TopologicalSorter(LOOKS_INTO).static_order())
    assert set(order) == set(LOOKS_INTO)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_only_the_syncer_imports_mlflow_and_nothing_imports_snakemake(path):
    names = {name.split(".")[0] for name in imports(path)}
    assert "snakemake" not in names
    if path.name != "sync.py":
        assert "mlflow" not in names


def test_no_module_imports_the_slow_half_of_scipy():
    """Either takes half a second of every job; `scipy.special` has the quantiles."""
    slow = re.compile(r"^\s*(from scipy import .*|(from|import) scipy\.)\b(stats|signal)\b", re.M)
    assert [path for path in MODULES if slow.search(path.read_text(encoding="utf-8"))] == []


def test_the_report_computes_no_gain_and_no_verdict_of_detectors():
    """It lays out what `comparison.json` holds, what more repetitions or images would let it see (`chance`), and draws
    curves and boxes of the arms' own files."""
    files = (ROOT / "pipeline/report").glob("*.py")
    seen = {name for path in files for name in imports(path) if name.startswith("pipeline.downstream")}
    drawn = {"pipeline.downstream.classifier.scores", "pipeline.downstream.boxes", "pipeline.downstream.boxes.matching"}
    kinds = {f"pipeline.downstream.{task}.records" for task in ("anomalies", "boxes", "classifier")}
    files = {f"pipeline.downstream{name}" for name in ("", ".arms", ".chance", ".records", ".registry")}
    assert seen == files | kinds | drawn


def test_one_module_chooses_the_device():
    """So that PYRITE_DEVICE reaches every job; a check of the card itself and its sharing among ranks may ask too."""
    asking = {str(p.relative_to(ROOT / "pipeline")) for p in MODULES if ".is_available()" in p.read_text("utf-8")}
    assert {name for name in asking if not name.startswith("gpu_check")} == {"base/device.py", "training/launch.py"}


@pytest.mark.parametrize(
    "module",
    [
        "pipeline.settings",
        "pipeline.base.cards",
        "pipeline.data.reading.source",
        "pipeline.downstream.registry",
        "pipeline.downstream.classifier.records",
        "pipeline.downstream.boxes.records",
        "pipeline.base.weights",
        "pipeline.evaluation.catalog",
    ],
)
def test_planning_a_run_imports_no_torch(module):
    code = f"import {module}, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_results_take_their_names_and_json_is_read_in_one_module(path):
    """So that no full disk ends a stage without a path, and no damaged file with Python's words."""
    if room(path) not in {"data", "evaluation", "downstream", "report", "training"}:
        return
    text = path.read_text(encoding="utf-8")
    assert "os.replace(" not in text or path.name == "image_set.py"  # three files at once
    # a user's file; caches and states that are remade
    elsewhere = {"text_files.py", "pair_cache.py", "checkpoint.py", "class_features.py", "inputs.py"}
    assert not re.search(r"json\.loads?\(", text) or path.name in elsewhere
