"""Scaling and its inverse."""

import numpy as np
import pytest

from pipeline.data.preparing import scaling
from pipeline.data.reading.frame import Rejected
from pipeline.settings import Scaling


def stored(values, low, high, dtype):
    return scaling.quantise(scaling.to_unit(values, low, high), dtype)


def meta(dtype, low, high):
    return {"dtype": dtype, "scaling": {"rule": "dtype", "low": low, "high": high}}


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "bool"])
def test_dtype_rule_is_undone_exactly_for_every_value(dtype):
    kind = np.dtype(dtype)
    if dtype == "bool":
        values = np.array([False, True])
    else:
        values = np.arange(np.iinfo(kind).min, np.iinfo(kind).max + 1).astype(kind)
    low, high = scaling.type_range(dtype)
    inside = stored(values, low, high, scaling.stored_dtype(dtype))
    back = scaling.restore(inside, meta(dtype, low, high))
    assert back.dtype == kind
    np.testing.assert_array_equal(back, values)
    if kind.kind == "u":
        np.testing.assert_array_equal(inside, values)  # not only undone: left alone


def test_twelve_bits_fill_sixteen_and_come_back():
    values = np.arange(4096, dtype=np.uint16)
    low, high = scaling.type_range("uint16", bits=12)
    inside = stored(values, low, high, "uint16")
    assert (inside[0], inside[-1]) == (0, 65535)
    np.testing.assert_array_equal(scaling.restore(inside, meta("uint16", low, high)), values)


@pytest.mark.parametrize("dtype", ["uint32", "int64", "uint64", "int32"])
def test_the_ends_of_wide_integers_do_not_wrap(dtype):
    low, high = scaling.type_range(dtype)
    back = scaling.restore(np.array([0, 65535], np.uint16), meta(dtype, low, high))
    info = np.iinfo(dtype)
    assert back.dtype == dtype
    assert float(back[0]) == pytest.approx(info.min, abs=2**40)
    assert float(back[1]) == pytest.approx(info.max, rel=1e-9)


def test_floats_come_back_within_half_a_level():
    values = np.linspace(2866, 3774, 1001, dtype=np.float32)
    back = scaling.restore(stored(values, 2866, 3774, "uint16"), meta("float32", 2866.0, 3774.0))
    assert back.dtype == np.float32
    assert np.abs(back - values).max() <= 0.5 * (3774 - 2866) / 65535 + 3e-4


def test_a_fixed_range_saturates():
    values = np.array([-5, 10, 20, 30, 99], np.int16)
    assert stored(values, 10, 30, "uint8").tolist() == [0, 0, 128, 255, 255]


def test_percentiles_of_the_set():
    rule = Scaling(rule="percentile", low_percentile=10, high_percentile=90)
    assert scaling.decide(rule, (0.0, 255.0), np.arange(101)) == (10.0, 90.0)
    with pytest.raises(Rejected, match="both 7"):
        scaling.percentiles(rule, np.full(50, 7))


def test_floats_outside_the_unit_range_are_refused_by_the_dtype_rule_only():
    with pytest.raises(Rejected, match=r"from -3 to 0\.5"):
        scaling.check_range(Scaling(), "float32", -3, 0.5)
    scaling.check_range(Scaling(rule="percentile"), "float32", -3, 0.5)
    scaling.check_range(Scaling(), "uint16", 0, 4000)


def test_values_move_between_ranges():
    assert scaling.converted(128, (0, 255), (0, 65535)) == 128 * 257
    assert scaling.converted(0, (-128, 127), (0.0, 1.0)) == pytest.approx(128 / 255)


def test_percentiles_of_one_bit():
    rule = Scaling(rule="image_percentile", low_percentile=0, high_percentile=100)
    assert scaling.percentiles(rule, np.array([[True, False], [False, False]])) == (0, 1)
