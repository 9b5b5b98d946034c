"""A disk that is soon full."""

import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def disk(folder: Path, kilobytes: int):
    """A small disk at a folder; yields what makes it larger."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk, and not in every container")
    try:
        yield lambda larger: subprocess.run(["mount", "-o", f"remount,size={larger}k", folder], check=True)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
