"""Files that are replaced as a whole, whatever ends the writing."""

import errno
import os
import resource
import signal
import subprocess
import sys

import pytest
from conftest import ROOT

from cropperhead.system import atomic


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def test_a_full_disk_leaves_the_former_file_and_nothing_next_to_it(tmp_path):
    file = tmp_path / "table.parquet"
    file.write_bytes(b"former")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))  # bytes, as if no more were free
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)) as caught:
            atomic.replace(file, lambda unfinished: unfinished.write_bytes(b"x" * 1001))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert names(tmp_path) == ["table.parquet"]
    assert file.read_bytes() == b"former"
    assert caught.value.filename == str(file)  # the system names none


def test_an_error_of_reading_does_not_name_the_file_that_is_written(tmp_path):
    def write(unfinished):
        unfinished.write_bytes(b"half")
        raise OSError(errno.EIO, os.strerror(errno.EIO))  # as a read that fails

    with pytest.raises(OSError, match=os.strerror(errno.EIO)) as caught:
        atomic.replace(tmp_path / "table.parquet", write)
    assert caught.value.filename is None
    assert names(tmp_path) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interruption_leaves_nothing(tmp_path, error):
    def write(unfinished):
        unfinished.write_bytes(b"half")
        raise error

    with pytest.raises(error):
        atomic.replace(tmp_path / "table.parquet", write)
    assert names(tmp_path) == []


def test_a_link_in_place_of_the_unfinished_file_is_not_followed(tmp_path):
    other = tmp_path / "other.txt"
    other.write_bytes(b"somebody's")
    (tmp_path / "table.unfinished").symlink_to(other)
    atomic.replace(tmp_path / "table.parquet", lambda unfinished: unfinished.write_bytes(b"new"))
    assert other.read_bytes() == b"somebody's"
    assert (tmp_path / "table.parquet").read_bytes() == b"new"
    assert not (tmp_path / "table.parquet").is_symlink()
    assert names(tmp_path) == ["other.txt", "table.parquet"]


WRITER = """
import signal, sys, time
from pathlib import Path
from cropperhead.system import atomic, stage

signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell ignores it
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # as does nohup

def write(unfinished):
    unfinished.write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(60)

stage.run(lambda: atomic.replace(Path(sys.argv[1]), write))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_program_that_is_told_to_end_leaves_nothing(tmp_path, number):
    command = [sys.executable, "-c", WRITER, tmp_path / "table.parquet"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(command, env=environment, stdout=-1, stderr=-1, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        assert names(tmp_path) == ["table.unfinished"]
        writer.send_signal(number)
        _, printed = writer.communicate()
    assert writer.returncode == 1
    assert printed == "Interrupted. Run `dvc repro` again to resume.\n"
    assert names(tmp_path) == []
