import itertools
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from catalog_files import REAL_CROP, Photo, fill, make_catalog, packed, real_text
from hypothesis import given
from hypothesis import strategies as st

from cropperhead.editors import lightroom, lightroom_catalog
from cropperhead.editors.lightroom_catalog import CatalogImage
from cropperhead.errors import RejectedFile

CROPPED = Photo("2024/a.jpg", real_text(), "DA")
# Fills pages enough that a small cache has to write them before the commit
MANY = [Photo(f"new/{i:03d}.jpg", real_text()) for i in range(200)]


def images(file: Path) -> list[CatalogImage]:
    return list(lightroom_catalog.read_images(file, lightroom.TAGS))


def rejection(file: Path) -> RejectedFile:
    with pytest.raises(RejectedFile) as caught:
        images(file)
    return caught.value


def listing(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """What a reader could leave behind, or change, beside a catalog."""
    found = {file: file.stat() for file in folder.iterdir()}
    return {
        file.name: (
            stat.st_size,
            stat.st_mtime_ns,
            b"" if "-shm" in file.name else file.read_bytes(),
        )
        for file, stat in found.items()
    }


OTHER_PROGRAM = """
import sqlite3, sys
from pathlib import Path
from catalog_files import fill
from test_lightroom_catalog import MANY
database = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2].split(";"):
    if statement.strip() == "fill":
        fill(database, MANY, 10)
    else:
        database.execute(statement).fetchall()
print("ready", flush=True)
sys.stdin.read()
import os
os._exit(0)  # as a crash: nothing is committed or tidied up
"""


@contextmanager
def held_open(file: Path, statements: str) -> Iterator[None]:
    """Another process that has run these statements and keeps its connection."""
    command = [sys.executable, "-c", OTHER_PROGRAM, str(file), statements]
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": paths},
    ) as process:
        assert process.stdin and process.stdout
        assert process.stdout.readline() == b"ready\n"
        yield
        process.stdin.close()


def test_an_image_is_read_with_its_path_its_crop_and_its_orientation(tmp_path):
    file = make_catalog(tmp_path / "a.lrcat", [CROPPED])
    [found] = images(file)
    assert (found.path, found.from_root) == ("/Volumes/Photos/2024/a.jpg", "2024/a.jpg")
    assert (found.author, found.problem) == ("photographer", None)
    limits = {name: value for name, value in REAL_CROP.items() if "Constrain" not in name}
    assert found.settings.items() >= {"HasCrop": True, "Orientation": 8, **limits}.items()


@pytest.mark.parametrize(
    ("photo", "path"),
    [
        (Photo("a.jpg", root="C:/Users/me/Pictures/"), "C:/Users/me/Pictures/a.jpg"),
        (Photo("x/a.jpg", root="C:\\Users\\me"), "C:/Users/me/x/a.jpg"),
        (Photo("x/a.jpg", root="\\\\nas\\photos\\"), "//nas/photos/x/a.jpg"),
        (Photo("x/a.jpg", root="//nas/photos/"), "//nas/photos/x/a.jpg"),
        (Photo("b\\c/a.b.jpg", root="/home/me/"), "/home/me/b\\c/a.b.jpg"),
        (Photo("x/Zoë.NEF", root="/"), "/x/Zoë.NEF"),
    ],
)
def test_paths_of_every_system_come_with_forward_slashes(tmp_path, photo, path):
    [found] = images(make_catalog(tmp_path / "a.lrcat", [photo]))
    assert found.path == path
    assert path.endswith(found.from_root)


def test_an_image_without_edits_is_listed_without_settings(tmp_path):
    [found] = images(make_catalog(tmp_path / "a.lrcat", [Photo("a.jpg")]))
    assert found.settings == {"Orientation": 1}
    assert found.problem is None


def test_each_virtual_copy_is_a_further_author(tmp_path):
    names = ["Copy 1", "  square\n crop ", None, "square crop", "square crop (2)", "square crop"]
    copies = [Photo("a.jpg", real_text(), copy_of=0, copy_name=name) for name in names]
    other = Photo("b.jpg", real_text(), copy_name="a master can have one")
    found = images(make_catalog(tmp_path / "a.lrcat", [Photo("a.jpg"), *copies, other]))
    assert [image.author for image in found] == [
        "photographer",
        "copy Copy 1",
        "copy square crop",
        "copy",
        "copy square crop (2)",
        "copy square crop (2) (2)",
        "copy square crop (3)",
        "photographer",
    ]
    assert {image.path for image in found[:-1]} == {"/Volumes/Photos/a.jpg"}


