"""Image sets with boxes, two images of each group."""

from tests import image_sets


def write(path, images, split, labels=None, symmetry="none", marks=None, classes=(), unknown=()):
    """With boxes as of `image_sets.mark` where there are `marks`. The group of image i is `group i // 2`."""
    n = len(images)
    columns = {"source": [f"{i}.png" for i in range(n)], "group": [f"group {i // 2}" for i in range(n)]}
    image_sets.write(path, images, labels, split, columns=columns, symmetry=symmetry)
    if marks is not None:
        image_sets.mark(path, marks, classes, unknown)
    return path
