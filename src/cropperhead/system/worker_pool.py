"""Worker processes: results in order, few in memory, and none lost to a file that breaks a decoder.

A process that crashes or does not finish costs only the item at fault. On Ctrl-C the processes end
at once and print nothing. None outlives its parent.

The processes are those of Python's `concurrent.futures`. Pebble has time limits of its own, but
version 5.2.3 can miss that a process crashed while this one was busy: its chunk then waits for its
time limit, half an hour for 50 photos.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import chain
from multiprocessing import resource_tracker
from typing import Generic, TypeVar

from cropperhead.errors import RejectedFile, SetupError

Item = TypeVar("Item")
Result = TypeVar("Result")

# For one item: a large RAW photo on a slow computer and disk takes a tenth of that. Each further
# item of a chunk adds a tenth
TIME_LIMIT_S = 300.0
_CHUNKS_PER_WORKER = 2  # one in work, and one that waits so that no worker does


class _TimedOut(Exception):
    pass


def worker_count(wanted: int) -> int:
    """Return the number of processes: `wanted`, or one for each usable core where it is 0.

    For 0 that is at least 2, because `map_chunks` with 1 has no protection.
    """
    if wanted:
        return wanted
    usable = getattr(os, "sched_getaffinity", None)  # only Linux has it
    return max(2, len(usable(0)) if usable else os.cpu_count() or 1)


def map_chunks(
    work: Callable[[Sequence[Item]], list[Result]],
    chunks: Iterable[Sequence[Item]],
    workers: int,
    failed: Callable[[Item, RejectedFile], Result],
    limit_s: float = TIME_LIMIT_S,
) -> Iterator[list[Result]]:
    """Yield `work(chunk)` for each chunk, in order, from this many processes.

    When a process crashes or takes too long, the items of its chunk are done again one by one. For
    an item that fails again, `failed(item, error)` is the result; the kind of the error is "crash"
    or "timeout". An error raised by `work` is raised here. Raises SetupError if no process can
    be started.

    With 1 worker everything runs in this process, which is easy to debug and starts at once, but a
    crash or a decoder that hangs then ends the run.
    """
    if workers == 1:
        yield from map(work, chunks)
        return
    remaining = iter(chunks)
    pending: deque[tuple[Sequence[Item], Future[list[Result]]]] = deque()
    with _Pool(work, workers, limit_s) as pool:
        while True:
            try:
                for chunk in remaining:
                    pending.append((chunk, pool.submit(chunk)))
                    if len(pending) == _CHUNKS_PER_WORKER * workers:
                        yield pool.result(*pending[0])
                        pending.popleft()
                while pending:
                    yield pool.result(*pending[0])
                    pending.popleft()
                return
            except (BrokenProcessPool, _TimedOut) as error:
                # A timeout is the first chunk's fault, a crash that of any chunk
                count = 1 if isinstance(error, _TimedOut) else len(pending)
                suspects = [pending.popleft()[0] for _ in range(count)]
                remaining = chain([chunk for chunk, _ in pending], remaining)
                pending.clear()
                pool.restart()
            for chunk in suspects:
                yield [_attempt(pool, item, failed) for item in chunk]


class OnDemand(Generic[Item, Result]):
    """Does `work` on what is asked for, in processes as those of `map_chunks`.

    Several threads may ask at once. Raises as `map_chunks` does.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], list[Result]],
        workers: int,
        failed: Callable[[Item, RejectedFile], Result],
        limit_s: float = TIME_LIMIT_S,
    ) -> None:
        self._failed, self._lock = failed, threading.Lock()
        self._pool = _Pool(work, workers, limit_s)

    def __enter__(self) -> "OnDemand[Item, Result]":
        return self

    def __exit__(self, *exception: object) -> None:
        self._pool.__exit__(KeyboardInterrupt, *exception[1:])  # nobody waits for what is in work

    def get(self, item: Item) -> Result:
        """The result for one item."""
        return self.get_chunk([item])[0]

    def get_chunk(self, chunk: Sequence[Item]) -> list[Result]:
        """The results for several items, which one process does one after the other."""
        try:
            return self._pool.result(chunk, self._pool.submit(chunk))
        except (BrokenProcessPool, CancelledError, _TimedOut):
            with self._lock:  # what is asked for by another thread may be at fault
                self._pool.restart()
                return [_attempt(self._pool, item, self._failed) for item in chunk]


def _attempt(
    pool: "_Pool[Item, Result]", item: Item, failed: Callable[[Item, RejectedFile], Result]
) -> Result:
    """The result of one item, with no other in work."""
    try:
        return pool.result([item], pool.submit([item]))[0]
    except BrokenProcessPool:
        message = "a decoder crashed on this file, which is damaged or malicious"
        error = RejectedFile("crash", message)
    except _TimedOut:
        message = f"a decoder did not finish within {pool.limit_s:g} s"
        error = RejectedFile("timeout", message)
    pool.restart()
    return failed(item, error)


class _Pool(Generic[Item, Result]):
    """Processes that do `work`, with the arguments of `map_chunks`."""

    def __init__(
        self, work: Callable[[Sequence[Item]], list[Result]], workers: int, limit_s: float
    ) -> None:
        self.limit_s = limit_s
        self._work, self._workers = work, workers
        self._executor = self._start()

    def __enter__(self) -> "_Pool[Item, Result]":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:  # Ctrl-C, or nobody wants more: a chunk of RAW photos takes minutes
            self._kill()
        self._executor.shutdown(cancel_futures=True)

    def submit(self, chunk: Sequence[Item]) -> "Future[list[Result]]":
        """Queues a chunk, also in a pool that is broken: its result then says so."""
        try:
            with _block_interrupts():
                return self._executor.submit(self._work, chunk)
        except BrokenProcessPool as error:
            broken: Future[list[Result]] = Future()
            broken.set_exception(error)
            return broken

    def result(self, chunk: Sequence[Item], future: "Future[list[Result]]") -> list[Result]:
        """The result of the chunk that was queued first, of all that have none yet."""
        limit_s = self.limit_s * (9 + len(chunk)) / 10
        if not wait([future], limit_s).done:  # `work` may raise TimeoutError itself
            raise _TimedOut
        return future.result()

    def restart(self) -> None:
        """Ends all processes, and starts others. Raises SetupError if these crash at once."""
        self._kill()
        self._executor.shutdown(cancel_futures=True)
        self._executor = self._start()
        try:
            with _block_interrupts():
                self._executor.submit(int).result()
        except BrokenProcessPool as error:
            raise SetupError("Worker processes end as soon as they start.") from error

    def _start(self) -> ProcessPoolExecutor:
        # spawn: the same on every system, and no lock of a library is copied while it is held
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._workers, context, initializer=_end_with_parent)

    def _kill(self) -> None:
        # From Python 3.14 on, executors have `kill_workers`
        for process in list((self._executor._processes or {}).values()):
            process.kill()


@contextmanager
def _block_interrupts() -> Iterator[None]:
    """Keeps Ctrl-C, which goes to every process, from processes that the block starts.

    They inherit that it is blocked, and so does the ExifTool that they start.
    """
    resource_tracker.ensure_running()  # starting it later would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
