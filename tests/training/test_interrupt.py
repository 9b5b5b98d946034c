"""Signals are noted, and their handlers put back."""

import os
import signal

import pytest

from pipeline.training.interrupt import Interrupt


@pytest.fixture
def interruptible():
    """As a program in front of a terminal; one that was started in the background ignores SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_first_signal_is_noted_and_handlers_are_put_back(interruptible):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with Interrupt() as interrupt:
        assert interrupt.signal is None
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupt.signal == "SIGINT"
        with pytest.raises(KeyboardInterrupt):  # the second one is not held back
            os.kill(os.getpid(), signal.SIGINT)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
