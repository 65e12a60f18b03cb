import os
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pytest

from cropperhead.errors import NoPhotosError
from cropperhead.library import scan as library
from cropperhead.library import settings


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def sidecars(folder: Path) -> dict[str, tuple[str, ...]]:
    return {entry.file: entry.sidecars for entry in library.scan(folder).entries}


def test_photos_are_found_at_any_depth_in_any_case_and_sorted(tmp_path):
    touch(tmp_path, "b.JPG", "a/b/c/d.jpeg", "a/x.TIFF", "a/y.png", "z.tif", "notes.txt", "r.NEF")
    touch(tmp_path, "u.HEIC", "v.avif", "w.webp", "film.mov")
    scan = library.scan(tmp_path)
    assert [entry.file for entry in scan.entries] == [
        "a/b/c/d.jpeg",
        "a/x.TIFF",
        "a/y.png",
        "b.JPG",
        "r.NEF",
        "u.HEIC",
        "v.avif",
        "w.webp",
        "z.tif",
    ]
    assert scan.others == {".mov": 1, ".txt": 1}


def test_sidecars_are_paired_by_both_ways_of_naming(tmp_path):
    touch(tmp_path, "a.jpg", "a.xmp", "b.JPG", "B.jpg.XMP", "c.jpg", "c_01.jpg.xmp")
    assert sidecars(tmp_path) == {
        "a.jpg": ("a.xmp",),
        "b.JPG": ("B.jpg.XMP",),
        "c.jpg": ("c_01.jpg.xmp",),
    }


def test_a_sidecar_next_to_a_raw_file_is_the_raw_file_s(tmp_path):
    touch(tmp_path, "a.jpg", "a.NEF", "a.xmp")
    assert sidecars(tmp_path) == {"a.NEF": ("a.xmp",), "a.jpg": ()}


def test_a_sidecar_next_to_a_dng_and_another_raw_file_is_the_other_s(tmp_path):
    touch(tmp_path, "a.ARW", "a.dng", "a.xmp", "b.dng", "b.jpg", "b.xmp", "c.CR2", "c.NEF", "c.xmp")
    assert sidecars(tmp_path) == {
        "a.ARW": ("a.xmp",),
        "a.dng": (),
        "b.dng": ("b.xmp",),
        "b.jpg": (),
        "c.CR2": ("c.xmp",),
        "c.NEF": ("c.xmp",),
    }


def test_profiles_are_named_by_the_whole_name_of_their_photo(tmp_path):
    touch(tmp_path, "a.NEF", "a.NEF.pp3", "a.jpg", "a.jpg.out.pp3", "b.jpg", "b.JPG.arp")
    touch(tmp_path, "gone.jpg.pp3", "my style.pp3", "b.pp3")
    scan = library.scan(tmp_path)
    assert {entry.file: entry.sidecars for entry in scan.entries} == {
        "a.NEF": ("a.NEF.pp3",),
        "a.jpg": (),
        "b.jpg": ("b.JPG.arp",),
        "gone.jpg.pp3": (),
    }
    # a style to choose from, what tells of an export, and another style
    assert scan.others == {".pp3": 3}


def test_a_sidecar_is_of_the_photos_of_which_lightroom_reads_it(tmp_path):
    touch(tmp_path, "a.HEIC", "a.jpg", "a.mov", "a.xmp", "b.dng", "b.heic", "b.xmp")
    touch(tmp_path, "c.jpg", "c.mov", "c.tif", "c.xmp", "d.heic", "d.png", "d.xmp")
    assert {name: bool(own) for name, own in sidecars(tmp_path).items()} == {
        **{"a.HEIC": True, "a.jpg": False, "b.dng": False, "b.heic": True},
        **{"c.jpg": True, "c.tif": True, "d.heic": True, "d.png": True},
    }


def test_a_sidecar_without_any_photo_is_an_entry_of_its_own(tmp_path):
    touch(tmp_path, "a.jpg", "gone.xmp", "raw.cr2", "raw.xmp")
    kinds = {entry.file: entry.kind for entry in library.scan(tmp_path).entries}
    assert kinds == {"a.jpg": "photo", "gone.xmp": "orphan", "raw.cr2": "photo"}


def test_files_that_programs_leave_behind_are_ignored(tmp_path):
    touch(tmp_path, "a.jpg", "._a.jpg", ".trash/b.jpg", "c.lrdata/d.jpg", "@eaDir/a.jpg")
    assert list(sidecars(tmp_path)) == ["a.jpg"]


def test_links_are_followed_once_and_loops_end(tmp_path):
    touch(tmp_path, "lib/a.jpg", "other/b.jpg")
    (tmp_path / "lib" / "loop").symlink_to(tmp_path / "lib")
    (tmp_path / "lib" / "more").symlink_to(tmp_path / "other")
    (tmp_path / "lib" / "dangling.jpg").symlink_to(tmp_path / "nowhere")
    assert list(sidecars(tmp_path / "lib")) == ["a.jpg", "dangling.jpg", "more/b.jpg"]


def test_a_link_to_itself_and_a_pipe_are_listed_by_their_names_and_not_opened(tmp_path):
    touch(tmp_path, "a.jpg")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe.jpg")
    os.mkfifo(tmp_path / "a.jpg.xmp")
    assert sidecars(tmp_path) == {"a.jpg": ("a.jpg.xmp",), "pipe.jpg": ()}
    assert library.scan(tmp_path).others == {"(none)": 1}


