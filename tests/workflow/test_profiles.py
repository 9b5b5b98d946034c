"""What the profiles of clusters and the rules say of each other."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROFILES = {
    path.parent.name: yaml.safe_load(path.read_text())
    for folder in (ROOT, ROOT / "workflow")
    for path in folder.glob("profiles/*/profile.v9+.yaml")
}
CLUSTERS = sorted(PROFILES.keys() - {"default"})
RULES = {
    name: body
    for file in (ROOT / "workflow" / "rules").glob("*.smk")
    for name, body in re.findall(
        r"^(?:rule|use rule \w+ as) (\w+)(?: with)?:\n((?:(?: .*)?\n)+)", file.read_text(encoding="utf-8"), re.M
    )
}


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_a_cluster_runs_as_any_machine_does_but_for_where(cluster):
    """`--workflow-profile` takes the place of workflow/profiles/default."""
    here = {key: value for key, value in PROFILES["default"].items() if key not in ("cores", "resources")}
    assert {key: PROFILES[cluster][key] for key in here} == here
    assert PROFILES[cluster]["default-resources"].keys() >= {"mem_mb", "runtime"}


def test_jobs_are_chosen_without_an_integer_program():
    """Which takes most of Snakemake's time, more for each job that is ready (docs/results/scale.md)."""
    assert PROFILES["default"]["scheduler"] == "greedy"


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_groups_are_of_rules_that_there_are(cluster):
    grouped = [entry.split("=") for entry in PROFILES[cluster].get("groups", [])]
    assert grouped
    assert {rule for rule, _ in grouped} <= RULES.keys()
    assert "train" not in dict(grouped)  # what follows a training is not done again with it


def test_every_rule_says_what_it_needs_and_none_how_often_it_is_tried():
    for name, body in RULES.items():
        assert "retries:" not in body, (
            name
        )  # every job of a cluster would try by itself, in the memory that it was given
        if "script:" in body and name != "weights":
            assert "**asked(" in body or ("mem_mb=lambda w, attempt" in body and "runtime=" in body), name
            assert "threads:" in body, name
    assert len(RULES) > 20
