"""Who runs a container under a number of their own has no name there."""

import os
import pwd

import pytest

from pipeline.base import user


def test_a_user_with_a_name_keeps_it(monkeypatch):
    monkeypatch.setenv("LOGNAME", "marie")
    assert user.named() == {}


@pytest.mark.parametrize("error", [KeyError, OSError])
def test_a_number_that_the_list_of_users_does_not_know_gets_a_name(monkeypatch, error):
    def unknown(uid):
        raise error(f"getpwuid(): uid not found: {uid}")

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert user.named() == {"USER": f"user-{os.getuid()}"}
