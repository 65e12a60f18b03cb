import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import pytest

from cropperhead.errors import RejectedFile, SetupError
from cropperhead.system import worker_pool

CRASHING = 13


def squares(chunk: Sequence[int]) -> list[int]:
    time.sleep(0.02 * (chunk[0] % 3))  # so that a later chunk may be done before an earlier one
    return [number * number for number in chunk]


def squares_or_crash(chunk: Sequence[int]) -> list[int]:
    if CRASHING in chunk:
        os.kill(os.getpid(), signal.SIGKILL)
    return squares(chunk)


def failing(chunk: Sequence[int]) -> list[int]:
    raise ValueError(f"an error of {chunk[0]}")


def squares_or_hang(chunk: Sequence[int]) -> list[int]:
    if CRASHING in chunk:
        time.sleep(60)
    return squares(chunk)


def minus(number: int, error: RejectedFile) -> int:
    """Stands for a failure: 1,000 more where it is a timeout."""
    return -number - (1000 if error.kind == "timeout" else 0)


def chunks(count: int) -> list[list[int]]:
    return [list(range(start, start + 4)) for start in range(0, count, 4)]


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_results_come_in_order_from_any_number_of_processes(processes):
    results = worker_pool.map_chunks(squares, chunks(40), processes, minus)
    assert [one for chunk in results for one in chunk] == [i * i for i in range(40)]


def test_an_item_that_crashes_its_process_fails_and_nothing_else_is_lost():
    results = worker_pool.map_chunks(squares_or_crash, chunks(40), 2, minus)
    expected = [i * i if i != CRASHING else -CRASHING for i in range(40)]
    assert [one for chunk in results for one in chunk] == expected


def test_an_item_that_hangs_fails_and_nothing_else_is_lost():
    # a chunk of 4 has 1 * (9 + 4) / 10 = 1.3 s, its items 1 s each
    results = worker_pool.map_chunks(squares_or_hang, chunks(40), 2, minus, limit_s=1)
    expected = [i * i if i != CRASHING else -CRASHING - 1000 for i in range(40)]
    assert [one for chunk in results for one in chunk] == expected


def test_a_failure_has_a_kind_and_a_reason():
    for work, kind, message in (
        (
            squares_or_crash,
            "crash",
            "a decoder crashed on this file, which is damaged or malicious",
        ),
        (squares_or_hang, "timeout", "a decoder did not finish within 1 s"),
    ):
        results = worker_pool.map_chunks(
            work, [[CRASHING]], 2, lambda _, error: (error.kind, str(error)), limit_s=1
        )
        assert list(results) == [[(kind, message)]]


def test_a_crash_between_two_results_loses_no_chunk():
    results = worker_pool.map_chunks(squares_or_crash, chunks(40), 2, minus)
    received = []
    for chunk in results:
        received += chunk
        time.sleep(0.3 if len(received) < 12 else 0)  # so that the process crashes meanwhile
    assert received == [i * i if i != CRASHING else -CRASHING for i in range(40)]


def test_an_error_raised_by_the_work_is_raised_here():
    with pytest.raises(ValueError, match="an error of 0"):
        list(worker_pool.map_chunks(failing, chunks(8), 2, minus))


def test_several_crashes_and_hangs_cost_only_the_items_at_fault():
    # 13 and 26 crash, 7 and 39 hang: in different chunks and in neighbouring ones
    results = worker_pool.map_chunks(squares_crash_or_hang, chunks(40), 2, minus, limit_s=1)
    expected = [i * i for i in range(40)]
    for i in (13, 26):
        expected[i] = -i
    for i in (7, 39):
        expected[i] = -i - 1000
    assert [one for chunk in results for one in chunk] == expected


def squares_crash_or_hang(chunk: Sequence[int]) -> list[int]:
    if {13, 26} & set(chunk):
        os.kill(os.getpid(), signal.SIGKILL)
    if {7, 39} & set(chunk):
        time.sleep(60)
    return squares(chunk)


def test_at_most_two_chunks_for_each_worker_are_in_memory():
    drawn = []

    def source():
        for chunk in chunks(4000):
            drawn.append(chunk)
            yield chunk

    results = worker_pool.map_chunks(squares, source(), 2, minus)
    next(results)
    assert len(drawn) <= 5
    results.close()


def test_zero_workers_means_one_for_each_core_and_at_least_two():
    assert worker_pool.worker_count(3) == 3
    assert worker_pool.worker_count(0) >= 2


def squares_or_crash_at_once(chunk: Sequence[int]) -> list[int]:
    if CRASHING in chunk:
        os.kill(os.getpid(), signal.SIGKILL)
    return [number * number for number in chunk]


def test_a_crash_is_noticed_at_once_while_this_process_is_busy():
    """Otherwise it would wait for the chunk's time limit of 300 * (9 + 34) / 10 = 1,290 s."""
    expected = [i * i if i != CRASHING else -CRASHING for i in range(34)]
    results = worker_pool.map_chunks(squares_or_crash_at_once, [[*range(34)]] * 3, 2, minus)
    for numbers in results:
        assert numbers == expected
        sum(range(5_000_000))  # holds the interpreter


def test_a_timeout_raised_by_the_work_is_raised_here():
    with pytest.raises(TimeoutError, match="a disk is away"):
        list(worker_pool.map_chunks(timing_out, chunks(8), 2, minus))


def timing_out(chunk: Sequence[int]) -> list[int]:
    raise TimeoutError(f"a disk is away at {chunk[0]}")


def test_processes_that_cannot_start_are_an_error(monkeypatch):
    monkeypatch.setattr(worker_pool, "_end_with_parent", os.abort)
    with pytest.raises(SetupError, match="Worker processes end as soon as they start"):
        list(worker_pool.map_chunks(squares, chunks(8), 2, minus))


SCRIPT = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell ignores it
from cropperhead.system import worker_pool

def slow(chunk):
    time.sleep(0.2)
    return chunk

def chunks():
    for i in range(1000):
        print("chunk", flush=True)
        yield [i]

if __name__ == "__main__":
    try:
        for _ in worker_pool.map_chunks(slow, chunks(), 2, print):
            print("result", flush=True)
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.fixture
def busy(tmp_path):
    """A program in a process group of its own, with two workers."""
    script = tmp_path / "busy.py"
    script.write_text(SCRIPT)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, script], start_new_session=True, **pipes) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("moment", ["chunk", "result"], ids=["while they start", "at work"])
def test_ctrl_c_ends_at_once_and_workers_print_nothing(busy, moment):
    assert f"{moment}\n" in iter(busy.stdout.readline, "")
    os.killpg(busy.pid, signal.SIGINT)  # as a terminal does: to every process
    _, errors = busy.communicate(timeout=30)
    assert (busy.returncode, errors) == (130, "")


def test_no_worker_outlives_its_parent(busy):
    assert "result\n" in iter(busy.stdout.readline, "")
    busy.kill()
    busy.communicate(timeout=30)  # which ends once no process holds the pipes


def is_protected(chunk: Sequence[int]) -> list[str]:
    """Whether Ctrl-C is kept from a program that a worker starts, as it starts ExifTool."""
    if CRASHING in chunk:
        os.kill(os.getpid(), signal.SIGKILL)
    code = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    return [subprocess.check_output([sys.executable, "-c", code], text=True).strip()]


def test_ctrl_c_does_not_reach_programs_that_a_worker_starts():
    results = worker_pool.map_chunks(is_protected, [[CRASHING], [1], [2], [3]], 2, minus)
    assert list(results) == [[-CRASHING], ["True"], ["True"], ["True"]]
