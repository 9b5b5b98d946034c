"""Tells a file's format from its first bytes. Standard library only."""

from __future__ import annotations

START = 2**13 + 8  # bytes enough for `kind`; HDF5 allows its signature after a user block of 512, 1024, ... bytes

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
HDF5 = b"\x89HDF\r\n\x1a\n"
SER = b"II\x97\x01"
CZI = b"ZISRAWFILE\0"


def kind(start: bytes) -> str | None:
    """`tiff`, `hdf5`, `image` (PNG, JPEG, BMP, WebP, GIF), `dm` (DM3, DM4), `ser`, `czi`, or None."""
    if start.startswith(TIFF):
        return "tiff"
    if start.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")):
        return "image"
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "image"
    if start.startswith(b"BM") and start[6:10] == b"\0\0\0\0":  # two letters are little: the reserved field helps
        return "image"
    if start.startswith(SER):
        return "ser"
    if start.startswith(CZI):
        return "czi"
    if _is_dm(start):
        return "dm"
    blocks = [0, *(2**p for p in range(9, 14))]
    return "hdf5" if any(start[b : b + 8] == HDF5 for b in blocks) else None


def _is_dm(start: bytes) -> bool:
    """Version, length of the file (4 bytes, in version 4 8), order of bytes; then two flags of the first group."""
    version = int.from_bytes(start[:4], "big")
    if version not in (3, 4):
        return False
    after = start[8:14] if version == 3 else start[12:18]
    return len(after) == 6 and after[:3] == b"\0\0\0" and max(after[3:]) <= 1
