import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import pytest

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


def minus(number: int) -> int:
    return -number


def chunks(count: int) -> list[list[int]]:
    return [list(range(start, start + 4)) for start in range(0, count, 4)]


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_results_come_in_order_from_any_number_of_processes(processes):
    found = worker_pool.results(squares, chunks(40), processes, minus)
    assert [one for chunk in found for one in chunk] == [i * i for i in range(40)]


def test_one_that_brings_its_process_down_is_named_and_nothing_else_is_lost():
    found = worker_pool.results(squares_or_crash, chunks(40), 2, minus)
    expected = [i * i if i != CRASHING else -CRASHING for i in range(40)]
    assert [one for chunk in found for one in chunk] == expected


def test_a_crash_between_two_results_loses_no_chunk():
    found = worker_pool.results(squares_or_crash, chunks(40), 2, minus)
    all_found = []
    for chunk in found:
        all_found += chunk
        time.sleep(0.3 if len(all_found) < 12 else 0)  # so that the pool breaks meanwhile
    assert all_found == [i * i if i != CRASHING else -CRASHING for i in range(40)]


def test_an_error_of_the_work_itself_is_raised_here():
    with pytest.raises(ValueError, match="an error of 0"):
        list(worker_pool.results(failing, chunks(8), 2, minus))


def test_few_chunks_are_in_hand_however_many_there_are():
    taken = []

    def source():
        for chunk in chunks(4000):
            taken.append(chunk)
            yield chunk

    found = worker_pool.results(squares, source(), 2, minus)
    next(found)
    assert len(taken) <= 5
    found.close()


def test_zero_means_one_for_each_core_and_never_one_alone():
    assert worker_pool.count(3) == 3
    assert worker_pool.count(0) >= 2


def test_interrupting_ends_without_a_word_from_the_workers(tmp_path):
    script = tmp_path / "busy.py"
    script.write_text(
        "import sys, time\n"
        "from cropperhead.system import worker_pool\n"
        "def slow(chunk):\n"
        "    time.sleep(0.2)\n"
        "    return chunk\n"
        "if __name__ == '__main__':\n"
        "    try:\n"
        "        for _ in worker_pool.results(slow, ([i] for i in range(1000)), 2, print):\n"
        "            print('one', flush=True)\n"
        "    except KeyboardInterrupt:\n"
        "        sys.exit(130)\n"
    )
    busy = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert busy.stdout is not None
    assert busy.stdout.readline() == "one\n"
    os.killpg(busy.pid, signal.SIGINT)  # as a terminal does: to every process
    _, errors = busy.communicate(timeout=30)
    assert (busy.returncode, errors) == (130, "")
