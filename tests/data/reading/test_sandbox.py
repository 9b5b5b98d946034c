"""Processes that may hang, crash or run out of memory."""

import ctypes
import math
import os
import signal
import time

import pytest

from pipeline.data.reading.sandbox import KILLED, TOO_LARGE, Failed, SandboxPool


def test_results_come_with_their_tasks():
    with SandboxPool(2, seconds=60, memory=2**32) as pool:
        assert sorted(pool.map(abs, [-3, 2, -1])) == [(-3, 3), (-1, 1), (2, 2)]


def test_a_crash_costs_its_task_only():
    with SandboxPool(1, seconds=60, memory=2**32) as pool:
        assert list(pool.map(os._exit, [3])) == [(3, Failed("crashed its decoder (exit status 3)", again=True))]
        (_, failed), (_, fine) = [next(pool.map(ctypes.string_at, [0])), next(pool.map(abs, [-1]))]
        assert "exit status -11" in failed.reason
        assert fine == 1


def out_of_memory(_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_the_kernel_kills_says_what_that_means():
    with SandboxPool(1, seconds=60, memory=2**32) as pool:
        ((_, failed),) = pool.map(out_of_memory, [1])
    assert failed == Failed(KILLED, again=True)


def exit_at(numbers):
    """Of several numbers each stands for an image; that of an odd one ends the process."""
    return [number if number % 2 == 0 else os._exit(number) for number in numbers]


def singly(numbers):
    return [[number] for number in numbers]


def test_a_crash_costs_its_part_of_a_task_only_and_a_task_of_crashes_is_given_up():
    with SandboxPool(2, seconds=60, memory=2**32) as pool:
        found = {tuple(part): result for part, result in pool.map(exit_at, [[2, 4], [6, 7, 8]], singly)}
        assert found == {
            (2, 4): [2, 4], (6,): [6], (8,): [8], (7,): Failed("crashed its decoder (exit status 7)", again=True)
        }  # fmt: skip
        *_, (part, last) = pool.map(exit_at, [[1, 3, 5, 8]], singly)
        assert (part, last.reason) == (
            [8], "was not tried, for 3 others of its file failed: crashed its decoder (exit status 5)"
        )  # fmt: skip


def counted(number):
    """As many results as a number says; then the process of an odd one ends."""
    yield from range(number)
    if number % 2:
        os._exit(number)


def test_results_of_a_generator_come_one_by_one():
    with SandboxPool(2, seconds=60, memory=2**32) as pool:
        assert sorted(pool.map(counted, [4, 2, 0])) == [(2, 0), (2, 1), (4, 0), (4, 1), (4, 2), (4, 3)]
        found = [result for _, result in pool.map(counted, [3])]
        assert found[:3] == found[3:6] == [0, 1, 2]  # tried again, with all the memory
        assert found[6:] == [Failed("crashed its decoder (exit status 3)", again=True)]


def test_what_counts_is_the_time_of_the_processor():
    with SandboxPool(1, seconds=0.5, memory=2**32) as pool:
        assert list(pool.map(time.sleep, [0.8])) == [(0.8, None)]  # as on a machine that is busy elsewhere
        start = time.process_time()
        (task, failed), *_ = pool.map(math.factorial, [10**7])  # in C, where no signal handler of Python's runs
        assert (task, failed) == (10**7, Failed("took more than 0.5 s of processor time to decode"))
        assert time.process_time() - start < 5


def taken(count):
    return len(bytearray(count))


def test_memory_is_that_of_all_processes_together():
    with SandboxPool(4, seconds=60, memory=2**32) as pool:
        assert list(pool._side_by_side(taken, [2**30])) == [(2**30, Failed(TOO_LARGE, again=True))]
        assert list(pool.map(taken, [2**30])) == [(2**30, 2**30)]  # done again by itself
        assert list(pool.map(taken, [2**33])) == [(2**33, Failed(TOO_LARGE, again=True))]
    assert len(bytearray(2**10)) == 2**10


@pytest.mark.parametrize(("memory", "workers"), [(2**30, 1), (2 * 2**30, 2), (2**33, 8), (1, 1)])
def test_there_are_fewer_processes_where_each_would_have_too_little(memory, workers):
    with SandboxPool(8, seconds=1, memory=memory) as pool:
        assert len(pool._workers) == workers
        assert sum(worker.memory for worker in pool._workers) <= memory
