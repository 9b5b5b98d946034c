"""What a file is read as, for the tests of all formats."""

from pipeline.data.reading import readers
from pipeline.data.reading.frame import Rejected


def frames(path, settings, name=None):
    """The headers and frames of a file's images, after checking that headers told the truth; of an image that cannot be
    decoded its Rejected. Raises Rejected for the file."""
    headers = readers.headers(str(path), name or path.name, settings)
    found = list(readers.frames(headers, settings))
    for header, frame in zip(headers, found, strict=True):
        if not isinstance(frame, Rejected):
            shape = frame.pixels.shape if frame.pixels.ndim == 3 else (*frame.pixels.shape, 1)
            assert (header.shape, header.dtype) == (shape, frame.pixels.dtype.name)
    return headers, found


def read(path, settings, name=None):
    """The headers and the pixels of a file's images. Raises Rejected for the file, or for any of them."""
    headers, found = frames(path, settings, name)
    for frame in found:
        if isinstance(frame, Rejected):
            raise frame
    return headers, [frame.pixels for frame in found]
