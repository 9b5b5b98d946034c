"""Opens a file by what it holds, not by its name."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

from PIL import UnidentifiedImageError

from pipeline.data.reading import czi, dm, hdf5, raster, ser, tiff
from pipeline.data.reading.file_type import START, kind
from pipeline.data.reading.frame import Frame, Header, Rejected
from pipeline.data.reading.regular_file import check_regular, unread
from pipeline.data.reading.sandbox import Failed
from pipeline.data.reading.source import FORMATS
from pipeline.settings import Dataset

# By what `file_type.kind` says.
READERS = {"tiff": tiff, "image": raster, "hdf5": hdf5, "dm": dm, "ser": ser, "czi": czi}
LACKS_MEMORY = re.compile(r"allocat|(out of|insufficient|not enough) memory", re.IGNORECASE)
DECODERS = {"czifile", "h5py", "imagecodecs", "PIL", "tifffile", "zlib"}
POINTERS = {"Git LFS": b"version https://git-lfs.github.com/", "git-annex": b"/annex/objects/"}

Task = TypeVar("Task")
Made = TypeVar("Made")


def headers(path: str, name: str, settings: Dataset) -> list[Header]:
    """What the images of a file are, without decoding them; `name` is what messages and tables call the file.

    Raises:
        Rejected: the file as a whole cannot be used.
        MemoryError: it may be usable, with more memory.
    """
    try:
        return READERS[_kind(path)].headers(path, name, settings)
    except (Rejected, MemoryError):
        raise
    except Exception as error:
        raise _judged(error, name) from error


def frames(wanted: list[Header], settings: Dataset) -> Iterator[Frame | Rejected]:
    """Decode images of one file lazily, in the order asked for; what cannot be decoded comes as its `Rejected`.

    Raises:
        MemoryError: the next image, and those after it, may be decoded with more memory.
    """
    done = 0
    while done < len(wanted):  # a reader that fails on an image is opened again for those behind it
        try:
            for frame in _frames(wanted[done:], settings):
                done += 1
                yield _native(frame)
        except MemoryError:
            raise
        except Exception as error:
            yield _judged(error, wanted[done].source)
            done += 1


def _native(frame: Frame) -> Frame:
    return frame._replace(pixels=frame.pixels.astype(frame.pixels.dtype.newbyteorder("="), copy=False))


def _frames(wanted: list[Header], settings: Dataset) -> Iterator[Frame]:
    reader = READERS[_kind(wanted[0].path)]
    return hdf5.frames(wanted, settings.hdf5) if reader is hdf5 else reader.frames(wanted)


def _kind(path: str) -> str:
    check_regular(path)
    with open(path, "rb") as file:
        start = file.read(START)
    if not start:
        raise Rejected("is empty (zero bytes)")
    found = kind(start)
    if found is None:
        raise Rejected(f"is no {FORMATS} file, whatever its name says{_guess(start)}")
    return found


def _guess(start: bytes) -> str:
    for program, head in POINTERS.items():
        if start.startswith(head):
            return f" (it is a pointer of {program}, whose content was not fetched)"
    text = start[:64].decode("ascii", "replace")
    return " (it looks like text)" if all(c.isprintable() or c.isspace() for c in text) else ""


def _judged(error: Exception, name: str) -> Rejected:
    """The reason that a decoder's complaint gives; what it said itself is for the log.

    Raises:
        MemoryError: that is what it complains of.
    """
    if isinstance(error, Rejected):
        return error
    if LACKS_MEMORY.search(str(error)):
        raise MemoryError from error
    print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
    return Rejected(_explain(error))


def explained(function: Callable[[Task], Made]) -> Callable[[Task], Made | Failed]:
    """A function of a task that reads a file, in the pool's processes: where it cannot, `Failed` says why, as of one
    that crashes. Raises MemoryError where more may help."""

    @functools.wraps(function)
    def guarded(task: Task) -> Made | Failed:
        try:
            return function(task)
        except MemoryError:
            raise
        except Exception as error:
            return Failed(_explain(error))

    return guarded


def _explain(error: Exception) -> str:
    """A decoder's complaint as a reason a user can read: in its own words where these are about the file."""
    if isinstance(error, Rejected):
        return str(error)
    if isinstance(error, OSError) and error.errno:
        return unread(error)
    text = " ".join(str(error).split())
    if "truncated" in text.lower():
        return "is truncated"
    plain = isinstance(error, OSError) or type(error).__module__.partition(".")[0] in DECODERS
    if not plain or isinstance(error, UnidentifiedImageError):  # Python's words, about its own affairs
        return "is damaged: its decoder can make no sense of it"
    return f"is damaged: its decoder says {text[:120]}"
