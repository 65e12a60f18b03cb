"""Work dealt out to processes: results in order, few in memory, and none lost to a crash."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# In hand for each worker: one in work, and one that waits so that no worker does
_IN_HAND = 2


def count(wanted: int) -> int:
    """How many processes: `wanted`, or one for each core that may be used where it is 0.

    In the latter case never one alone: one process does the work itself, and ends when it crashes.
    """
    if wanted:
        return wanted
    usable = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    return max(2, len(usable(0)) if usable else os.cpu_count() or 1)


def results(
    work: Callable[[Sequence[Item]], list[Result]],
    chunks: Iterable[Sequence[Item]],
    workers: int,
    crashed: Callable[[Item], Result],
) -> Iterator[list[Result]]:
    """`work(chunk)` for each chunk, in order, by so many processes; one needs none beside this.

    A process that a decoder brings down ends nothing: the chunks in hand are done again, item by
    item, and `crashed(item)` stands in for what does it again.
    """
    if workers == 1:
        yield from map(work, chunks)
        return
    pending = iter(chunks)
    again: list[Sequence[Item]] = []
    while True:
        yield from _singly(work, again, crashed)
        again = yield from _pooled(work, pending, workers)
        if not again:
            return


def _pooled(
    work: Callable[[Sequence[Item]], list[Result]],
    chunks: Iterator[Sequence[Item]],
    workers: int,
) -> Generator[list[Result], None, list[Sequence[Item]]]:
    """Results until all is done; returns the chunks that were in hand when a process crashed."""
    with _pool(workers) as pool:
        hand: deque[tuple[Sequence[Item], Future[list[Result]]]] = deque()
        try:
            for chunk in chunks:
                try:
                    hand.append((chunk, pool.submit(work, chunk)))
                except BrokenProcessPool:  # between two results
                    return [*(known for known, _ in hand), chunk]
                if len(hand) >= _IN_HAND * workers:
                    yield hand[0][1].result()
                    hand.popleft()
            while hand:
                yield hand[0][1].result()
                hand.popleft()
        except BrokenProcessPool:
            return [chunk for chunk, _ in hand]
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()  # Ctrl-C: a chunk of RAW photos would take minutes to end
            pool.shutdown(cancel_futures=True)
            raise
    return []


def _singly(
    work: Callable[[Sequence[Item]], list[Result]],
    chunks: Iterable[Sequence[Item]],
    crashed: Callable[[Item], Result],
) -> Iterator[list[Result]]:
    for chunk in chunks:
        yield _alone(work, chunk, crashed)


def _alone(
    work: Callable[[Sequence[Item]], list[Result]],
    chunk: Sequence[Item],
    crashed: Callable[[Item], Result],
) -> list[Result]:
    """A chunk in a process of its own; by halves where that crashes, down to the one at fault."""
    try:
        with _pool(1) as pool:
            return pool.submit(work, chunk).result()
    except BrokenProcessPool:
        pass
    if len(chunk) == 1:
        return [crashed(chunk[0])]
    middle = len(chunk) // 2
    return [*_alone(work, chunk[:middle], crashed), *_alone(work, chunk[middle:], crashed)]


def _pool(workers: int) -> ProcessPoolExecutor:
    # spawn: the same on every system, and no lock of a library is copied in the middle of its use
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_follow_parent)


def _follow_parent() -> None:
    """Ctrl-C goes to all processes, and the parent decides what it means; but none outlives it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.setpgrp()  # nor does it end ExifTool, in the middle of a question
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
