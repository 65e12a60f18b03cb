"""Writing a folder of photos and undoing it, whatever comes between."""

import hashlib
import io
import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from conftest import ROOT, picture, save_photo, settings, xmp
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cropperhead.errors import BusyError, WritingError
from cropperhead.library import journal
from cropperhead.library.journal_records import MOST_BYTES, Journals, copy_note, read_journal
from cropperhead.photos import copy_mark
from cropperhead.system import folder_lock

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
    assert str(done) == "2 files restored, 1 sidecar made by CropperHead removed"
    assert state(folder) == before
    assert not (folder / ".cropperhead").exists()
    assert journal.undo(folder) == journal.UndoResult()
    assert str(journal.undo(folder)) == "nothing to undo"


@pytest.mark.parametrize("content", [b"by a person", None])
def test_a_sidecar_that_was_changed_since_is_kept(folder, content):
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
    assert reason == f"its backup {backup} is damaged. Kept as it is."  # the file is its key
    assert (folder / "a.xmp").read_bytes() == NEW


@pytest.mark.parametrize("kept_bytes", [0, 100, -40])
def test_a_backup_whose_line_is_lost_is_kept_and_named(folder, kept_bytes):
    (folder / "d.xmp").write_bytes(OTHER)
    journal.write_file(folder / "a.xmp", NEW, OLD, {})
    lines = folder / journal.FOLDER / "journal.jsonl"
    first = lines.read_bytes()
    journal.write_file(folder / "d.xmp", NEW, OTHER, {})
    last = lines.read_bytes().removeprefix(first)
    lines.write_bytes(first + last[:kept_bytes])
    backup = folder / journal.FOLDER / f"{sha256(OTHER)}.before"
    done = journal.undo(folder)
    assert done.restored == (folder / "a.xmp",)
    assert list(done.kept) == [backup]
    assert backup.read_bytes() == OTHER
    journal.write_file(folder / "a.xmp", NEW, OLD, {})
    assert list(journal.undo(folder).kept) == [backup]
    (folder / "d.xmp").write_bytes(OTHER)  # by hand
    assert not journal.undo(folder).kept
    assert not backup.parent.exists()


def test_a_write_that_fails_beside_others_leaves_nothing_of_its_own(folder, monkeypatch):
    journal.write_file(folder / "a.xmp", NEW, OLD, {})
    before = {name: content for name, (content, *_) in state(folder).items()}

    def refuse(*_):
        raise WritingError("a person has saved it meanwhile")

    monkeypatch.setattr(journal.replacing, "put", refuse)
    with pytest.raises(WritingError, match="meanwhile"):
        journal.write_file(folder / "below" / "b.pp3", NEW, OTHER, {})
    with pytest.raises(WritingError, match="meanwhile"):
        journal.write_file(folder / "a.xmp", NEWER, NEW, {})
    assert {name: content for name, (content, *_) in state(folder).items()} == before


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
# events that Python itself announces. There the process is killed, or a person saves a.xmp (a.jpg
# where the work is on the photo) and the work goes on. The last copy is worked on to the end.
DISTURBED = """
import hashlib, itertools, os, shutil, signal, sys
from contextlib import suppress
from pathlib import Path
from cropperhead.errors import WritingError
from cropperhead.library import journal

TOUCHES = (
    "open", "os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "os.utime", "os.chmod",
    "os.truncate",
)
original, copies, work, disturbance = Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]

def disturb(folder):
    if disturbance == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    saved = folder.with_suffix(".saved")
    saved.write_bytes(b"by a person")
    saved.replace(folder / ("a.jpg" if "photo" in work else "a.xmp"))

def write(folder, *arguments):
    with suppress(WritingError):
        journal.write_file(folder / arguments[0], *arguments[1:], {})

def start(folder, left):
    before = hashlib.sha256((folder / "a.jpg").read_bytes()).hexdigest()

    def count(event, arguments):
        nonlocal left
        if event in TOUCHES and str(folder) + os.sep in str(arguments[0]) + os.sep:
            left -= 1
            if left == -1:
                disturb(folder)

    sys.addaudithook(count)
    if "undo" in work:
        journal.undo(folder)
    elif work == "write photo":
        new = folder / "below" / "new.jpg"
        with suppress(WritingError):
            journal.write_photo(
                folder / "a.jpg", lambda copy: shutil.copyfile(new, copy), before, {}
            )
    else:
        write(folder, "a.xmp", b"new", b"old\\r\\n")
        write(folder, "c.xmp", b"new", None)
        write(folder, "a.xmp", b"newer", b"new")
    os._exit(0 if left >= 0 else 1)

for touches in itertools.count():
    folder = copies / f"{touches:03d}"
    shutil.copytree(original, folder)
    child = os.fork()
    if not child:
        start(folder, touches)
    _, status = os.waitpid(child, 0)
    if not status:
        break
    assert status == (signal.SIGKILL if disturbance == "kill" else 1 << 8), status
"""


