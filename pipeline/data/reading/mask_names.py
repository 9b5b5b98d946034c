"""Which files are masks of others, by their names alone. Light: it is asked while a run is planned."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

SEGMENTS = r"seg(?:ment(?:ation|ed)?s?|mentation(?:class|object))?"
WORD = rf"(?:ground[ _-]?truth|masks?|labels?|lbl|gt|{SEGMENTS}|annot(?:ation)?s?|binary|binari[sz]ed)"
END = re.compile(rf"^(.+?)[ ._-]+{WORD}(?:[ ._-]?\d+)?$", re.IGNORECASE)  # `a_mask`, `a-GT`, `a_mask_0`
BEGINNING = re.compile(rf"^{WORD}[ ._-]+(.+)$", re.IGNORECASE)  # `mask_a`
FOLDER = re.compile(rf"(?:.*[ ._-])?{WORD}(?:[ ._-].*)?", re.IGNORECASE)  # `masks`, `ground_truth`, `train_masks`
IN_FOLDER = re.compile(rf"(?:[ ._-]|^){WORD}(?=[ ._-]|$)", re.IGNORECASE)
OF_IMAGES = re.compile(r"[ ._-]+(?:image|img|orig(?:inal)?|raw|rgb|photo)$|^(?:image|img)[ ._-]+", re.IGNORECASE)
NUMBERED = re.compile(r"^(.*[^/ ._-])[ ._-]+\d{1,3}$")
NUMBER = re.compile(r"^\d{1,3}$")
TWICE = re.compile(r"^(.+)\.(?:jpe?g|png|bmp|tiff?|gif|webp)$", re.IGNORECASE)  # `a.jpg`, of `a.jpg.png`
DRAWN = {".png": 2, ".bmp": 2, ".gif": 2, ".tif": 1, ".tiff": 1}  # the higher, the likelier a drawing of its namesake


def partners(names: Iterable[str]) -> dict[str, str]:
    """The image that each mask is of, by the mask's name; only of masks whose image is among the names too.

    A mask is called as its image with a word more (`a_mask`, `gt_a`, `a-label`), or lies in a folder of such a name
    (`masks/a`, or one of several: `masks/a_1`), or has the very name of a photograph beside it and is a drawing by its
    suffix (`a.png` of `a.jpg`).

    Args:
        names: paths with `/`.
    """
    names = sorted(names)
    images: dict[str, list[str]] = {}  # by stem, also without the words that make it an image
    for name in names:
        folder, stem = place(name)
        if not _of_masks(folder) and _unmarked(stem) is None:
            for key in {stem, OF_IMAGES.sub("", stem)}:
                images.setdefault(key, []).append(name)
    return {name: found for name in names if (found := _image(name, images)) is not None}


def in_folders_of_masks(names: Iterable[str]) -> set[str]:
    """Those below a folder that is called as one of masks; none where all are."""
    names = list(names)
    found = {name for name in names if _of_masks(name.rpartition("/")[0])}
    return found if len(found) < len(set(names)) else set()


def one_of_several(name: str) -> str | None:
    """A name without the number at its end, where it may be that of one of several masks (`a_1`, `a_2` of `a`)."""
    found = NUMBERED.match(name)
    return found[1] if found else None


def folder_of_several(name: str) -> str | None:
    """The folder of a mask whose name is a number: it may be called as the image of which it holds the masks
    (`ground_truth/bent/004/000.png` of `test/bent/004.png`). None for other masks."""
    return folder_above(name) if NUMBER.match(place(name)[1]) else None


def folder_above(name: str) -> str | None:
    """The folder of a mask above those that are called as of masks (`a` of `a/masks/x.png`); None where there is
    none."""
    parts = place(name)[0].split("/")
    while parts and names_masks(parts[-1]):
        parts.pop()
    return "/".join(parts) or None


def image_name(name: str) -> str:
    """The path of a mask's image, without suffix, as the mask's own name tells it."""
    folder, _, last = name.rpartition("/")
    stem = os.path.splitext(last)[0]
    return "/".join(filter(None, (folder, _unmarked(stem) or stem)))


def _image(name: str, images: dict[str, list[str]]) -> str | None:
    folder, stem = place(name)
    unmarked = _unmarked(stem)
    wanted = stem if unmarked is None else OF_IMAGES.sub("", unmarked)
    found = images.get(wanted, [])
    if not found and _of_masks(folder) and (first := one_of_several(wanted)) is not None:
        found = images.get(first, [])
    if not _of_masks(folder):  # then its image lies beside it
        found = [other for other in found if place(other)[0] == folder]
        if unmarked is None:
            found = [other for other in found if place(other)[1] == stem and _drawn(other) < _drawn(name)]
    of_folder = []
    if _of_masks(folder) and (several := folder_of_several(name)) is not None:
        called = images.get(several.rpartition("/")[2].lower(), [])
        of_folder = [(shared_folders(several, other), other) for other in called]
    beside = [(shared_folders(name, other), other) for other in found]
    return max([*of_folder, *beside], key=lambda one: one[0], default=(None, None))[1]


def place(name: str) -> tuple[str, str]:
    """Folder, and stem in lower case."""
    folder, _, last = name.rpartition("/")
    return folder, os.path.splitext(last)[0].lower()


def _unmarked(stem: str) -> str | None:
    """A stem without the word, or the suffix of its image, that makes it a mask; None where it has neither."""
    found = END.match(stem) or BEGINNING.match(stem) or TWICE.match(stem)
    return found[1] if found else None


def _drawn(name: str) -> int:
    return DRAWN.get(os.path.splitext(name)[1].lower(), 0)


def _of_masks(folder: str) -> bool:
    return any(names_masks(part) for part in folder.split("/"))


def names_masks(folder: str) -> bool:
    """Whether a folder is called as one of masks: `masks`, `ground_truth`, `train_labels`."""
    return FOLDER.fullmatch(folder) is not None


def nearest(name: str, others: Iterable[str]) -> list[str]:
    """Those of some paths, one or more, that have most folders in common with another."""
    shared = {other: shared_folders(name, other) for other in others}
    most = max(shared.values())
    return [other for other, count in shared.items() if count == most]


def shared_folders(name: str, other: str) -> tuple[int, int]:
    """Folders that two paths have in common, in any place, then words of these: `bad/a` in `masks` is of
    `images/bad/a`, `train_masks` of `train`, `train_lab` rather of `train_img` than of `test_img`."""
    folders, others = name.split("/")[:-1], other.split("/")[:-1]
    same = {IN_FOLDER.sub("", part) for part in folders} & set(others)
    return len(same), len(_words(folders) & _words(others))


def _words(folders: list[str]) -> set[str]:
    return {word for folder in folders for word in re.split(r"[ ._-]+", folder.lower()) if word}
