"""A name for whoever runs this: Snakemake asks for one before it starts a job, and a container's user may have none."""

from __future__ import annotations

import getpass
import os


def named() -> dict[str, str]:
    """Variables to set: none where the user has a name, in the environment or in the list of users."""
    try:
        getpass.getuser()
    except (KeyError, OSError):  # the second from Python 3.13 on
        return {"USER": f"user-{os.getuid()}"}
    return {}
