"""Whether files are those that a job has read: by size and time first, by their content where these leave doubt.

Standard library only, for it is asked while a run is planned.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pipeline.base.files import read_json, write_json
from pipeline.settings import UserError


class Stamp(NamedTuple):
    """A file as it was when it was looked at."""

    size: int
    time: int
    """Of its last change, nanoseconds."""
    token: str
    """Names its content: it stays when only the time changes."""
    digest: str
    """Of its content."""


def fingerprint(files: Mapping[str, Path], records: Path) -> str:
    """Changes when a file is added, removed, or gets another content; not where it was copied, touched or moved.

    No file is read but those whose time has changed, and not their size, since `remember` noted them in the folder
    `records`, these or copies of them elsewhere. A file may be anything.

    Args:
        files: by what each is called, wherever it lies.
    """
    known = _known(files, records)
    tokens, again = [], {}
    for name, path in files.items():
        size, time = _looked_at(path)
        stamp = known.get(name)
        if stamp is not None and (size, time) != stamp[:2] and size == stamp.size and _digest(path) == stamp.digest:
            again[name] = stamp = stamp._replace(time=time)
        same = stamp is not None and (size, time) == stamp[:2]
        tokens.append(stamp.token if same and stamp is not None else _token(size, time))
    if again:
        with suppress(OSError):  # who may only look, looks again the next time
            write_json(_record(files.values(), records), known | again)
    lines = "\n".join(f"{name} {token}" for name, token in zip(files, tokens, strict=True))
    return hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()


def remember(files: Mapping[str, Path], records: Path) -> None:
    """Note the content of files that a job has read, for `fingerprint`; what cannot be read is left out."""
    known, found = _known(files, records), {}
    for name, path in files.items():
        size, time = _looked_at(path)
        stamp = known.get(name)
        if stamp is None or (size, time) != stamp[:2]:
            digest = _digest(path)
            token = stamp.token if stamp is not None and digest == stamp.digest else _token(size, time)
            stamp = Stamp(size, time, token, digest)
        if stamp.digest:
            found[name] = stamp
    for of in (files.values(), files):
        write_json(_record(of, records), found)


def _known(files: Mapping[str, Path], records: Path) -> dict[str, Stamp]:
    """What was noted of these files, else of others of the same names, which they may be copies of."""
    return _read(_record(files.values(), records)) or _read(_record(files, records))


def _record(of: Iterable[str | Path], records: Path) -> Path:
    names = "\n".join(map(str, of)).encode(errors="surrogateescape")
    return records / f"{hashlib.sha256(names).hexdigest()[:32]}.json"


def _looked_at(path: Path) -> tuple[int, int]:
    for look in (os.stat, os.lstat):  # a link that leads nowhere may be rewritten all the same
        try:
            facts = look(path)
        except OSError:
            continue
        return facts.st_size, facts.st_mtime_ns
    return -1, -1


def _token(size: int, time: int) -> str:
    return f"{size} {time}" if size >= 0 else "unreadable"


def _digest(path: Path) -> str:
    """Empty where it cannot be read; a pipe would keep its reader waiting for ever."""
    try:
        if not path.is_file():
            return ""
        with open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError:
        return ""


def _read(record: Path) -> dict[str, Stamp]:
    """What was noted; nothing where the record is missing or damaged: it is made again."""
    try:
        return {name: Stamp(*stamp) for name, stamp in read_json(record).items()}
    except (UserError, TypeError):
        return {}