def test_names_that_differ_only_in_case_keep_their_own_sidecars(tmp_path):
    touch(tmp_path, "a.JPG", "a.JPG.xmp", "a.jpg", "a.jpg.xmp")
    assert sidecars(tmp_path) == {"a.JPG": ("a.JPG.xmp",), "a.jpg": ("a.jpg.xmp",)}


def test_a_sidecar_without_the_photo_s_suffix_is_of_the_photo_in_the_same_case(tmp_path):
    touch(tmp_path, "a.jpg", "A.JPG", "A.xmp", "b.NEF", "B.jpg", "B.xmp")
    assert sidecars(tmp_path) == {
        "A.JPG": ("A.xmp",),
        "a.jpg": (),
        "B.jpg": (),
        "b.NEF": ("B.xmp",),  # the RAW file's, in any case
    }


def test_letters_may_be_composed_in_one_name_and_decomposed_in_the_other(tmp_path):
    composed, decomposed = "\N{LATIN SMALL LETTER E WITH ACUTE}", "e\N{COMBINING ACUTE ACCENT}"
    touch(tmp_path, f"{composed}.jpg", f"{decomposed}.xmp", f"{decomposed}_02.jpg.xmp")
    found = (f"{decomposed}.xmp", f"{decomposed}_02.jpg.xmp")
    assert sidecars(tmp_path) == {f"{composed}.jpg": tuple(sorted(found))}
    authors = [settings.find_author(f"{composed}.jpg", name) for name in found]
    assert authors == ["photographer", "duplicate 02"]


def test_of_names_that_are_the_same_but_for_their_spelling_each_keeps_its_sidecars(tmp_path):
    composed, decomposed = "\N{LATIN SMALL LETTER E WITH ACUTE}", "e\N{COMBINING ACUTE ACCENT}"
    for stem in ("a", "A", composed, decomposed):
        touch(tmp_path, f"{stem}.jpg", f"{stem}_01.jpg.xmp", f"{stem}.JPG.xmp")
    assert sidecars(tmp_path) == {
        f"{stem}.jpg": (f"{stem}.JPG.xmp", f"{stem}_01.jpg.xmp")
        for stem in ("a", "A", composed, decomposed)
    }


def test_names_that_cannot_be_passed_on_are_listed_printably(tmp_path):
    touch(tmp_path, "a.jpg")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jpg")).write_bytes(b"x")
    (tmp_path / "line\nbreak.jpg").write_bytes(b"x")
    kinds = {entry.file: entry.kind for entry in library.scan(tmp_path).entries}
    assert kinds == {
        "a.jpg": "photo",
        "line\\nbreak.jpg": "unreadable",
        "\\udcff.jpg": "unreadable",
    }


def test_a_trace_changes_with_the_photo_and_its_sidecar_and_with_nothing_else(tmp_path):
    touch(tmp_path, "a.jpg", "a.xmp", "b.jpg")
    first = {entry.file: entry.trace for entry in library.scan(tmp_path).entries}
    (tmp_path / "a.xmp").write_bytes(b"longer")
    second = {entry.file: entry.trace for entry in library.scan(tmp_path).entries}
    assert first["a.jpg"] != second["a.jpg"]
    assert first["b.jpg"] == second["b.jpg"]


def test_entries_are_kept_whole_in_the_order_of_their_paths():
    edited = library.Entry("a.jpg", "photo", ("a.jpg.xmp", "a.xmp"), "1@2 a.xmp:3@4", ("{}", "[]"))
    others = [library.Entry(name, "photo", (), "1@2") for name in ("a\t.jpg", "a b.jpg", "a/c.jpg")]
    kept = library.Entries([edited, *others])
    in_order = sorted([edited, *others], key=lambda entry: entry.file)
    assert list(kept) == in_order
    assert kept[1:3] == in_order[1:3]


def test_ten_thousand_entries_take_no_more_than_150_bytes_each():
    tracemalloc.start()
    try:
        kept = library.Entries(
            library.Entry(f"{i // 500:06d}/IMG_{i:08d}.jpg", "photo", (), f"3000000@{10**18 + i}")
            for i in range(10_000)
        )
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(kept) == 10_000
    assert taken / len(kept) < 150  # some 60 characters, 49 of Python's and 8 for its place


def test_a_manifest_reads_back_and_is_the_same_bytes(tmp_path):
    touch(tmp_path / "lib", "a.jpg", "a.xmp", "ä ö/b.jpg", "orphan.xmp")
    entries = library.scan(tmp_path / "lib").entries
    for name in ("one", "two"):
        library.write_manifest(entries, tmp_path / name)
    manifest = library.read_manifest(tmp_path / "one")
    assert list(library.entries(manifest, range(len(manifest)))) == list(entries)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    ("prepare", "problem"),
    [
        (lambda _: None, "no such folder"),
        (Path.mkdir, "no photo is in it or below it"),
        (lambda path: touch(path, "a.txt"), "no photo is in it or below it"),
        (Path.touch, "it is a file, expected a folder"),
    ],
)
def test_the_error_for_a_missing_or_empty_library_says_what_is_there(tmp_path, prepare, problem):
    prepare(tmp_path / "library")
    with pytest.raises(NoPhotosError, match=f"library: {problem}"):
        library.scan(tmp_path / "library")


def test_rows_of_a_manifest_of_several_parts_are_entries_in_the_order_asked_for():
    listed = [library.Entry(f"{i}.jpg", library.PHOTO, (), str(i)) for i in range(6)]
    manifest = pa.concat_tables([library.manifest(listed[:2]), library.manifest(listed[2:])])
    assert list(library.entries(manifest, [4, 1, 5])) == [listed[4], listed[1], listed[5]]
    assert list(library.entries(manifest, [])) == []
