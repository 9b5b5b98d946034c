"""Files of this program: written whole or not at all, and read with one clear line where they are damaged."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.settings import UserError

AGAIN = "delete the file, and the next run makes it again, and what comes of it"


class Unwritable(UserError, OSError):
    """A file that cannot be written: a full disk, a quota, a folder of somebody else's. Made by `writing`."""

    def __str__(self) -> str:
        return f"{self.filename}: cannot be written ({self.strerror})"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name the file that a failed write was for: the kernel says of a full disk neither what nor where.

    Raises:
        Unwritable: in place of any OSError of the block, and of the RuntimeError that HDF5 makes of one as it closes.
    """
    try:
        yield
    except Unwritable:
        raise
    except (OSError, RuntimeError) as error:
        cause = _cause(error)
        if cause is None:
            raise
        raise Unwritable(*cause, str(path)) from error


def _cause(error: OSError | RuntimeError) -> tuple[int, str] | None:
    if found := re.search(r"errno = (\d+)", str(error)):  # HDF5 writes it among all else that it knows
        return int(found[1]), os.strerror(int(found[1]))
    return (error.errno or errno.EIO, error.strerror or str(error)) if isinstance(error, OSError) else None


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write what shall be at `path`: it takes that name, on the disk, when the block ends well.

    The folder is made where it is missing.

    Raises:
        Unwritable: nothing is left but what was there before.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")  # two jobs may write the same at once
    with writing(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield part
            sync(part)
            os.replace(part, path)
            sync(path.parent)
        finally:
            part.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have the disk hold a file, or the names in a folder."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def write_whole(path: Path, payload: bytes) -> None:
    """As `whole`, of bytes."""
    with whole(path) as part:
        part.write_bytes(payload)


def write_json(path: Path, content: Any, indent: int | None = None) -> None:
    """As `whole`. Raises ValueError for numbers that are not finite."""
    write_whole(path, (json.dumps(content, ensure_ascii=False, allow_nan=False, indent=indent) + "\n").encode())


def sha256(path: str | os.PathLike) -> str:
    """Hexadecimal SHA-256 of a file: 1 s for a gigabyte, on a processor that has instructions for it."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path, *keys: str) -> dict[str, Any]:
    """The JSON object in a file of ours.

    Raises:
        UserError: the file is missing, unreadable or damaged, or lacks one of `keys`.
    """
    try:
        body = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path}: damaged, it is no JSON; {AGAIN}") from None
    if not isinstance(body, dict):
        raise UserError(f"{path}: damaged, it holds no JSON object; {AGAIN}")
    if missing := [key for key in keys if key not in body]:
        raise UserError(f"{path}: damaged, `{missing[0]}` is missing; {AGAIN}")
    return body
