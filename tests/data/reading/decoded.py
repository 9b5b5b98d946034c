"""What a file is read as, for the tests of all formats."""

from pipeline.data.reading import readers
from pipeline.data.reading.frame import Rejected


def read(path, settings):
    """The headers and the pixels of a file's images, after checking that headers told the truth. Raises Rejected."""
    headers = readers.headers(str(path), path.name, settings)
    frames = list(readers.frames(headers, settings))
    for header, frame in zip(headers, frames, strict=True):
        if isinstance(frame, Rejected):
            raise frame
        shape = frame.pixels.shape if frame.pixels.ndim == 3 else (*frame.pixels.shape, 1)
        assert (header.shape, header.dtype, header.source) == (shape, frame.pixels.dtype.name, frame.source)
    return headers, [frame.pixels for frame in frames]
