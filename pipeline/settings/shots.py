"""Few-shot data sets: a list of shots becomes data sets of their own, which are found again by what they share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import Field, TypeAdapter, ValidationError

from pipeline.settings.basics import MOST_DRAWS, Count, UserError

LIST = TypeAdapter(Annotated[list[Count | None], Field(min_length=1)])


class FewShots(NamedTuple):
    """How a few-shot data set is drawn."""

    shots: int
    """Images of each class to train, and as many to choose by."""
    most: int | None
    """Those of the largest set of its family; None where that has all images."""
    control: int
    """Images of each class to hold back for the positive control of the detectors."""
    draws: int = 1
    """Sets of its size that are drawn."""
    draw: int = 1
    """Which of them it is."""


class Family(NamedTuple):
    """Data sets that differ in their shots alone, and so are judged by the same test images: a curve's points."""

    name: str
    datasets: dict[int | None, str]
    """Shots -> name of the data set; ascending, None (all images) last."""


def expanded(datasets: Any) -> Any:
    """Raw data sets by name; one whose `shots` is a list is replaced by one for each entry K of the list, and one of
    several `draws` by one for each draw.

    Its name is `{name}_{K}`; null keeps the name as it is, so that a set that was there before its shots stays itself,
    and is a single draw. From the second draw on its name ends in `_draw2`, and so on. So does one whose `patches_of`
    names such a set: each of its members is of one of the others'.

    Raises:
        UserError: an entry that is no number of shots, or one that is there twice; two data sets of one name.
    """
    if not isinstance(datasets, dict):
        return datasets
    made: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for name, entry in datasets.items():
        for member, settings in (_patches(name, entry, datasets) or _members(name, entry)).items():
            if member in made:
                raise UserError(
                    f"datasets.{origins[member]} and datasets.{name} would both be the data set `{member}`, since a "
                    "list of `shots` and `draws` add numbers to the name; rename one"
                )
            made[member], origins[member] = settings, name
    return made


def _patches(name: str, entry: Any, datasets: dict[str, Any]) -> dict[str, Any]:
    """The members of patches of a data set with several; none where it is not such."""
    of = entry.get("patches_of") if isinstance(entry, dict) else None
    whole = datasets.get(of) if isinstance(of, str) else None
    if not isinstance(whole, dict):
        return {}
    sizes = {key: whole[key] for key in ("shots", "draws") if key in whole}
    others, own = _members(str(of), whole), _members(name, entry | sizes)
    if len(others) < 2 and not isinstance(sizes.get("shots"), list):
        return {}
    return {member: entry | {"patches_of": other} for member, other in zip(own, others, strict=True)}


def _members(name: str, entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict):
        return {name: entry}
    sizes = _sizes(name, entry) if isinstance(entry.get("shots"), list) else {name: entry}
    return {member: of for size, one in sizes.items() for member, of in _draws(size, one).items()}


def _sizes(name: str, entry: dict[str, Any]) -> dict[str, dict[str, Any]]:
    try:
        shots = LIST.validate_python(entry["shots"])
    except ValidationError as error:
        reasons = (f"datasets.{name}.shots: {e['msg']}; it is {e['input']!r}" for e in error.errors())
        raise UserError("\n".join(reasons)) from None
    if len(set(shots)) < len(shots):
        raise UserError(f"datasets.{name}.shots: {entry['shots']} names a number twice")
    everything = {key: value for key, value in entry.items() if key != "draws"}
    return {
        name if k is None else f"{name}_{k}": everything | {"shots": None} if k is None else entry | {"shots": k}
        for k in shots
    }


def _draws(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    """One of each draw; what is no possible number of draws is left to be refused with the other settings."""
    draws = entry.get("draws", 1)
    if "draw" in entry or not isinstance(draws, int) or not 2 <= draws <= MOST_DRAWS:
        return {name: entry}
    return {name if i == 1 else f"{name}_draw{i}": entry | {"draw": i} for i in range(1, draws + 1)}


def draws_of(datasets: Mapping[str, Mapping[str, Any]], name: str) -> list[str]:
    """The draws of a few-shot set, the first first: data sets that differ in `draw` alone.

    Args:
        datasets: as of `families`.
    """
    common = _without(datasets[name], "draw")
    alike = {entry["draw"]: other for other, entry in datasets.items() if _without(entry, "draw") == common}
    return [(alike | {datasets[name]["draw"]: name})[draw] for draw in sorted(alike)]


def families(datasets: Mapping[str, Mapping[str, Any]]) -> list[Family]:
    """All families of at least two data sets, however they were written down; named as the list they come from. Of
    several draws of a set it is the first.

    Args:
        datasets: plain settings by name, as `Settings.model_dump` has them. Of two that are wholly alike, the first.
    """
    found: list[tuple[dict[str, Any], dict[int | None, str]]] = []
    for name, entry in datasets.items():
        if entry.get("draw", 1) > 1:
            continue
        common = _without(entry, "shots", "draws")
        members = next((members for other, members in found if other == common), None)
        if members is None:
            members = {}
            found.append((common, members))
        members.setdefault(entry.get("shots"), name)
    return [_family(members) for _, members in found if len(members) > 1]


def _without(entry: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in keys}


def _family(members: dict[int | None, str]) -> Family:
    shots, first = next(iter(members.items()))
    ordered = sorted(members, key=lambda k: (k is None, k or 0))
    return Family(first.removesuffix(f"_{shots}"), {k: members[k] for k in ordered})
