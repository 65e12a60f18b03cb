"""Libraries in an object store: what is listed, how much is fetched, and what may go wrong."""

import hashlib
import resource
import struct
import sys
import tempfile
import threading
import tracemalloc
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partialmethod
from pathlib import Path

import obstore
import pandas as pd
import pillow_heif
import pytest
from conftest import extract_params, picture, save_photo, settings, xmp
from obstore.store import MemoryStore
from PIL import Image
from raw_files import save_dng, scene
from servers import PAGE
from store_fixtures import run, shards

from cropperhead.cli.main import main
from cropperhead.collection import objects
from cropperhead.dataset import extract, preview
from cropperhead.demo import default
from cropperhead.errors import CollectionError, LibraryError, NoPhotosError, SetupError
from cropperhead.geometry.crops import Crop
from cropperhead.library import journal_records, scan, staging, store
from cropperhead.library.journal_records import Record
from cropperhead.library.marks import Mark
from cropperhead.library.scan import Entry
from cropperhead.library.store import StoredLibrary
from cropperhead.params import DemoParams
from cropperhead.photos import raw_header
from cropperhead.system import object_store
from cropperhead.system.engine import Engine
from cropperhead.system.object_store import Patience

KB = 1024
CROP = xmp(settings())
# a picture of noise: 0.9 MB as a JPEG, so that a header is a small part of it
LARGE = Image.effect_noise((1500, 1000), 60).convert("RGB")
IMPATIENT = Patience(connect_s=1, answer_s=1, retries=2, retry_s=2)


def test_a_bucket_gives_the_labels_and_pictures_of_the_same_folder(bucket, tmp_path):
    folder = bucket.folder
    save_photo(folder / "a" / "crop.jpg", CROP, LARGE)
    save_photo(folder / "a" / "plain.jpg", None, LARGE)
    save_photo(folder / "a" / "crop.tif", CROP, LARGE)
    save_photo(folder / "b" / "crop.png", CROP)
    save_photo(folder / "b" / "crop.webp", CROP)
    save_dng(folder / "b" / "preview.dng", scene(1200, 800), scene(1200, 800))
    save_dng(folder / "b" / "pixels.dng", scene(1200, 800))
    (folder / "b" / "preview.xmp").write_bytes(CROP)
    (folder / "b" / "pixels.xmp").write_bytes(CROP)
    (folder / "b" / "lost.xmp").write_bytes(CROP)
    (folder / "b" / "empty.jpg").write_bytes(b"")
    bucket.upload()
    ledgers = [
        run(tmp_path / name, place)[0]
        for name, place in (("folder", folder), ("store", bucket.library))
    ]
    # the RAW pixels of preview.dng were not fetched, and so its bytes have no SHA-256
    same = [one.drop(columns=["trace", "sha256"]) for one in ledgers]
    pd.testing.assert_frame_equal(*same)
    assert ledgers[1]["outcome"].value_counts().to_dict() == {
        "cropped": 6,
        "rejected": 2,
        "uncropped": 1,
    }
    rows = [shards(tmp_path / name).drop(columns="sha256") for name in ("folder", "store")]
    pd.testing.assert_frame_equal(*rows)


def test_an_uncropped_jpeg_costs_one_block_and_nothing_when_it_is_unchanged(bucket, tmp_path):
    save_photo(bucket.folder / "plain.jpg", None, LARGE)
    save_photo(bucket.folder / "reset.jpg", xmp({"HasCrop": "False"}), LARGE)
    save_photo(bucket.folder / "crop.jpg", CROP, LARGE)
    size = (bucket.folder / "crop.jpg").stat().st_size
    bucket.upload()
    run(tmp_path / "out", bucket.library)
    fetched = bucket.fetched()
    assert (fetched["plain.jpg"], fetched["reset.jpg"]) == (64 * KB, 64 * KB)
    assert fetched["crop.jpg"] == size > 10 * 64 * KB  # each byte once
    run(tmp_path / "out", bucket.library)
    assert set(bucket.fetched()) == {""}  # the listing
    bucket.put("plain.jpg", (bucket.folder / "crop.jpg").read_bytes())
    ledger, _ = run(tmp_path / "out", bucket.library)
    assert bucket.fetched()["plain.jpg"] == size  # it has another ETag
    assert ledger.loc["plain.jpg", "kind"] == "duplicate"