def test_the_latest_of_several_settings_counts(tmp_path):
    file = make_catalog(tmp_path / "a.lrcat", [CROPPED])
    with closing(sqlite3.connect(file)) as database, database:
        text = real_text({"CropTop": 0.5})
        database.execute(
            "INSERT INTO Adobe_imageDevelopSettings (image, text) VALUES (100, ?)", (text,)
        )
    assert images(file)[0].settings["CropTop"] == 0.5


@pytest.mark.parametrize(
    ("named", "top"), [(300, 0.1), ("300", 0.1), (300.0, 0.1), (900, 0.5), (303, 0.5), (None, 0.5)]
)
def test_of_several_settings_those_in_use_count_rather_than_the_latest(tmp_path, named, top):
    # 303 are the other image's, 301 the latest, and there are none of the number 900
    photos = [Photo("a.jpg", real_text({"CropTop": 0.1})), Photo("b.jpg", real_text({}))]
    file = make_catalog(tmp_path / "c.lrcat", photos)
    with closing(sqlite3.connect(file)) as database:
        later = (301, 100, real_text({"CropTop": 0.5}))
        database.execute(
            "INSERT INTO Adobe_imageDevelopSettings (id_local, image, text) VALUES (?, ?, ?)", later
        )
        database.execute(
            "UPDATE Adobe_images SET developSettingsIDCache = ? WHERE id_local = 100", (named,)
        )
        database.commit()
    assert images(file)[0].settings["CropTop"] == top


def test_a_catalog_need_not_tell_which_settings_are_in_use(tmp_path):
    file = make_catalog(tmp_path / "c.lrcat", [Photo("a.jpg", real_text({"CropTop": 0.1}))])
    with closing(sqlite3.connect(file)) as database:
        database.execute("ALTER TABLE Adobe_images DROP COLUMN developSettingsIDCache")
        database.commit()
    assert images(file)[0].settings["CropTop"] == 0.1


def test_a_broken_row_does_not_stop_the_rest(tmp_path):
    broken = [
        Photo("b.jpg", "s = { CropTop = 0.1"),
        Photo("c.jpg", b"\0\0\0\x09junk"),
        Photo("d.jpg", b"s = { Name = '\xff' }"),
        Photo("e.jpg", real_text(), b"\xff\xfe"),
        Photo("f.jpg", real_text(), root="/nul\0/"),
        Photo("g.jpg", real_text()),
        Photo("h.jpg", real_text()),
        Photo("i.jpg", real_text()),
    ]
    file = make_catalog(
        tmp_path / "a.lrcat", [CROPPED, *broken, Photo("z.jpg", packed(real_text()))]
    )
    with closing(sqlite3.connect(file)) as database, database:
        edit = (
            "UPDATE Adobe_imageDevelopSettings SET text = zeroblob(33 << 20) WHERE id_local = 318"
        )
        database.execute(edit)
        database.execute("UPDATE AgLibraryFile SET folder = 'none' WHERE id_local = 221")
        database.execute("UPDATE AgLibraryFile SET baseName = X'FF' WHERE id_local = 224")
    found = {image.path or f"image {i}": image for i, image in enumerate(images(file))}
    problems = {path: str(image.problem) for path, image in found.items() if image.problem}
    assert problems == {
        "/Volumes/Photos/b.jpg": "image 103 of the catalog: its settings are cut off within"
        " a table, text or comment",
        "/Volumes/Photos/c.jpg": "image 106 of the catalog: its compressed settings are broken:"
        " Error -3 while decompressing data: incorrect header check",
        "image 5": "image 115 of the catalog: the path of its file is broken: '/nul\\x00/f.jpg'",
        "/Volumes/Photos/g.jpg": "image 118 of the catalog: its settings cannot be read:"
        " string or blob too big",
        "image 7": "image 121 of the catalog: the catalog names no file for it",
        "image 8": "image 124 of the catalog: the path of its file is broken:"
        " '/Volumes/Photos/\ufffd.jpg'",
    }
    assert {image.problem.kind for image in found.values() if image.problem} == {"broken_catalog"}
    assert found["/Volumes/Photos/z.jpg"].settings["HasCrop"] is True
    assert "Orientation" not in found["/Volumes/Photos/e.jpg"].settings


