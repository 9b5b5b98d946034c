"""The training arms that a detector comparison runs. Imported when a run is planned: no torch."""

from __future__ import annotations

from typing import NamedTuple

BASELINE = "real"


class Arm(NamedTuple):
    """What the detectors of an arm learn from."""

    name: str
    models: list[str]
    """Generators whose images are added; none in a plain arm."""
    real: bool = True
    """Whether the detectors see real training images."""
    augmented: bool = False
    """Classical augmentation (`augment`); an arm with generators takes it over from the strongest plain arm."""
    balanced: bool = False
    """Every class as often as another; taken over like `augmented`."""
    duplicates: bool = False
    """Real images once more in the places that synthetic ones take elsewhere."""


PLAIN = {
    arm.name: arm
    for arm in (
        Arm(BASELINE, []),
        Arm("augmented", [], augmented=True),
        Arm("balanced", [], balanced=True),
        Arm("augmented+balanced", [], augmented=True, balanced=True),
        Arm("duplicates", [], duplicates=True),
    )
}


def arms(models: list[str]) -> dict[str, Arm]:
    """Every arm by its name, which is a file name too.

    Args:
        models: names of the config's models, in order.

    Returns:
        The plain arms; `real+<model>` for each model, and `real+all` where there are two or more; `<model>-only`, whose
        detectors see no real image (a model's name has no hyphen and is not `all`, so no two arms share a name).
    """
    added = [Arm(f"{BASELINE}+{model}", [model]) for model in models]
    hybrid = [Arm(f"{BASELINE}+all", list(models))] if len(models) > 1 else []
    only = [Arm(f"{model}-only", [model], real=False) for model in models]
    return PLAIN | {arm.name: arm for arm in (*added, *hybrid, *only)}
