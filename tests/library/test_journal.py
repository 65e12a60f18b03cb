"""Writing a folder of photos and undoing it, whatever comes between."""

import hashlib
import os
import resource
import subprocess
import sys

import pytest
from conftest import ROOT

from cropperhead.errors import WritingError
from cropperhead.library import journal

OLD, OTHER, NEW, NEWER = b"old\r\n", b"\xff\xfeother", b"new", b"newer"
LONG_AGO_NS = 1_300_000_000_123_456_789


def state(folder):
    """Every file below a folder: its bytes' hash, its time where it is old, and its mode."""
    found = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            status = file.stat()
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            found[file.relative_to(folder).as_posix()] = digest, status.st_mtime_ns, status.st_mode
    return found


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "photos"
    (place / "below").mkdir(parents=True)
    for name, content in (("a.xmp", OLD), ("below/b.pp3", OTHER), ("a.jpg", b"photo")):
        (place / name).write_bytes(content)
        (place / name).chmod(0o640)
        os.utime(place / name, ns=(LONG_AGO_NS, LONG_AGO_NS))
    return place


def write_all(folder):
    journal.write_file(folder / "a.xmp", NEW, OLD, {"why": "a test"})
    journal.write_file(folder / "below" / "b.pp3", NEW, OTHER, {})
    journal.write_file(folder / "c.xmp", NEW, None, {})
    journal.write_file(folder / "a.xmp", NEWER, NEW, {})


def test_a_complete_undo_leaves_the_folder_as_it_was(folder):
    before = state(folder)
    write_all(folder)
    assert (folder / "a.xmp").read_bytes() == NEWER
    assert (folder / "a.xmp").stat().st_mode & 0o777 == 0o640
    done = journal.undo(folder)
    assert done.restored == (folder / "a.xmp", folder / "below" / "b.pp3")
    assert done.removed == (folder / "c.xmp",)
    assert str(done) == "2 sidecars restored, 1 removed, 0 kept as they are"
    assert state(folder) == before
    assert not (folder / ".cropperhead").exists()
    assert journal.undo(folder) == journal.UndoResult()


@pytest.mark.parametrize("content", [b"by a person", None])
def test_a_sidecar_that_was_changed_since_is_kept_unless_forced(folder, content):
    before = state(folder)
    write_all(folder)
    file = folder / "a.xmp"
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    for _ in range(2):
        done = journal.undo(folder)
        assert dict(done.kept) == {file: "changed since it was written; kept as it is"}
    assert (file.read_bytes() if file.exists() else None) == content
    assert not (folder / "c.xmp").exists()
    assert journal.undo(folder, force=True).restored == (file,)
    assert state(folder) == before


def test_a_person_s_change_between_two_writes_is_restored(folder):
    journal.write_file(folder / "a.xmp", NEW, OLD, {})
    (folder / "a.xmp").write_bytes(b"by a person")
    journal.write_file(folder / "a.xmp", NEWER, b"by a person", {})
    done = journal.undo(folder)
    assert (folder / "a.xmp").read_bytes() == b"by a person"
    assert list(done.kept) == [folder / "a.xmp"]
    assert [one.after for one in journal.read_records(folder)] == [hashlib.sha256(NEW).hexdigest()]


def test_a_file_that_is_not_what_was_read_is_not_written(folder):
    for before in (NEW, None):
        with pytest.raises(WritingError, match=r"a\.xmp: it has changed meanwhile"):
            journal.write_file(folder / "a.xmp", NEWER, before, {})
    (folder / "link.xmp").symlink_to("a.xmp")
    with pytest.raises(WritingError, match=r"link\.xmp: it is a link"):
        journal.write_file(folder / "link.xmp", NEW, OLD, {})
    assert not (folder / ".cropperhead").exists()


def test_a_damaged_backup_is_not_restored(folder):
    journal.write_file(folder / "a.xmp", NEW, OLD, {})
    [backup] = (folder / ".cropperhead").glob("*.before")
    backup.write_bytes(b"damaged")
    [reason] = journal.undo(folder).kept.values()
    assert "is damaged" in reason
    assert (folder / "a.xmp").read_bytes() == NEW


