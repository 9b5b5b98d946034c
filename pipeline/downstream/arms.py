"""The training arms that a comparison of detectors runs. Imported when a run is planned: no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

REAL_ONLY = "real"
CHANGES = ("augmented", "balanced")
Defects = Literal["none", "real", "pasted", "scarred", "moved"]
"""What a detector learns of defects from: nothing (it knows good images alone), the bad training images, or these and
good images into which pieces of others were pasted, wide or thin, or the defects of bad ones blended."""
ALONE: dict[Defects, str] = {"none": "one_class", "pasted": "pasted", "scarred": "scarred", "moved": "moved"}
"""What the arms of real images alone are called that learn of defects so."""


class Recipe(NamedTuple):
    """How the training images of an arm are presented."""

    augmented: bool = False
    balanced: bool = False
    """Whether every class is seen as often as another."""
    defects: Defects = "real"


@dataclass(frozen=True)
class SyntheticSet:
    """A synthetic image set."""

    model: str
    """Generator that drew the images, or what was put into them."""
    made: Literal["synthetic", "blended", "pseudo", "missed", "control"]
    """Drawn by the model; its patches blended into real images; drawn by the model, with boxes of a detector; drawn by
    the model, of what detectors miss; real images in the place of synthetic ones. The folder of the set within the
    model's, too."""

    @property
    def name(self) -> str:
        """What an arm with this set alone is called after `real+`."""
        return self.model if self.made in ("synthetic", "control") else f"{self.model}.{self.made}"


MORE_REAL = SyntheticSet("more_real", "control")
"""Real images that nothing else sees: the positive control. What they do, perfect synthetic images would do."""
SAME_REAL = SyntheticSet("same_real", "control")
"""The real training images once more: the negative control, which must not be said to help."""


def is_control(synthetic: Sequence[SyntheticSet]) -> bool:
    """Whether the images that an arm adds are real ones."""
    return any(one.made == "control" for one in synthetic)


@dataclass(frozen=True)
class Arm:
    """The training images of the detectors of an arm."""

    synthetic: tuple[SyntheticSet, ...] = ()
    """Image sets that are added; none in a baseline arm."""
    real: bool = True
    """Whether the detectors see real training images."""
    augmented: bool = False
    """Classical augmentation; an arm with synthetic images chooses for itself."""
    balanced: bool = False
    """Every class as often as another; chosen like `augmented`."""
    defects: Defects = "real"
    """Of anomaly detectors; chosen like `augmented`."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Arm:
        """The arm of `dataclasses.asdict`."""
        return cls(**{**values, "synthetic": tuple(SyntheticSet(**one) for one in values["synthetic"])})

    @property
    def name(self) -> str:
        """A file name too. A model's name has no hyphen and no dot and is not `all`, so no two arms share a name."""
        if not self.synthetic:
            changes = [change for change in CHANGES if getattr(self, change)]
            return "+".join(changes) or ALONE.get(self.defects, REAL_ONLY)
        added = self.synthetic[0].name if len(self.synthetic) == 1 else "all"
        return f"{REAL_ONLY}+{added}" if self.real else f"{added}-only"

    @property
    def kind(self) -> str:
        """What the run of an arm is tagged with that adds to no generator's run."""
        if not self.synthetic:
            return "baseline"
        if is_control(self.synthetic):
            return "control"
        if not self.real:
            return "synthetic only"
        return "hybrid" if len(self.synthetic) > 1 else self.synthetic[0].made


class Trained(Protocol):
    """An arm, planned or compared."""

    @property
    def real(self) -> bool: ...

    @property
    def synthetic(self) -> Sequence[SyntheticSet]: ...


def sole_model(arm: Trained) -> str | None:
    """The generator whose run holds the scores of an arm: the only one, added to real images that it has learnt."""
    if not arm.real or len(arm.synthetic) != 1 or arm.synthetic[0].made in ("blended", "missed", "control"):
        return None
    return arm.synthetic[0].model


def recipes(balanced: bool, defects: Sequence[Defects] = ()) -> list[Recipe]:
    """Every way to present training images that others may be added to.

    Args:
        balanced: whether they can be drawn class by class.
        defects: of a task whose recipes differ in these alone.
    """
    if defects:
        return [Recipe(defects=of) for of in defects if of != "none"]
    return [
        Recipe(augmented, even) for even in ((False, True) if balanced else (False,)) for augmented in (False, True)
    ]


def baseline_arms(balanced: bool, defects: Sequence[Defects] = ()) -> list[Arm]:
    """The arms of real images alone, one of each recipe, and where `none` is among the defects one of good images."""
    plain = recipes(balanced, defects) + [Recipe(defects=of) for of in defects if of == "none"]
    return [Arm(augmented=of.augmented, balanced=of.balanced, defects=of.defects) for of in plain]


def arms(
    synthetic: Sequence[SyntheticSet], balanced: bool, alone: bool, more_real: bool, defects: Sequence[Defects] = ()
) -> dict[str, Arm]:
    """Every arm by its name.

    Args:
        synthetic: the sets that a data set has.
        balanced: whether images can be drawn class by class.
        alone: whether there are arms without real images.
        more_real: whether real images are held back for the positive control.
        defects: as in `recipes`.

    Returns:
        The baseline arms; the controls; real images with each set, and with all sets whose labels were asked for of the
        generator, where these are two or more; each set without real images. What is drawn of missed things alone is
        meant to be added to all else, and only is.
    """
    controls = [Arm((one,)) for one in ([MORE_REAL] if more_real else []) + [SAME_REAL]]
    added = [Arm((one,)) for one in synthetic]
    asked = tuple(one for one in synthetic if one.made not in ("pseudo", "missed"))
    together = [Arm(asked)] if len(asked) > 1 else []
    only = [Arm((one,), real=False) for one in synthetic if one.made != "missed"] if alone else []
    return {arm.name: arm for arm in (*baseline_arms(balanced, defects), *controls, *added, *together, *only)}