def disturbed_everywhere(folder, work, disturbance):
    copies = folder.parent / "copies"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", DISTURBED, str(folder), str(copies), work, disturbance]
    subprocess.run(command, env=environment, check=True)
    return sorted(copies.iterdir())


def test_writing_that_is_killed_anywhere_is_undone(folder):
    before = state(folder)
    copies = disturbed_everywhere(folder, "write", "kill")
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
    copies = disturbed_everywhere(folder, "undo", "kill")
    assert len(copies) > 20
    for copy in copies:
        assert (copy / "a.xmp").read_bytes() in {OLD, NEWER}
        assert not journal.undo(copy).kept
        assert state(copy) == before
        assert not (copy / ".cropperhead").exists()


@pytest.fixture
def photos(folder):
    """Two photos that differ in their XMP alone: of the second, the first is a copy to come."""
    save_photo(folder / "a.jpg", xmp(settings()))
    save_photo(folder / "below" / "new.jpg", xmp(settings(top=0.3)))
    os.utime(folder / "a.jpg", ns=(LONG_AGO_NS, LONG_AGO_NS))
    return (folder / "a.jpg").read_bytes(), (folder / "below" / "new.jpg").read_bytes()


def write_photo(folder, new, note=None):
    before = sha256((folder / "a.jpg").read_bytes())
    journal.write_photo(folder / "a.jpg", lambda copy: copy.write_bytes(new), before, note or {})


def test_a_photo_is_restored_byte_for_byte(folder, photos):
    (folder / "a.jpg").chmod(0o640)
    before = state(folder)
    write_photo(folder, photos[1])
    assert (folder / "a.jpg").read_bytes() == photos[1]
    assert (folder / "a.jpg").stat().st_mode & 0o777 == 0o640
    assert (folder / "a.jpg").stat().st_mtime_ns > LONG_AGO_NS
    write_photo(folder, photos[1] + b" ")  # a later change, in bytes that would count
    assert journal.undo(folder).kept  # the backup of the first lacks them
    write_photo(folder, photos[1])
    assert journal.undo(folder).restored == (folder / "a.jpg",)
    assert state(folder) == before
    assert not (folder / journal.FOLDER).exists()


@pytest.mark.parametrize("work", ["write photo", "undo photo"])
def test_work_on_a_photo_that_is_killed_anywhere_leaves_the_old_one_or_the_new(
    folder, photos, work
):
    before = state(folder)
    if work == "undo photo":
        write_photo(folder, photos[1])
    copies = disturbed_everywhere(folder, work, "kill")
    assert len(copies) > 10
    assert {(copy / "a.jpg").read_bytes() for copy in copies} == set(photos)
    for copy in copies:
        assert not journal.undo(copy).kept
        assert state(copy) == before
        assert not (copy / journal.FOLDER).exists()