def test_a_line_that_is_cut_off_or_malicious_is_ignored(folder):
    journal.write_file(folder / "a.xmp", NEW, OLD, {})
    lines = folder / ".cropperhead" / "journal.jsonl"
    whole = lines.read_bytes()
    outside = whole.replace(b'"a.xmp"', b'"../../a.xmp"')
    lines.write_bytes(whole + outside + b"[]\n" + whole[:40])
    journal.write_file(folder / "c.xmp", NEW, None, {})
    assert [one.file for one in journal.read_records(folder)] == ["a.xmp", "c.xmp"]
    journal.undo(folder)
    assert (folder / "a.xmp").read_bytes() == OLD


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(folder):
    folder.chmod(0o555)
    try:
        with pytest.raises(WritingError, match=r"a\.xmp: cannot be written: Permission denied"):
            journal.write_file(folder / "a.xmp", NEW, OLD, {})
    finally:
        folder.chmod(0o755)


def test_a_missing_folder_or_a_file_in_place_of_ours_is_an_error(folder):
    with pytest.raises(WritingError, match=r"gone/a\.xmp: cannot be written: No such file"):
        journal.write_file(folder / "gone" / "a.xmp", NEW, None, {})
    assert not (folder / "gone").exists()
    (folder / ".cropperhead").write_bytes(b"a file of that name")
    with pytest.raises(WritingError, match=r"a\.xmp: cannot be written: "):
        journal.write_file(folder / "a.xmp", NEW, OLD, {})
    assert (folder / "a.xmp").read_bytes() == OLD


def test_a_full_disk_leaves_the_sidecar_whole(folder):
    before = state(folder)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))  # bytes, as if no more were free
    try:
        with pytest.raises(WritingError, match=r"a\.xmp: cannot be written: File too large"):
            journal.write_file(folder / "a.xmp", NEW * 1000, OLD, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert (folder / "a.xmp").read_bytes() == OLD
    journal.undo(folder)
    assert state(folder) == before


# Copies of a folder, of which the n-th is worked on until the n-th touch of the file system, by the
# events that Python itself announces; the last is worked on to the end.
KILLED = """
import itertools, os, shutil, signal, sys
from pathlib import Path
from cropperhead.library import journal

TOUCHES = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.utime", "os.chmod")
original, copies, undoes = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "undo"

def work(folder, left):
    def count(event, arguments):
        nonlocal left
        if event in TOUCHES and str(folder) in str(arguments[0]):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    if undoes:
        journal.undo(folder)
    else:
        journal.write_file(folder / "a.xmp", b"new", b"old\\r\\n", {})
        journal.write_file(folder / "c.xmp", b"new", None, {})
        journal.write_file(folder / "a.xmp", b"newer", b"new", {})
    os._exit(0)

for touches in itertools.count():
    folder = copies / f"{touches:03d}"
    shutil.copytree(original, folder)
    child = os.fork()
    if not child:
        work(folder, touches)
    _, status = os.waitpid(child, 0)
    if not status:
        break
    assert os.WTERMSIG(status) == signal.SIGKILL, status
"""


def killed_everywhere(folder, what):
    copies = folder.parent / "copies"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", KILLED, str(folder), str(copies), what]
    subprocess.run(command, env=environment, check=True)
    return sorted(copies.iterdir())


def test_writing_that_is_killed_anywhere_is_undone(folder):
    before = state(folder)
    copies = killed_everywhere(folder, "write")
    assert len(copies) > 20
    for copy in copies:
        assert (copy / "a.xmp").read_bytes() in {OLD, NEW, NEWER}
        assert not (copy / "c.xmp").exists() or (copy / "c.xmp").read_bytes() == NEW
        assert not journal.undo(copy).kept
        assert state(copy) == before
        assert not (copy / ".cropperhead").exists()


def test_undoing_that_is_killed_anywhere_is_finished_by_the_next_run(folder):
    before = state(folder)
    write_all(folder)
    copies = killed_everywhere(folder, "undo")
    assert len(copies) > 20
    for copy in copies:
        assert (copy / "a.xmp").read_bytes() in {OLD, NEWER}
        assert not journal.undo(copy).kept
        assert state(copy) == before
        assert not (copy / ".cropperhead").exists()


def test_a_journal_that_cannot_be_read_does_not_stop_the_others(folder):
    other = folder / "other"
    other.mkdir()
    journal.write_file(other / "b.xmp", b"ours", None, {})
    write_all(folder)
    (folder / journal.FOLDER / "journal.jsonl").unlink()
    (folder / journal.FOLDER / "journal.jsonl").mkdir()  # which no one can read as a file
    done = journal.undo(folder)
    assert done.removed == (other / "b.xmp",)
    assert list(done.kept) == [folder / journal.FOLDER]
