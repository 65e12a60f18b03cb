"""Ends a program that the system asks to end as Ctrl-C does, so that nothing unfinished stays."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# By `kill` and when a computer shuts down; when a terminal is closed, which Windows does not signal
_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
_OFFSET = 128  # of the exit status of a process that a signal ended, as shells give it


class Terminated(KeyboardInterrupt):
    """The system has asked the program to end; `status` is the exit status that tells so."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.status = _OFFSET + number


@contextmanager
def raise_when_terminated() -> Iterator[None]:
    """Raises Terminated in the block for signals that would end the program without a word.

    A signal that the program was started to ignore, as by `nohup`, stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():  # where Python handles none
        yield
        return
    replaced = [one for one in _SIGNALS if signal.getsignal(one) is signal.SIG_DFL]
    for one in replaced:
        signal.signal(one, _raise)
    try:
        yield
    finally:
        for one in replaced:
            signal.signal(one, signal.SIG_DFL)


def _raise(number: int, frame: FrameType | None) -> None:
    del frame
    raise Terminated(number)