@pytest.mark.parametrize("journal_mode", ["delete", "truncate", "persist", "wal"])
def test_nothing_is_written_next_to_a_catalog_that_nobody_has_open(tmp_path, journal_mode):
    file = make_catalog(tmp_path / "Zoë's 100% #1?.lrcat", [CROPPED], journal_mode)
    before = listing(tmp_path)
    tmp_path.chmod(0o500)
    try:
        assert len(images(file)) == 1
    finally:
        tmp_path.chmod(0o700)
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    ("journal_mode", "statements"),
    [
        ("delete", "BEGIN EXCLUSIVE"),  # locked against every reader
        ("delete", "BEGIN EXCLUSIVE; fill"),
        ("delete", "PRAGMA cache_size = 2; BEGIN; fill"),  # pages lie in the file before the commit
        ("delete", "PRAGMA locking_mode = EXCLUSIVE; BEGIN; fill"),
        ("persist", "PRAGMA cache_size = 2; BEGIN; fill"),
        ("wal", "BEGIN; fill"),
        ("wal", "PRAGMA cache_size = 2; BEGIN; fill"),  # pages lie in the log before the commit
        ("wal", "PRAGMA locking_mode = EXCLUSIVE; BEGIN; fill"),
    ],
)
def test_uncommitted_changes_of_another_program_are_not_read(tmp_path, journal_mode, statements):
    file = make_catalog(tmp_path / "a.lrcat", [CROPPED], journal_mode)
    with held_open(file, statements):
        before = listing(tmp_path)
        assert [image.from_root for image in images(file)] == ["2024/a.jpg"]
        assert listing(tmp_path) == before
    before = listing(tmp_path)  # the other program has crashed: its journal is hot
    assert [image.from_root for image in images(file)] == ["2024/a.jpg"]
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    ("journal_mode", "statements"),
    [
        ("delete", "BEGIN; fill; COMMIT"),
        ("delete", "PRAGMA locking_mode = EXCLUSIVE; BEGIN; fill; COMMIT"),
        ("wal", "BEGIN; fill; COMMIT"),
        ("wal", "PRAGMA locking_mode = EXCLUSIVE; BEGIN; fill; COMMIT"),
        ("wal", "BEGIN; fill; COMMIT; PRAGMA wal_checkpoint(TRUNCATE)"),
        ("wal", "BEGIN; fill; COMMIT; BEGIN; DELETE FROM Adobe_images"),
    ],
)
def test_committed_changes_of_another_program_are_read(tmp_path, journal_mode, statements):
    file = make_catalog(tmp_path / "a.lrcat", [CROPPED], journal_mode)
    with held_open(file, statements):
        before = listing(tmp_path)
        assert len(images(file)) == 1 + len(MANY)
        assert listing(tmp_path) == before
    assert len(images(file)) == 1 + len(MANY)


def test_a_catalog_that_lightroom_has_open_is_not_locked_against_it(tmp_path):
    file = make_catalog(tmp_path / "a.lrcat", [CROPPED])
    (tmp_path / "a.lrcat.lock").write_text("Lightroom\n4711\n")
    reading = lightroom_catalog.read_images(file, lightroom.TAGS)
    next(reading)
    with closing(sqlite3.connect(file, timeout=0)) as database, database:
        fill(database, MANY, 10)
    assert list(reading) == []


def test_nobody_can_change_a_catalog_of_the_older_kind_while_it_is_read(tmp_path):
    file = make_catalog(tmp_path / "a.lrcat", [CROPPED, Photo("b.jpg")])
    reading = lightroom_catalog.read_images(file, lightroom.TAGS)
    next(reading)
    with (
        closing(sqlite3.connect(file, timeout=0)) as database,
        pytest.raises(sqlite3.OperationalError, match="locked"),
        database,
    ):
        fill(database, MANY, 10)
    assert len(list(reading)) == 1


def test_a_catalog_that_changes_while_it_is_read_is_rejected(tmp_path):
    file = make_catalog(tmp_path / "a.lrcat", [CROPPED, Photo("b.jpg")], "wal")
    reading = lightroom_catalog.read_images(file, lightroom.TAGS)
    next(reading)
    with closing(sqlite3.connect(file)) as database, database:
        fill(database, MANY, 10)
    with pytest.raises(RejectedFile, match="changed while it was read"):
        list(reading)


def test_a_catalog_is_released_when_reading_stops(tmp_path):
    file = make_catalog(tmp_path / "a.lrcat", [CROPPED, Photo("b.jpg")])
    reading = lightroom_catalog.read_images(file, lightroom.TAGS)
    next(reading)
    reading.close()
    with closing(sqlite3.connect(file, timeout=0)) as database, database:
        fill(database, MANY, 10)


