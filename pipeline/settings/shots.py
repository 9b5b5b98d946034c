"""Few-shot data sets: a list of shots becomes data sets of their own, which are found again by what they share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, TypeGuard

from pydantic import Field, TypeAdapter, ValidationError

from pipeline.settings.basics import Count, UserError

LIST = TypeAdapter(Annotated[list[Count | None], Field(min_length=1)])


class FewShots(NamedTuple):
    """How a few-shot data set is drawn."""

    shots: int
    """Images of each class to train, and as many to choose by."""
    most: int | None
    """Those of the largest set of its family; None where that has all images."""
    control: int
    """Images of each class to hold back for the positive control of the detectors."""


class Family(NamedTuple):
    """Data sets that differ in their shots alone, and so are judged by the same test images: a curve's points."""

    name: str
    datasets: dict[int | None, str]
    """Shots -> name of the data set; ascending, None (all images) last."""


def expanded(datasets: Any) -> Any:
    """Raw data sets by name; one whose `shots` is a list is replaced by one for each entry K of the list.

    Its name is `{name}_{K}`; null keeps the name as it is, so that a set that was there before its shots stays itself.
    So does one whose `patches_of` names such a set: each of its members is of one of the others'.

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
                    "list of `shots` adds each of its numbers to the name; rename one"
                )
            made[member], origins[member] = settings, name
    return made


def _patches(name: str, entry: Any, datasets: dict[str, Any]) -> dict[str, Any]:
    """The members of patches of a data set with a list of shots; none where it is not such."""
    of = entry.get("patches_of") if isinstance(entry, dict) else None
    if not isinstance(of, str) or not _is_list(whole := datasets.get(of)):
        return {}
    others = _members(of, whole)
    own = _members(name, entry | {"shots": whole["shots"]})
    return {member: entry | {"patches_of": other} for member, other in zip(own, others, strict=True)}


def _is_list(entry: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(entry, dict) and isinstance(entry.get("shots"), list)


def _members(name: str, entry: Any) -> dict[str, Any]:
    if not _is_list(entry):
        return {name: entry}
    try:
        shots = LIST.validate_python(entry["shots"])
    except ValidationError as error:
        reasons = (f"datasets.{name}.shots: {e['msg']}; it is {e['input']!r}" for e in error.errors())
        raise UserError("\n".join(reasons)) from None
    if len(set(shots)) < len(shots):
        raise UserError(f"datasets.{name}.shots: {entry['shots']} names a number twice")
    return {name if k is None else f"{name}_{k}": entry | {"shots": k} for k in shots}


def families(datasets: Mapping[str, Mapping[str, Any]]) -> list[Family]:
    """All families of at least two data sets, however they were written down; named as the list they come from.

    Args:
        datasets: plain settings by name, as `Settings.model_dump` has them. Of two that are wholly alike, the first.
    """
    found: list[tuple[dict[str, Any], dict[int | None, str]]] = []
    for name, entry in datasets.items():
        common = {key: value for key, value in entry.items() if key != "shots"}
        members = next((members for other, members in found if other == common), None)
        if members is None:
            members = {}
            found.append((common, members))
        members.setdefault(entry.get("shots"), name)
    return [_family(members) for _, members in found if len(members) > 1]


def _family(members: dict[int | None, str]) -> Family:
    shots, first = next(iter(members.items()))
    ordered = sorted(members, key=lambda k: (k is None, k or 0))
    return Family(first.removesuffix(f"_{shots}"), {k: members[k] for k in ordered})
