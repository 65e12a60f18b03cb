import os
import signal
import threading

import pytest

from cropperhead.system.termination import Terminated, raise_when_terminated


@pytest.fixture(autouse=True)
def not_ignored():
    """Both as a terminal has them: nohup may have started the tests."""
    handlers = {one: signal.signal(one, signal.SIG_DFL) for one in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_that_would_end_the_program_is_raised_with_the_status_of_shells(number, status):
    with pytest.raises(Terminated) as raised, raise_when_terminated():
        os.kill(os.getpid(), number)
    assert raised.value.status == status  # 128 + the signal's number
    assert signal.getsignal(number) is signal.SIG_DFL


def test_a_signal_that_is_ignored_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    with raise_when_terminated():
        os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_another_thread_goes_without():
    seen = []

    def work():
        with raise_when_terminated():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL]