def test_a_long_header_is_read_to_its_end_by_blocks(bucket, tmp_path):
    file = save_photo(bucket.folder / "long.jpg", None, LARGE)
    content = file.read_bytes()
    comment = b"\xff\xfe" + (60_002).to_bytes(2) + b" " * 60_000
    (bucket.folder / "long.jpg").write_bytes(content[:2] + comment + content[2:])
    file = save_photo(bucket.folder / "longer.jpg", CROP, LARGE)
    content = file.read_bytes()
    file.write_bytes(content[:2] + comment * 3 + content[2:])
    bucket.upload()
    _, summary = run(tmp_path / "out", bucket.library)
    assert bucket.fetched()["long.jpg"] == 64 * KB  # 60,004 and some 600 bytes of its own
    assert summary.outcomes == {"uncropped": 1, "cropped": 1}


def test_of_a_raw_photo_only_the_preview_is_fetched(bucket, tmp_path):
    file = save_dng(bucket.folder / "a.dng", scene(1200, 800), scene(600, 400))
    save_dng(bucket.folder / "uncropped.dng", scene(1200, 800), scene(600, 400))
    (bucket.folder / "a.xmp").write_bytes(CROP)
    size = file.stat().st_size
    bucket.upload()
    ledger, _ = run(tmp_path / "out", bucket.library)
    fetched = bucket.fetched()
    assert size > 1_900_000
    assert fetched["a.dng"] <= 5 * 64 * KB  # the header, the preview, the ends of the pixels
    assert fetched["uncropped.dng"] <= 3 * 64 * KB
    assert ledger.loc["a.dng", "outcome"] == "cropped"
    # a file that another program has changed shows its pixels, and all of them are fetched
    save_dng(
        bucket.folder / "a.dng",
        scene(1200, 800),
        scene(600, 400),
        tags={305: (2, b"Some Editor 1.0\0")},
    )
    bucket.upload()
    run(tmp_path / "out", bucket.library)
    assert bucket.fetched()["a.dng"] == (bucket.folder / "a.dng").stat().st_size


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize("suffix", [".heic", ".avif"])
def test_of_an_uncropped_heif_no_picture_is_fetched(bucket, tmp_path, suffix):
    pillow_heif.register_heif_opener()
    noise = Image.effect_noise((640, 480), 60).convert("RGB")
    for name, packet in (("plain", None), ("reset", xmp({"HasCrop": "False"})), ("crop", CROP)):
        extra = {"xmp": packet} if packet else {}
        noise.save(bucket.folder / f"{name}{suffix}", quality=95, **extra)
    size = (bucket.folder / f"plain{suffix}").stat().st_size
    assert size > 200 * KB
    ledgers = {}
    for name, place in (("folder", bucket.folder), ("store", bucket.upload())):
        ledgers[name], _ = run(tmp_path / name, place)
    fetched = bucket.fetched()
    assert fetched[f"plain{suffix}"] <= 2 * 64 * KB >= fetched[f"reset{suffix}"]
    assert fetched[f"crop{suffix}"] == (bucket.folder / f"crop{suffix}").stat().st_size
    assert ledgers["store"]["outcome"].value_counts().to_dict() == {"uncropped": 2, "cropped": 1}
    columns = ["outcome", "sha256", "reason"]
    pd.testing.assert_frame_equal(ledgers["store"][columns], ledgers["folder"][columns])


def test_a_folder_by_its_url_is_a_store_too(tmp_path):
    save_photo(tmp_path / "photos" / "a.jpg", CROP, LARGE)
    save_photo(tmp_path / "photos" / "empty.jpg").write_bytes(b"")
    ledger, _ = run(tmp_path / "out", StoredLibrary(f"file://{tmp_path}/photos"))
    assert ledger["outcome"].to_dict() == {"a.jpg": "cropped", "empty.jpg": "rejected"}
    assert ledger.loc["empty.jpg", "kind"] == "empty"


