import ast
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

import psutil
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


def parents(chunk: Sequence[int]) -> list[int]:
    return [os.getppid()] * len(chunk)


def test_the_end_of_the_process_that_is_copied_costs_nothing():
    for _ in range(5):  # whether its end is noticed in time is a matter of the moment
        with worker_pool.OnDemand(parents, 2, minus) as pool:
            parent = pool.get(1)
            others = {child.pid for child in psutil.Process().children()}
            with worker_pool.OnDemand(parents, 2, minus) as another:
                if parent in others:
                    os.kill(parent, signal.SIGKILL)
                assert another.get(1) > 0  # no failure


def squares_or_die_while_answering(chunk: Sequence[int]) -> list[object]:
    if CRASHING in chunk:
        threading.Thread(target=die_while_this_process_answers, daemon=True).start()
        return [bytes(64_000_000)]  # a pipe has room for 64 KB
    return [number * number for number in chunk]


def die_while_this_process_answers() -> None:
    main = threading.main_thread().ident
    while True:
        frame = sys._current_frames()[main]
        while frame is not None and frame.f_code.co_name != "_send":
            frame = frame.f_back
        if frame is not None:
            os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_dies_while_it_answers_costs_only_its_item():
    """The executor would wait forever for the rest of the answer."""
    work = squares_or_die_while_answering
    results = worker_pool.map_chunks(work, [[CRASHING], [1], [2]], 2, minus, limit_s=1)
    assert list(results) == [[-CRASHING - 1000], [1], [4]]


def test_a_timeout_raised_by_the_work_is_raised_here():
    with pytest.raises(TimeoutError, match="a disk is away"):
        list(worker_pool.map_chunks(timing_out, chunks(8), 2, minus))


def timing_out(chunk: Sequence[int]) -> list[int]:
    raise TimeoutError(f"a disk is away at {chunk[0]}")


def aborting(_: object) -> None:
    os.abort()


def test_processes_that_cannot_start_are_an_error(monkeypatch):
    monkeypatch.setattr(worker_pool, "_begin", aborting)
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
    _, errors = busy.communicate(timeout=60)
    assert (busy.returncode, errors) == (130, "")


def test_no_worker_outlives_its_parent(busy):
    assert "result\n" in iter(busy.stdout.readline, "")
    busy.kill()
    busy.communicate(timeout=60)  # which ends once no process holds the pipes


def is_protected(chunk: Sequence[int]) -> list[str]:
    """Whether Ctrl-C is kept from a program that a worker starts, as it starts ExifTool."""
    if CRASHING in chunk:
        os.kill(os.getpid(), signal.SIGKILL)
    code = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    return [subprocess.check_output([sys.executable, "-c", code], text=True).strip()]


def test_ctrl_c_does_not_reach_programs_that_a_worker_starts():
    results = worker_pool.map_chunks(is_protected, [[CRASHING], [1], [2], [3]], 2, minus)
    assert list(results) == [[-CRASHING], ["True"], ["True"], ["True"]]


UNGUARDED = """
import pandas  # as the pipeline's scripts do
import work
from cropperhead.system import worker_pool

print(list(worker_pool.map_chunks(work.are_loaded, [["pandas", "work"]] * 2, 2, print)))
"""


def test_processes_import_what_the_work_needs_and_not_the_script(tmp_path):
    (tmp_path / "work.py").write_text(
        "import sys\n\ndef are_loaded(names):\n    return [name in sys.modules for name in names]\n"
    )
    script = tmp_path / "unguarded.py"
    script.write_text(UNGUARDED)
    printed = subprocess.check_output([sys.executable, script], text=True)
    assert printed == "[[False, True], [False, True]]\n"


def test_a_folder_of_temporary_files_with_a_long_name_is_no_obstacle(tmp_path):
    """A socket in it could not be named."""
    folder = tmp_path / ("long" * 25)
    folder.mkdir()
    code = "from cropperhead.system import worker_pool\n"
    code += "print(list(worker_pool.map_chunks(sorted, [[2, 1], [4, 3]], 2, print)))"
    environment = os.environ | {"TMPDIR": str(folder)}
    printed = subprocess.check_output([sys.executable, "-c", code], text=True, env=environment)
    assert printed == "[[1, 2], [3, 4]]\n"


def of_environment(chunk: Sequence[str]) -> list[str | None]:
    return [os.environ.get(name) for name in chunk]


def test_processes_have_the_environment_of_the_moment(monkeypatch):
    """Those of a later pool, too: they may be copies of a process that started long before."""
    for value in ("one", "two"):
        monkeypatch.setenv("CROPPERHEAD_TEST", value)
        results = worker_pool.map_chunks(of_environment, [["CROPPERHEAD_TEST"]], 2, minus)
        assert list(results) == [[value]]


def test_the_script_of_a_program_is_itself_again_once_processes_have_started():
    before = sys.modules["__main__"]
    assert list(worker_pool.map_chunks(squares, [[1]], 2, minus)) == [[1]]
    assert sys.modules["__main__"] is before


EARLY_WORK = """
import os, time
from pathlib import Path

IMPORTED_BY = os.getpid()
HERE = Path(__file__).parent
(HERE / f"{IMPORTED_BY}.imported").touch()

def processes(chunk):
    (HERE / f"{os.getpid()}.working").touch()
    while len(list(HERE.glob("*.working"))) < 2:  # one process cannot do both chunks
        time.sleep(0.01)
    return [(os.getpid(), IMPORTED_BY)]
"""
EARLY = """
import time
from pathlib import Path
from cropperhead.system import worker_pool

worker_pool.start_early("work")
while not list(Path(__file__).parent.glob("*.imported")):  # nothing has asked for work yet
    time.sleep(0.01)
import work
print(list(worker_pool.map_chunks(work.processes, [[1], [2]], 2, print, limit_s=60)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are copies only on Linux")
def test_what_the_work_needs_is_imported_before_it_is_asked_for_and_once(tmp_path):
    (tmp_path / "work.py").write_text(EARLY_WORK)
    script = tmp_path / "early.py"
    script.write_text(EARLY)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    command = [sys.executable, script]
    printed = subprocess.check_output(command, text=True, env=environment, timeout=60)
    [(one, importer)], [(other, same)] = ast.literal_eval(printed)
    assert importer == same  # the process that both are copies of
    assert len({one, other, importer}) == 3
