"""A training that starts itself again as ranks on several nodes; a script plays srun. tests/slurm has a real one."""

import sys

import pytest

from pipeline.training.nodes import over_nodes, rank

SRUN = """#!{python}
import os, subprocess, sys
words = sys.argv[1:]
options = [word for word in words if word.startswith("--")]
open("{folder}/options", "w").write(" ".join(options))
ranks = [os.environ | {{"SLURM_PROCID": str(k), "SLURM_LOCALID": str(k % 2)}} for k in range(4)]
sys.exit(max(subprocess.run(words[len(options):], env=env).returncode for env in ranks))
"""
RANK = """
import os, sys
known = [os.environ[name] for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE")]
open(f"{sys.argv[1]}/rank-{known[0]}", "w").write(" ".join(known))
assert os.environ["MASTER_ADDR"] and int(os.environ["MASTER_PORT"])
sys.exit(75 if known[0] == sys.argv[2] else 0)
"""


@pytest.mark.parametrize(("fails", "status"), [("none", 0), ("3", 75)])
def test_every_rank_runs_this_program_and_knows_its_place(tmp_path, monkeypatch, fails, status):
    (tmp_path / "srun").write_text(SRUN.format(python=sys.executable, folder=tmp_path))
    (tmp_path / "srun").chmod(0o755)
    (tmp_path / "program.py").write_text(RANK)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "program.py"), str(tmp_path), fails])
    assert over_nodes(2, 2, threads=3) == status
    assert [(tmp_path / f"rank-{k}").read_text() for k in range(4)] == ["0 0 4", "1 1 4", "2 0 4", "3 1 4"]
    options = (tmp_path / "options").read_text()
    assert "--nodes=2 --ntasks=4 --ntasks-per-node=2 --cpus-per-task=3 --distribution=block" in options


def test_a_process_that_nobody_has_started_together_with_others_has_no_rank(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    assert rank() is None
    monkeypatch.setenv("RANK", "3")
    assert rank() == 3
