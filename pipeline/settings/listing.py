"""Every setting with its default and meaning, as a configuration file to browse."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any, get_args

import yaml
from pydantic.fields import FieldInfo

from pipeline.settings.basics import Strict
from pipeline.settings.datasets import Dataset
from pipeline.settings.families import FAMILY_SETTINGS, Training, Untrained
from pipeline.settings.loading import Settings

WIDTH = 120
HEAD = """\
# Every setting, its default and its meaning; `make schema` writes this page from pipeline/settings/. It is a valid
# configuration, but copy from it only what you change: every setting that you leave out has the default shown here.
# `|` stands between the values to choose from. Settings of an entry that is null by default follow it as comments.
"""
EXAMPLES = {"format": "voc", "path": "annotations"}  # of what has no default


def listing() -> str:
    """The text of config/all-settings.yaml: valid YAML that loads to the defaults."""
    return "\n".join([HEAD, *_section(Settings, 0), ""])


def _section(of: type[Strict], depth: int, only: set[str] | None = None) -> Iterator[str]:
    for name, field in of.model_fields.items():
        if only is None or name in only:
            yield from _setting(name, field, depth)


def _setting(name: str, field: FieldInfo, depth: int) -> Iterator[str]:
    yield from _comment(_meaning(field), depth)
    match name:
        case "datasets":
            yield from ("datasets:", "  steel:", "    source: voronoi")
            yield from _section(Dataset, 4, set(Dataset.model_fields) - {"source"})
        case "models":
            yield "models:"
            for family, of in FAMILY_SETTINGS.items():
                yield from _family(family, of)
        case _:
            yield from _value(name, field, depth)


def _family(family: str, of: type[Training | Untrained]) -> Iterator[str]:
    """A family's entry; what all have that are trained stands in the first, and where the default is another one."""
    first = family == next(iter(FAMILY_SETTINGS)) or issubclass(of, Untrained)
    common = Training.model_fields
    own = {n for n, f in of.model_fields.items() if n not in common or first or f.default != common[n].default}
    yield from _comment(f"{of.__doc__}{'' if first else ' And what `dcgan` has down to `classes`.'}", 2)
    yield from (f"  {family}:", f"    family: {family}", *_section(of, 4, own - {"family"}))


def _value(name: str, field: FieldInfo, depth: int) -> Iterator[str]:
    inner, pad = _class_of(field), " " * depth
    if inner is None:
        default = EXAMPLES.get(name) if field.is_required() else field.get_default(call_default_factory=True)
        yield f"{pad}{name}: {_yaml(default)}"
    elif field.default is None:
        yield f"{pad}{name}: null"
        for line in _section(inner, depth + 2):
            yield f"{pad}# {line[depth:]}"
    else:
        yield f"{pad}{name}:"
        yield from _section(inner, depth + 2)


def _class_of(field: FieldInfo) -> type[Strict] | None:
    """The class of a section, which may be null, or of the values of a mapping; None of other fields."""
    kinds = [field.annotation, *get_args(field.annotation)]
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Strict)), None)


def _meaning(field: FieldInfo) -> str:
    inner = _class_of(field)
    text = field.description or (inner.__doc__ if inner else "") or ""
    return " ".join([text, *([f"One of: {choices}."] if (choices := _choices(field)) else [])])


def _choices(field: FieldInfo) -> str:
    values = get_args(field.annotation)
    plain = values and all(isinstance(value, str) for value in values)
    return " | ".join(values) if plain and len(values) > 1 else ""


def _comment(text: str, depth: int) -> list[str]:
    start = f"{' ' * depth}# "
    return textwrap.wrap(" ".join(text.split()), WIDTH, initial_indent=start, subsequent_indent=start)


def _yaml(value: Any) -> str:
    return (
        yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True).removesuffix("\n...\n").strip()
    )
