"""Tells a file's format from its first bytes. Standard library only."""

from __future__ import annotations

START = 2**13 + 8  # bytes enough for `kind`; HDF5 allows its signature after a user block of 512, 1024, ... bytes

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
HDF5 = b"\x89HDF\r\n\x1a\n"


def kind(start: bytes) -> str | None:
    """`tiff`, `hdf5`, `image` (PNG, JPEG, BMP, WebP, GIF), or None."""
    if start.startswith(TIFF):
        return "tiff"
    if start.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")):
        return "image"
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "image"
    if start.startswith(b"BM") and start[6:10] == b"\0\0\0\0":  # two letters are little: the reserved field helps
        return "image"
    blocks = [0, *(2**p for p in range(9, 14))]
    return "hdf5" if any(start[b : b + 8] == HDF5 for b in blocks) else None