def test_the_demo_is_not_drawn_for_a_url_that_reads_like_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    default.ensure_library("s3://demo", DemoParams("s3:/demo", 20, "rule", 1))
    assert not list(tmp_path.iterdir())


def test_a_dry_run_fetches_no_picture(bucket):
    save_photo(bucket.folder / "crop.jpg", CROP, LARGE)
    save_photo(bucket.folder / "crop.tif", CROP, LARGE)
    pillow_heif.register_heif_opener()
    for suffix in (".heic", ".avif"):
        LARGE.save(bucket.folder / f"crop{suffix}", xmp=CROP, quality=95)
    bucket.upload()
    entries = scan.scan(bucket.library).entries
    summary = preview.preview(bucket.library, entries, extract_params("library"))
    assert summary.outcomes == {"cropped": 4}
    fetched = bucket.fetched()
    assert fetched["crop.jpg"] == 64 * KB
    assert fetched["crop.tif"] <= 3 * 64 * KB  # of 4.5 MB: its directory is at its end
    assert max(fetched["crop.heic"], fetched["crop.avif"]) <= 2 * 64 * KB


def test_a_journal_in_the_bucket_tells_suggestions_from_crops(bucket, tmp_path):
    """Without the journal, the sidecar that it names would be a person's crop."""
    save_photo(bucket.folder / "a.jpg", None, LARGE)
    sidecar = bucket.folder / "a.xmp"
    sidecar.write_bytes(CROP)
    note = Mark("1", "lightroom", Crop(0.1, 0.2, 0.8, 0.9, 0), 1).texts()
    change = Record("a.xmp", None, hashlib.sha256(CROP).hexdigest(), note=note)
    place = bucket.folder / journal_records.FOLDER
    place.mkdir()
    (place / journal_records.LINES).write_bytes(journal_records.format_line(change))
    for name, place in (("folder", bucket.folder), ("store", bucket.upload())):
        ledger, _ = run(tmp_path / name, place)
        assert ledger["outcome"].to_dict() == {"a.jpg": "suggested"}