@pytest.mark.skipif(sys.platform not in {"linux", "darwin"}, reason="nothing exchanges files")
@pytest.mark.parametrize("work", ["write photo", "undo photo"])
def test_a_photo_that_a_person_saves_at_any_moment_is_kept(folder, photos, work):
    if work == "undo photo":
        write_photo(folder, photos[1])
    *copies, undisturbed = disturbed_everywhere(folder, work, "save")
    assert len(copies) > 10
    for copy in copies:
        assert (copy / "a.jpg").read_bytes() == b"by a person"
        journal.undo(copy)
        assert (copy / "a.jpg").read_bytes() == b"by a person"
    assert (undisturbed / "a.jpg").read_bytes() == photos[work == "write photo"]


def test_a_photo_is_left_alone_where_it_cannot_be_replaced(folder, photos):
    before = state(folder)

    def fail(copy):
        copy.write_bytes(b"half")
        raise WritingError("a.jpg: unlike")

    with pytest.raises(WritingError, match=r"a\.jpg: unlike"):
        journal.write_photo(folder / "a.jpg", fail, sha256(photos[0]), {})
    with pytest.raises(WritingError, match=r"a\.jpg: it has changed meanwhile"):
        journal.write_photo(folder / "a.jpg", fail, sha256(photos[1]), {})
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    for most in (0, 10):  # bytes: no new photo; no backup
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, limit[1]))
        try:
            with pytest.raises(WritingError, match="File too large"):
                write_photo(folder, b"new")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert state(folder) == before
    assert not (folder / journal.FOLDER).exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_photo_is_left_alone(folder, photos):
    (folder / "a.jpg").chmod(0o440)
    with pytest.raises(WritingError, match=r"a\.jpg: it is read-only"):
        write_photo(folder, photos[1])


def test_another_name_of_a_photo_keeps_what_it_holds(folder, photos, tmp_path):
    (tmp_path / "backup.jpg").hardlink_to(folder / "a.jpg")
    write_photo(folder, photos[1])
    assert (tmp_path / "backup.jpg").read_bytes() == photos[0]
    journal.undo(folder)
    assert (folder / "a.jpg").read_bytes() == (tmp_path / "backup.jpg").read_bytes() == photos[0]


@pytest.mark.skipif(sys.platform not in {"linux", "darwin"}, reason="nothing exchanges files")
@pytest.mark.parametrize("work", ["write", "undo"])
def test_what_a_person_saves_at_any_moment_is_kept(folder, work):
    if work == "undo":
        write_all(folder)
    *copies, undisturbed = disturbed_everywhere(folder, work, "save")
    assert len(copies) > 20
    for copy in copies:
        assert (copy / "a.xmp").read_bytes() == b"by a person"
        journal.undo(copy)
        assert (copy / "a.xmp").read_bytes() == b"by a person"
        assert not (copy / "c.xmp").exists()
    assert (undisturbed / "a.xmp").read_bytes() == (OLD if work == "undo" else NEWER)


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


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def line(**values):
    """A line of a journal: that c.xmp was made, unless the values say otherwise."""
    made = {"file": "c.xmp", "before": None, "after": sha256(NEW), "mtime_ns": 0, "mode": 0}
    return json.dumps(made | {"note": {}} | values).encode() + b"\n"


def forge(folder, *lines):
    (folder / journal.FOLDER).mkdir()
    (folder / journal.FOLDER / "journal.jsonl").write_bytes(b"".join(lines))


NOTES = [{}, {"Model": "1"}, {"Source": "/a.jpg", "Trace": "(1, 2)"}, {"Inside": "XMP"}]


