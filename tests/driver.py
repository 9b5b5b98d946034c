"""A driver of two graphics cards, of 10 and 11 GB, that there are none of."""

import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = """
int cuInit(int flags) { return 0; }
int cuDeviceGetCount(int *n) { *n = 2; return 0; }
int cuDeviceGet(int *device, int k) { *device = 10 + k; return 0; }
int cuDeviceTotalMem_v2(unsigned long *size, int device) { *size = device * 1000000000UL; return 0; }
"""


def built(folder: Path) -> str:
    """The folder, as LD_LIBRARY_PATH names it, with the library in it; skips where nothing can build it."""
    if not shutil.which("cc"):
        pytest.skip("no C compiler for a driver of its own")
    (folder / "driver.c").write_text(SOURCE)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", folder / "libcuda.so.1", folder / "driver.c"], check=True)
    return str(folder)
