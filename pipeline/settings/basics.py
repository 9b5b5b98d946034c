"""What every room needs of the settings: the user's errors, what an image is, the kinds of numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Self, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

# A number a stage: raised when its method changes, so that finished work is redone on purpose and never by accident.
METHOD = {
    "prepare": 11,
    "annotate": 9,
    "cut_patches": 2,
    "collect": 1,
    "train": 5,
    "generate": 2,
    "blend": 1,
    "gallery": 3,
    "evaluate": 9,
    "choose_steps": 2,
    "detect": 7,
    "pseudo_label": 5,
    "find_missed": 3,
    "detect_boxes": 8,
    "detect_anomalies": 2,
    "compare": 3,
    "report": 14,
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


def _takes_lists_alone(annotation: Any) -> bool:
    """Whether a setting of this type is a list, or null."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, UnionType):
        others = [kind for kind in get_args(annotation) if kind is not NoneType]
        return len(others) == 1 and _takes_lists_alone(others[0])
    return get_origin(annotation) is list


def _is_one(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


class Strict(BaseModel):
    """No unknown keys; no number that is none (`.nan`) or has no end (`.inf`), wherever it stands."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, protected_namespaces=(), allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _one_is_a_list(cls, values: Any) -> Any:
        """A word or a number where a list is meant stands for a list of it."""
        if not isinstance(values, dict):
            return values
        lists = {name for name, field in cls.model_fields.items() if _takes_lists_alone(field.annotation)}
        return {name: [value] if name in lists and _is_one(value) else value for name, value in values.items()}

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for fault in self.faults():
            raise ValueError(fault)
        return self

    def faults(self) -> Iterator[str]:
        """Why its settings, each of which is possible, cannot stand together; the first reason is said."""
        yield from ()


def _folder(text: str) -> str:
    if not text.strip():
        raise ValueError("must name a folder, it is empty; `.` is the current one")
    if bad := sorted({c for c in text if c in "{}<>" or not c.isprintable()}):
        raise ValueError(f"`{text}` holds {', '.join(map(repr, bad))}, which Snakemake takes for patterns of its own")
    return re.sub("//+", "/", text).rstrip("/") or "/"


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
MOST_DRAWS = 100  # each is a data set, with generators of its own
Fraction = Annotated[float, Field(ge=0, le=1)]
Whole = Annotated[int, Field(ge=0, le=MOST)]
Count = Annotated[int, Field(ge=1, le=MOST)]
Several = Annotated[int, Field(ge=2, le=MOST)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Positive = Annotated[float, Field(gt=0)]
# Names become file names, wildcards and MLflow keys.
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=80)]
Folder = Annotated[str, AfterValidator(_folder)]
Word = Annotated[str, BeforeValidator(_word)]
# Of images or of boxes.
Class = Annotated[str, Field(min_length=1), BeforeValidator(_word)]
Classes = Annotated[list[Class], Field(min_length=1), AfterValidator(distinct)]
# YAML reads a bare `on` and `off` as true and false.
Switch = Annotated[
    Literal["auto", "on", "off"],
    BeforeValidator(lambda value: {True: "on", False: "off"}[value] if isinstance(value, bool) else value),
]
# `auto` is the first NVIDIA card that can be used, else the CPU.
Device = Literal["auto", "cpu", "cuda", "mps"]
DEVICES = get_args(Device)
