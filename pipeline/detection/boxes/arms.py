"""The training arms of detectors that find defects with boxes. Imported when a run is planned: no torch."""

from __future__ import annotations

ARMS = ("real",)
"""Their names, which are file names too; `real` sees real images alone, and is what others are compared to."""
