"""Worker processes: results in order, few in memory, and none lost to a file that breaks a decoder.

A process that crashes or does not finish costs only the item at fault. On Ctrl-C the processes end
at once and print nothing. None outlives its parent.

They are copies of one process that has imported what the work needs, where copies are safe (Linux:
`forkserver`), and start on their own elsewhere (`spawn`). No lock of a library is copied while it
is held.

The processes are those of Python's `concurrent.futures`. Pebble has time limits of its own, but
version 5.2.3 can miss that a process crashed while this one was busy: its chunk then waits for its
time limit, half an hour for 50 photos.
"""

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache, partial
from itertools import chain
from multiprocessing import forkserver, resource_tracker
from types import ModuleType
from typing import Any, Generic, TypeVar

from cropperhead.errors import RejectedFile, SetupError

Item = TypeVar("Item")
Result = TypeVar("Result")

# For one item: a large RAW photo on a slow computer and disk takes a tenth of that. Each further
# item of a chunk adds a tenth
TIME_LIMIT_S = 300.0
_CHUNKS_PER_WORKER = 2  # one in work, and one that waits so that no worker does
_COPIES, _ON_THEIR_OWN = "forkserver", "spawn"
# Bytes of the folder of temporary files: a socket in it is named in 108 (unix(7)), of which 32 are
# its own name
_LONGEST_FOLDER = 75
_MAIN = "__main__"
# How starting a process fails if the one that is copied has just been killed; its end is noticed
# within these seconds, and another one started
_NO_SERVER = (ConnectionError, EOFError)
_SERVER_GONE_S = 5.0
_main_is_hidden = threading.Lock()


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
    imports: Sequence[str] = (),
) -> Iterator[list[Result]]:
    """Yield `work(chunk)` for each chunk, in order, from this many processes.

    `imports` names modules that the work imports only when it runs. Where processes are copies,
    these import them once for all.

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
    with _Pool(work, workers, limit_s, imports) as pool:
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


def start_early(module: str) -> None:
    """Has the module of the work to come imported for its processes, while this one goes on.

    Nothing is done where processes are not copies of another one.
    """
    if _start_method() == _COPIES:
        forkserver.set_forkserver_preload([module])
        with _block_interrupts():
            forkserver.ensure_running()


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
        self,
        work: Callable[[Sequence[Item]], list[Result]],
        workers: int,
        limit_s: float,
        imports: Sequence[str] = (),
    ) -> None:
        self.limit_s = limit_s
        self._work, self._workers = work, workers
        self._imports = [_module_of(work), *imports]
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
            return self._queue(self._work, chunk)
        except (BrokenProcessPool, *_NO_SERVER) as error:
            broken: Future[list[Result]] = Future()
            broken.set_exception(BrokenProcessPool(str(error)))
            return broken

    def result(self, chunk: Sequence[Item], future: "Future[list[Result]]") -> list[Result]:
        """The result of the chunk that was queued first, of all that have none yet."""
        limit_s = self.limit_s * (9 + len(chunk)) / 10
        if not wait([future], limit_s).done:  # `work` may raise TimeoutError itself
            raise _TimedOut
        return future.result()

    def restart(self) -> None:
        """Ends all processes, and starts others. Raises SetupError if these crash at once."""
        until = time.monotonic() + _SERVER_GONE_S
        while True:
            self._kill()
            self._executor.shutdown(cancel_futures=True)
            self._executor = self._start()
            try:
                self._queue(_load, self._work).result()
                return
            except BrokenProcessPool as error:
                raise SetupError("Worker processes end as soon as they start.") from error
            except _NO_SERVER as error:
                if time.monotonic() > until:
                    raise SetupError(f"No worker process can be started: {error}") from error
                time.sleep(0.05)

    def _queue(self, function: Callable[[Any], Any], argument: Any) -> "Future[Any]":
        with _block_interrupts(), _hidden_main(self._work):
            return self._executor.submit(function, argument)

    def _start(self) -> ProcessPoolExecutor:
        forkserver.set_forkserver_preload(self._imports)  # when it is first needed
        context = multiprocessing.get_context(_start_method())
        # that which is copied has the environment in which the first of them started
        return ProcessPoolExecutor(
            self._workers, context, initializer=_begin, initargs=(dict(os.environ),)
        )

    def _kill(self) -> None:
        # From Python 3.14 on, executors have `kill_workers`
        for process in list((self._executor._processes or {}).values()):
            process.kill()
        # The executor waits for the rest of a result that one of them was writing. It is told that
        # nobody writes any more once this process, too, has closed the pipe
        results = self._executor._result_queue
        if results is not None:
            results._writer.close()  # type: ignore[attr-defined]


@contextmanager
def _hidden_main(work: Callable[..., Any]) -> Iterator[None]:
    """Keeps processes that the block starts from importing this program's script again.

    It may import far more than the work needs. Work of the script itself does need it.
    """
    if _module_of(work) == _MAIN:
        yield
        return
    with _main_is_hidden:
        script = sys.modules[_MAIN]
        sys.modules[_MAIN] = ModuleType(_MAIN)
        try:
            yield
        finally:
            sys.modules[_MAIN] = script


@cache
def _start_method() -> str:
    """How processes start. macOS's own libraries do not survive a copy of their process."""
    fits = len(os.fsencode(tempfile.gettempdir())) <= _LONGEST_FOLDER
    return _COPIES if sys.platform == "linux" and fits else _ON_THEIR_OWN


def _module_of(work: Callable[..., Any]) -> str:
    """The module of a function, or of that of a partial one."""
    function = work.func if isinstance(work, partial) else work
    return str(function.__module__)


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


def _load(_: Callable[..., Any]) -> None:
    """Has a process import what the work needs, which otherwise counts as time of its first."""


def _begin(environment: Mapping[str, str]) -> None:
    """Has a process live in an environment, and end with its parent."""
    os.environ.clear()
    os.environ.update(environment)
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