@pytest.mark.parametrize("note", NOTES)
@pytest.mark.parametrize("name", ["a.jpg", "b.NEF", "c.tif", "notes.txt", "d.lrcat", "e"])
def test_no_entry_makes_undo_touch_a_file_such_as_is_never_written(folder, name, note):
    if name == "a.jpg":
        Image.new("RGB", (8, 8)).save(folder / name)
    else:
        (folder / name).write_bytes(b"somebody's own")
    content = (folder / name).read_bytes()
    other = folder / journal.FOLDER / f"{sha256(OTHER)}.before"
    forge(
        folder,
        line(file=name, after=sha256(content), note=note),
        line(file="f" + name, before=sha256(OTHER), after=sha256(content), note=note),
    )
    (folder / ("f" + name)).write_bytes(content)
    other.write_bytes(OTHER)
    done = journal.undo(folder)
    assert (done.restored, done.removed) == ((), ())
    assert list(done.kept) == [folder / name, folder / ("f" + name)]
    assert (folder / name).read_bytes() == (folder / ("f" + name)).read_bytes() == content


def _a_link(place):
    place.symlink_to(place.parent.parent / "below" / "b.pp3")


def _a_link_to_a_device(place):
    place.symlink_to("/dev/zero")


def _other_picture(folder):
    save_photo(folder / "other.jpg", image=picture(shade=9))


def _no_picture(folder):
    (folder / "other.jpg").write_bytes(b"harmless")


def _other_exif(folder):
    save_photo(folder / "other.jpg", exif={0x010F: "A maker"})


@pytest.mark.parametrize("make", [_other_picture, _no_picture, _other_exif])
def test_no_entry_puts_another_photo_in_the_place_of_one(folder, make):
    content = save_photo(folder / "a.jpg").read_bytes()
    make(folder)
    other = (folder / "other.jpg").read_bytes()
    note = {"Inside": "XMP", "Model": "1"}
    forge(folder, line(file="a.jpg", before=sha256(other), after=sha256(content), note=note))
    (folder / journal.FOLDER / f"{sha256(other)}.before").write_bytes(other)
    done = journal.undo(folder)
    assert (done.restored, done.removed) == ((), ())
    [reason] = done.kept.values()
    assert re.search(r"differs in more than XMP|no JPEG, TIFF or DNG", reason)
    assert (folder / "a.jpg").read_bytes() == content


@pytest.mark.parametrize("make", [_a_link, _a_link_to_a_device, os.mkfifo])
def test_what_took_the_place_of_a_photo_s_backup_is_not_read(folder, photos, make):
    write_photo(folder, photos[1])
    [backup] = (folder / journal.FOLDER).glob("*.before")
    backup.unlink()
    make(backup)
    [reason] = journal.undo(folder).kept.values()
    assert "expected a file" in reason
    assert (folder / "a.jpg").read_bytes() == photos[1]


def test_a_larger_backup_than_is_ever_kept_is_not_read(folder, photos, monkeypatch):
    write_photo(folder, photos[1])
    monkeypatch.setattr(journal, "LARGEST_PHOTO", len(photos[0]) - 1)
    [reason] = journal.undo(folder).kept.values()
    assert f"it has more than {len(photos[0]) - 1:,} bytes" in reason
    assert (folder / "a.jpg").read_bytes() == photos[1]


def test_undo_removes_a_copy_that_says_that_it_is_one(folder):
    tags = Image.Exif()
    tags[copy_mark.TAG] = copy_mark.VALUE
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", exif=tags)
    journal.write_file(folder / "copy.jpg", buffer.getvalue(), None, copy_note(folder / "a.jpg"))
    assert journal.undo(folder).removed == (folder / "copy.jpg",)
    assert not (folder / "copy.jpg").exists()


