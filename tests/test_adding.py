"""docs/adding.md lists every file that an addition touches: each section's example is followed through the code."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "adding.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))
# Where the word of an example means something else.
ELSEWHERE = {
    "tiff": (  # the format of exports, and endings of names
        "pipeline/sampling/",
        "pipeline/report/cards.py",
        "pipeline/settings/stages.py",
        "pipeline/data/annotations/",
        "pipeline/data/reading/mask_names.py",
    ),
    "yolo": ("pipeline/sampling/",),  # an export
    "pasted": ("pipeline/settings/stages.py",),  # the meaning of a number
    "imagenet": (  # those that learn from it, or may be watched by it
        "pipeline/models/",
        "pipeline/training/",
        "pipeline/settings/families.py",
        "pipeline/downstream/",
        "pipeline/evaluation/class_agreement.py",
        "pipeline/sampling/class_odds.py",
    ),
}


def listed(body):
    return set(re.findall(r"^\d+\. `([\w/.]+)`:", body, re.M))


def touched(word):
    """Files of the package and its rules that are called so, or in which the word occurs."""
    files = [*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "workflow").rglob("*.smk")]
    known = [path for path in files if path.stem == word or re.search(rf"\b{word}\b", path.read_text("utf-8"))]
    found = {str(path.relative_to(ROOT)) for path in known}
    return {name for name in found if not name.startswith(ELSEWHERE.get(word, ()))}


@pytest.mark.parametrize("title", [title for title, body in SECTIONS.items() if "Example: `" in body])
def test_the_files_of_a_section_are_those_that_know_its_example(title):
    word = re.search(r"Example: `(\w+)`", SECTIONS[title])[1]
    assert listed(SECTIONS[title]) == touched(word)


def test_all_named_files_are_there():
    named = {name for body in SECTIONS.values() for name in listed(body)}
    assert len(named) > 15
    assert {name for name in named if not (ROOT / name).is_file()} == set()
