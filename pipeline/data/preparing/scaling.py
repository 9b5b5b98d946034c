"""From source values to stored integers by a stated rule, and back."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.data.reading.frame import Rejected
from pipeline.settings import Scaling

Values = TypeVar("Values", float, np.ndarray)
FLOAT_SLACK = 1e-3  # floats this little outside [0, 1] are rounding, not another range


def type_range(dtype: str, bits: int | None = None) -> tuple[float, float]:
    """Lowest and highest value of a type; `bits` narrows an integer (12-bit samples in uint16). Floats have [0, 1]."""
    kind = np.dtype(dtype)
    if kind.kind in "fb":
        return 0.0, 1.0
    info = np.iinfo(kind)
    if kind.kind == "u" and bits is not None and bits < info.bits:
        return 0.0, float((1 << bits) - 1)
    return float(info.min), float(info.max)


def stored_dtype(dtype: str) -> str:
    """`uint8` for sources of one byte, `uint16` for deeper ones."""
    return "uint8" if np.dtype(dtype).itemsize == 1 else "uint16"


def converted(value: Values, old: tuple[float, float], new: tuple[float, float]) -> Values:
    """A value, or an array of them, on the scale of one range, on the scale of another."""
    if old == new:
        return value
    return new[0] + (value - old[0]) / (old[1] - old[0]) * (new[1] - new[0])


def decide(rule: Scaling, full: tuple[float, float], sample: np.ndarray | None) -> tuple[float, float]:
    """Source values of stored black and white, for the whole set.

    Args:
        full: range of the set's type.
        sample: (n,) values drawn evenly from the set, on the scale of its type; for the percentile rule.

    Raises:
        Rejected: the percentiles are equal.
    """
    match rule.rule:
        case "fixed":
            return rule.low, rule.high
        case "percentile":
            assert sample is not None  # drawn for this rule
            return percentiles(rule, sample)
    return full


def percentiles(rule: Scaling, values: np.ndarray) -> tuple[float, float]:
    """The rule's two percentiles. Raises Rejected where they are equal."""
    values = values.astype(np.uint8) if values.dtype == bool else values
    low, high = (float(v) for v in np.percentile(values, [rule.low_percentile, rule.high_percentile]))
    if low >= high:
        raise Rejected(
            f"its percentiles {rule.low_percentile:g} and {rule.high_percentile:g} are both {low:g}, "
            "which leaves nothing to scale; see scaling.rule"
        )
    return low, high


def check_range(rule: Scaling, dtype: str, low: float, high: float) -> None:
    """Raises Rejected where the `dtype` rule has floats outside [0, 1]: clipping them would be a guess."""
    outside = low < -FLOAT_SLACK or high > 1 + FLOAT_SLACK
    if rule.rule == "dtype" and np.dtype(dtype).kind == "f" and outside:
        raise Rejected(
            f"float values from {low:g} to {high:g}, outside [0, 1], which `scaling.rule: dtype` expects of floats; "
            "use `fixed` or `percentile`"
        )


def to_unit(pixels: np.ndarray, low: float, high: float) -> np.ndarray:
    """Source values -> float32 in [0, 1]; what lies outside low to high saturates."""
    wide = pixels.dtype.itemsize > 2 and pixels.dtype != np.float32  # float32 holds 24 bits exactly
    values: NDArray[np.floating] = pixels.astype(np.float64 if wide else np.float32)
    values -= low
    values /= high - low
    return np.clip(values, 0, 1, out=values).astype(np.float32, copy=False)


def quantise(unit: np.ndarray, dtype: str) -> np.ndarray:
    """[0, 1] -> the full range of uint8 or uint16, rounded to the nearest level."""
    return np.rint(unit * np.float32(np.iinfo(dtype).max)).astype(dtype)


def restore(stored: np.ndarray, meta: dict[str, Any]) -> np.ndarray:
    """Stored integers -> values and type of the source: the inverse of scaling, as far as rounding allows.

    Exact for uint8 and uint16 sources under the `dtype` rule. Under `image_percentile` the data set's median low and
    high stand for those of an image.

    Args:
        stored: uint8 or uint16, any shape.
        meta: an image set's `meta`; `dtype` and `scaling` are used.
    """
    low, high = meta["scaling"]["low"], meta["scaling"]["high"]
    dtype = np.dtype(meta["dtype"])
    values = stored * ((high - low) / np.iinfo(stored.dtype).max) + low
    if dtype.kind == "f":
        return values.astype(dtype)
    if dtype.kind == "b":
        return values >= 0.5
    info = np.iinfo(dtype)
    values = np.rint(values)
    if dtype.itemsize == 8:  # the ends of 64-bit integers are no float64
        values = np.clip(values, np.nextafter(float(info.min), 0), np.nextafter(float(info.max), 0))
    return np.clip(values, info.min, info.max).astype(dtype) if dtype.itemsize < 8 else values.astype(dtype)
