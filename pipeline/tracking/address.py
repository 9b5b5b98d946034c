"""Addresses of MLflow stores, which may hold a user and a password: these are for the store alone."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

USERINFO = re.compile(r"(?<=://)([^:/@\s]*):(\S*)@")  # up to the last @, for a password may hold one


class Address(NamedTuple):
    """An address without its user, and what the user is known by; None where it names none."""

    uri: str
    user: str | None
    password: str | None


def divided(uri: str) -> Address:
    """The parts of the address of a server (`http`, `https`); other addresses stay whole, for drivers want them so."""
    found = re.fullmatch(r"(https?://)([^/]*)@(.*)", uri)
    if found is None:
        return Address(uri, None, None)
    scheme, known, rest = found.groups()
    user, colon, password = known.partition(":")
    return Address(scheme + rest, unquote(user), unquote(password) if colon else None)


def printable(uri: str) -> str:
    """An address as it may be printed."""
    return USERINFO.sub(r"\1:***@", divided(uri).uri)


def without_password(text: str, uri: str) -> str:
    """A text that may quote an address, or parts of it, as it may be printed."""
    found, known = USERINFO.search(uri), divided(uri)
    words = {found[2], unquote(found[2])} if found else set()
    words |= {known.user} if known.password is None else set()  # a token
    for word in sorted(words - {"", None}, key=len, reverse=True):
        text = text.replace(word, "***")
    return USERINFO.sub(r"\1:***@", text)