def suggested_photos(bucket):
    """Three photos with CropperHead's own sidecars, and a journal of several blocks in between."""
    lines = []
    for name in ("a", "b", "c"):
        save_photo(bucket.folder / f"{name}.jpg", None, LARGE)
        (bucket.folder / f"{name}.xmp").write_bytes(CROP)
        note = Mark("1", "lightroom", Crop(0.1, 0.2, 0.8, 0.9, 0), 1).texts()
        change = Record(f"{name}.xmp", None, hashlib.sha256(CROP).hexdigest(), note=note)
        lines.append(journal_records.format_line(change))
    other = journal_records.format_line(Record("gone.xmp", None, "0" * 64))
    lines[1:1] = [other] * (150_000 // len(other))
    place = bucket.folder / journal_records.FOLDER
    place.mkdir()
    (place / journal_records.LINES).write_bytes(b"".join(lines))
    return f"{journal_records.FOLDER}/{journal_records.LINES}"


def test_without_all_of_a_journal_no_photo_of_its_folder_counts(bucket, tmp_path, monkeypatch):
    """Its second block, replaced once, would make b's and c's suggestions a person's crops."""
    journal = suggested_photos(bucket)
    bucket.upload()
    read, replaced = StoredLibrary.find, []

    def meddling(self, name, start, stop, etag=None):
        if name == journal and start > 0 and not replaced:
            replaced.append(name)
            bucket.put(name, b"other")
        return read(self, name, start, stop, etag)

    monkeypatch.setattr(StoredLibrary, "find", meddling)
    ledger, _ = run(tmp_path / "out", bucket.library)
    assert ledger["kind"].tolist() == ["changed_meanwhile"] * 3
    assert ledger["trace"].tolist() == [""] * 3
    bucket.upload()
    ledger, _ = run(tmp_path / "out", bucket.library)
    assert ledger["outcome"].tolist() == ["suggested"] * 3


def test_what_was_replaced_after_the_listing_is_not_kept_as_what_was_listed(bucket, tmp_path):
    for name in ("photo", "sidecar"):
        save_photo(bucket.folder / f"{name}.jpg", None, LARGE)
        (bucket.folder / f"{name}.xmp").write_bytes(CROP)
    library = bucket.upload()
    entries = scan.scan(library).entries
    bucket.put("photo.jpg", save_photo(tmp_path / "b.jpg", None, LARGE.rotate(180)).read_bytes())
    bucket.put("sidecar.xmp", xmp(settings({"CropTop": "0.3"})))
    extract.extract_into(tmp_path / "out", library, entries, extract_params("library"))
    ledger = pd.read_parquet(tmp_path / "out" / "ledger.parquet")
    assert ledger["kind"].tolist() == ["changed_meanwhile"] * 2
    assert ledger["trace"].tolist() == [""] * 2


def test_a_preview_that_is_larger_than_the_raw_pixels_is_fetched(bucket, tmp_path):
    """RAW pixels of one grey take 0.7 MB, a preview of noise 0.9 MB."""
    noise = Image.effect_noise((1140, 760), 90).convert("RGB")
    grey = Image.new("RGB", (1200, 800), (128, 128, 128))
    file = save_dng(bucket.folder / "a.dng", grey, noise, layout="lossless")
    [[_, preview]] = raw_header.find_previews(file)
    assert preview > file.stat().st_size / 2
    (bucket.folder / "a.xmp").write_bytes(CROP)
    bucket.upload()
    for name, place in (("folder", bucket.folder), ("store", bucket.library)):
        run(tmp_path / name, place)
    [ours], [theirs] = (shards(tmp_path / name)["image"] for name in ("folder", "store"))
    assert ours == theirs


def test_a_full_disk_ends_the_run_and_rejects_nothing(bucket, tmp_path, monkeypatch):
    save_photo(bucket.folder / "a.jpg", CROP, LARGE)
    bucket.upload()
    read, limits = StoredLibrary.find, resource.getrlimit(resource.RLIMIT_FSIZE)

    def filling(self, name, start, stop, etag=None):
        part = read(self, name, start, stop, etag)
        if start > 0:  # for what `prepare` fetches, there is no room
            resource.setrlimit(resource.RLIMIT_FSIZE, (64 * KB, limits[1]))
        return part

    monkeypatch.setattr(StoredLibrary, "find", filling)
    try:
        with pytest.raises(LibraryError, match=r"a\.jpg cannot be put there: .*set TMPDIR"):
            run(tmp_path / "out", bucket.library)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    monkeypatch.setattr(StoredLibrary, "find", read)
    ledger, _ = run(tmp_path / "out", bucket.library)
    assert ledger["outcome"].tolist() == ["cropped"]


def test_a_photo_that_comes_too_slowly_is_read_again_by_the_next_run(bucket, tmp_path, monkeypatch):
    save_photo(bucket.folder / "a.jpg", CROP)
    library = bucket.upload()
    entries = scan.scan(library).entries
    map_chunks = Engine.map_chunks
    monkeypatch.setattr(Engine, "map_chunks", partialmethod(map_chunks, limit_s=1.0))
    bucket.server.pause()
    try:
        extract.extract_into(tmp_path / "out", library, entries, extract_params("a", workers=2))
    finally:
        bucket.server.go_on()
    ledger = pd.read_parquet(tmp_path / "out" / "ledger.parquet")
    assert ledger[["kind", "trace"]].to_numpy().tolist() == [["timeout", ""]]
    assert ledger["reason"][0].endswith("or the store was too slow")
    monkeypatch.setattr(Engine, "map_chunks", map_chunks)
    ledger, _ = run(tmp_path / "out", library)
    assert ledger["outcome"].tolist() == ["cropped"]


def forged_tiff(tags, tail=b""):
    """A TIFF of one directory with these tags: number, type, count and place of the values."""
    packed = b"".join(struct.pack("<HHII", *one) for one in sorted(tags))
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + packed + bytes(4) + tail


def test_strips_that_claim_more_than_the_file_leave_no_more_holes_than_it_has(bucket, tmp_path):
    """Each of the 20,000 claims 4 GB, 65,536 blocks, and so they took half a minute."""
    strips = struct.pack("<I", 2**32 - 1) * 20_000
    place = 10 + 2 * 12 + 4
    tags = [(273, 4, 20_000, place), (279, 4, 20_000, place + len(strips))]
    bucket.put("a.tif", forged_tiff(tags, struct.pack("<I", 8) * 20_000 + strips))
    _, summary = run(tmp_path / "out", bucket.library)
    assert summary.outcomes.total() == 1
    assert list(staging._stretches([(8, 2**32 - 1)] * 20_000, 160_000)) == [(0, 0), (8, 160_000)]
    assert list(staging._stretches([(6, 2), (0, 2), (2, 3), (99, 1)], 8)) == [
        (0, 5),
        (6, 8),
        (99, 99),
    ]


def test_tags_are_fetched_without_being_held_in_memory(bucket, tmp_path):
    size = 40 << 20
    bucket.put("large.tif", forged_tiff([(700, 1, size, 26)], bytes(size)))
    entries = scan.scan(bucket.library).entries
    bucket.server.requests()
    tracemalloc.start()
    with staging.stage(bucket.library, str(tmp_path), entries, 64, 100):
        peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert bucket.fetched()["large.tif"] == 26 + size
    assert peak < 3 * size / 4  # it is fetched by parts of 8 MB, of which two are there at a time


def test_tags_that_claim_the_same_bytes_again_and_again_are_fetched_once(bucket, tmp_path):
    """42 GB in all: 60,000 times 700 KB."""
    content = forged_tiff([(40_000, 7, 700_000, 26)] * 60_000)
    bucket.put("a.tif", content)
    _, summary = run(tmp_path / "out", bucket.library)
    assert summary.outcomes.total() == 1
    assert bucket.fetched()["a.tif"] == len(content)


def test_the_files_of_a_round_fit_on_the_disk():
    gb = 10**9
    entries = [
        Entry(f"{number}.png", scan.PHOTO, (f"{number}.xmp",), f"{gb}@tag {number}.xmp:9@tag2")
        for number in range(5)
    ]
    assert scan.listed_bytes(entries[0]) == gb + 9
    # of 2.1 GB
    assert [len(one) for one in staging.rounds(entries)] == [2, 2, 1]
    assert [len(one) for one in staging.rounds([replace(entries[0], trace=f"{3 * gb}@t")])] == [1]


SECRET = [
    "s3://KEY:SEKRET@bucket/x",
    "s3://KEY:SEK/RET@bucket/x",
    "s3://SEKRET@bucket",
    "az://container/photos?sig=SEKRET",
    "https://account.example/photos?sig=SEKRET",
]


@pytest.mark.parametrize("url", SECRET)
def test_a_url_with_a_password_is_refused_and_not_repeated(url, capsys):
    for refuse in (store.find_library, objects.open_objects):
        with pytest.raises((LibraryError, CollectionError), match="credentials into the") as caught:
            refuse(url)
        assert "SEK" not in str(caught.value)
    for command in (["extract", "--dry-run"], ["inspect"]):
        assert main([*command, url]) != 0
        assert "SEK" not in "".join(capsys.readouterr())


def test_other_urls_are_those_of_libraries():
    for url in (
        "s3://bucket",
        "s3://bucket/a@b:c/d",
        "http://127.0.0.1:9000/bucket",
        "file:///a:b@c",
    ):
        assert str(store.find_library(url)) == url


def test_more_objects_than_a_page_has_and_folder_markers_are_listed(bucket):
    empty = b""
    for number in range(PAGE):
        bucket.put(f"2024/{number:04d}.txt", b"text")
    bucket.put("2024/photo.jpg", b"content")
    bucket.put("", empty)
    bucket.put("2024/", empty)
    bucket.put("hidden/.thumbs/b.jpg", empty)
    bucket.put("2024.lrdata/c.jpg", empty)
    bucket.put("2024/catalog.lrcat", empty)
    bucket.server.requests()
    found = scan.scan(bucket.library)
    assert [(one.file, one.kind) for one in found.entries] == [
        ("2024/catalog.lrcat", scan.BROKEN_CATALOG),
        ("2024/photo.jpg", scan.PHOTO),
    ]
    assert dict(found.others) == {".txt": PAGE}
    assert len(bucket.server.requests()) == 2  # of 100 objects, and of 6
    bucket.put("2024/0000\t.txt", b"text")  # in the first page
    assert [one for one in scan.scan(bucket.library).entries if "\t" not in one.file] == [
        *found.entries
    ]


ODD = ["2024/a\tb.jpg", "2024//x.jpg", "/x.jpg", "ok.jpg/q\tr.txt"]


def test_an_object_with_an_odd_name_is_rejected_by_it_and_nothing_else_is_lost(bucket, tmp_path):
    save_photo(bucket.folder / "2024" / "trip" / "a.jpg", CROP)
    save_photo(bucket.folder / "2024" / "b.jpg", None, LARGE)
    (bucket.folder / "2024" / "b.xmp").write_bytes(CROP)
    bucket.upload()
    for marker in ("2024/", "2024//"):
        bucket.put(marker, b"")
    bucket.put(".thumbs/a\tb.jpg", b"content")
    plain = scan.scan(bucket.library)
    for name in ODD:
        bucket.put(name, b"content")
    found = scan.scan(bucket.library)
    assert [one for one in found.entries if one.kind != scan.UNREADABLE] == list(plain.entries)
    ledger, summary = run(tmp_path / "out", bucket.library)
    assert summary.outcomes == {"cropped": 2, "unreadable_name_or_folder": len(ODD)}
    assert set(ledger.index[ledger["outcome"] == "rejected"]) == set(ODD)
    assert "holds a control character" in ledger.loc["2024//x.jpg", "reason"]
    bucket.server.requests()
    run(tmp_path / "out", bucket.library)
    requests = bucket.server.requests()
    assert len(requests) == 2  # listed by one library and by the other, and nothing is read again
    assert all("list-type=2" in one.path for one in requests)


def test_without_botocore_an_odd_name_ends_the_run_for_what_it_hides_would_be_gone(
    bucket, monkeypatch
):
    bucket.put("2024//x.jpg", b"content")
    monkeypatch.setitem(sys.modules, "botocore.exceptions", None)
    with pytest.raises(SetupError, match="pip install botocore"):
        scan.scan(bucket.library)


@pytest.mark.parametrize(
    "name",
    [
        *sorted(set(ODD) - {"/x.jpg"}),
        "a/../b",
        "a//",
        ".",
        "..",
        "a/.",
        "a\x7f",
        "a\0",
        "a/",
        "a b",
        "a..b",
        ".a",
        "é%09~#?*",
    ],
)
def test_odd_names_are_those_that_obstore_refuses(name):
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        obstore.head(MemoryStore(), name)
    assert object_store.refuses(name) == (not isinstance(caught.value, FileNotFoundError))


def test_a_sidecar_that_grew_without_limit_is_rejected_and_not_fetched(bucket, tmp_path):
    save_photo(bucket.folder / "a.jpg", None, LARGE)
    (bucket.folder / "a.xmp").write_bytes(b" " * 64_000_001)
    bucket.upload()
    ledger, _ = run(tmp_path / "out", bucket.library)
    assert ledger.loc["a.jpg", "kind"] == "too_large"
    assert bucket.fetched()["a.xmp"] == 64 * KB


def test_photos_whose_names_collide_on_a_disk_are_read_all_the_same(bucket, tmp_path):
    content = save_photo(tmp_path / "crop.jpg", CROP).read_bytes()
    bucket.put("a.jpg", content)
    bucket.put("a.jpg/b.jpg", content + b"2")
    bucket.put("n" * 300 + ".jpg", content + b"3")
    bucket.put("A.JPG", content + b"4")
    ledger, summary = run(tmp_path / "out", bucket.library, batch_files=10)
    assert summary.outcomes == {"cropped": 3, "unreadable": 1}
    reason = "it cannot be put into a temporary folder: File name too long"
    assert ledger.loc["n" * 300 + ".jpg", "reason"].endswith(reason)


def test_what_changes_between_the_list_and_the_reading_is_named_and_read_again(
    bucket, tmp_path, monkeypatch
):
    content = {}
    for name in ("deleted", "replaced", "kept"):
        file = save_photo(bucket.folder / f"{name}.jpg", CROP, LARGE.rotate(len(content)))
        content[name] = file.read_bytes()
    bucket.upload()
    read, lock = StoredLibrary.find, threading.Lock()

    def meddling(self, name, start, stop, etag=None):
        """Replaces one photo after its header, and deletes another, once."""
        with lock:
            if name == "deleted.jpg" and content.pop("deleted", None):
                bucket.delete(name)
            if name == "replaced.jpg" and start > 0 and content.pop("replaced", None):
                bucket.put(name, content["kept"] + b"other")
        return read(self, name, start, stop, etag)

    monkeypatch.setattr(StoredLibrary, "find", meddling)
    ledger, _ = run(tmp_path / "out", bucket.library)
    assert ledger["kind"].to_dict() == {
        "deleted.jpg": "unreadable",
        "kept.jpg": "",
        "replaced.jpg": "changed_meanwhile",
    }
    assert ledger.loc["deleted.jpg", "reason"] == "deleted.jpg: it is no longer in the store"
    assert ledger.loc[["deleted.jpg", "replaced.jpg"], "trace"].tolist() == ["", ""]
    ledger, _ = run(tmp_path / "out", bucket.library)
    assert ledger["outcome"].to_dict() == {"kept.jpg": "cropped", "replaced.jpg": "cropped"}


@contextmanager
def gone(server):
    """A store that does not answer, and soon counts as gone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "_PATIENCE", IMPATIENT)
        store._open.cache_clear()
        server.pause()
        try:
            yield
        finally:
            server.go_on()
            store._open.cache_clear()


def test_a_store_that_goes_away_ends_the_run_and_what_was_read_is_kept(
    bucket, tmp_path, monkeypatch
):
    for number in range(6):
        save_photo(bucket.folder / f"{number}.jpg", CROP, picture(90 + number, 60))
    bucket.upload()
    read, away = StoredLibrary.find, ExitStack()

    def failing(self, name, start, stop, etag=None):
        if name == "4.jpg":  # in the second batch of four
            away.enter_context(gone(bucket.server))
        return read(self, name, start, stop, etag)

    monkeypatch.setattr(StoredLibrary, "find", failing)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    problem = "Check the network and the credentials, and run"
    with away, pytest.raises(LibraryError, match=problem):
        run(tmp_path / "out", bucket.library)
    monkeypatch.setattr(StoredLibrary, "find", read)
    written = {one.name for one in (tmp_path / "out" / "extracted").iterdir()}
    assert written == {"shard-00000.parquet"}  # and nothing unfinished
    assert not list((tmp_path / "temporary").iterdir())
    bucket.server.requests()
    ledger, _ = run(tmp_path / "out", bucket.library)
    assert ledger["outcome"].to_dict() == {f"{number}.jpg": "cropped" for number in range(6)}
    photos = {name for name in bucket.fetched() if name.endswith(".jpg")}
    assert photos == {"4.jpg", "5.jpg"}  # what had been read is not read again


def test_a_bucket_that_is_missing_or_empty_is_named(bucket):
    with pytest.raises(LibraryError, match=r"s3://no-such-bucket/photos: .*bucket does not exist"):
        scan.scan(StoredLibrary("s3://no-such-bucket/photos"))
    with pytest.raises(NoPhotosError, match="no photo is in it or below it"):
        scan.scan(bucket.library)
    with pytest.raises(LibraryError, match="nowhere://bucket: "):
        scan.scan(StoredLibrary("nowhere://bucket"))


def test_catalogs_are_refused_with_a_store(bucket):
    bucket.put("a.jpg", b"content")
    with pytest.raises(LibraryError, match=r"not in an object store\. Save the photos' metadata"):
        scan.scan(bucket.library, [Path("Lightroom.lrcat")])


@pytest.mark.usefixtures("one_process")
def test_other_commands_than_extract_take_no_url(bucket, capsys):
    save_photo(bucket.folder / "a.jpg", CROP)
    bucket.upload()
    assert main(["extract", "--dry-run", str(bucket.library)]) == 0
    assert "1 cropped, 1 crop\n" in capsys.readouterr().out
    for command in ("inspect", "suggest", "convert", "review"):
        assert main([command, "s3://bucket/photos"]) == 2
        assert "is a URL, expected a path on this machine" in capsys.readouterr().err
