"""What every room needs of the settings: the user's errors, what an image is, the kinds of numbers."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

# A number a stage: raised when its method changes, so that finished work is redone on purpose and never by accident.
METHOD = {
    "prepare": 6,
    "annotate": 4,
    "cut_patches": 2,
    "collect": 1,
    "train": 4,
    "generate": 2,
    "blend": 1,
    "gallery": 2,
    "evaluate": 6,
    "detect": 6,
    "pseudo_label": 2,
    "detect_boxes": 5,
    "detect_anomalies": 2,
    "compare": 2,
    "report": 9,
}


class UserError(Exception):
    """Something the user can mend. The message names the file or setting, its value and the limit."""


class ImageSpec(NamedTuple):
    """What a data set tells a model about its images."""

    height: int
    width: int
    channels: int
    classes: tuple[str, ...]
    symmetry: str = "none"
    boxes: tuple[str, ...] = ()
    """Classes of boxes, for a model whose images come with boxes."""

    def described(self) -> dict[str, Any]:
        """The fields by name, without `boxes` where there are none: descriptions from before there were any stay
        what they are."""
        return {name: value for name, value in self._asdict().items() if name != "boxes" or value}


class Strict(BaseModel):
    """No unknown keys; no number that is none (`.nan`) or has no end (`.inf`), wherever it stands."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, protected_namespaces=(), allow_inf_nan=False
    )


def _folder(text: str) -> str:
    if not text.strip():
        raise ValueError("must name a folder, it is empty; `.` is the current one")
    if bad := sorted({c for c in text if c in "{}<>" or not c.isprintable()}):
        raise ValueError(f"`{text}` holds {', '.join(map(repr, bad))}, which Snakemake takes for patterns of its own")
    return re.sub("//+", "/", text).rstrip("/") or "/"


def listed(value: Any) -> Any:
    """A list of one, where a person wrote the one."""
    return [value] if isinstance(value, str | int | float) and not isinstance(value, bool) else value


def by_rule(value: Any) -> Any:
    """A section whose `rule` is all that a person wrote."""
    return {"rule": value} if isinstance(value, str) else value


def _word(value: Any) -> Any:
    """A name that YAML takes for a whole number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def distinct(values: list[Any]) -> list[Any]:
    if twice := [value for value in dict.fromkeys(values) if values.count(value) > 1]:
        raise ValueError(f"{values} names {twice[0]} twice")
    return values


MOST = 2**31 - 1  # the largest whole number; all libraries take it
Fraction = Annotated[float, Field(ge=0, le=1)]
Whole = Annotated[int, Field(ge=0, le=MOST)]
Count = Annotated[int, Field(ge=1, le=MOST)]
Several = Annotated[int, Field(ge=2, le=MOST)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Positive = Annotated[float, Field(gt=0)]
# Names become file names, wildcards and MLflow keys.
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=80)]
Folder = Annotated[str, AfterValidator(_folder)]
# Of images or of boxes.
Class = Annotated[str, Field(min_length=1), BeforeValidator(_word)]
Classes = Annotated[
    list[Class],
    Field(min_length=1),
    AfterValidator(distinct),
    BeforeValidator(listed),
]
# YAML reads a bare `on` and `off` as true and false.
Switch = Annotated[
    Literal["auto", "on", "off"],
    BeforeValidator(lambda value: {True: "on", False: "off"}[value] if isinstance(value, bool) else value),
]
# `auto` is the first NVIDIA card that can be used, else the CPU.
Device = Literal["auto", "cpu", "cuda", "mps"]
DEVICES = get_args(Device)
