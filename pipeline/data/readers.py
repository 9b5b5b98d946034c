"""Opens a file by what it holds, not by its name."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.data import common, hdf5, tiff
from pipeline.data.frame import Frame, Header, Rejected
from pipeline.data.magic import START, kind
from pipeline.data.regular import check_regular, unread
from pipeline.settings import Dataset

POINTERS = {"Git LFS": b"version https://git-lfs.github.com/", "git-annex": b"/annex/objects/"}


def headers(path: str, name: str, settings: Dataset) -> list[Header]:
    """What the images of a file are, without decoding them; `name` is what messages and tables call the file.

    Raises:
        Rejected: the file as a whole cannot be used.
    """
    try:
        match _kind(path):
            case "tiff":
                return tiff.headers(path, name, settings)
            case "hdf5":
                return hdf5.headers(path, name, settings)
        return common.headers(path, name, settings)
    except Rejected:
        raise
    except Exception as error:
        raise Rejected(explain(error)) from error


def frames(wanted: list[Header], settings: Dataset) -> Iterator[Frame | Rejected]:
    """Decode images of one file lazily, in the order asked for; what cannot be decoded comes as its `Rejected`."""
    done = 0
    while done < len(wanted):  # a reader that fails on an image is opened again for those behind it
        try:
            for frame in _frames(wanted[done:], settings):
                done += 1
                yield _native(frame)
        except Exception as error:
            done += 1
            yield Rejected(explain(error))


def _native(frame: Frame | Rejected) -> Frame | Rejected:
    if isinstance(frame, Rejected) or frame.pixels.dtype.isnative:
        return frame
    return frame._replace(pixels=frame.pixels.astype(frame.pixels.dtype.newbyteorder("=")))


def _frames(wanted: list[Header], settings: Dataset) -> Iterator[Frame | Rejected]:
    match _kind(wanted[0].path):
        case "tiff":
            return tiff.frames(wanted)
        case "hdf5":
            return hdf5.frames(wanted, settings.hdf5)
    return common.frames(wanted)


def _kind(path: str) -> str:
    check_regular(path)
    with open(path, "rb") as file:
        start = file.read(START)
    if not start:
        raise Rejected("is empty (zero bytes)")
    found = kind(start)
    if found is None:
        raise Rejected(f"is no TIFF, PNG, JPEG, BMP, WebP or HDF5 file, whatever its name says{_guess(start)}")
    return found


def _guess(start: bytes) -> str:
    for program, head in POINTERS.items():
        if start.startswith(head):
            return f" (it is a pointer of {program}, whose content was not fetched)"
    text = start[:64].decode("ascii", "replace")
    return " (it looks like text)" if all(c.isprintable() or c.isspace() for c in text) else ""


def explain(error: BaseException) -> str:
    """A decoder's complaint as a reason a user can read."""
    if isinstance(error, Rejected):
        return str(error)
    if isinstance(error, MemoryError):
        return "needs more memory than an image may (see max_pixels)"
    if isinstance(error, OSError) and error.errno:
        return unread(error)
    text = " ".join(str(error).split())
    if "truncated" in text.lower():
        return f"is truncated ({text[:120]})"
    return f"is damaged: its decoder says {type(error).__name__}: {text[:120]}"