@pytest.mark.parametrize(("changes", "seen"), [(1, 1 + len(MANY)), (99, None)])
def test_a_copy_is_of_one_moment(tmp_path, monkeypatch, changes, seen):
    file = make_catalog(tmp_path / "a.lrcat", [CROPPED])
    (tmp_path / "a.lrcat.lock").touch()
    copy, commits = shutil.copyfile, iter(range(changes))

    def overtaken(source: Path, target: Path) -> None:
        """Copies, but Lightroom commits meanwhile."""
        copy(source, target)
        for commit in itertools.islice(commits, 1):
            with closing(sqlite3.connect(file)) as database, database:
                fill(database, MANY, 10 + commit * len(MANY))

    monkeypatch.setattr(shutil, "copyfile", overtaken)
    if seen:
        assert len(images(file)) == seen
    else:
        assert "kept changing" in str(rejection(file))


def test_a_damaged_name_in_a_message_of_sqlite_is_a_rejection(tmp_path):
    file = make_catalog(tmp_path / "a.lrcat", [CROPPED])
    damaged = file.read_bytes().replace(b"tableAdobe_images", b"tableAdobe_imag\xe9s")
    # "malformed database schema (Adobe_imag\xe9s)", which is no UTF-8
    file.write_bytes(damaged.replace(b"CREATE TABLE Adobe_images", b"CREATE TUBLE Adobe_images"))
    assert rejection(file).kind == "broken_catalog"


@pytest.mark.parametrize(
    "kind", ["empty", "text", "zip", "encrypted", "magic", "header", "cut", "zeroed"]
)
def test_a_file_that_is_not_a_catalog_is_rejected(tmp_path, kind):
    whole = make_catalog(tmp_path / "a.lrcat", [CROPPED, *MANY]).read_bytes()
    contents = {
        "empty": b"",
        "text": b"no catalog",
        "zip": b"PK\3\4" + bytes(3000),
        "encrypted": bytes(255 - byte for byte in whole),
        "magic": whole[:16],
        "header": whole[:100],
        "cut": whole[: len(whole) // 2],
        "zeroed": whole[:4096] + bytes(len(whole) - 4096),
    }
    file = tmp_path / "b.lrcat"
    file.write_bytes(contents[kind])
    assert rejection(file).kind == "broken_catalog"


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE Adobe_images",
        "DROP TABLE AgLibraryRootFolder",
        "ALTER TABLE Adobe_imageDevelopSettings RENAME COLUMN text TO texts",
        "ALTER TABLE AgLibraryFile RENAME TO f; CREATE VIEW AgLibraryFile AS SELECT * FROM f",
        "ALTER TABLE AgLibraryFile RENAME TO f; CREATE TABLE AgLibraryFile AS SELECT * FROM f",
        # endless, were it read
        "DROP TABLE Adobe_images; CREATE VIEW Adobe_images AS WITH RECURSIVE n(id_local) AS"
        " (SELECT 1 UNION ALL SELECT id_local + 1 FROM n) SELECT id_local, 1 AS rootFile,"
        " 1 AS masterImage, 1 AS copyName, 1 AS orientation FROM n",
    ],
)
def test_a_database_with_other_tables_is_rejected(tmp_path, change):
    file = make_catalog(tmp_path / "a.lrcat", [CROPPED])
    with closing(sqlite3.connect(file)) as database:
        database.executescript(change)
    error = rejection(file)
    assert error.kind == "broken_catalog"
    assert "not a Lightroom catalog of a known kind" in str(error)


@pytest.mark.parametrize("name", ["none.lrcat", "folder.lrcat"])
def test_a_catalog_that_cannot_be_opened_is_rejected(tmp_path, name):
    (tmp_path / "folder.lrcat").mkdir()
    assert rejection(tmp_path / name).kind == "unreadable"


def test_a_catalog_is_read_through_a_link_with_the_log_next_to_it(tmp_path):
    file = make_catalog(tmp_path / "real" / "a.lrcat", [CROPPED], "wal")
    link = tmp_path / "link.lrcat"
    link.symlink_to(file)
    with held_open(file, "BEGIN; fill; COMMIT"):
        assert len(images(link)) == 1 + len(MANY)


@given(st.lists(st.tuples(st.integers(0, 60_000), st.integers(0, 255)), min_size=1, max_size=20))
def test_a_catalog_with_damaged_bytes_is_read_or_rejected(tmp_path_factory, damage):
    file = tmp_path_factory.mktemp("damaged") / "a.lrcat"
    data = bytearray(make_catalog(file, [CROPPED, *MANY[:20]]).read_bytes())
    for place, byte in damage:
        data[place % len(data)] = byte
    file.write_bytes(data)
    try:
        images(file)
    except RejectedFile as error:
        assert error.kind in {"broken_catalog", "unreadable"}
