"""Reads YOLO txt: one file an image, one line a box: class number, centre x, centre y, width, height.

All four are fractions of the image's width or height, and classes are counted from 0 (Ultralytics, "Object detection
datasets"). A sixth number is the confidence of a prediction, which is no annotation; after the class number three or
more pairs are the corners of a polygon ("Instance segmentation datasets").
"""

from __future__ import annotations

import os

import yaml

from pipeline.data.annotations.marks import Marks
from pipeline.data.annotations.records import Reading, Region, name_of, number
from pipeline.data.annotations.shapes import Shape, ends, listed
from pipeline.data.reading.frame import Rejected
from pipeline.settings import UserError

LARGEST_NAMES = 2**20  # bytes of a file of names


def read(path: str, name: str, names: list[str]) -> Reading:
    """The one image of a file, which has the file's own name. Raises Rejected where it is no text."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            lines = file.read().splitlines()
    except UnicodeDecodeError:
        raise Rejected("is no text") from None
    marks = Marks()
    for i, line in enumerate(lines, 1):
        with marks.reading(f"line {i}"):
            if line.strip():
                marks.add(*_marked(line.split(), names))
    return Reading([marks.record(os.path.splitext(name)[0], True, name, None, fractions=True)], [])


def _marked(words: list[str], names: list[str]) -> tuple[Region, Shape | None]:
    """A box, and its outline where that is told."""
    polygon = len(words) >= 7 and len(words) % 2 == 1
    if len(words) != 5 and not polygon:
        raise Rejected(f"has {len(words)} values, where a box has 5: class, centre x and y, width, height")
    place = number(words[0], "class number")
    if not place.is_integer() or not 0 <= place < len(names):
        raise Rejected(f"is of an unknown class: number {words[0][:20]} of {len(names)}, counted from 0")
    label = names[int(place)]
    if polygon:
        shape = Shape(label, [listed(words[1:])])
        return Region(label, *ends(shape)), shape
    what = ("centre x", "centre y", "width", "height")
    x, y, width, height = (number(word, key) for word, key in zip(words[1:], what, strict=True))
    return Region(label, x - width / 2, y - height / 2, x + width / 2, y + height / 2), None


def agreed_names(paths: list[str]) -> list[str]:
    """The classes that the first of some files names, the nearest; none without files.

    Raises:
        UserError: it names none, or another gives one of its numbers another name.
    """
    if not paths:
        return []
    names = read_names(paths[0])
    for path in paths[1:]:
        try:
            others = read_names(path)
        except UserError:  # a file of that name may be of something else
            continue
        for place, (name, other) in enumerate(zip(names, others, strict=False)):
            if name != other:
                raise UserError(
                    f"boxes.names: class {place} is `{name}` in {paths[0]} and `{other}` in {path}; say which is "
                    f"right: `boxes.names: {paths[0]}` or `boxes.names: {path}`"
                )
    return names


def read_names(path: str) -> list[str]:
    """The classes in the order of their numbers: `names` of a data.yaml (a list, or numbers with names), or lines.

    Raises:
        UserError: it holds no such thing.
    """
    try:
        if os.path.getsize(path) > LARGEST_NAMES:
            raise Rejected(f"is larger than {LARGEST_NAMES} bytes")
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
        names = _of_yaml(text) if path.endswith((".yaml", ".yml")) else text.rstrip().splitlines()
        return [name_of(name) for name in names]
    except Exception as error:  # what is damaged in it ends the parser in many ways
        raise UserError(f"boxes.names: {path} gives no names of classes: {_why(error)}") from None


def _why(error: Exception) -> str:
    if isinstance(error, Rejected):
        return str(error)
    if isinstance(error, OSError):
        return f"it cannot be read ({error.strerror})"
    mark = getattr(error, "problem_mark", None)  # of YAML
    return f"it is damaged in line {mark.line + 1}, column {mark.column + 1}" if mark else "it cannot be understood"


class _AsWritten(yaml.SafeLoader):
    """Takes words for text: `no`, `010` and `1` are names of classes like others, as is what looks like a date."""


_AsWritten.yaml_implicit_resolvers = {"<": yaml.SafeLoader.yaml_implicit_resolvers["<"]}  # `<<`, which merges


def _of_yaml(text: str) -> list:
    content = yaml.load(text, _AsWritten)
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict) and names.keys() == {str(i) for i in range(len(names))}:
        names = [names[str(i)] for i in range(len(names))]
    if not isinstance(names, list) or not names:
        raise Rejected("its `names` is no list, nor 0: name, 1: name, and so on")
    return names
