"""The eight ways in which a photograph of one scene can lie: as it is, flipped, turned by quarters."""

from __future__ import annotations

from numpy.typing import NDArray

# (transposed, then rows in reverse, then columns in reverse); rotations as one looks at the image, rows going down
VIEWS = {
    "as it is": (False, False, False),
    "flipped left to right": (False, False, True),
    "flipped top to bottom": (False, True, False),
    "turned by 180°": (False, True, True),
    "flipped about the diagonal": (True, False, False),
    "turned right": (True, False, True),
    "turned left": (True, True, False),
    "flipped about the other diagonal": (True, True, True),
}


def possible(height: int, width: int) -> list[int]:
    """Positions in VIEWS of the views that keep the size of an image: all eight of a square one, else four."""
    return list(range(8 if height == width else 4))


def apply(images: NDArray, view: int) -> NDArray:
    """Images (..., H, W) in a view of VIEWS."""
    transposed, rows, cols = list(VIEWS.values())[view]
    images = images.swapaxes(-1, -2) if transposed else images
    return images[..., :: -1 if rows else 1, :: -1 if cols else 1]


def undo(images: NDArray, view: int) -> NDArray:
    """What `apply` makes these images of."""
    transposed, rows, cols = list(VIEWS.values())[view]
    images = images[..., :: -1 if rows else 1, :: -1 if cols else 1]
    return images.swapaxes(-1, -2) if transposed else images
