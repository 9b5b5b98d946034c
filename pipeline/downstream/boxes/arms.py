"""The training arms of detectors that find defects with boxes. Imported when a run is planned: no torch."""

from __future__ import annotations

from typing import NamedTuple

BASELINE = "real"


class Made(NamedTuple):
    """A synthetic image set with boxes."""

    model: str
    """Generator that drew the images, or what was put into them."""
    how: str
    """Where the boxes come from, and the folder of the set within the model's: `synthetic`, `blended` or `pseudo`."""

    @property
    def name(self) -> str:
        """What the arm with this set alone is called after `real+`."""
        return self.model if self.how == "synthetic" else f"{self.model}.{self.how}"


class BoxArm(NamedTuple):
    """What the detectors of an arm learn from, beside the real training images."""

    name: str
    made: list[Made]
    """Synthetic sets that are added; none in a plain arm."""
    augmented: bool = False
    """Classical augmentation (`augment`); an arm with synthetic sets takes it over from the strongest plain arm."""
    duplicates: bool = False
    """Real images once more in the places that synthetic ones take elsewhere."""


PLAIN = {
    arm.name: arm
    for arm in (
        BoxArm(BASELINE, []),
        BoxArm("augmented", [], augmented=True),
        BoxArm("duplicates", [], duplicates=True),
    )
}
JOINED = ("synthetic", "blended")  # of `real+all`: sets whose boxes are known because they were asked for


def box_arms(made: list[Made]) -> dict[str, BoxArm]:
    """Every arm by its name, which is a file name too.

    Args:
        made: the synthetic sets with boxes of a data set.

    Returns:
        The plain arms; `real+{model}` for each set in which the boxes are those asked for of the model, and
        `real+{model}.{how}` for each other; `real+all` where two or more sets are not pseudo-labelled. A model's name
        has no dot, and none is called `all` (`pipeline.downstream.arms`), so no two arms share a name.
    """
    added = [BoxArm(f"{BASELINE}+{one.name}", [one]) for one in made]
    joined = [one for one in made if one.how in JOINED]
    hybrid = [BoxArm(f"{BASELINE}+all", joined)] if len(joined) > 1 else []
    return PLAIN | {arm.name: arm for arm in (*added, *hybrid)}
