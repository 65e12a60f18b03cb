"""A limit on how long a block of code may take."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOOK_EVERY_S = 0.5


class TimeIsUp(BaseException):
    """Ends a block that takes too long; no `except Exception` within the block catches it."""


@contextmanager
def time_limit(seconds: float, is_hopeless: Callable[[], bool] | None = None) -> Iterator[None]:
    """Raise TimeIsUp in the block after so many seconds, or before that where it is hopeless.

    `is_hopeless` is asked twice a second. Does nothing outside the main thread, where signals
    cannot be handled.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    deadline = time.monotonic() + seconds

    def look(*_: object) -> None:
        if time.monotonic() >= deadline or (is_hopeless is not None and is_hopeless()):
            raise TimeIsUp

    before = signal.signal(signal.SIGALRM, look)
    first = seconds if is_hopeless is None else _LOOK_EVERY_S
    # again and again, because a destructor within may lose one
    signal.setitimer(signal.ITIMER_REAL, first, _LOOK_EVERY_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