DAMAGED = {
    "no JSON": b"hello\n",
    "no object": b"[]\n",
    "empty": b"\n",
    "NUL": b"\0" * 100 + b"\n",
    "not UTF-8": b'{"file": "\xff"}\n',
    "deep": b"[" * 50_000 + b"\n",
    "deep object": b'{"file":' * 8_000 + b"\n",
    "long": line(note={"a": "x" * 70_000}),
    "long number": line().replace(b'"mode": 0', b'"mode": ' + b"9" * 5000),
    "not a number": line().replace(b'"mode": 0', b'"mode": NaN'),
    "missing": b'{"file": "c.xmp"}\n',
    **{
        f"{name} {value!r:.20}": line(**{name: value})
        for name, values in {
            "file": [None, 1, [], {}, "", ".", "..", "../c.xmp", "/c.xmp", "d/c.xmp", ".c.xmp"],
            "before": [1, "", "g" * 64, "A" * 64, "0" * 63, "0" * 65, "../../etc/passwd", [], True],
            "after": [None, 1, "", "0" * 63, {}, "0" * 64 + "\n"],
            "mtime_ns": [None, "0", 1.5, True, 2**63, -(2**63), []],
            "mode": [None, "0", 1.5, False, 2**31, {}],
            "note": [None, [], "", 1, {"Crop": 1}, {"Crop": None}, {"Crop": ["0"]}, {"a": {}}],
        }.items()
        for value in values
    },
    **{f"name with {name}": line(file=f"c{name}.xmp") for name in "\n\r\0\ud800"},
}


@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=map(repr, DAMAGED))
def test_a_damaged_line_is_counted_and_named_and_the_others_count(folder, damaged):
    journal.write_file(folder / "a.xmp", NEW, OLD, {})
    lines = folder / journal.FOLDER / "journal.jsonl"
    sound = lines.read_bytes()
    lines.write_bytes(damaged + sound + damaged)
    assert [one.file for one in read_journal(folder).records] == ["a.xmp"]
    problem = "skipped 2 damaged lines: 1, 3"
    assert read_journal(folder).damage == problem
    journals = Journals()
    assert journals.changes(folder / "a.xmp")
    assert journals.damage == {lines: problem}
    done = journal.undo(folder)
    assert done.restored == (folder / "a.xmp",)
    assert dict(done.kept) == {lines: f"{problem}; kept, with all backups"}
    assert (folder / "a.xmp").read_bytes() == OLD
    assert lines.read_bytes() == damaged + sound + damaged
    assert (folder / journal.FOLDER / f"{sha256(OLD)}.before").read_bytes() == OLD


def test_a_line_that_a_full_disk_cut_off_is_replaced_by_the_next(folder):
    journal.write_file(folder / "a.xmp", NEW, OLD, {})
    lines = folder / journal.FOLDER / "journal.jsonl"
    whole = lines.read_bytes()
    lines.write_bytes(whole + whole[:40])
    assert (len(read_journal(folder).records), read_journal(folder).damage) == (1, "")
    journal.write_file(folder / "c.xmp", NEW, None, {})
    assert [one.file for one in read_journal(folder).records] == ["a.xmp", "c.xmp"]
    assert read_journal(folder).damage == ""


@given(
    st.integers(0, 800),
    st.integers(0, 200),
    st.binary(max_size=40) | st.sampled_from([b'"../', b"null", b"1e999", b"{" * 9, b"\n", b"\\"]),
)
def test_whatever_a_journal_holds_nothing_but_its_own_sidecars_changes(start, size, piece):
    with TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in (("a.jpg", b"photo"), ("b.xmp", b"a person's"), ("a.xmp", OLD)):
            (folder / file).write_bytes(content)
        journal.write_file(folder / "a.xmp", NEW, OLD, {"Model": "1"})
        journal.write_file(folder / "c.xmp", NEW, None, {"Model": "1"})
        lines = folder / journal.FOLDER / "journal.jsonl"
        whole = lines.read_bytes()
        lines.write_bytes(whole[:start] + piece + whole[start + size :])
        journal.undo(folder)
        assert (folder / "a.xmp").read_bytes() in {OLD, NEW}
        assert not (folder / "c.xmp").exists() or (folder / "c.xmp").read_bytes() == NEW
        names = {file.name for file in folder.iterdir()} - {"c.xmp", journal.FOLDER}
        assert names == {"a.jpg", "b.xmp", "a.xmp"}
        assert (folder / "a.jpg").read_bytes() == b"photo"
        assert (folder / "b.xmp").read_bytes() == b"a person's"


