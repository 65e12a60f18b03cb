import signal
import threading
import time
from contextlib import suppress

import pytest

from cropperhead.system.time_limit import TimeIsUp, time_limit


def test_a_block_that_takes_too_long_is_ended_even_if_it_catches_errors():
    with pytest.raises(TimeIsUp), time_limit(0.05):
        while True:
            with suppress(Exception):  # as libraries do that try again
                time.sleep(60)


def test_afterwards_no_alarm_is_left():
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(60):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) is before


def test_in_another_thread_there_is_no_limit():
    done = []

    def work():
        with time_limit(60):
            done.append(signal.getitimer(signal.ITIMER_REAL)[0])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [0]
