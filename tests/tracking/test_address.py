"""Passwords in addresses are for the store alone."""

import pytest

from pipeline.tracking.address import Address, divided, printable, without_password


@pytest.mark.parametrize(
    ("uri", "parts", "printed"),
    [
        ("http://h:5000/a", ("http://h:5000/a", None, None), "http://h:5000/a"),
        ("https://me:p%2Fw@h/a", ("https://h/a", "me", "p/w"), "https://h/a"),
        ("http://me:p@w@h:5000", ("http://h:5000", "me", "p@w"), "http://h:5000"),
        ("http://token@h", ("http://h", "token", None), "http://h"),
        ("postgresql://me:p/w@h/db", ("postgresql://me:p/w@h/db", None, None), "postgresql://me:***@h/db"),
        ("postgresql://me:p@w@h/db", ("postgresql://me:p@w@h/db", None, None), "postgresql://me:***@h/db"),
        ("sqlite:////a/b@c/m.db", ("sqlite:////a/b@c/m.db", None, None), "sqlite:////a/b@c/m.db"),
        ("http://[::1", ("http://[::1", None, None), "http://[::1"),
        ("", ("", None, None), ""),
    ],
)
def test_an_address_in_its_parts_and_as_it_is_printed(uri, parts, printed):
    assert divided(uri) == Address(*parts)
    assert printable(uri) == printed


def test_a_text_that_quotes_it_in_any_form():
    text = "no answer from http://me:p%40w@h/a (p@w refused); see postgresql://other:pass@h"
    expected = "no answer from http://me:***@h/a (*** refused); see postgresql://other:***@h"
    assert without_password(text, "http://me:p%40w@h") == expected
    assert without_password("token abc is none", "http://abc@h") == "token *** is none"
    assert without_password("as it is", "sqlite:///m.db") == "as it is"
