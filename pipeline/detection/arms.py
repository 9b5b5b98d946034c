"""The training arms that a detector comparison runs. Imported when a run is planned: no torch."""

from __future__ import annotations

from pipeline.settings import UserError

BASELINE = "real"


def arms(models: list[str]) -> dict[str, list[str]]:
    """Which models' images each arm adds to the real training images.

    Args:
        models: names of the config's models, in order.

    Returns:
        Arm name -> model names: `real` alone, `real+<model>` for each, and `real+all` where there are two or more.

    Raises:
        UserError: a model is called `all`, the name of the arm of all models.
    """
    if "all" in models:
        raise UserError("models.all: `all` is the name of the detection arm that joins all models; choose another")
    planned = {BASELINE: []} | {f"{BASELINE}+{model}": [model] for model in models}
    return planned | ({f"{BASELINE}+all": list(models)} if len(models) > 1 else {})