def _too_large(place):
    with place.open("wb") as stream:
        stream.truncate(MOST_BYTES + 1)


def _not_a_journal(place):
    place.write_bytes(b"{}\n" * 2000)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (_a_link, "it is a link, expected a file"),
        (_a_link_to_a_device, "it is a link, expected a file"),
        (os.mkfifo, "it is a pipe, expected a file"),
        (Path.mkdir, "it is a folder, expected a file"),
        (_too_large, "it has more than 64,000,000 bytes"),
        (_not_a_journal, "more than 1,000 lines are not those of a journal"),
    ],
)
def test_what_is_no_journal_is_neither_read_nor_written(folder, make, problem):
    (folder / journal.FOLDER).mkdir()
    make(folder / journal.FOLDER / "journal.jsonl")
    before = state(folder)
    with pytest.raises(WritingError, match=problem):
        Journals().changes(folder / "a.xmp")
    if make is not _not_a_journal:  # to which a line could be added
        with pytest.raises(WritingError, match=r"a\.xmp: .*\.cropperhead/journal\.jsonl"):
            journal.write_file(folder / "a.xmp", NEW, OLD, {})
    [reason] = journal.undo(folder).kept.values()
    assert problem in reason
    after = state(folder)
    assert {name: after[name] for name in before} == before


