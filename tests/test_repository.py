"""Files that other programs read of the repository: they agree with what they speak of."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)  # what version 1.2.0 asks for
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])


def test_the_workflow_catalogue_finds_what_it_looks_for():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))["usage"]
    assert usage["software-stack-deployment"]["conda"] is True
    assert "conda:" in (ROOT / "workflow/rules/train.smk").read_text(encoding="utf-8")
    assert usage["report"] is True
    assert re.search(r"^report: ", (ROOT / "workflow" / "Snakefile").read_text(encoding="utf-8"), re.M)


def test_every_environment_takes_its_versions_from_pyproject():
    """None names a package of its own, and all have the same Python and the same packages of the system."""
    conda = yaml.safe_load((ROOT / "envs" / "pyrite.yaml").read_text(encoding="utf-8"))["dependencies"]
    (pip,) = (part["pip"] for part in conda if isinstance(part, dict))
    assert (conda[:2], pip) == (["python=3.11", "pip"], ["-e .."])
    recipes = [(ROOT / "envs" / name).read_text(encoding="utf-8") for name in ("Dockerfile", "pyrite.def")]
    for recipe in recipes:
        assert re.findall(r"pip install (.*)", recipe) == ["--no-cache-dir --editable '/opt/pyrite[cluster]'"]
        assert re.findall(r"python:(\S+)", recipe) == ["3.11-slim"]
    first, second = (re.findall(r"apt-get install (.*?)(?: \\)?\n", recipe) for recipe in recipes)
    assert first == second
    assert PROJECT["requires-python"] == ">=3.11"
    unpinned = [name for name in PROJECT["dependencies"] if not re.search(r"==|<", name)]
    assert unpinned == []
    page = (ROOT / "docs" / "containers.md").read_text(encoding="utf-8")
    named = set(re.findall(r"/opt/pyrite/([\w./-]+)", page))
    assert "workflow/Snakefile" in named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_page_of_configurations_names_each():
    page = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\[`([\w.-]+)`\]\(\1\)", page))
    assert named == {path.name for path in (ROOT / "config").iterdir()} - {"README.md"}


def test_links_of_the_pages_lead_somewhere():
    """Relative ones, of all Markdown pages, to files and to headings."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "config" / "README.md"]
    lost = []
    for page in pages:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            file, _, heading = target.partition("#")
            there = (page.parent / file).resolve() if file else page
            if "://" in target:
                continue
            if not there.exists() or (heading and heading not in headings(there)):
                lost.append(f"{page.relative_to(ROOT)}: {target}")
    assert lost == []


def test_prose_has_lines_of_120_characters_at_most():
    """Tables and commands cannot be broken."""
    long = []
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "config" / "README.md"]:
        text = re.sub(r"^( *)```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
        lines = (line for line in text.splitlines() if not line.lstrip().startswith("|"))
        long += [f"{page.relative_to(ROOT)}: {line}" for line in lines if len(line) > 120]
    assert long == []


def test_a_suite_that_is_collected_from_its_folder_has_all_its_tests_there():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    suites = dict(re.findall(r"pytest -q -m (\w+) (tests/\w+)\n", makefile))
    assert suites == {name: f"tests/{name}" for name in ("slurm", "kubernetes", "services", "faults")}
    for name, folder in suites.items():
        marked = [path for path in (ROOT / "tests").rglob("*.py") if f"pytest.mark.{name}" in path.read_text("utf-8")]
        assert marked
        assert [path for path in marked if not path.is_relative_to(ROOT / folder)] == []


def headings(page):
    """As forges make anchors of them."""
    found = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", text).lower()).replace(" ", "-") for text in found}
