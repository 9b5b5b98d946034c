"""Processes that may hang, crash or run out of memory."""

import ctypes
import os
import time

import pytest

from pipeline.data.pool import Failed, Pool


def test_results_come_with_their_tasks():
    with Pool(2, seconds=60, memory=2**32) as pool:
        assert sorted(pool.map(abs, [-3, 2, -1])) == [(-3, 3), (-1, 1), (2, 2)]


def test_a_crash_costs_its_task_only():
    with Pool(1, seconds=60, memory=2**32) as pool:
        assert list(pool.map(os._exit, [3])) == [(3, Failed("crashed its decoder (exit status 3)"))]
        (_, failed), (_, fine) = [next(pool.map(ctypes.string_at, [0])), next(pool.map(abs, [-1]))]
        assert "exit status -11" in failed.reason
        assert fine == 1


def test_a_hang_is_ended():
    with Pool(1, seconds=0.5, memory=2**32) as pool:
        start = time.monotonic()
        (task, failed), *_ = pool.map(time.sleep, [60])
        assert (task, failed) == (60, Failed("took longer than 0.5 s to decode"))
        assert time.monotonic() - start < 30


def test_memory_is_limited_in_the_process_alone():
    with Pool(1, seconds=60, memory=2**31) as pool, pytest.raises(MemoryError):
        list(pool.map(bytearray, [2**31]))
    assert len(bytearray(2**10)) == 2**10
