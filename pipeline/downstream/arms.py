"""The training arms that a comparison of detectors runs. Imported when a run is planned: no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

REAL_ONLY = "real"
CHANGES = ("augmented", "balanced", "duplicates")


@dataclass(frozen=True)
class SyntheticSet:
    """A synthetic image set."""

    model: str
    """Generator that drew the images, or what was put into them."""
    made: Literal["synthetic", "blended", "pseudo"]
    """Drawn by the model; its patches blended into real images; drawn by the model, with boxes of a detector. The
    folder of the set within the model's, too."""

    @property
    def name(self) -> str:
        """What an arm with this set alone is called after `real+`."""
        return self.model if self.made == "synthetic" else f"{self.model}.{self.made}"


@dataclass(frozen=True)
class Arm:
    """The training images of the detectors of an arm."""

    synthetic: tuple[SyntheticSet, ...] = ()
    """Image sets that are added; none in a baseline arm."""
    real: bool = True
    """Whether the detectors see real training images."""
    augmented: bool = False
    """Classical augmentation; an arm with synthetic images takes it over from the baseline."""
    balanced: bool = False
    """Every class as often as another; taken over like `augmented`."""
    duplicates: bool = False
    """Real images once more in the places that synthetic ones take elsewhere."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Arm:
        """The arm of `dataclasses.asdict`."""
        return cls(**{**values, "synthetic": tuple(SyntheticSet(**one) for one in values["synthetic"])})

    @property
    def name(self) -> str:
        """A file name too. A model's name has no hyphen and no dot and is not `all`, so no two arms share a name."""
        if not self.synthetic:
            return "+".join(change for change in CHANGES if getattr(self, change)) or REAL_ONLY
        added = self.synthetic[0].name if len(self.synthetic) == 1 else "all"
        return f"{REAL_ONLY}+{added}" if self.real else f"{added}-only"

    @property
    def kind(self) -> str:
        """What the run of an arm is tagged with that adds to no generator's run."""
        if not self.synthetic:
            return "baseline"
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
    if not arm.real or len(arm.synthetic) != 1 or arm.synthetic[0].made == "blended":
        return None
    return arm.synthetic[0].model


def baseline_arms(balanced: bool) -> list[Arm]:
    """The arms without a generator; `balanced`: with those of balanced sampling."""
    both = [Arm(balanced=True), Arm(augmented=True, balanced=True)] if balanced else []
    return [Arm(), Arm(augmented=True), *both, Arm(duplicates=True)]


def arms(synthetic: Sequence[SyntheticSet], balanced: bool, alone: bool) -> dict[str, Arm]:
    """Every arm by its name.

    Args:
        synthetic: the sets that a data set has.
        balanced: whether images can be drawn class by class.
        alone: whether there are arms without real images.

    Returns:
        The baseline arms; real images with each set, and with all sets whose labels were asked for of the generator,
        where these are two or more; each set without real images.
    """
    added = [Arm((one,)) for one in synthetic]
    asked = tuple(one for one in synthetic if one.made != "pseudo")
    together = [Arm(asked)] if len(asked) > 1 else []
    only = [Arm((one,), real=False) for one in synthetic] if alone else []
    return {arm.name: arm for arm in (*baseline_arms(balanced), *added, *together, *only)}