def test_a_link_in_place_of_the_journal_s_folder_is_not_followed(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    journal.write_file(elsewhere / "a.xmp", NEW, None, {})
    (folder / "a.xmp").write_bytes(NEW)
    (folder / journal.FOLDER).symlink_to(elsewhere / journal.FOLDER)
    before = state(tmp_path)
    with pytest.raises(WritingError, match="is a link, expected a folder"):
        Journals().changes(folder / "a.xmp")
    with pytest.raises(WritingError, match="is a link, expected a folder"):
        journal.write_file(folder / "a.xmp", NEWER, NEW, {})
    [reason] = journal.undo(folder).kept.values()
    assert "is a link, expected a folder" in reason
    assert state(tmp_path) == before


def test_undo_names_what_is_outside_of_the_folder_and_leaves_it(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "deep").mkdir(parents=True)
    journal.write_file(elsewhere / "deep" / "a.xmp", NEW, None, {})
    (folder / "link").symlink_to(elsewhere)
    (folder / "also below").symlink_to(folder / "below")
    journal.write_file(folder / "also below" / "b.pp3", NEW, OTHER, {})
    done = journal.undo(folder)
    assert done.restored == (folder / "below" / "b.pp3",)
    [(place, reason)] = done.kept.items()
    assert place == folder / "link" / "deep"
    assert reason.endswith(f"to undo what was written there, name {elsewhere / 'deep'}")
    assert (elsewhere / "deep" / "a.xmp").read_bytes() == NEW


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_undo_names_a_folder_that_cannot_be_listed(folder):
    (folder / "below").chmod(0)
    try:
        assert dict(journal.undo(folder).kept) == {
            folder / "below": "cannot be listed: Permission denied"
        }
    finally:
        (folder / "below").chmod(0o755)


def test_what_undo_keeps_in_a_folder_of_any_name_can_be_printed(folder):
    place = folder / os.fsdecode(b"caf\xe9\nx")
    place.mkdir()
    journal.write_file(place / "a.xmp", NEW, None, {})
    (place / "a.xmp").unlink()
    (place / "a.xmp").mkdir()
    printed = str(journal.undo(folder)).encode()
    assert printed.splitlines()[1].endswith(
        b"caf\\udce9\\nx/a.xmp: it is a folder, expected a file. Left as it was."
    )
    assert len(printed.splitlines()) == 2


def test_links_in_the_journal_s_folder_are_not_written_through(folder, tmp_path):
    precious = tmp_path / "precious.txt"
    precious.write_bytes(b"somebody's")
    (folder / journal.FOLDER).mkdir()
    for content in (OLD, NEW):
        for suffix in (".before", ".ready", ".unfinished"):
            (folder / journal.FOLDER / (sha256(content) + suffix)).symlink_to(precious)
    journal.write_file(folder / "a.xmp", NEW, OLD, {})
    assert precious.read_bytes() == b"somebody's"
    assert not (folder / "a.xmp").is_symlink()
    assert journal.undo(folder).restored == (folder / "a.xmp",)
    assert (folder / "a.xmp").read_bytes() == OLD
    assert precious.read_bytes() == b"somebody's"


@pytest.mark.parametrize("make", [_a_link, _a_link_to_a_device, os.mkfifo])
def test_what_took_the_place_of_a_sidecar_or_a_backup_is_kept(folder, make):
    journal.write_file(folder / "a.xmp", NEW, OLD, {})
    journal.write_file(folder / "c.xmp", NEW, None, {})
    [backup] = (folder / journal.FOLDER).glob("*.before")
    for file in (folder / "c.xmp", backup):
        file.unlink()
        make(file)
    done = journal.undo(folder)
    assert (done.restored, done.removed) == ((), ())
    assert all("expected a file" in reason for reason in done.kept.values())
    assert list(done.kept) == [folder / "a.xmp", folder / "c.xmp"]
    assert (folder / "a.xmp").read_bytes() == NEW


def test_a_time_of_zero_is_restored(folder):
    os.utime(folder / "a.xmp", ns=(0, 0))
    before = state(folder)
    journal.write_file(folder / "a.xmp", NEW, OLD, {})
    assert (folder / "a.xmp").stat().st_mtime_ns > LONG_AGO_NS  # it is new
    journal.undo(folder)
    assert state(folder) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_sidecar_keeps_its_owner(folder):
    os.chown(folder / "a.xmp", 12, 34)
    for change in (lambda: journal.write_file(folder / "a.xmp", NEW, OLD, {}), folder.lstat):
        change()
        journal_status = (folder / "a.xmp").stat()
        assert (journal_status.st_uid, journal_status.st_gid) == (12, 34)
    journal.undo(folder)
    assert ((folder / "a.xmp").stat().st_uid, (folder / "a.xmp").stat().st_gid) == (12, 34)


def test_another_name_of_a_sidecar_keeps_what_it_holds(folder, tmp_path):
    backup = tmp_path / "backup.xmp"
    backup.hardlink_to(folder / "a.xmp")
    journal.write_file(folder / "a.xmp", NEW, OLD, {})
    journal.write_file(folder / "c.xmp", NEW, None, {})
    lines, lines_backup = folder / journal.FOLDER / "journal.jsonl", tmp_path / "journal.jsonl"
    lines_backup.hardlink_to(lines)
    two = lines.read_bytes()
    journal.write_file(folder / "a.xmp", NEWER, NEW, {})
    assert backup.read_bytes() == OLD
    assert lines_backup.read_bytes() == two
    assert len(lines.read_bytes().splitlines()) == 3
    journal.undo(folder)
    assert (folder / "a.xmp").read_bytes() == backup.read_bytes() == OLD


def test_a_failure_leaves_nothing_in_the_folder(folder):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    for most in (0, 2, 4, 100):  # bytes: nothing; no backup; no new sidecar; no line
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, limit[1]))
        try:
            with pytest.raises(WritingError, match="File too large"):
                journal.write_file(folder / "a.xmp", b"newest", OLD, {})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        assert (folder / "a.xmp").read_bytes() == OLD
        assert not (folder / journal.FOLDER).exists()


def test_undo_does_nothing_while_another_run_writes_there(folder, monkeypatch):
    monkeypatch.setattr(folder_lock, "PATIENCE_S", 0.1)
    write_all(folder)
    before = state(folder)
    with folder_lock.hold_trees([folder / "below"]):
        with pytest.raises(BusyError, match=r"below: another run|photos: another run"):
            journal.undo(folder)
        assert state(folder) == before
