"""Worker processes: results in order, few in memory, and none lost to a file that breaks a decoder.

A process that crashes or does not finish costs only the item at fault. On Ctrl-C the processes end
at once and print nothing. None outlives its parent.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker
from typing import Generic, TypeVar

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from cropperhead.errors import RejectedFile, SetupError

Item = TypeVar("Item")
Result = TypeVar("Result")

# For one item: a large RAW photo on a slow computer and disk takes a tenth of that. Each further
# item of a chunk adds a tenth
TIME_LIMIT_S = 300.0
_CHUNKS_PER_WORKER = 2  # one in work, and one that waits so that no worker does


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
    pool = _Pool(work, workers, failed, limit_s)
    pending: deque[tuple[Sequence[Item], ProcessFuture[list[Result]]]] = deque()
    try:
        for chunk in chunks:
            pending.append((chunk, pool.schedule(chunk)))
            if len(pending) == _CHUNKS_PER_WORKER * workers:
                yield pool.finish(*pending.popleft())
        while pending:
            yield pool.finish(*pending.popleft())
    except BaseException:
        pool.stop(at_once=True)  # a chunk of RAW photos would take minutes to end
        raise
    pool.stop()


class _Pool(Generic[Item, Result]):
    """Processes that do `work`, with the arguments of `map_chunks`."""

    def __init__(
        self,
        work: Callable[[Sequence[Item]], list[Result]],
        workers: int,
        failed: Callable[[Item, RejectedFile], Result],
        limit_s: float,
    ) -> None:
        self._work, self._workers, self._failed, self._limit_s = work, workers, failed, limit_s
        self._pool = _start_pool(workers)

    def schedule(self, chunk: Sequence[Item]) -> "ProcessFuture[list[Result]]":
        if not self._pool.active:
            self._restart()
        limit_s = self._limit_s * (9 + len(chunk)) / 10
        return self._pool.schedule(self._work, [chunk], timeout=limit_s)

    def finish(self, chunk: Sequence[Item], future: "ProcessFuture[list[Result]]") -> list[Result]:
        try:
            return future.result()
        except (ProcessExpired, TimeoutError, BrokenProcessPool):
            return [result for item in chunk for result in self._retry(item)]

    def stop(self, at_once: bool = False) -> None:
        self._pool.stop()
        for process in multiprocessing.active_children():
            if at_once:
                process.kill()
            else:
                process.terminate()  # a worker closes its ExifTool first
        self._pool.join()

    def _retry(self, item: Item) -> list[Result]:
        message = "a decoder crashed on this file, which is damaged or malicious"
        error = RejectedFile("crash", message)
        for _ in range(2):
            try:
                return self.schedule([item]).result()
            except BrokenProcessPool:
                continue  # another item may be at fault; in the new pool there is none
            except ProcessExpired:
                break
            except TimeoutError:
                message = f"a decoder did not finish within {self._limit_s:g} s"
                error = RejectedFile("timeout", message)
                break
        return [self._failed(item, error)]

    def _restart(self) -> None:
        """Replace a pool that broke: pebble cannot assign every crash to a task.

        It breaks if a process ends before pebble has read which task it took, or while idle.
        """
        self.stop(at_once=True)
        self._pool = _start_pool(self._workers)
        try:
            self._pool.schedule(int).result()
        except BrokenProcessPool as error:
            raise SetupError("Worker processes end as soon as they start.") from error


def _start_pool(workers: int) -> ProcessPool:
    # spawn: the same on every system, and no lock of a library is copied while it is held
    context = multiprocessing.get_context("spawn")
    pool = ProcessPool(workers, initializer=_end_with_parent, context=context)
    resource_tracker.ensure_running()  # whose start would unblock the signal
    # Ctrl-C goes to every process. Those started here inherit that it is blocked, ExifTool too
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        pool.schedule(int)  # the first task starts the processes
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    return pool


def _end_with_parent() -> None:
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
