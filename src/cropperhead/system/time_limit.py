"""A limit on how long a block of code may take."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_AGAIN_S = 0.5


class TimeIsUp(BaseException):
    """Ends a block that takes too long; no `except Exception` within the block catches it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeIsUp in the block after so many seconds.

    Does nothing outside the main thread, where signals cannot be handled.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: object) -> None:
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, end)
    # again and again, because a destructor within may lose one
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
