"""Judges what a name in a folder stands for before it is opened: a pipe may keep its reader for ever."""

from __future__ import annotations

import errno
import os
import stat

from pipeline.data.reading.frame import Rejected
from pipeline.data.reading.source import printable

KINDS = {
    stat.S_IFIFO: "is a pipe, not a file",
    stat.S_IFSOCK: "is a socket, not a file",
    stat.S_IFCHR: "is a device, not a file",
    stat.S_IFBLK: "is a device, not a file",
    stat.S_IFDIR: "is a folder that cannot be listed",
}


def check_regular(path: str) -> os.stat_result:
    """Facts of the file at `path`. Raises Rejected where a link leads nowhere, or to what is no file."""
    try:
        facts = os.stat(path)
    except OSError as error:
        raise Rejected(_lost(path, error)) from error
    kind = stat.S_IFMT(facts.st_mode)
    if kind != stat.S_IFREG:
        raise Rejected(KINDS.get(kind, "is no file"))
    return facts


def _lost(path: str, error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "is a link that leads back to itself"
    if error.errno == errno.ENOENT and os.path.islink(path):  # as DVC, DataLad and git-annex leave it
        return f"is a link to {printable(os.readlink(path))[:200]}, which is not there: was its content fetched?"
    return unread(error)


def unread(error: OSError) -> str:
    """The system's complaint as a reason."""
    return f"cannot be read: {os.strerror(error.errno or 0)}"
