"""What every room needs of the settings: the user's errors, what an image is, the kinds of numbers."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

# A number a stage: raised when its method changes, so that finished work is redone on purpose and never by accident.
METHOD = {
    "prepare": 4,
    "annotate": 2,
    "cut_patches": 2,
    "train": 2,
    "generate": 1,
    "blend": 1,
    "gallery": 1,
    "evaluate": 4,
    "detect": 3,
    "pseudo_label": 1,
    "detect_boxes": 3,
    "report": 5,
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
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, protected_namespaces=())


Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
# Names become file names, wildcards and MLflow keys.
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
# YAML reads a bare `on` and `off` as true and false.
Switch = Annotated[
    Literal["auto", "on", "off"],
    BeforeValidator(lambda value: {True: "on", False: "off"}[value] if isinstance(value, bool) else value),
]
