"""Each setting is read somewhere, off its own class: what nothing reads changes nothing."""

import ast
import re
from pathlib import Path

import pytest

from pipeline.settings import Strict
from tests.setting_reads import Reads, of_base

ROOT = Path(__file__).resolve().parents[1]
CHECKING = {"basics", "datasets", "families", "patches", "stages"}  # a bound that looks at a setting makes no use of it
INTERFACES = {
    "DetectorSettings": ("Detect", "DetectBoxes", "DetectAnomalies"),
    "Descent": ("Detect", "DetectBoxes"),
}
BY_OTHER_WAYS = {
    "DDPMSettings.boxes",  # its property `draws_boxes`
    *(f"Texture.{name}" for name in ("perceptual", "gram", "fft")),  # the losses that they multiply have their names
    *(f"{name}.width" for name in ("DetectBoxes", "BoxDetection")),  # in a table of functions
}


def settings_classes(base=Strict):
    """All of the package, by name, and none that a test made."""
    below = [c for sub in base.__subclasses__() for c in (sub, *settings_classes(sub).values())]
    return {c.__name__: c for c in below if c.__module__.startswith("pipeline.settings.")}


def unread(known, trees, **options):
    found = of_base(known, Reads(known, trees, **options).found)
    return {f"{name}.{field}" for name, of in known.items() for field in of.model_fields if (name, field) not in found}


@pytest.fixture(scope="module")
def trees():
    """The package, the scripts, and what rules say of SETTINGS."""
    modules = [path for folder in ("pipeline", "pyrite", "workflow") for path in (ROOT / folder).rglob("*.py")]
    texts = [path.read_text("utf-8") for path in modules if path.parent.name != "settings" or path.stem not in CHECKING]
    rules = "".join(path.read_text("utf-8") for path in (ROOT / "workflow").rglob("*.smk"))
    return [ast.parse(text) for text in (*texts, "\n".join(re.findall(r"\bSETTINGS(?:\.\w+)+", rules)))]


def test_each_setting_is_read_somewhere(trees):
    options = {"names": {"SETTINGS": {"Settings"}}, "interfaces": INTERFACES}
    assert unread(settings_classes(), trees, **options) == BY_OTHER_WAYS


class Paint(Strict):
    colour: int = 0
    width: int = 0


class Frame(Strict):
    paint: Paint | None = None
    width: int = 0


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("def f(frame: Frame): return frame.width", {"Paint.colour", "Paint.width", "Frame.paint"}),
        ("def f(frame: Frame): return frame.paint.width", {"Paint.colour", "Frame.width"}),
        (
            "class Wall:\n of: Frame\n def f(self):\n  p = self.of.paint\n  return p.colour",
            {"Paint.width", "Frame.width"},
        ),
        (
            "def f(wall: Wall, width: int): return wall.colour, wall.paint, width",
            {"Paint.colour", "Paint.width", "Frame.paint", "Frame.width"},
        ),
    ],
)
def test_a_setting_that_nothing_reads_is_found_also_where_another_has_its_name(code, found):
    assert unread({"Paint": Paint, "Frame": Frame}, [ast.parse(code)]) == found


def test_a_new_setting_that_nothing_reads_is_found(trees):
    """`height` is read of images in a hundred places, and of no settings for evaluation."""
    known = settings_classes()
    made = type("Evaluate", (known["Evaluate"],), {"__annotations__": {"height": int}, "height": 3})
    assert "Evaluate.height" in unread(known | {"Evaluate": made}, trees)
