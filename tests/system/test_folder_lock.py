"""Locks between processes: who keeps whom out of a folder."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
from conftest import ROOT

from cropperhead.errors import BusyError
from cropperhead.system import folder_lock

HOLDER = """
import sys, time
from pathlib import Path
from cropperhead.system import folder_lock

with folder_lock.hold_trees(map(Path, sys.argv[1:])):
    print("locked", flush=True)
    time.sleep(60)
"""


@contextmanager
def another_process(*folders):
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", HOLDER, *folders]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        try:
            yield holder
        finally:
            holder.kill()


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_lock, "PATIENCE_S", 0.3)
    for name in ("a/deep", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
    (tmp_path / "other way").symlink_to(tmp_path / "photos" / "a")
    return tmp_path / "photos"


@pytest.mark.parametrize(
    ("held", "wanted"),
    [
        ("a", "a"),
        ("a", "a/deep"),
        ("a/deep", "a"),
        ("a/deep", "."),
        ("a", "../other way"),
        ("../other way/deep", "a"),
    ],
)
def test_a_folder_is_kept_from_others_with_what_is_in_it_and_around_it(
    photos, capsys, held, wanted
):
    with another_process(photos / held) as holder:
        with pytest.raises(BusyError) as refused, folder_lock.hold_trees([photos / wanted]):
            pass
        assert str(refused.value).endswith(
            f": another run of CropperHead (process {holder.pid}) is working in it. "
            "Wait until it is done, or end it, and try again."
        )
        assert "Waiting for up to 0.3 s." in capsys.readouterr().err
    with folder_lock.hold_trees([photos / wanted]):  # the killed process holds nothing
        pass


@pytest.mark.parametrize(("held", "wanted"), [("a", "b"), ("a/deep", "b"), ("b", "../other way")])
def test_folders_side_by_side_do_not_wait_for_each_other(photos, capsys, held, wanted):
    with another_process(photos / held), folder_lock.hold_trees([photos / wanted]):
        assert capsys.readouterr().err == ""


def test_folders_of_one_run_do_not_wait_for_each_other(photos):
    wanted = [
        photos,
        photos / "a",
        photos / "a" / "deep",
        photos.parent / "other way",
        photos / "b",
    ]
    with folder_lock.hold_trees([*wanted, photos / "gone"]):
        pass


def test_one_who_waits_gets_the_folder_when_it_is_free(photos, monkeypatch):
    with another_process(photos) as holder:
        holder.send_signal(signal.SIGTERM)
        monkeypatch.setattr(folder_lock, "PATIENCE_S", 60)
        with folder_lock.hold_trees([photos]):
            assert holder.wait() == -signal.SIGTERM


def test_readers_of_a_folder_share_it_and_a_writer_waits(photos):
    with (
        folder_lock.hold_folder(photos, exclusive=False),
        folder_lock.hold_folder(photos, exclusive=False),
    ):
        other = os.open(photos, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(other)


def test_a_system_without_such_locks_is_worked_on_without(photos, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    with another_process(photos):
        monkeypatch.setattr(fcntl, "flock", refuse)
        with folder_lock.hold_trees([photos]), folder_lock.hold_folder(photos, exclusive=True):
            assert photos.is_dir()


def test_a_folder_that_is_removed_meanwhile_is_made_anew(photos):
    place = photos / "journal"
    with folder_lock.hold_folder(place, exclusive=True, create=True):
        assert place.is_dir()
    place.rmdir()
    with pytest.raises(FileNotFoundError), folder_lock.hold_folder(place, exclusive=True):
        pass


def test_a_link_to_a_folder_is_not_followed(photos):
    link = photos.parent / "other way"
    with pytest.raises(OSError, match="Not a directory"), folder_lock.hold_folder(link, True):
        pass
