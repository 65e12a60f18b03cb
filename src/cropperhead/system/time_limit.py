"""A limit on how long a block of code may take, and how long a process has been busy."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

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


def processor_s(process: int) -> float:
    """How long a process, by its id, has used the processor; 0 where no /proc tells (not Linux)."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return 0.0
    user, system = text.rpartition(")")[2].split()[11:13]  # proc(5): the 14th and 15th field
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
